"""The threads that share large kernels and products, and one setting for them and for BLAS.

Work is cut into pieces. The calling thread takes one after another, and so does every worker that is awake; nobody
waits for a worker that has not begun (see `_board`). A worker looks for work in compiled code, without Python's lock,
and begins within a microsecond: relu of 2000×96 takes 10.6 µs on two threads and 18.7 on one, gelu 33.7 and 62.3,
softmax 56 and 105 (in recycled arrays, a processor for each). After its last piece it stays awake for `AWAKE` seconds,
then it sleeps until there is work again. To wake up takes it 15 µs or more, and costs the thread that wakes it 3 to 8.
A worker that came too late for the work, or is on the processor of the thread whose work it is, goes back to sleep and
is left alone for a while. So a busy machine takes away the gain and no more: beside a process that never waits, and
others of low priority, the medians were 19 µs for relu, 62.5 for gelu and 58 to 108 for softmax.

numba's parallel loops would not do: its OpenMP layer does not survive a fork, its own layer aborts when it is called
from several threads, and alternating with BLAS makes a product of 0.4 ms take 8 (measured).

Results do not depend on the number of threads: items are independent, and sums over rows are made of blocks whose size
is the kernel's, not the threads'. While one thread's work is shared, others do theirs alone.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .._environment import number
from ._interrupt import uninterrupted

if TYPE_CHECKING:
    from ._board import Functions

Range: TypeAlias = tuple[int, int]

MIN_ELEMENTS = 1 << 14
"""Elements in a piece of a kernel's work. Less than two pieces is not shared."""
AWAKE = 100e-6
"""Seconds that a worker looks for work before it sleeps."""
ENDING = 0.2
"""Seconds that the end of the process waits for workers that are in the middle of a piece."""
MOST_WORKERS = 255


