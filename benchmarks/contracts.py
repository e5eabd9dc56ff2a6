"""What contracts cost: off, against a build without them, and on.

    python benchmarks/contracts.py [--seconds 20] [--without SRC]

Off: two processes run the same model a moment each in turn, one with this package and one with a copy of it from which
the contracts are removed (or with the sources of another checkout, `--without`). Each reports its fastest moment.
On: one process, off and on a moment each in turn. All on one thread, and CPU time rather than that of the clock, so
that other programs disturb less; a node is a `Model`, the chain being one as well. Nothing runs fused, in either: with
contracts on nothing would.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SOURCES = Path(__file__).parents[1] / "src"
CALLS = 100


def models() -> dict[str, tuple[Any, Any]]:
    """By name a model and a batch: a perceptron of Thinc's tutorial size, one that does hardly anything, sequences."""
    from thinc_nb.api import Linear, Model, Relu, Softmax, chain, list2ragged, reduce_mean, with_array
    from thinc_nb.types import Floats2d

    def forward(model: Any, X: Floats2d, is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
        return X, lambda dY: dY

    X = np.zeros((8, 128), dtype="float32")
    nothing = [Model("nothing", forward, dims={"nI": 128, "nO": 128}) for _ in range(3)]
    sequences = chain(list2ragged(), with_array(chain(Relu(128, 128), Linear(64, 128))), reduce_mean(), Softmax(4, 64))
    return {
        "perceptron, 8 × 128": (chain(Relu(128, 128), Relu(128, 128), Softmax(10, 128)).initialize(), X),
        "three layers that do nothing": (chain(*nothing), X),
        "sequences, 4 × 5 × 128": (sequences.initialize(), [X[:5]] * 4),
    }


def calls(model: Any, X: Any) -> dict[str, Callable[[], Any]]:
    """What is measured of a model."""

    def update() -> None:
        Y, backprop = model.begin_update(X)
        backprop(Y)

    return {"predict": lambda: model.predict(X), "update": update}


def moment(call: Callable[[], Any]) -> float:
    """Microseconds a call."""
    start = time.thread_time_ns()
    for _ in range(CALLS):
        call()
    return (time.thread_time_ns() - start) / CALLS / 1000


def worker() -> None:
    """Measure a moment of each call whenever a line comes in; print them on one line."""
    measured = [call for model, X in models().values() for call in calls(model, X).values()]
    for call in measured:
        call()
    for _ in sys.stdin:
        print(*(moment(call) for call in measured), flush=True)


def start(sources: Path) -> subprocess.Popen[str]:
    """A worker that runs the package in `sources`."""
    return subprocess.Popen(
        [sys.executable, __file__, "--worker"],
        env={**os.environ, "PYTHONPATH": str(sources), "THINC_NB_CONTRACTS": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(process: subprocess.Popen[str]) -> list[float]:
    """A moment of each call."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return [float(part) for part in process.stdout.readline().split()]


def without_contracts(folder: Path) -> Path:
    """A copy of the package that knows nothing of contracts."""
    shutil.copytree(SOURCES, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    package = folder / "src" / "thinc_nb"
    shutil.rmtree(package / "contracts")
    (package / "contracts.py").write_text(
        "import contextlib\n\n\ndef active():\n    return False\n\n\ndef follow_environment():\n    pass\n\n\n"
        "def set_contracts(enabled):\n    pass\n\n\ncontracts = contextlib.nullcontext\n"
    )
    return folder / "src"


def compare_off(seconds: float, without: Path) -> None:
    """Print the times of this package and of the one without contracts."""
    processes = [start(SOURCES), start(without)]
    best = [ask(process) for process in processes]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for i, process in enumerate(processes):
            best[i] = list(map(min, best[i], ask(process)))
    for process in processes:
        process.communicate()
    names = [f"{name}, {call}" for name, (model, X) in models().items() for call in calls(model, X)]
    print(f"{'off, µs a call':44}{'without':>10}{'with':>10}{'ratio':>8}")
    for name, here, there in zip(names, *best, strict=True):
        print(f"{name:44}{there:10.2f}{here:10.2f}{here / there:8.3f}")


def compare_on(seconds: float) -> None:
    """Print the times with contracts off and on."""
    from thinc_nb.contracts import contracts

    print(f"\n{'on, µs a call':44}{'off':>10}{'on':>10}{'a node':>8}")
    every = models()
    for name, (model, X) in every.items():
        nodes = sum(1 for _ in model.walk())
        for label, call in calls(model, X).items():
            call()
            off = on = float("inf")
            end = time.monotonic() + seconds / len(every) / 2
            while time.monotonic() < end:
                off = min(off, moment(call))
                with contracts():
                    on = min(on, moment(call))
            print(f"{f'{name}, {label}':44}{off:10.2f}{on:10.2f}{(on - off) / nodes:8.2f}")


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20, help="how long to measure, for each of off and on")
    parser.add_argument("--without", type=Path, help="the src folder of a checkout to compare with")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "THINC_NB_FUSION": "0"}
    if options.worker:
        worker()
        return
    with tempfile.TemporaryDirectory() as folder:
        compare_off(options.seconds, options.without or without_contracts(Path(folder)))
    compare_on(options.seconds)


if __name__ == "__main__":
    main()
