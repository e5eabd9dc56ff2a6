"""Matrix products on the CPU: numpy's BLAS on one thread, and large products split over threads of our own.

The threads of BLAS libraries spin while they wait for each other. Alone on the machine that is as fast as can be; with
one other busy process on two cores a training step of 30 ms takes 240. Nobody waits for a thread of ours that has not
begun: alone they are as fast, and at worst a product takes as long as on one thread (measured). Results are also the
same for any number of threads, which is not so with the threads of OpenBLAS.

Products that the user computes keep their threads: BLAS is held to one thread only while one of ours runs.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from functools import cache
from types import TracebackType
from typing import Any

import numpy as np

from ..kernels import _threads
from . import _memory

MIN_OPERATIONS = 20_000_000
"""Multiplications in a part of a product (0.2 ms on the development machine)."""
MAX_TINY = 1 << 16
"""Multiplications up to which BLAS uses one thread by itself: to hold it to one would take as long as they do."""
MAX_TINY_VECTOR = 9000
"""The same for a product with a vector."""
MAX_PARTS = 16
PATIENCE = 30.0
"""Seconds that a fork waits for products that are under way."""
LOOK = 0.5e-3
"""Seconds between its looks for them."""
STEP = 16
"""Rows or columns: parts end at multiples of BLAS's own blocks."""


def matmul(a: Any, b: Any, out: Any) -> None:
    """out = a @ b, all of 2 dimensions.

    The parts are those of the product, however many threads there are to share them: BLAS sums the last rows of a part
    in another order than those within it.
    """
    rows, columns = out.shape
    inner = a.shape[1]
    if rows * columns * inner <= (MAX_TINY if rows > 1 and columns > 1 else MAX_TINY_VECTOR):
        np.matmul(a, b, out=out)
        return
    with _SINGLE:
        parts = _parts(rows * columns * inner)
        if parts == 1 or not _libraries():
            np.matmul(a, b, out=out)
        elif inner > 2 * max(rows, columns):
            # The shape of a gradient of weights. Parts of the sum have no data in common that BLAS would rearrange
            # twice.
            ranges = _ranges(inner, parts)
            partial = _memory.empty((len(ranges) - 1, rows, columns), out.dtype)
            _share(lambda part, i, j: np.matmul(a[:, i:j], b[i:j], out=partial[part - 1] if part else out), ranges)
            for term in partial:
                out += term
        elif rows >= columns:
            _share(lambda part, i, j: np.matmul(a[i:j], b, out=out[i:j]), _ranges(rows, parts))
        else:
            _share(lambda part, i, j: np.matmul(a, b[:, i:j], out=out[:, i:j]), _ranges(columns, parts))


def _share(multiply: Callable[[int, int, int], object], ranges: list[tuple[int, int]]) -> None:
    """Compute all parts, in as many threads as there are."""
    # Each thread has its own numpy settings for inf and NaN: the caller's apply to all parts.
    said: dict[str, Any] = {**np.geterr(), "call": np.geterrcall()}

    def work(first: int, last: int) -> None:
        with np.errstate(**said):
            for part in range(first, last):
                multiply(part, *ranges[part])

    _threads.run(work, [(part, part + 1) for part in range(len(ranges))])


def _parts(operations: int) -> int:
    """How many parts: a power of two, so that two, four or eight threads get as much each."""
    return min(1 << max(0, (operations // MIN_OPERATIONS).bit_length() - 1), MAX_PARTS)


def _ranges(size: int, parts: int) -> list[tuple[int, int]]:
    step = -(-size // (parts * STEP)) * STEP
    return [(start, min(start + step, size)) for start in range(0, size, step)]


class Library:
    """A BLAS library that is loaded: how many threads it has, and setting that."""

    # Asked and set around every product: through threadpoolctl both take 10 µs, a product of 20 rows no more.
    NAMES = ("{}_num_threads", "{}_num_threads64_", "scipy_{}_num_threads", "scipy_{}_num_threads64_")

    def __init__(self, controller: Any) -> None:
        self.get: Callable[[], int] = controller.get_num_threads
        self.set: Callable[[int], object] = controller.set_num_threads
        # With OpenMP threads the number is that of the calling thread, and OpenMP's to set.
        if controller.internal_api == "openblas" and controller.threading_layer != "openmp":
            for name in self.NAMES:
                get = getattr(controller.dynlib, name.format("openblas_get"), None)
                set_to = getattr(controller.dynlib, name.format("openblas_set"), None)
                if get is not None and set_to is not None:
                    self.get, self.set = get, set_to
                    return


@cache
def _libraries() -> list[Library]:
    """The BLAS libraries that are loaded and whose threads can be set; none for Apple's, which needs no help."""
    from threadpoolctl import ThreadpoolController

    return [Library(found) for found in ThreadpoolController().select(user_api="blas").lib_controllers]


class _SingleThreaded:
    """Holds BLAS to one thread while any thread is inside.

    An interrupt may come between any two steps, and the handler of a signal may multiply there. So the locks can be
    taken twice by one thread, and are C's own: interrupted in `Condition.__enter__`, which is Python, a lock would stay
    taken for ever. A thread that was kept from leaving leaves with its next product.
    """

    def __init__(self) -> None:
        self._gate, self._lock = threading.RLock(), threading.RLock()
        self._inside: set[int] = set()
        self._before: dict[Library, int] = {}

    def __enter__(self) -> None:
        thread = threading.get_ident()
        if thread in self._inside:
            return
        try:
            with self._gate, self._lock:
                self._inside.add(thread)
                if len(self._inside) == 1:
                    self._hold()
        except BaseException:
            # Interrupted: a thread that did not get in does not leave either.
            self._leave(thread)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(threading.get_ident())

    def _hold(self) -> None:
        for library in _libraries():
            count = library.get()
            if count != 1:
                self._before[library] = count
                library.set(1)

    def _leave(self, thread: int) -> None:
        with self._lock:
            self._inside.discard(thread)
            if not self._inside:
                self.restore()

    def restore(self) -> None:
        """Give BLAS back the threads that it had."""
        for library, count in list(self._before.items()):
            library.set(count)
            self._before.pop(library, None)

    def close(self) -> None:
        """Let nobody in, and wait until nobody is inside but this thread; for `PATIENCE` at the most."""
        self._gate.acquire()
        end = time.monotonic() + PATIENCE
        while self._inside - {threading.get_ident()} and time.monotonic() < end:
            time.sleep(LOOK)
        self._lock.acquire()

    def open(self) -> None:
        """Let them in again."""
        for lock in (self._lock, self._gate):
            with contextlib.suppress(RuntimeError):  # An interrupt came before it was taken.
                lock.release()


_SINGLE = _SingleThreaded()


def _close() -> None:
    _SINGLE.close()


def _open() -> None:
    _SINGLE.open()


def _start_anew() -> None:
    """In a forked child nobody is inside, whatever other threads did in the parent."""
    global _SINGLE
    left = _SINGLE
    _SINGLE = _SingleThreaded()
    left.restore()


if hasattr(os, "register_at_fork"):
    # OpenBLAS stops its threads before a fork, and hangs there, or in the child, if another thread is in a product.
    os.register_at_fork(before=_close, after_in_parent=_open, after_in_child=_start_anew)
