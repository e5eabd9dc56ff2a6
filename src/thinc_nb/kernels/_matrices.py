"""Many arrays, one after the other or beside each other: what takes numpy longer to ask each of them than to copy it.

A batch has a hundred short sequences, and for each of them numpy takes longer to look at an array, from Python or from
C, than to copy its rows. Compiled code looks at all of them at once. It reads what every extension of numpy does: the
items of a tuple, and the fields of `PyArrayObject`, which the header of numpy's C API lays down. Where these are not
found to lie there, in a Python without the lock or one that is not CPython, there is None, and the caller copies one
array after another.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types

from . import _moves
from ._atomics import load
from ._cache import KernelCache
from ._moves import DATA, PLACES, WORD, WORDS

ITEMS = tuple.__basicsize__
TYPE, NDIM, SHAPE, DTYPE, FLAGS = 8, 24, 32, 56, 64
"""Where the fields are: byte offsets, as DATA. Rank and flags have 32 bits, the others 64."""
END = 72
C_CONTIGUOUS = 1
INT32, INT64, LOW = np.dtype("int32"), np.dtype("int64"), 0xFFFFFFFF
OTHER = -1
MOST = 2**31 - 1
"""Steps and sequences that a `Padded` counts."""
REPEATED_BY_NUMPY = {1, 2, 4, 8, 16, 32}
"""Bytes of rows for which numpy has loops of their own: a column of bytes, 20 times, takes an eighth of the time."""
MOST_EMPTY = 4
"""How many parts there may be for each that is full, where one array is longer than others."""


# --- what is known of arrays: where the rows of each begin, how many there are, and how many are before; in the
# last row the most rows, and the sum


def _look(arrays: int, found: Any) -> int:
    """What is known of the arrays of a tuple, by its address. The sum of their rows; `OTHER` if not all are alike."""
    # One assignment after another: numba takes a quarter longer to compile them as tuples.
    count, longest, total = len(found) - 1, 0, 0
    first = load(arrays + ITEMS)
    kind = load(first + TYPE)
    dtype = load(first + DTYPE)
    rank = load(first + NDIM) & LOW
    sides = load(first + SHAPE)
    for k in range(count):
        address = load(arrays + ITEMS + 8 * k)
        # The type before the rest: what is no array may be shorter.
        if load(address + TYPE) != kind or load(address + DTYPE) != dtype or load(address + NDIM) & LOW != rank:
            return OTHER
        shape = load(address + SHAPE)
        for axis in range(1, rank):
            if load(shape + 8 * axis) != load(sides + 8 * axis):
                return OTHER
        if load(address + FLAGS) & C_CONTIGUOUS == 0:
            return OTHER
        rows = load(shape)
        found[k, 0] = load(address + DATA)
        found[k, 1] = rows
        found[k, 2] = total
        if rows > longest:
            longest = rows
        total += rows
    found[count, 1] = longest
    found[count, 2] = total
    return total


def _sort(found: Any, free: Any, reached: Any, lengths: Any, indices: Any) -> None:
    """The longest first, of equals the last: lengths and indices in this order, and how many reach each step.

    free (steps + 1,): room for the first place that is free among those of each length.
    """
    count, steps = len(indices), len(reached)
    free[:] = 0
    for k in range(count):
        if found[k, 1]:
            free[found[k, 1] - 1] += 1
    for step in range(steps - 1, -1, -1):
        free[step] += free[step + 1]
        reached[step] = free[step]
    for k in range(count - 1, -1, -1):
        length = found[k, 1]
        at = free[length]
        free[length] += 1
        lengths[at], indices[at] = length, k


def _restore(found: Any, reached: Any, lengths: Any, indices: Any, row_bytes: int) -> int:
    """What is known of sequences that were sorted, with lengths that fall; `OTHER` if they do not, or do not fit.

    Where rows begin counts from the first of all.
    """
    count, steps = len(lengths), len(reached)
    found[:, 1] = OTHER
    end = steps
    for at in range(count):
        k, length = indices[at], lengths[at]
        if length < 0 or length > (lengths[at - 1] if at else steps) or k < 0 or k >= count or found[k, 1] != OTHER:
            return OTHER
        found[k, 1] = length
        # Steps that this sequence does not reach are reached by those before it.
        while end > length:
            end -= 1
            reached[end] = at
    while end > 0:
        end -= 1
        reached[end] = count
    total = 0
    for k in range(count):
        found[k, 0], found[k, 2] = total * row_bytes, total
        total += found[k, 1]
    found[count, 2] = total
    return total


KINDS: dict[Callable[..., Any], tuple[Any, ...]] = {
    _look: (WORD, WORDS),
    _sort: (WORDS, types.Array(types.int64, 1, "C"), PLACES, PLACES, PLACES),
    _restore: (WORDS, PLACES, PLACES, PLACES, WORD),
}


@cache
def compiled(function: Callable[..., Any]) -> Any:
    """One of the functions above, compiled or loaded from disk. It has Python's lock while it looks at objects."""
    dispatcher = njit(error_model="numpy", nogil=False, no_cfunc_wrapper=True, _nrt=False)(function)
    KernelCache.attach(dispatcher, f"matrices.{function.__name__.strip('_')}")
    dispatcher.compile(KINDS[function])
    dispatcher.disable_compile()
    return dispatcher


