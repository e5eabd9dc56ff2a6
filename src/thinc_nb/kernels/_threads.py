"""The threads that large kernels are split over, and one setting for them and for BLAS.

Kernels are serial and the threads belong to BLAS: that is fastest on two cores. Only where an array is so large that a
serial kernel would hold up many cores are its rows split, over threads of our own that call the same compiled loop on
ranges. numba's parallel loops would not do: its OpenMP layer is killed by a fork, its own layer aborts when called from
several threads, and alternating with BLAS makes a product of 0.4 ms take 8 (measured).

Results do not depend on the number of threads: items are independent, and sums over rows are made of blocks whose size
is the kernel's, not the threads'.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

MIN_ELEMENTS = 1 << 18
"""Elements for each thread, below which a kernel stays serial: handing work over takes 25 to 100 µs."""


def default_num_threads() -> int:
    """$THINC_NB_NUM_THREADS, or as many as there are processors that this process may use.

    ValueError if the variable holds no whole number of at least 1.
    """
    chosen = os.environ.get("THINC_NB_NUM_THREADS")
    if chosen is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not chosen.isdigit() or int(chosen) < 1:
        raise ValueError(f"THINC_NB_NUM_THREADS must be a whole number of at least 1, got {chosen!r}")
    return int(chosen)


num_threads = default_num_threads()
"""How many threads a large kernel is split over. Change it with `set_num_threads`."""


def set_num_threads(count: int) -> None:
    """Let kernels and BLAS use this many threads each. ValueError if it is less than 1."""
    global num_threads
    if count < 1:
        raise ValueError(f"the number of threads must be at least 1, got {count}")
    from threadpoolctl import threadpool_limits

    threadpool_limits(count, user_api="blas")
    num_threads = count


def get_num_threads() -> int:
    """How many threads kernels may use."""
    return num_threads


class Workers:
    """Threads that wait for ranges of work. They start when they are first needed, and anew in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queues: list[SimpleQueue[_Task]] = []
        self._idents: set[int] = set()

    def run(self, call: Callable[[int, int], None], ranges: list[tuple[int, int]]) -> None:
        """Call with each of the ranges, the first one here, and return when all are done. Raises what a call raised."""
        if threading.get_ident() in self._idents:
            # Work inside of work: the queue that it would wait for may be its own.
            for start, stop in ranges:
                call(start, stop)
            return
        waiting = [_Task(call, start, stop) for start, stop in ranges[1:]]
        for task, queue in zip(waiting, self._started(len(waiting)), strict=True):
            queue.put(task)
        try:
            call(*ranges[0])
        finally:
            for task in waiting:
                task.done.acquire()
        for task in waiting:
            if task.error is not None:
                raise task.error

    def _started(self, count: int) -> list[SimpleQueue[_Task]]:
        with self._lock:
            while len(self._queues) < count:
                queue: SimpleQueue[_Task] = SimpleQueue()
                thread = threading.Thread(target=_work, args=(queue,), name="thinc_nb", daemon=True)
                thread.start()
                if thread.ident is not None:
                    self._idents.add(thread.ident)
                self._queues.append(queue)
            return self._queues[:count]


class _Task:
    def __init__(self, call: Callable[[int, int], None], start: int, stop: int) -> None:
        self.call = call
        self.range = start, stop
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def run(self) -> None:
        try:
            self.call(*self.range)
        except BaseException as error:  # noqa: BLE001  (raised again in the thread that waits)
            self.error = error
        finally:
            self.done.release()


def _work(queue: SimpleQueue[_Task]) -> None:
    while True:
        queue.get().run()


_workers = Workers()


def run(call: Callable[[int, int], None], ranges: list[tuple[int, int]]) -> None:
    """Call with each of the ranges, each in a thread, and return when all are done. Raises what a call raised."""
    _workers.run(call, ranges)


def _start_anew() -> None:
    """In a forked child the threads are gone, and the lock may have been held by one of them."""
    global _workers
    _workers = Workers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
