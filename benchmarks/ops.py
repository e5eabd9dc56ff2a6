"""Every operation beside Thinc and PyTorch: times, ratios, and the share of what the machine can do.

    python benchmarks/ops.py [--quick] [--only REGEX] [--threads 1,2] [--json FILE]

Columns: microseconds for thinc_nb, Thinc and PyTorch (those that are installed: `pip install thinc==9.1.1
torch==2.13.0`), the times of both divided by ours (above 1 we are faster), and the share: how much of the machine's
copying speed the operation reaches, or of its speed in products where GEMM stands. Copying is `np.copyto` of as
many bytes as the operation has to read and write, each counted once. It can be above 100 %: what is updated in place,
or read several times, is in the processor's cache when the copy's target is not.

All libraries work in one process, one call after another in turn, so that a disturbance of the machine meets all; what
is printed is the median. Each number of threads gets a process of its own, since BLAS reads it when it is loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from _ops_cases import OURS, THINC, TORCH, Call, Case, Workload, cases, updates

SHAPES = ((2000, 96), (8000, 300))
PARAMETERS = (1000, 1000)
SOURCE = Path(__file__).resolve().parent.parent / "src"
PEAK_SIDE = 1024
LIMIT = "limit"
THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "THINC_NB_NUM_THREADS",
)
# After a product the threads of one library go on spinning for a while, on the processors that the next one needs.
SHORT_SPINS = {"OPENBLAS_THREAD_TIMEOUT": "14", "GOMP_SPINCOUNT": "5000"}


def load_libraries(threads: int) -> dict[str, Any]:
    """The modules to measure, by column."""
    libraries = {OURS: import_module("thinc_nb.api")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if find_spec("thinc"):
            libraries[THINC] = import_module("thinc.api")
        if find_spec("torch"):
            libraries[TORCH] = import_module("torch")
            libraries[TORCH].set_num_threads(threads)
    return libraries


# --- measuring ------------------------------------------------------------------------------------------------------


def measure(calls: dict[str, Call], prepare: Call | None, seconds: float) -> dict[str, float]:
    """The median time of each call in seconds, all in turn until the time is up."""
    repeats = dict.fromkeys(calls, 1)
    for name, call in calls.items():
        once = min(timed(call, 1, prepare) for _ in range(2))
        if prepare is None:
            # A clock's tick and a loop's overhead must not show.
            repeats[name] = max(1, int(2e-4 / once))
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while len(times[OURS]) < 5 or (time.perf_counter() < end and len(times[OURS]) < 1000):
        for name, call in calls.items():
            times[name].append(timed(call, repeats[name], prepare))
    return {name: statistics.median(each) for name, each in times.items()}


def timed(call: Call, repeats: int, prepare: Call | None) -> float:
    """Seconds for a call, on average over `repeats` of them."""
    if prepare is not None:
        prepare()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


class Limits:
    """What the machine can do: copies and products, on as many threads as the libraries have."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads)
        side = np.ones((PEAK_SIDE, PEAK_SIDE), "f")
        out = np.empty_like(side)
        self.product: Call = lambda: np.matmul(side, side, out=out)

    def copy_of(self, size: int) -> Call:
        """A copy that reads and writes this many bytes together."""
        source, target = np.ones(size // 2, "u1"), np.ones(size // 2, "u1")
        if self._threads == 1 or size < 1 << 22:
            return lambda: np.copyto(target, source)
        parts = list(zip(np.array_split(target, self._threads), np.array_split(source, self._threads), strict=True))
        return lambda: list(self._pool.map(lambda part: np.copyto(*part), parts))


def check(case: Case) -> None:
    """ValueError unless all libraries computed the same: otherwise their times say nothing."""
    results = {name: flattened(call()) for name, call in case.calls.items()}
    for name, result in results.items():
        for ours, theirs in zip(results[OURS], result, strict=False):
            if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=1e-3, atol=1e-4):
                raise ValueError(f"{case.op} {case.shape}: {OURS} and {name} do not agree")


def flattened(result: Any) -> list[Any]:
    """The arrays of a result, whatever they are wrapped in."""
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in flattened(part)]
    return [np.asarray(result.detach() if hasattr(result, "detach") else result)]