@cache
def are_known() -> bool:
    """Whether arrays lie as they are read."""
    return np.ndarray.__basicsize__ >= END and is_known((np.empty((3, 5), "float32"),))


def is_known(probe: tuple[Any]) -> bool:
    """Whether a tuple of an array (3, 5), and the array, lie as they are read."""

    def word(address: int) -> int:
        return int.from_bytes(ctypes.string_at(address, 8), sys.byteorder)

    [array] = probe
    address = word(id(probe) + ITEMS)
    if address != id(array) or word(address + TYPE) != id(np.ndarray) or word(address + DATA) != array.ctypes.data:
        return False
    if word(address + NDIM) & LOW != 2 or word(address + DTYPE) != id(array.dtype):
        return False
    shape = word(address + SHAPE)
    return [word(shape), word(shape + 8)] == [3, 5] and word(address + FLAGS) & LOW == array.flags.num


def warm(*, only_flatten: bool) -> None:
    """Compile what looks at lists of arrays and copies them, or load it."""
    if not are_known():
        return
    for loop in (_moves.place,) if only_flatten else _moves.KINDS:
        _moves.compiled(loop)
    for function in (_look,) if only_flatten else KINDS:
        compiled(function)


class Sequences(NamedTuple):
    """Arrays that are alike but for their rows. They are held here, so that they stay where they are."""

    arrays: tuple[Any, ...]
    found: Any
    rows: int
    steps: int
    """The most rows."""
    sides: tuple[int, ...]
    """The others."""
    dtype: Any
    row_bytes: int

    def fits_into(self, shape: Any) -> bool:
        """Whether each has room for its rows, and no more in other dimensions, in a row of an array of this shape."""
        if type(shape) is not tuple or len(shape) != 2 + len(self.sides) or shape[2:] != self.sides:
            return False
        if type(shape[0]) is not int or type(shape[1]) is not int:
            return False
        return bool(len(self.arrays) <= shape[0] and self.steps <= shape[1])


Empty = Callable[[tuple[int, ...], Any], Any]


def _found(arrays: tuple[Any, ...]) -> tuple[Any, int] | None:
    """What is known of arrays, and the sum of their rows; None if they are not `alike`."""
    if not arrays or type(arrays[0]) is not np.ndarray or not are_known():
        return None
    first = arrays[0]
    if not first.ndim or first.dtype.hasobject:
        return None
    found = np.empty((len(arrays) + 1, 3), INT64)
    rows = compiled(_look)(id(arrays), found)
    return None if rows == OTHER else (found, rows)


