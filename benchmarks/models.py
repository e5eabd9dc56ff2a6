"""Whole models beside Thinc, PyTorch, torch.compile and JAX: times, ratios, and the share that the products take.

    python benchmarks/models.py [--quick] [--only REGEX] [--threads 1,2] [--rounds 5] [--seconds 0.3]
        [--no-compile] [--no-check] [--memory] [--json FILE]

Each library has a process of its own, and they measure one after the other in turn, so that a disturbance of the
machine meets all: in each round every one runs its step for some time and gives the median; printed is the median of
the rounds, in milliseconds, and the times of the others divided by ours (above 1 we are faster). What is not installed
(`pip install thinc==9.1.1 torch==2.13.0 jax`) is left out, torch.compile too where there is no C++ compiler. JAX is
jitted; what it and torch.compile compile for the shape of a batch, they compile before they are measured. JAX's models
are first held to ours (`_models_check.py`), in small: from the same parameters the same predictions and losses.

`floor` is the time of the matrix products that the layers consist of, by themselves, into arrays that exist, by NumPy
with its own threads; `share` is that time divided by ours. It can be above 100%, where our products are faster or need
fewer operations (`kernels/pairs.py`), and leaves out what a kernel multiplies within itself (the LSTM's steps).
`threads` 1 keeps every library to one thread, another number leaves them at their defaults: set no thread variable of
your own. For XLA that is NPROC, from which it takes the size of its pool; its flags for Eigen's threads leave two.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "asv_benchmarks"))

from benchmarks._models import NAMES, SINGLE, case  # noqa: E402  # found on the path that was set above

OURS, THINC, TORCH, COMPILED, JAX, FLOOR = "ours", "Thinc", "torch", "compile", "JAX", "floor"
OTHERS = (THINC, TORCH, COMPILED, JAX)
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NPROC")
WARM_STEPS = 4


# --- in the process of a library ------------------------------------------------------------------------------------


class Subject:
    """The cases of one library, made when they are first asked for."""

    def __init__(self, library: str) -> None:
        self.library = library
        self._name = ""
        self._calls: dict[str, Callable[[], Any]] = {}

    def call(self, name: str, what: str) -> Callable[[], Any]:
        """The step of a case: `train`, `predict`, or the products of either."""
        if name != self._name:
            self._name, self._calls = name, self._made(name)
        step = self._calls.get(what)
        if step is None:
            products = recorded(self._calls[what.removeprefix("floor-")])
            step = self._calls[what] = lambda: [np.matmul(a, b, out=out) for a, b, out in products]
        return step

    def _made(self, name: str) -> dict[str, Callable[[], Any]]:
        if self.library in (TORCH, COMPILED):
            made = import_module("_models_torch").TorchCase(name, self.library == COMPILED)
            return {"train": made.train, "predict": made.predict}
        if self.library == JAX:
            made = import_module("_models_jax").JaxCase(name)
            return {"train": made.train, "predict": made.predict}
        api = import_module("thinc.api" if self.library == THINC else "thinc_nb.api")
        ready, optimizer = case(name, api), api.Adam(0.001)
        return {"train": lambda: ready.train(optimizer), "predict": ready.predict}


def recorded(step: Callable[[], Any]) -> list[tuple[Any, Any, Any]]:
    """The matrix products of a step of ours, layer by layer: arrays of the same shapes and layouts, and for results."""
    from thinc_nb.backends import NumpyOps, Ops
    from thinc_nb.fusion import fusion

    products, original = [], NumpyOps._matmul

    def alike(array: Any) -> Any:
        if array.flags.f_contiguous and not array.flags.c_contiguous:
            return np.ones(array.shape[::-1], array.dtype).T
        return np.ones(array.shape, array.dtype)

    def matmul(ops: Any, a: Any, b: Any, out: Any) -> None:
        products.append((alike(a), alike(b), alike(out)))
        original(ops, a, b, out)

    # The general _matmul_transposed asks the function above. Fused, windows of three rows are multiplied with fewer
    # operations than products of matrices have.
    with (
        patch.multiple(NumpyOps, _matmul=matmul, _matmul_transposed=Ops._matmul_transposed),
        fusion(False),
    ):
        step()
    return products


def peak_memory(step: Callable[[], Any]) -> float:
    """The largest resident memory of this process, in bytes, in ten of the first steps. Linux only."""
    Path("/proc/self/clear_refs").write_text("5")
    for _ in range(10):
        step()
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("this system does not say how much memory was used")
    return 1024.0 * int(found[1])


def serve(library: str) -> None:
    """Answer lines of standard input, JSON of name, what and seconds, with the median time of a step."""
    subject = Subject(library)
    answers = sys.stdout
    sys.stdout = sys.stderr
    for line in sys.stdin:
        name, what, seconds = json.loads(line)
        if what == "memory":
            print(json.dumps(peak_memory(subject.call(name, "train"))), file=answers, flush=True)
            continue
        step = subject.call(name, what)
        try:
            for _ in range(1 if seconds else WARM_STEPS):
                step()
        except Exception as error:
            if library != COMPILED:
                raise
            print(f"torch.compile cannot run {name} {what}: {error}"[:300])
            print("null", file=answers, flush=True)
            continue
        times: list[float] = []
        end = time.perf_counter() + seconds
        while len(times) < 3 or time.perf_counter() < end:
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        print(json.dumps(statistics.median(times)), file=answers, flush=True)


# --- in the process that asks ---------------------------------------------------------------------------------------


class Process:
    """The process of one library."""

    def __init__(self, library: str, environment: dict[str, str]) -> None:
        command = [sys.executable, __file__, "--serve", library]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        self.library = library

    def answer(self, name: str, what: str, seconds: float) -> float:
        """The median time of a step that it can run. SystemExit if it cannot after all."""
        took = self.ask(name, what, seconds)
        if took is None:
            raise SystemExit(f"{self.library}: {name} {what} failed at a later time")
        return took

    def ask(self, name: str, what: str, seconds: float) -> float | None:
        """The median time of a step; None if torch.compile cannot run it. SystemExit if the process ends."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(json.dumps([name, what, seconds]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.library}: {name} {what} ended with status {self._process.wait()}")
        took: float | None = json.loads(answer)
        return took

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def libraries(compile_too: bool) -> list[str]:
    """What there is to measure."""
    found = [OURS]
    if find_spec("thinc"):
        found.append(THINC)
    if find_spec("torch"):
        found.append(TORCH)
        if compile_too and any(map(shutil.which, ("c++", "g++", "clang++"))):
            found.append(COMPILED)
    if find_spec("jax"):
        found.append(JAX)
    return found


