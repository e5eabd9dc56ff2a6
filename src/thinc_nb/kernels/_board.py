"""The board where a thread pins up work and others take pieces of it: compiled, without Python and without its lock.

Work is a function, its arguments, and a number of items, cut into pieces. One word holds the first piece that nobody
has taken, and the last. The thread whose work it is takes pieces from the front, workers take them from the back, each
by one atomic exchange of that word. So nobody waits for a worker that has not begun: one that is asleep, or that the
system has put aside, finds nothing left. Pieces go from both ends because the next work is mostly about the same
arrays, and each thread finds its part of them in its own cache.

The word also holds the number of the work, so that an exchange succeeds only if nothing has changed since the word was
read. What the board says about the work changes only when all of its pieces have been taken and done.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from numba import njit, types

from ._atomics import add, call_plain, call_system, call_task, exchange, load, pause, store
from ._cache import KernelCache
from ._link import compile_loop_of

LINE = 128
"""Bytes. What different threads write is so far apart that no line of their caches, or pair of lines, has both."""

# --- where words are on the board: byte offsets ---------------------------------------------------------------------

BUSY = 0
"""Whether there is work: `FREE`, `IN_KERNEL` or `IN_PYTHON`."""
SKIP = 8
"""For how many more times of work sleeping workers are not woken up."""
HERE = 16
"""The processor that the thread with the work ran on; -1 if that does not matter."""
PIECES = LINE
"""The number of the work (32 bits), the first piece that is left, and the one after the last (16 bits each)."""
FUNCTION = 2 * LINE
"""The address of ``void task(arguments, start, stop)``, or 0 for work in Python."""
ARGUMENTS, ITEMS, EACH, HELPERS = FUNCTION + 8, FUNCTION + 16, FUNCTION + 24, FUNCTION + 32
"""Its arguments; how many items; how many in a piece; how many workers may help."""
DONE = 3 * LINE
"""Pieces that workers have done."""
SHARE = 4 * LINE
"""The address of `share`, 0 while there are no workers. This line and the next hardly ever change."""
SHARED_FROM, GRAIN = SHARE + 8, SHARE + 16
"""Elements from which work is shared; elements in the smallest piece of it."""
LIMIT, STOP, PATIENCE = SHARE + 24, SHARE + 32, SHARE + 40
"""How many workers may help; 1 when they shall end; how long they stay awake, in polls."""
READ, WRITE, YIELD, PROCESSOR, MESSAGE = SHARE + 48, SHARE + 56, SHARE + 64, SHARE + 72, SHARE + 80
"""Addresses of the system's functions (0: there is none), and what is written to wake a worker up: the number 1."""
MESSAGE_SIZE = 8
MISSED = 5 * LINE
"""How many times workers were woken up for nothing, one after another."""
WORKERS = 6 * LINE
"""A line for each worker."""
ASLEEP, INBOX, OUTBOX, TAKEN = 0, 8, 16, 24
"""Its words: 1 while the worker sleeps or is about to; the file that it reads from to sleep; the one that is written to
to wake it; how many pieces it has taken since it was woken up."""

MOST_PIECES = 1 << 15
PIECES_PER_THREAD = 4
"""So many that a thread which begins late, or is held up, leaves little to wait for."""
POLLS = 512
"""How often a thread looks whether its work is done before it lets others of its processor go first."""
WATCH = 64
"""How often a worker looks for work before it checks how long it has waited, and whether it is in the way."""
MOST_MISSED = 6
MOST_YIELDS = 16
"""How often a worker lets the thread whose work it is go first before it sleeps again."""
WORTH_WAKING = 3
"""Pieces that a worker has to take, or it was woken up for nothing."""

FREE, IN_KERNEL, IN_PYTHON = 0, 1, 2
MOST_FAILURES = 1000
"""How often in a row a worker may fail to sleep, usually because of signals. It ends if its file was closed."""

_FIRST = 1 << 16
_MASK = _FIRST - 1


class Functions(NamedTuple):
    """What Python calls. `share` is an address for compiled loops to call; `kept` keeps the code at that address."""

    share: int
    kept: Any
    serve: Callable[[int, int, int], int]
    open: Callable[[int, int], int]
    take: Callable[[int], int]
    close: Callable[[int], int]
    idle: Callable[[int, int], int]


