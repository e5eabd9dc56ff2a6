"""Every operation beside Thinc and PyTorch: times, ratios, and the share of what the machine can do.

    python benchmarks/ops.py [--op gelu,softmax] [--size 2000x96,8000x300] [--threads 1,2] [--seconds 0.4]
        [--minimum] [--json FILE]

For each number of threads there are four columns: our time in microseconds, the times of Thinc and PyTorch over ours
(above 1 we are faster; those that are installed: `pip install thinc==9.1.1 torch==2.13.0`), and the share: how much of
the machine's copying speed the operation reaches, or of its speed in products where GEMM stands. Copying is
`np.copyto` of as many bytes as the operation has to read and write, each counted once. It can be above 100 %: what is
updated in place, or read several times, is in the processor's cache when the copy's target is not.

All libraries work in one process, in turn, in an order that changes, so that a disturbance of the machine meets all;
what is printed is the median. A turn is 0.3 ms of calls after one that is not measured: otherwise a library would find
its arrays in the cache or not by what the one before it did. Each number of threads gets a process of its own, since
BLAS reads it when it is loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _ops_cases import OPS, cases
from _ops_workload import OURS, THINC, TORCH, Call, Case

SIZES = "2000x96,8000x300"
SOURCE = Path(__file__).resolve().parent.parent / "src"
PEAK_SIDE = 1024
LIMIT = "limit"
TURN, SLOW = 3e-4, 5e-3
THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "THINC_NB_NUM_THREADS",
)
# After a product the threads of one library go on spinning for a while, on the processors that the next one needs.
SHORT_SPINS = {"OPENBLAS_THREAD_TIMEOUT": "14", "GOMP_SPINCOUNT": "5000"}
Row = dict[str, Any]


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


def measure(
    calls: dict[str, Call], prepare: Call | None, seconds: float, pick: Callable[[list[float]], float]
) -> dict[str, float]:
    """The time of each call in seconds, picked from its turns: in turn until the time is up, but at least three."""
    once = {name: min(timed(call, 1, prepare) for _ in range(2)) for name, call in calls.items()}
    repeats = {name: 1 if prepare else max(1, int(TURN / once[name])) for name in calls}
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    # In another order each time. What a library finds in the cache depends on the one before it, even after a call that
    # is not measured: large arrays take several passes to settle there. Ours, always after the copy, took half as long
    # again for sums of 8000×300 as when Thinc came first.
    order, shuffle = list(calls.items()), random.Random(0).shuffle
    while len(times[OURS]) < 3 or (time.perf_counter() < end and len(times[OURS]) < 1000):
        shuffle(order)
        for name, call in order:
            if once[name] < SLOW:
                timed(call, 1, prepare)
            times[name].append(timed(call, repeats[name], prepare))
    return {name: pick(each) for name, each in times.items()}


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
        self.product_seconds = min(timed(lambda: np.matmul(side, side, out=out), 1, None) for _ in range(10))

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


def run(
    threads: int,
    ops: set[str],
    sizes: list[tuple[int, int]],
    seconds: float,
    pick: Callable[[list[float]], float] = statistics.median,
) -> None:
    """Measure, and print each case as a line of JSON."""
    libraries, limits = load_libraries(threads), Limits(threads)
    np.random.seed(0)
    seen: set[tuple[str, str]] = set()
    for size in sizes:
        for case in cases(libraries, *size):
            if case.name not in ops or (case.op, case.shape) in seen:
                continue
            seen.add((case.op, case.shape))
            if case.prepare is None and case.equal:
                check(case)
            calls = dict(case.calls)
            if case.bytes and not case.flops:
                calls[LIMIT] = limits.copy_of(case.bytes)
            times = measure(calls, case.prepare, seconds, pick)
            limit = times.pop(LIMIT, None)
            if case.flops:
                limit = limits.product_seconds * case.flops / (2 * PEAK_SIDE**3)
            share = limit and limit / times[OURS]
            row = {"op": case.op, "shape": case.shape, "threads": threads, "seconds": times, "share": share}
            print(json.dumps({**row, "of": "GEMM" if case.flops else "copy"}), flush=True)


# --- printing -------------------------------------------------------------------------------------------------------


def table(rows: list[Row]) -> str:
    """The rows as a table, in the notation of Markdown, an operation and shape a line."""
    counts = sorted({row["threads"] for row in rows})
    heads = ["op", "shape"]
    for count in counts:
        heads += [f"µs, {count} thread{'s' * (count > 1)}", "Thinc", "torch", "share"]
    lines: dict[tuple[str, str], dict[int, Row]] = {}
    for row in rows:
        lines.setdefault((row["op"], row["shape"]), {})[row["threads"]] = row
    body = [[*key, *(cell for count in counts for cell in cells(found.get(count)))] for key, found in lines.items()]
    widths = [max(len(line[place]) for line in [heads, *body]) for place in range(len(heads))]

    def laid_out(line: list[str]) -> str:
        parts = [
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        return f"| {' | '.join(parts)} |"

    rule = [("-" * width if place < 2 else "-" * (width - 1) + ":") for place, width in enumerate(widths)]
    return "\n".join(map(laid_out, [heads, rule, *body]))


def cells(row: Row | None) -> list[str]:
    """Our time, the ratios and the share, as text."""
    if row is None:
        return [""] * 4
    times: dict[str, float] = row["seconds"]
    ours = times[OURS] * 1e6
    ratios = [f"{times[name] / times[OURS]:.2f}" if name in times else "" for name in (THINC, TORCH)]
    share = f"{row['share']:.0%}{' GEMM' * (row['of'] == 'GEMM')}" if row["share"] else ""
    return [f"{ours:.1f}" if ours < 1000 else f"{ours:.0f}", *ratios, share]


def summary(rows: list[Row]) -> str:
    """How often the others are faster, and the geometric mean of the ratios, by number of threads."""
    lines = []
    for count in sorted({row["threads"] for row in rows}):
        for name in (THINC, TORCH):
            ratios = [
                row["seconds"][name] / row["seconds"][OURS]
                for row in rows
                if row["threads"] == count and name in row["seconds"]
            ]
            if ratios:
                slower = sum(ratio < 1 for ratio in ratios)
                mean = statistics.geometric_mean(ratios)
                lines.append(
                    f"{count} thread{'s' * (count > 1)}: {name} takes {mean:.2f} times our time, "
                    f"and is faster in {slower} of {len(ratios)} rows."
                )
    return "\n".join(lines)


def environment() -> str:
    """What was measured on what."""
    names = [name for name in ("numpy", "numba", "thinc", "torch") if find_spec(name)]
    parts = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in names)]
    return f"{', '.join(parts)}; {platform.platform()}, {processors()} processors; {time.strftime('%Y-%m-%d')}"


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def rows_of(threads: int, options: argparse.Namespace) -> Iterable[Row]:
    """Have one number of threads measured in a process of its own."""
    variables = dict.fromkeys(THREAD_VARIABLES, str(threads)) | (SHORT_SPINS if threads > 1 else {})
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH")]))
    arguments = ["--op", ",".join(options.op), "--size", options.size, "--seconds", str(options.seconds)]
    arguments += ["--minimum"] * options.minimum
    command = [sys.executable, __file__, *arguments, "--measure", str(threads)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables, "PYTHONPATH": path}
    ) as process:
        for answer in process.stdout or ():
            yield json.loads(answer)
    if process.returncode:
        raise SystemExit(f"measuring with {threads} threads ended with status {process.returncode}")


def names(text: str) -> list[str]:
    """The operations of a comma-separated list."""
    chosen = [name for name in text.split(",") if name]
    unknown = sorted(set(chosen) - set(OPS))
    if unknown:
        raise argparse.ArgumentTypeError(f"there is no {', '.join(unknown)}; there are {', '.join(sorted(OPS))}")
    return chosen or list(OPS)


def main() -> None:
    """Run the comparison."""
    every = ",".join(map(str, sorted({1, processors()})))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--op", type=names, default=list(OPS), metavar="NAME,NAME", help="only these operations")
    parser.add_argument("--size", default=SIZES, metavar="ROWSxWIDTH", help=f"shapes of the arrays, default {SIZES}")
    parser.add_argument("--threads", default=every, metavar="N,N", help=f"numbers of threads, default {every}")
    parser.add_argument("--seconds", type=float, default=0.4, help="how long each row is measured, default 0.4")
    parser.add_argument(
        "--minimum", action="store_true", help="the fastest turn instead of the median: for a machine that is busy"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there too")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [(int(rows), int(width)) for rows, _, width in (size.partition("x") for size in options.size.split(","))]
    if options.measure:
        run(options.measure, set(options.op), sizes, options.seconds, min if options.minimum else statistics.median)
        return
    rows: list[Row] = []
    start = time.perf_counter()
    try:
        for threads in map(int, options.threads.split(",")):
            for row in rows_of(threads, options):
                rows.append(row)
                progress = f"{len(rows)} rows, {time.perf_counter() - start:.0f} s: {row['op']} {row['shape']}"
                print(f"\r{progress:<70}", end="", file=sys.stderr, flush=True)
    finally:
        # What there is, if it was interrupted.
        print(f"\r{'':<70}\r", end="", file=sys.stderr, flush=True)
        print(environment(), table(rows), summary(rows), sep="\n\n")
        if options.json:
            options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
