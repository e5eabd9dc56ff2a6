"""Trains a small model again and again, killed at every step and in between, and resumed from its checkpoint.

A program of its own: it forks, so that each training takes milliseconds, and prints how many trainings ended with the
same bits as the one that nobody killed.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from thinc_nb.api import (
    SGD,
    Adam,
    Maxout,
    RAdam,
    Relu,
    Softmax,
    chain,
    compounding,
    constant,
    fix_random_seed,
    load_checkpoint,
    plateau,
    save_checkpoint,
    to_categorical,
)

STEPS = 8
OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "Adam": lambda: Adam(compounding(0.02, 0.001, 0.9), L2=0.01),
    "RAdam": lambda: RAdam(plateau(1, 0.5, constant(0.01)), beta2=0.9),
    "SGD": lambda: SGD([0.1, 0.05, 0.02], L2=0.01, L2_is_weight_decay=False),
}


def train(optimizer_name: str, path: Path, kill_at: int | None = None) -> str:
    """Train to the end from the checkpoint, if there is one; a digest of all bits."""
    fix_random_seed(0)
    X = np.random.uniform(-1, 1, (24, 5)).astype("f")
    Y = to_categorical((X[:, 0] > 0).astype("i"), 2)
    layers = Relu(7, dropout=0.3, normalize=True), Maxout(6, nP=2, dropout=0.2), Softmax()
    model: Any = chain(chain(layers[0], layers[1]), layers[2])
    model.initialize(X=X, Y=Y)
    optimizer = OPTIMIZERS[optimizer_name]()
    shuffler = np.random.default_rng(7)
    start = 0
    if path.exists():
        fix_random_seed(os.getpid())  # what a new process has is not what is wanted
        start = load_checkpoint(path, model, optimizer, generators={"shuffler": shuffler}).position["step"]
    for step in range(start, STEPS):
        rows = shuffler.permutation(len(X))[:8]
        guesses, backprop = model.begin_update(X[rows])
        backprop((guesses - Y[rows]) / 8)
        model.finish_update(optimizer)
        optimizer.step_schedules()
        optimizer.last_score = float(np.random.uniform())
        if step == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        save_checkpoint(path, model, optimizer, position={"step": step + 1}, generators={"shuffler": shuffler})
    digest = hashlib.sha256(model.to_bytes())
    for average in optimizer.averages.values():
        digest.update(average.tobytes())
    digest.update(np.random.bytes(8) + shuffler.bytes(8))
    return digest.hexdigest()


def forked(function: Callable[[], str]) -> tuple[int, int]:
    """Start a process that writes what the function returns to the pipe; its id, and the pipe."""
    readable, writable = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(readable)
        os.write(writable, function().encode())
        os._exit(0)
    os.close(writable)
    return process, readable


def result(process: int, readable: int) -> str | None:
    """What the process returned; None if it was killed."""
    with os.fdopen(readable, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(process, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    return data.decode()


def main(folder: Path, random_kills: int) -> None:
    for name in OPTIMIZERS:
        path = folder / name
        train(name, path)  # compiles kernels
        path.unlink()
        started = time.perf_counter()
        expected = result(*forked(partial(train, name, path)))
        seconds = time.perf_counter() - started
        path.unlink()
        same = kills = 0
        chance = random.Random(1)
        for attempt in range(STEPS + random_kills):
            if attempt < STEPS:
                killed = result(*forked(partial(train, name, path, attempt)))
            else:
                process, readable = forked(partial(train, name, path))
                time.sleep(chance.uniform(0, seconds))
                os.kill(process, signal.SIGKILL)
                killed = result(process, readable)
            kills += killed is None
            same += result(*forked(partial(train, name, path))) == expected
            path.unlink()
        leftovers = [each.name for each in folder.iterdir() if each.name.startswith(f".{name}.")]
        print(name, STEPS + random_kills - same, "differ;", kills >= STEPS, "killed;", len(leftovers), "left over")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