def size(workers: int) -> int:
    """Bytes of a board for so many workers."""
    return WORKERS + workers * LINE


@njit(error_model="numpy", inline="always", _nrt=False)
def _processor(board: int) -> int:
    """The processor that the thread runs on, -1 where the system does not tell."""
    function = load(board + PROCESSOR)
    return call_plain(function) if function != 0 else -1


@njit(error_model="numpy", inline="always", _nrt=False)
def _perform(board: int, piece: int) -> None:
    each = load(board + EACH)
    start = piece * each
    call_task(load(board + FUNCTION), load(board + ARGUMENTS), start, min(start + each, load(board + ITEMS)))


@njit(error_model="numpy", inline="always", _nrt=False)
def _publish(board: int, function: int, arguments: int, items: int, each: int) -> bool:
    """Pin up work, and wake up the workers that may help. False if there is other work on the board."""
    if not exchange(board + BUSY, FREE, IN_KERNEL if function != 0 else IN_PYTHON):
        return False
    helpers = load(board + LIMIT)
    store(board + FUNCTION, function)
    store(board + ARGUMENTS, arguments)
    store(board + ITEMS, items)
    store(board + EACH, each)
    store(board + HELPERS, helpers)
    store(board + DONE, 0)
    # Work in Python is large: all workers are woken up for it, and work on whatever processor they are.
    store(board + HERE, _processor(board) if function != 0 else -1)
    number = (load(board + PIECES) >> 32) + 1
    pieces = (items + each - 1) // each
    store(board + PIECES, (number << 32) | pieces)
    skip = load(board + SKIP) if function != 0 else 0
    asleep = False
    # This thread does one piece itself: no more workers are woken up than there are other pieces.
    for worker in range(min(helpers, pieces - 1)):
        own = board + WORKERS + worker * LINE
        if load(own + ASLEEP) == 1:
            asleep = True
            if skip == 0 and exchange(own + ASLEEP, 1, 0):
                call_system(load(board + WRITE), load(own + OUTBOX), board + MESSAGE, MESSAGE_SIZE)
    if asleep:
        store(board + SKIP, skip - 1 if skip > 0 else (1 << load(board + MISSED)) - 1)
    return True


@njit(error_model="numpy", inline="always", _nrt=False)
def _take_first(board: int) -> int:
    """Take the first piece that is left; -1 if there is none. For the thread whose work it is."""
    while True:
        word = load(board + PIECES)
        first, last = (word >> 16) & _MASK, word & _MASK
        if first >= last:
            return -1
        if exchange(board + PIECES, word, word + _FIRST):
            return int(first)


@njit(error_model="numpy", inline="always", _nrt=False)
def _conclude(board: int) -> None:
    """Wait until workers have done the pieces that they took, and take the work off."""
    # Workers take from the end: where the end is now tells how many they took.
    taken = load(board + ITEMS)
    taken = (taken + load(board + EACH) - 1) // load(board + EACH) - (load(board + PIECES) & _MASK)
    polls = 0
    while load(board + DONE) < taken:
        polls += 1
        if polls > POLLS and polls % POLLS == 0:
            call_plain(load(board + YIELD))
        pause()
    store(board + BUSY, FREE)


