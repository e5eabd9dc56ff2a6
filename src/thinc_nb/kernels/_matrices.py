"""Many matrices, one after the other: what numpy's `concatenate` does, without its questions about each of them.

A batch has a hundred short sequences, and for each of them numpy takes longer to look at an array, from Python or from
C, than to copy its rows. Compiled code looks at all of them at once. It reads what every extension of numpy does: the
items of a tuple, and the fields of `PyArrayObject`, which the header of numpy's C API lays down. Where these are not
found to lie there, in a Python without the lock or one that is not CPython, there is None, and the caller concatenates.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from ._atomics import load
from ._cache import KernelCache

ITEMS = tuple.__basicsize__
TYPE, DATA, NDIM, SHAPE, DTYPE, FLAGS = 8, 16, 24, 32, 56, 64
"""Where the fields are: byte offsets. Rank and flags have 32 bits, the others 64."""
END = 72
C_CONTIGUOUS = 1
INT64, LOW = np.dtype("int64"), 0xFFFFFFFF
OTHER = -1


class Functions(NamedTuple):
    """Both take an object by its address, and what `look` finds out about the arrays."""

    look: Callable[[int, Any, int], int]
    copy: Callable[[int, Any, int], None]


@intrinsic
def _copy_bytes(typing_context: Any, target: Any, source: Any, size: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, source = (builder.inttoptr(address, cgutils.voidptr_t) for address in args[:2])
        cgutils.raw_memcpy(builder, target, source, args[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


def _look(arrays: int, found: Any, columns: int) -> int:
    """Where the rows of each array begin, and how many there are; the sum of these. `OTHER` if not all are alike."""
    first, total = load(arrays + ITEMS), 0
    kind, dtype = load(first + TYPE), load(first + DTYPE)
    for k in range(len(found)):
        address = load(arrays + ITEMS + 8 * k)
        # The type before the rest: what is no array may be shorter.
        if load(address + TYPE) != kind or load(address + DTYPE) != dtype or load(address + NDIM) & LOW != 2:
            return OTHER
        shape = load(address + SHAPE)
        if load(shape + 8) != columns or load(address + FLAGS) & C_CONTIGUOUS == 0:
            return OTHER
        found[k, 0], found[k, 1] = load(address + DATA), load(shape)
        total += found[k, 1]
    return total


def _copy(out: int, found: Any, bytes_of_row: int) -> None:
    target = load(out + DATA)
    for k in range(len(found)):
        size = found[k, 1] * bytes_of_row
        _copy_bytes(target, found[k, 0], size)
        target += size


@cache
def functions() -> Functions | None:
    """What looks at arrays, with Python's lock, and copies their rows, without; None where arrays lie otherwise."""
    if np.ndarray.__basicsize__ < END or not is_known((np.empty((3, 5), "float32"),)):
        return None
    kinds = types.int64, types.Array(types.int64, 2, "C"), types.int64
    return Functions(_compiled(_look, kinds, holds_lock=True), _compiled(_copy, kinds, holds_lock=False))


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


def _compiled(function: Any, kinds: tuple[Any, ...], *, holds_lock: bool) -> Any:
    dispatcher = njit(error_model="numpy", nogil=not holds_lock, _nrt=False)(function)
    KernelCache.attach(dispatcher, f"matrices.{function.__name__.strip('_')}")
    dispatcher.compile(kinds)
    dispatcher.disable_compile()
    return dispatcher


def concatenated(arrays: tuple[Any, ...], empty: Callable[[tuple[int, int], Any], Any]) -> Any:
    """The rows of some arrays in a new one, of `empty(shape, dtype)`.

    None unless all are plain arrays of 2 dimensions, C-contiguous, of the first's columns and dtype, not of objects.
    """
    known = functions()
    first = arrays[0]
    if known is None or type(first) is not np.ndarray or first.ndim != 2 or first.dtype.hasobject:
        return None
    columns, found = first.shape[1], np.empty((len(arrays), 2), INT64)
    rows = known.look(id(arrays), found, columns)
    if rows == OTHER:
        return None
    out = empty((rows, columns), first.dtype)
    known.copy(id(out), found, columns * first.itemsize)
    return out