def alike(arrays: tuple[Any, ...]) -> Sequences | None:
    """What is known of arrays; None unless all are plain, C-contiguous, of one dtype, and alike but for their rows."""
    known = _found(arrays)
    if known is None:
        return None
    found, rows = known
    dtype, sides = arrays[0].dtype, arrays[0].shape[1:]
    return Sequences(arrays, found, rows, found.item(len(arrays), 1), sides, dtype, math.prod(sides) * dtype.itemsize)


def concatenated(arrays: tuple[Any, ...], empty: Empty) -> Any:
    """The rows of some arrays in a new one, of `empty(shape, dtype)`; None if they are not `alike`."""
    # Without `Sequences`: short ones are copied in the time that this takes.
    known = _found(arrays)
    if known is None:
        return None
    found, rows = known
    first, count = arrays[0], len(arrays)
    out = empty((rows, *first.shape[1:]), first.dtype)
    size = out.nbytes
    row_bytes = size // rows if rows else 0
    parts = 1
    if size > _moves.PART:
        # So many for the longest, but not for each of many others that are short: empty parts take time too.
        parts = max(min(found.item(count, 1) * row_bytes, MOST_EMPTY * size // count) // _moves.PART, 1)
    _moves.run(_moves.place, count * parts, id(out), found, row_bytes, 0, parts)
    return out


def fill(known: Sequences, out: Any) -> None:
    """Each of the arrays in its row of a C-contiguous array, zeros after it: out[k, : len(arrays[k])] = arrays[k]."""
    steps = out.shape[1]
    parts = max(steps * known.row_bytes // _moves.PART, 1)
    items = len(known.arrays) * parts
    _moves.run(_moves.place, items, id(out), known.found, known.row_bytes, steps, parts)


def sorted_by_length(known: Sequences, empty: Empty) -> tuple[Any, Any, Any, Any] | None:
    """Sequences as a `Padded` has them: data, size_at_t, lengths, indices. None if there are too many to count."""
    count, steps = len(known.arrays), known.steps
    if max(count, steps) > MOST:
        return None
    data = empty((steps, count, *known.sides), known.dtype)
    reached, lengths, indices = (np.empty(size, INT32) for size in (steps, count, count))
    compiled(_sort)(known.found, np.empty(steps + 1, INT64), reached, lengths, indices)
    _moves.run(_moves.cross, steps, id(data), 0, known.found, indices, reached, known.row_bytes, 1)
    return data, reached, lengths, indices


def in_order(data: Any, lengths: Any, indices: Any, empty: Empty) -> tuple[Any, Any] | None:
    """The inverse: all rows, one sequence after the other, and how many each has, int64.

    None for what does not belong together, or is not C-contiguous, or of objects.
    """
    count = len(lengths)
    if not are_known() or type(data) is not np.ndarray or data.ndim != 3 or not data.flags.c_contiguous:
        return None
    steps, beside, width = data.shape
    if data.dtype.hasobject or beside != count or len(indices) != count or steps > MOST:
        return None
    for places in (lengths, indices):
        if type(places) is not np.ndarray or places.ndim != 1 or places.dtype is not INT32 or not places.flags.carray:
            return None
    found, reached = np.empty((count + 1, 3), INT64), np.empty(steps, INT32)
    row_bytes = width * data.itemsize
    rows = compiled(_restore)(found, reached, lengths, indices, row_bytes)
    if rows == OTHER:
        return None
    out = empty((rows, width), data.dtype)
    _moves.run(_moves.cross, steps, id(data), id(out), found, indices, reached, row_bytes, 0)
    return out, found[:count, 1].copy()


def repeated(x: Any, times: int, empty: Empty) -> Any:
    """The last dimension of a C-contiguous array, so many times; None for what numpy repeats sooner or alone."""
    if not are_known() or type(x) is not np.ndarray or not x.ndim or not x.flags.c_contiguous or x.dtype.hasobject:
        return None
    *sides, width = x.shape
    row_bytes = width * x.itemsize
    if row_bytes in REPEATED_BY_NUMPY:
        return None
    out = empty((*sides, width * times), x.dtype)
    _moves.run(_moves.repeat, math.prod(sides), id(out), id(x), row_bytes, times)
    return out
