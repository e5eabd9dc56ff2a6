"""Arrays from recycled memory.

Memory that the process has not touched before costs a page fault for every 4 KB: filling a new 2.9 MB array takes
1270 µs on the development machine, filling a recycled one 68. A training step asks for the same sizes again and again.

An array from `empty` is an ordinary ndarray. Its memory comes back when the last array that looks into it is gone,
views that a user kept included, so nothing is ever recycled under anyone's hands.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import sys
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

SMALLEST = 1 << 16
"""Bytes. Below this the C library's own free lists do well enough."""
LARGEST_HELD = 1 << 29
"""Bytes that are kept for reuse at the most; what comes back beyond that goes to the system."""
HUGE_PAGE = 1 << 21
MOST_KNOWN = 1 << 12
"""Numbers of bytes that were asked for, of which is known how far they are rounded up."""


class _Loan(weakref.ref["np.ndarray[Any, Any]"]):
    """Tells when the array is gone that a block was lent to, and is then the free block.

    A weak reference is told so in half the time of a base class with a finaliser. An array is no container for the
    garbage collector, so it is told when the array dies and not before, whatever refers to the array.
    """

    __slots__ = ("block",)
    block: _Block


class _Block(mmap.mmap):
    """Memory. It holds the weak reference to the array that has it, which nobody else knows, and which holds it."""

    __slots__ = ("back", "loan")
    back: Callable[[_Loan], object]
    """Where the loan goes when the array is gone."""
    loan: _Loan | None


class Pool:
    """Free memory by size. Any thread may ask and give back.

    No lock: each step that matters is one of a list or a dict, which Python does not interrupt. Nor Python where an
    array dies: the loan is appended to the free ones by itself, for so many bytes that half of what may be kept is
    not exceeded. Blocks beyond those are looked at when they come back.
    """

    def __init__(self, largest_held: int = LARGEST_HELD):
        self.largest_held = largest_held
        self._free: dict[int, list[_Loan]] = {}
        self._free_beyond: dict[int, list[_Loan]] = {}
        # The list in `_free` for a number of bytes that was asked for before.
        self._known: dict[int, list[_Loan]] = {}
        # Bytes of the blocks that come back by themselves, but for what threads that counted at the same time have
        # overwritten of each other.
        self._trusted = 0

    @property
    def held(self) -> int:
        """Bytes that are kept for reuse."""
        return _bytes_of(self._free) + _bytes_of(self._free_beyond)

    def lend(self, size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        """An array of so many bytes, aligned to a page, its content undefined. MemoryError if there are no more."""
        try:
            block = self._known[size].pop().block
        except (KeyError, IndexError):
            block = self._other(size)
        array: np.ndarray[Any, Any] = np.ndarray(shape, dtype, block)
        block.loan = loan = _Loan(array, block.back)
        loan.block = block
        return array

    def _other(self, size: int) -> _Block:
        """A block for so many bytes where none is known to be free."""
        # Rounded up to an eighth of its power of two, so that batches of like sizes share blocks.
        step = 1 << (size.bit_length() - 4)
        rounded = -(-size // step) * step
        free = self._free.setdefault(rounded, [])
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[size] = free
        for loans in (free, self._free_beyond.get(rounded, [])):
            with contextlib.suppress(IndexError):
                return loans.pop().block
        block = _map(rounded)
        if self._trusted + rounded <= self.largest_held // 2:
            self._trusted += rounded
            block.back = free.append
        else:
            block.back = self.give
        return block

    def give(self, loan: _Loan) -> None:
        """Take back a block beyond those that come back by themselves, or have it go to the system."""
        size = len(loan.block)
        if self._trusted + _bytes_of(self._free_beyond) + size <= self.largest_held:
            self._free_beyond.setdefault(size, []).append(loan)
        else:
            loan.block.loan = None  # Or they would hold each other.

    def clear(self) -> None:
        """Give all free blocks back to the system."""
        for size, loans in [*self._free.items(), *self._free_beyond.items()]:
            while loans:
                with contextlib.suppress(IndexError):  # Another thread has taken the last.
                    block = loans.pop().block
                    block.loan = None
                    if block.back != self.give:
                        self._trusted -= size


def _bytes_of(free: dict[int, list[_Loan]]) -> int:
    return sum(size * len(loans) for size, loans in list(free.items()))


def _map(size: int) -> _Block:
    try:
        return _anonymous(size)
    except (OSError, OverflowError) as error:
        raise MemoryError(f"cannot allocate an array of {size} bytes: {error}") from error


def _anonymous(size: int) -> _Block:
    if sys.platform == "win32":
        return _Block(-1, size)
    # Private: mmap's default would leave a forked child and its parent with the same memory.
    block = _Block(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= HUGE_PAGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):
            block.madvise(mmap.MADV_HUGEPAGE)
    return block


def large_zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """An array too large to be kept, which takes no memory until it is written to. MemoryError if there is none."""
    try:
        return np.zeros(shape, dtype)
    except ValueError as error:  # More than there are addresses.
        raise MemoryError(f"cannot allocate an array of shape {shape}: {error}") from error


POOL = Pool()


def empty(shape: tuple[int, ...], dtype: np.dtype[Any], pool: Pool = POOL) -> np.ndarray[Any, Any]:
    """An uninitialised C-contiguous array, aligned to a page when large."""
    size = math.prod(shape) * dtype.itemsize
    return np.empty(shape, dtype) if size < SMALLEST else pool.lend(size, shape, dtype)
