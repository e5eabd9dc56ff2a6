"""Views of an array, one for each sequence in it: numpy takes 150 ns for each from Python, and 50 from compiled code.

That calls the functions of numpy's and Python's C API, by the addresses that both publish for extensions. Where arrays
do not lie as `_matrices` reads them, nothing is called, and the caller slices.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from . import _matrices
from ._atomics import WORD, call_address, load, store
from ._cache import KernelCache
from ._matrices import DTYPE, FLAGS, INT64, LOW, NDIM, OTHER, SHAPE, TYPE
from ._moves import DATA

STRIDES = 40
"""Where an array says how far its rows are apart."""
WRITEABLE = 0x400
NEW_FROM_DESCR, SET_BASE_OBJECT = 94, 282
"""Places in the table of numpy's C API, which never change."""
NEW, SET_BASE, OWN, DISOWN, SET_ITEM, FORGET = range(6)
"""Places in the array of addresses that compiled code gets."""


@intrinsic
def _call(typing_context: Any, function: Any, given: Any) -> Any:
    """Call the function at an address with words: pointers, and numbers of which it takes as many bits as it needs."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = [builder.extract_value(args[1], place) for place in range(len(given))]
        return call_address(builder, args[0], words, WORD)

    return types.int64(types.int64, given), generate


def _slices(functions: Any, made: int, x: int, sizes: Any, sides: int, room: int) -> int:
    """Fill a list with views of an array. `OTHER` if sizes do not fit it, or there is no memory.

    room: how many rows there are for each, in the second dimension; OTHER where one follows the other in the first.
    sides: an array of the view's shape, to be written to.
    """
    count, shape, strides = len(sizes), load(x + SHAPE), load(x + STRIDES)
    step, total = load(strides), 0
    limit = room if room != OTHER else load(shape)
    # Other threads may have changed the list that the caller counted.
    if room != OTHER and count > load(shape):
        return OTHER
    for k in range(count):
        # Each for itself: a sum of larger ones may wrap around.
        if sizes[k] < 0 or sizes[k] > limit:
            return OTHER
        total += sizes[k]
    if room == OTHER and total != load(shape):
        return OTHER
    kind, dtype, rank, at = load(x + TYPE), load(x + DTYPE), load(x + NDIM) & LOW, load(x + DATA)
    flags, dimensions = load(x + FLAGS) & WRITEABLE, load(sides + DATA)
    if room != OTHER:
        rank -= 1
        strides += 8
    for k in range(count):
        store(dimensions, sizes[k])
        _call(functions[OWN], (dtype,))
        view = _call(functions[NEW], (kind, dtype, rank, dimensions, strides, at, flags, 0))
        if view == 0:
            _call(functions[FORGET], (0,))
            return OTHER
        _call(functions[OWN], (x,))
        if _call(functions[SET_BASE], (view, x)) & LOW != 0:
            _call(functions[FORGET], (0,))
            _call(functions[DISOWN], (view,))
            return OTHER
        _call(functions[SET_ITEM], (made, k, view))
        at += step if room != OTHER else sizes[k] * step
    return count


@cache
def _functions() -> Any:
    """The addresses of the functions that are called."""
    pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    core = "numpy._core" if np.lib.NumpyVersion(np.__version__) >= "2.0.0" else "numpy.core"
    table = pointer_of(import_module(f"{core}._multiarray_umath")._ARRAY_API, None)
    numpys = [ctypes.c_void_p.from_address(table + 8 * place).value for place in (NEW_FROM_DESCR, SET_BASE_OBJECT)]
    named = [getattr(ctypes.pythonapi, name) for name in ("Py_IncRef", "Py_DecRef", "PyList_SetItem", "PyErr_Clear")]
    return np.array([*numpys, *(ctypes.cast(function, ctypes.c_void_p).value for function in named)], INT64)


@cache
def _compiled() -> Any:
    dispatcher = njit(error_model="numpy", nogil=False, no_cfunc_wrapper=True, _nrt=False)(_slices)
    KernelCache.attach(dispatcher, "views.slices")
    numbers = types.Array(types.int64, 1, "C")
    dispatcher.compile((numbers, types.int64, types.int64, numbers, types.int64, types.int64))
    dispatcher.disable_compile()
    return dispatcher


def parts(x: Any, sizes: Any) -> list[Any] | None:
    """x[: sizes[0]], and so on, one after the other up to the end of x; None for what has to be sliced by numpy.

    sizes: an int64 array. None also if a size is negative, or if they do not add up.
    """
    return _made(x, sizes, x.shape, OTHER)


def beginnings(x: Any, sizes: Any) -> list[Any] | None:
    """x[k, : sizes[k]] for each k; None as for `parts`, or if a size is larger than there is room."""
    return _made(x, sizes, x.shape[1:], x.shape[1])


def _made(x: Any, sizes: Any, shape: tuple[int, ...], room: int) -> list[Any] | None:
    if type(x) is not np.ndarray or x.dtype.hasobject or not _matrices.are_known() or not is_known():
        return None
    made: list[Any] = [None] * len(sizes)
    sides = np.array(shape, INT64)
    if _compiled()(_functions(), id(made), id(x), sizes, id(sides), room) == OTHER:
        return None
    return made


@cache
def is_known() -> bool:
    """Whether strides lie where they are read."""
    probe = np.empty((3, 5), "float32")
    address = ctypes.c_int64.from_address(id(probe) + STRIDES).value
    return list((ctypes.c_int64 * 2).from_address(address)) == list(probe.strides)