def default_num_threads() -> int:
    """$THINC_NB_NUM_THREADS, or as many as there are processors that this process may use.

    ValueError if the variable holds no whole number of at least 1.
    """
    chosen = number("THINC_NB_NUM_THREADS")
    if chosen is not None:
        return chosen
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Threads that take pieces of work from a board. They start when there first is work."""

    def __init__(self, limit: int, grain: int) -> None:
        self._starting = threading.Lock()
        self._sharing: dict[object, None] = {}
        self._is_forked = False
        self._perform: Callable[[int], None] = _nothing
        self._threads: list[threading.Thread] = []
        self._pipes: list[tuple[int, int]] = []
        from . import _board

        self._layout = _board
        self._memory = np.zeros(_board.size(MOST_WORKERS) + _board.LINE, np.uint8)
        self.board = -(-self._memory.ctypes.data // _board.LINE) * _board.LINE
        start = self.board - self._memory.ctypes.data
        self._words = self._memory[start : start + _board.size(MOST_WORKERS)].view(np.int64)
        self.set(limit, grain)

    def set(self, limit: int, grain: int) -> None:
        """How many workers may help; how many elements are in a piece of work."""
        # Without a lock: a signal's handler may load a kernel, and come here, while this very thread is in `start`.
        # That looks at the limit again after it has written SHARE.
        limit = min(limit, MOST_WORKERS)
        self._write(self._layout.LIMIT, limit)
        self._write(self._layout.GRAIN, grain)
        self._write(self._layout.SHARED_FROM, 2 * grain)
        if limit > len(self._threads):
            self._write(self._layout.SHARE, 0)  # 0 has compiled loops ask for more workers.

    @uninterrupted()
    def start(self) -> None:
        """Start as many threads as may help, or as there can be. Nothing if that is under way or the process ends."""
        layout = self._layout
        functions = layout.functions()
        # No waiting: this may be the handler of a signal that interrupted this very thread in here.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if self._words[layout.STOP // 8]:
                return
            if not self._words[layout.MESSAGE // 8]:
                atexit.register(self.stop)
                self._write_system(functions)
            is_done = False
            while not is_done:
                try:
                    while len(self._threads) < self._words[layout.LIMIT // 8]:
                        self._start_one(functions)
                except (OSError, RuntimeError):
                    # No more open files, or threads. Work goes on with those that there are.
                    self._write(layout.LIMIT, len(self._threads))
                self._write(layout.SHARE, functions.share)
                is_done = len(self._threads) >= self._words[layout.LIMIT // 8]
        finally:
            self._starting.release()

    def _start_one(self, functions: Functions) -> None:
        """OSError or RuntimeError if the system has no more of what a worker needs."""
        worker, layout = len(self._threads), self._layout
        pipe = _pipe()
        self._write(layout.WORKERS + worker * layout.LINE + layout.INBOX, pipe[0])
        self._write(layout.WORKERS + worker * layout.LINE + layout.OUTBOX, pipe[1])
        thread = threading.Thread(target=self._work, args=(functions, worker), name="thinc_nb", daemon=True)
        self._pipes.append(pipe)
        self._threads.append(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.pop()
            for end in self._pipes.pop():
                os.close(end)
            raise

    def _write_system(self, functions: Functions) -> None:
        layout = self._layout
        for place, address in zip((layout.READ, layout.WRITE, layout.YIELD, layout.PROCESSOR), _system(), strict=True):
            self._write(place, address)
        polls = 16 * layout.POLLS
        took = []
        for _ in range(5):
            start = time.perf_counter()
            functions.idle(self.board, polls)
            took.append(time.perf_counter() - start)
        self._write(layout.PATIENCE, int(AWAKE / min(took) * polls))
        self._write(layout.MESSAGE, 1)

    def _write(self, place: int, value: int) -> None:
        self._words[place // 8] = value

    def _work(self, functions: Functions, worker: int) -> None:
        done = 0
        while (piece := functions.serve(self.board, worker, done)) >= 0:
            self._perform(piece)
            done = 1

    def run(self, call: Callable[[int, int], None], ranges: Sequence[Range]) -> None:
        """Call with each of the ranges, and return when all are done. Raises what a call raised."""
        # No lock: an interrupt between taking it and entering the block that gives it back would leave it taken.
        # Instead the first in line may share its work. A worker whose piece of work shares work itself, or the handler
        # of a signal, finds another one in line before it.
        mine = object()
        try:
            self._sharing[mine] = None
            # In one step: another thread may come between `iter` and `next`.
            if list(self._sharing).index(mine) == 0 and self._run_shared(call, ranges):
                return
        finally:
            self._sharing.pop(mine, None)
        _run_alone(call, ranges)

    def _run_shared(self, call: Callable[[int, int], None], ranges: Sequence[Range]) -> bool:
        """Do it together with the workers. False, with nothing done, if that is not possible."""
        if len(ranges) > self._layout.MOST_PIECES:
            return False
        if not self._words[self._layout.SHARE // 8]:
            self.start()
            if not self._words[self._layout.SHARE // 8]:
                return False
        functions = self._layout.functions()
        errors: list[BaseException] = []

        def perform(piece: int) -> None:
            try:
                call(*ranges[piece])
            except BaseException as error:  # noqa: BLE001  (raised again in the thread that waits)
                errors.append(error)

        # A function, not a loop in the block below: there Python 3.13 loses an interrupt between two turns of a loop,
        # and skips `finally`.
        def perform_what_is_left() -> None:
            while (piece := functions.take(self.board)) >= 0:
                perform(piece)

        self._perform = perform
        # An interrupt may come as soon as work is pinned up: `close` finds out whether it was.
        is_shared = False
        try:
            if functions.open(self.board, len(ranges)):
                is_shared = True
                perform_what_is_left()
        finally:
            functions.close(self.board)
            self._perform = _nothing
        if is_shared and self._is_forked:
            raise RuntimeError("this process was forked in the middle of work whose other threads it does not have")
        if errors:
            raise errors[0]
        return is_shared

    @property
    def shared(self) -> int:
        """How many times work has been shared."""
        return int(self._words[self._layout.PIECES // 8]) >> 32

    @property
    def asleep(self) -> list[bool]:
        """Of each thread, whether it sleeps."""
        line, first = self._layout.LINE // 8, (self._layout.WORKERS + self._layout.ASLEEP) // 8
        return [bool(self._words[first + worker * line]) for worker in range(len(self._threads))]

    def stop(self) -> None:
        """Let the threads end; those that are at work keep at it."""
        layout = self._layout
        is_mine = self._starting.acquire(timeout=ENDING)
        self._write(layout.SHARE, 0)
        self._write(layout.LIMIT, 0)
        self._write(layout.STOP, 1)
        for _, outbox in self._pipes:
            with contextlib.suppress(OSError):  # Closed by one who closes all files.
                os.write(outbox, (1).to_bytes(layout.MESSAGE_SIZE, sys.byteorder))
        deadline = time.monotonic() + ENDING
        for thread in self._threads:
            with contextlib.suppress(RuntimeError):  # An interrupt came before it was started.
                thread.join(timeout=max(0.0, deadline - time.monotonic()))
        if is_mine:
            self._starting.release()

    def forget(self) -> None:
        """In a forked child: the threads are not there, and nobody waits for what they were doing."""
        self._is_forked = True
        self._write(self._layout.DONE, self._layout.MOST_PIECES)
        atexit.unregister(self.stop)
        for pipe in self._pipes:
            for end in pipe:
                with contextlib.suppress(OSError):
                    os.close(end)


def _run_alone(call: Callable[[int, int], None], ranges: Sequence[Range]) -> None:
    for start, stop in ranges:
        call(start, stop)


def _nothing(piece: int) -> None:
    """What workers call while there is no work in Python."""


def _pipe() -> tuple[int, int]:
    """Two files: who reads from the first sleeps until a number is written to the second. OSError if none are left."""
    if sys.platform != "linux":
        return os.pipe()
    # A pipe would wake a thread on the processor of the writer, as if the writer were about to wait. Here it goes on.
    inbox = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_SEMAPHORE)
    try:
        return inbox, os.dup(inbox)
    except OSError:
        os.close(inbox)
        raise


def _system() -> Iterator[int]:
    """The addresses of read, write, what yields the processor, and what tells which processor this is; 0 for none."""
    if sys.platform == "win32":
        runtime, kernel = ctypes.CDLL("ucrtbase"), ctypes.CDLL("kernel32")
        functions = runtime._read, runtime._write, kernel.SwitchToThread, kernel.GetCurrentProcessorNumber
    else:
        library = ctypes.CDLL(None)
        functions = library.read, library.write, library.sched_yield, getattr(library, "sched_getcpu", None)
    for function in functions:
        yield 0 if function is None else ctypes.cast(function, ctypes.c_void_p).value or 0


num_threads = default_num_threads()
"""How many threads a large kernel is shared by. Change it with `set_num_threads`."""
grain = MIN_ELEMENTS
board = 0
"""Where compiled loops look for other threads: the address of a board, 0 for nowhere."""
_workers: Workers | None = None
_preparing = threading.RLock()


def set_num_threads(count: int) -> None:
    """Let kernels and BLAS use this many threads each. ValueError if it is less than 1, TypeError if no integer."""
    if not hasattr(count, "__index__"):
        raise TypeError(f"the number of threads must be an integer, got {type(count).__name__} {count!r}")
    if count < 1:
        raise ValueError(f"the number of threads must be at least 1, got {count}")
    from threadpoolctl import threadpool_limits

    threadpool_limits(count, user_api="blas")
    share(count)


def get_num_threads() -> int:
    """How many threads kernels may use."""
    return num_threads


def share(threads: int, elements: int | None = None) -> None:
    """Share kernels by so many threads, in pieces of at least so many elements (`MIN_ELEMENTS`)."""
    global num_threads, grain
    num_threads, grain = threads, elements or MIN_ELEMENTS
    if _workers is not None:
        prepare()


def prepare() -> Workers:
    """Have a board, before the first loop is compiled."""
    global _workers, board
    # Under a lock: with two boards a loop might look at the one that is not kept.
    with _preparing:
        if _workers is None:
            _workers = Workers(num_threads - 1, grain)
        else:
            _workers.set(num_threads - 1, grain)
        board = _workers.board if num_threads > 1 else 0
        return _workers


def start() -> None:
    """Start the workers. Called when there was work to share, and nobody to share it with."""
    (_workers or prepare()).start()


def run(call: Callable[[int, int], None], ranges: Sequence[Range]) -> None:
    """Call with each of the ranges, in as many threads as there are, and return when all are done.

    Raises what a call raised.
    """
    if num_threads == 1 or len(ranges) == 1:
        _run_alone(call, ranges)
    else:
        (_workers or prepare()).run(call, ranges)


def _start_anew() -> None:
    """In a forked child the threads are gone, and locks may have been held by one of them."""
    global _workers, board, _preparing
    _preparing = threading.RLock()
    if _workers is not None:
        _workers.forget()
        _workers = Workers(num_threads - 1, grain)
        board = _workers.board if num_threads > 1 else 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