def run(threads: int, only: str, seconds: float) -> None:
    """Measure, and print each case as a line of JSON."""
    libraries, limits = load_libraries(threads), Limits(threads)
    np.random.seed(0)
    all_cases = chain.from_iterable(cases(libraries, rows, width) for rows, width in SHAPES)
    for case in chain(all_cases, updates(Workload(libraries, *PARAMETERS))):
        if not re.search(only, case.op):
            continue
        if case.prepare is None and case.equal:
            check(case)
        calls = dict(case.calls)
        if case.flops:
            calls[LIMIT] = limits.product
        elif case.bytes:
            calls[LIMIT] = limits.copy_of(case.bytes)
        times = measure(calls, case.prepare, seconds)
        limit = times.pop(LIMIT, None)
        share = limit and limit / times[OURS] * (case.flops / (2 * PEAK_SIDE**3) if case.flops else 1)
        row = {"op": case.op, "shape": case.shape, "threads": threads, "seconds": times, "share": share}
        print(json.dumps({**row, "of": "GEMM" if case.flops else "copy"}), flush=True)


# --- printing -------------------------------------------------------------------------------------------------------

HEADS = ("op", "shape", "ours µs", "Thinc µs", "torch µs", "Thinc", "torch", "share")
TITLE = "{:<29} {:<13} {:>10} {:>10} {:>10} {:>7} {:>7} {:>11}".format(*HEADS)


def line(row: dict[str, Any]) -> str:
    """A row of the table."""
    times: dict[str, float] = row["seconds"]

    def cell(name: str, width: int, form: Callable[[float], str]) -> str:
        return form(times[name]).rjust(width) if name in times else " " * width

    columns = [cell(name, 10, lambda t: f"{t * 1e6:.1f}") for name in (OURS, THINC, TORCH)]
    columns += [cell(name, 7, lambda t: f"{t / times[OURS]:.2f}") for name in (THINC, TORCH)]
    share = f"{row['share']:.0%} {row['of']}" if row["share"] else ""
    return " ".join([f"{row['op']:<29}", f"{row['shape']:<13}", *columns, f"{share:>11}"])


def summary(rows: list[dict[str, Any]]) -> str:
    """How often the others are faster, and the geometric mean of the ratios."""
    parts = []
    for name in (THINC, TORCH):
        ratios = [row["seconds"][name] / row["seconds"][OURS] for row in rows if name in row["seconds"]]
        if ratios:
            slower = sum(ratio < 1 for ratio in ratios)
            parts.append(
                f"{name}: {statistics.geometric_mean(ratios):.2f} times our time, faster in {slower} of {len(ratios)}"
            )
    return "; ".join(parts)


def table(threads: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Have one number of threads measured in a process of its own, and print its rows as they come."""
    variables = dict.fromkeys(THREAD_VARIABLES, str(threads)) | (SHORT_SPINS if threads > 1 else {})
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, __file__, "--only", options.only, "--measure", str(threads)]
    if options.quick:
        command.append("--quick")
    print(f"\n{threads} thread{'s' * (threads > 1)}\n{TITLE}", flush=True)
    rows = []
    environment = {**os.environ, **variables, "PYTHONPATH": path}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for answer in process.stdout or ():
            rows.append(json.loads(answer))
            print(line(rows[-1]), flush=True)
    if process.returncode:
        raise SystemExit(f"measuring with {threads} threads ended with status {process.returncode}")
    if rows:
        print(summary(rows))
    return rows


def main() -> None:
    """Run the comparison."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    every = ",".join(map(str, sorted({1, processors})))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few calls of each, to see that all works")
    parser.add_argument("--only", default="", metavar="REGEX", help="operations whose name matches")
    parser.add_argument("--threads", default=every, help=f"numbers of threads, default {every}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there too")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        run(options.measure, options.only, seconds=0.05 if options.quick else 1.0)
        return
    versions = [f"{name} {version(name)}" for name in ("numpy", "numba", "thinc", "torch") if find_spec(name)]
    print(f"Python {platform.python_version()}, {', '.join(versions)}; {platform.platform()}, {processors} processors")
    rows = [row for threads in options.threads.split(",") for row in table(int(threads), options)]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
