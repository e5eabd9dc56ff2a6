"""Ctrl-C while a kernel is compiled: what was begun is ended, and then it interrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from thinc_nb.kernels._interrupt import uninterrupted

# At random times of the first call of three kernels, from the import of numba to the last file of the cache.
INTERRUPTED = """
import random, signal, sys
import numpy as np
from thinc_nb.backends import NumpyOps

random.seed(int(sys.argv[1]))
signal.signal(signal.SIGALRM, lambda number, frame: signal.raise_signal(signal.SIGINT))
signal.signal(signal.SIGINT, signal.default_int_handler)
ops, X, times = NumpyOps(), np.linspace(-3, 3, 40, dtype="f").reshape(10, 4), 0
for name in ("sigmoid", "softmax", "swish"):
    done = False
    while not done:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.01, 0.5))
        try:
            getattr(ops, name)(X)
            done = True
        except KeyboardInterrupt:
            times += 1
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            pass
np.testing.assert_allclose(ops.sigmoid(X), 1 / (1 + np.exp(-X)), rtol=1e-5)
np.testing.assert_allclose(ops.softmax(X), np.exp(X) / np.exp(X).sum(axis=1, keepdims=True), rtol=1e-5)
np.testing.assert_allclose(ops.swish(X), X / (1 + np.exp(-X)), rtol=1e-5)
print("interrupted" if times else "never")
"""


@pytest.fixture(autouse=True)
def interrupts():
    """Ctrl-C interrupts, also where a shell has started the tests in the background, with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_interrupt_comes_after_the_block():
    steps = []

    @uninterrupted()
    def work() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        steps.append("inside")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert steps == ["inside"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_after_an_error_too():
    @uninterrupted()
    def work() -> None:
        signal.raise_signal(signal.SIGINT)
        raise ValueError

    with pytest.raises(KeyboardInterrupt) as caught:
        work()
    assert isinstance(caught.value.__context__, ValueError)


def test_without_one_nothing_happens():
    with uninterrupted():
        pass
    with pytest.raises(ValueError, match="mine"), uninterrupted():
        raise ValueError("mine")


def test_a_handler_of_the_program_is_called_once_with_the_first():
    numbers: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: numbers.append(number))
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert not numbers
        assert numbers == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_who_ignores_interrupts_goes_on_ignoring_them():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_are_left_alone():
    handlers = []

    def run() -> None:
        with uninterrupted():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="Windows has no such timers")
def test_kernels_are_right_after_interrupts_while_they_were_compiled(tmp_path):
    env = {**os.environ, "THINC_NB_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, "0"], env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == "interrupted\n", done.stderr