def surroundings() -> dict[str, str]:
    """The environment of a process that measures."""
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}


def held_to_ours(names: list[str]) -> None:
    """SystemExit if JAX's models are not ours, which a process of its own finds out."""
    checks = ",".join(sorted({f"{name.split('-', maxsplit=1)[0]}-3" for name in names}))
    ended = subprocess.run([sys.executable, __file__, "--check", checks], check=False, env=surroundings())
    if ended.returncode:
        raise SystemExit("JAX's models are not ours")


@contextmanager
def processes(threads: int, compile_too: bool) -> Iterator[list[Process]]:
    """A process for each library."""
    environment = surroundings()
    if threads == 1:
        environment.update(dict.fromkeys((*THREAD_VARIABLES, "THINC_NB_NUM_THREADS"), "1"))
    with ExitStack() as stack:
        started = [Process(library, environment) for library in libraries(compile_too)]
        for process in started:
            stack.callback(process.close)
        yield started


def measure(started: list[Process], name: str, what: str, rounds: int, seconds: float) -> dict[str, float]:
    """The median of the rounds for each library, and the floor."""
    times: dict[str, list[float]] = {}
    # Unmeasured: what is compiled, is compiled here.
    able = [process for process in started if process.ask(name, what, 0.0) is not None]
    for _ in range(rounds):
        for process in able:
            times.setdefault(process.library, []).append(process.answer(name, what, seconds))
            if process.library == OURS:
                times.setdefault(FLOOR, []).append(process.answer(name, f"floor-{what}", seconds / 3))
    return {library: statistics.median(each) for library, each in times.items()}


HEADS = ("model", "step", OURS, *OTHERS, FLOOR, *OTHERS, "share")
TITLE = " ".join(["{:<14} {:<8}", *["{:>9}"] * (len(OTHERS) + 2), *["{:>7}"] * len(OTHERS), "{:>6}"]).format(*HEADS)


def line(name: str, what: str, times: dict[str, float]) -> str:
    """A row of the table, in milliseconds."""
    columns = [f"{times[key] * 1e3:9.3f}" if key in times else " " * 9 for key in (OURS, *OTHERS, FLOOR)]
    ratios = [f"{times[key] / times[OURS]:7.2f}" if key in times else " " * 7 for key in OTHERS]
    return " ".join([f"{name:<14} {what:<8}", *columns, *ratios, f"{times[FLOOR] / times[OURS]:6.0%}"])


def main() -> None:
    """Run the comparison."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short round of each, to see that all works")
    parser.add_argument("--only", default="", metavar="REGEX", help="models whose name matches")
    parser.add_argument("--threads", default=str(processors), help=f"numbers of threads, default {processors}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3, help="of each library in each round")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out: it takes minutes to start")
    parser.add_argument("--no-check", action="store_true", help="do not hold JAX's models to ours first: half a minute")
    parser.add_argument("--memory", action="store_true", help="the peak memory of training instead of times (Linux)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured there too")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--check", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    if options.check:
        for name in options.check.split(","):
            import_module("_models_check").check(name)
        return
    packages = [f"{name} {version(name)}" for name in ("numpy", "numba", "thinc", "torch", "jax") if find_spec(name)]
    print(f"Python {platform.python_version()}, {', '.join(packages)}; {platform.platform()}, {processors} processors")
    if options.memory:
        for name in filter(re.compile(options.only).search, NAMES):
            with processes(processors, not options.no_compile) as started:
                peaks = [f"{process.library} {process.answer(name, 'memory', 0.0) / 1e6:.0f}" for process in started]
            print(f"{name}: peak memory in MB: {', '.join(peaks)}", flush=True)
        return
    rounds, seconds = (1, 0.05) if options.quick else (options.rounds, options.seconds)
    steps = [(name, what) for name in NAMES for what in ("train", "predict")] + [(name, "predict") for name in SINGLE]
    steps = [step for step in steps if re.search(options.only, " ".join(step))]
    if JAX in libraries(False) and not (options.quick or options.no_check):
        held_to_ours([name for name, _ in steps])
    results = []
    for threads in map(int, options.threads.split(",")):
        print(f"\n{threads} thread{'s' * (threads > 1)}\n{TITLE}", flush=True)
        with processes(threads, not options.no_compile) as started:
            for name, what in steps:
                times = measure(started, name, what, rounds, seconds)
                results.append({"model": name, "step": what, "threads": threads, "seconds": times})
                print(line(name, what, times), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