def _share(board: int, function: int, arguments: int, items: int, size: int, step: int) -> int:
    """Do work together with the workers that are awake; returns when it is done. Alone, if the board has other work.

    size: its elements. step: pieces are multiples of so many items.
    """
    pieces = min(size // load(board + GRAIN), PIECES_PER_THREAD * (load(board + LIMIT) + 1), MOST_PIECES)
    pieces = max(pieces, 1)  # It is 0 if the grain was changed after the loop had decided to share.
    # The size of a piece is rounded down: rather a few more pieces than some twice as large. Of ten blocks each of two
    # threads is to get five.
    each = max((items + step - 1) // step // pieces, 1) * step
    if each >= items or not _publish(board, function, arguments, items, each):
        call_task(function, arguments, 0, items)
        return 0
    while True:
        piece = _take_first(board)
        if piece < 0:
            break
        _perform(board, piece)
    _conclude(board)
    return 0


@njit(error_model="numpy", inline="always", _nrt=False)
def _sleep(board: int, worker: int) -> bool:
    """Sleep until there is work. False if the worker could not sleep."""
    own = board + WORKERS + worker * LINE
    taken = load(own + TAKEN)
    store(board + MISSED, min(load(board + MISSED) + 1, MOST_MISSED) if taken < WORTH_WAKING else 0)
    store(own + TAKEN, 0)
    store(own + ASLEEP, 1)
    # Work in Python is for all workers: either the thread that pinned it up has seen this 1, or the work is seen here.
    word = load(board + PIECES)
    if (word >> 16) & _MASK < word & _MASK and load(board + FUNCTION) == 0 and exchange(own + ASLEEP, 1, 0):
        return True
    size = call_system(load(board + READ), load(own + INBOX), board + MESSAGE, MESSAGE_SIZE)
    # The thread that wakes a worker takes the 1 away. If the sleep was interrupted, that may still happen, and cut the
    # next one short.
    exchange(own + ASLEEP, 1, 0)
    return bool(size == MESSAGE_SIZE)


def _serve(board: int, worker: int, done: int) -> int:
    """The life of a worker: take pieces and do them. Returns -1 when it is to end.

    A piece of work in Python is returned, for the caller to do. done: how many such pieces were done since the last
    call.
    """
    if done:
        add(board + DONE, done)
    own = board + WORKERS + worker * LINE
    polls = WATCH - 1
    failures = yields = 0
    while True:
        polls += 1
        if polls % WATCH == 0:
            if load(board + STOP):
                return -1
            here = load(board + HERE)
            in_the_way = here >= 0 and here == _processor(board)
            if in_the_way and yields < MOST_YIELDS:
                # This is the processor of the thread that has the work. The system may move one of the two meanwhile.
                yields += 1
                call_plain(load(board + YIELD))
                polls = WATCH - 1
                continue
            if polls > load(board + PATIENCE) or in_the_way:
                yields = 0
                failures = 0 if _sleep(board, worker) else failures + 1
                if failures > MOST_FAILURES:
                    return -1
                polls = WATCH - 1
                continue
        word = load(board + PIECES)
        first, last = (word >> 16) & _MASK, word & _MASK
        if first >= last or worker >= load(board + HELPERS):
            pause()
            continue
        function = load(board + FUNCTION)
        if not exchange(board + PIECES, word, word - 1):
            continue
        store(own + TAKEN, load(own + TAKEN) + 1)
        if function == 0:
            return int(last - 1)
        _perform(board, last - 1)
        add(board + DONE, 1)
        polls = yields = 0


def _open(board: int, pieces: int) -> int:
    """Pin up work in Python, in so many pieces. 0 if there is other work."""
    return 1 if _publish(board, 0, 0, pieces, 1) else 0


def _take(board: int) -> int:
    """The first piece of work in Python that is left, for the thread whose work it is; -1 if there is none."""
    return _take_first(board)


def _close(board: int) -> int:
    """If there is work in Python, take what nobody has begun off the board, and wait for what workers have."""
    if load(board + BUSY) != IN_PYTHON:
        return 0
    while _take_first(board) >= 0:
        pass
    _conclude(board)
    return 0


def _idle(board: int, polls: int) -> int:
    """What a worker does while it waits, to measure how long it takes."""
    for _ in range(polls // POLLS):
        for _ in range(POLLS):
            load(board + PIECES)
            load(board + STOP)
            pause()
    return 0


def _compiled(function: Any, arguments: int) -> Any:
    dispatcher = compile_loop_of(function, error_model="numpy", _nrt=False)
    KernelCache.attach(dispatcher, f"board.{function.__name__.strip('_')}")
    dispatcher.compile((types.int64,) * arguments)
    dispatcher.disable_compile()
    return dispatcher


@cache
def functions() -> Functions:
    """All of them, compiled or loaded from disk."""
    share = _compiled(_share, 6)
    (result,) = share.overloads.values()
    address = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    called = ((_serve, 3), (_open, 2), (_take, 1), (_close, 1), (_idle, 2))
    return Functions(address, share, *(_compiled(function, arguments) for function, arguments in called))
