"""What all families of operations stand on: where arrays live, where new ones come from, what an operation accepts."""

from __future__ import annotations

import operator
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy import ndarray

from .._arrays import is_xp_array, to_cpu
from .._described import described
from ..errors import InputError, LengthsError
from ..kernels import Kernel
from ..types import ArrayT, DeviceTypes, FloatsXdT

FLOATS = SINGLE, DOUBLE = np.dtype("float32"), np.dtype("float64")
INTEGERS = {name: np.dtype(name) for name in ("int32", "int64")}
UNSIGNED = {4: np.dtype("uint32"), 8: np.dtype("uint64")}


class OpsBase:
    """The device, and the two questions that every operation asks: what came in, and where does the result go.

    Arguments are checked before a kernel runs, since kernels check nothing. What is not a contiguous array of the
    device is made one; float16, integers and booleans become float32; anything else is a TypeError.
    """

    name: str = "base"
    device_type: DeviceTypes
    device_id: int
    deterministic: bool = True
    """Whether every run gives the same bits: always on the CPU, on a GPU if it was asked for."""
    xp: ModuleType = np
    """The array module: numpy or cupy."""

    def _empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An uninitialised C-contiguous array on the device."""
        return self.xp.empty(shape, dtype=dtype)

    def _empty_like(self, X: Any) -> Any:
        """The same, of the shape and dtype of an array."""
        return self.xp.empty(X.shape, dtype=X.dtype)

    def _zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """A C-contiguous array of zeros on the device."""
        return self.xp.zeros(shape, dtype=dtype)

    def _clear(self, array: Any) -> None:
        """Write zeros into a contiguous array of numbers."""
        array.fill(0)

    def _contiguous(self, X: Any) -> Any:
        """X, or a C-contiguous copy of it."""
        return self.xp.ascontiguousarray(X)

    def _matmul(self, a: Any, b: Any, out: Any) -> None:
        """out = a @ b, of matrices on the device."""
        self.xp.matmul(a, b, out=out)

    def _matmul_transposed(self, a: Any, b: Any, out: Any) -> None:
        """out = a @ b.T, of C-contiguous matrices of one precision."""
        self._matmul(a, b.T, out)

    def _is_ready(self, X: Any) -> bool:
        """Whether a kernel in float32 can take X as it is. False for some that `_reals` would give back, too."""
        return type(X) is ndarray and X.dtype is SINGLE and X.flags.c_contiguous and self.xp is np

    def _reals(self, what: str, X: Any, ndim: int | None = None) -> Any:
        """X as a C-contiguous float32 or float64 array; `what` names operation and argument in errors."""
        # Nearly always it is one, and a small operation takes no longer than the steps below.
        if type(X) is ndarray and (ndim is None or X.ndim == ndim) and X.flags.c_contiguous and self.xp is np:
            dtype = X.dtype
            if dtype is SINGLE or dtype is DOUBLE or dtype in FLOATS:
                return X
        X = self._array(what, X, ndim)
        if X.dtype.char not in "fd":
            if X.dtype.kind not in "fiub":
                raise TypeError(f"{what} must hold real numbers, got {described(X)}")
            X = X.astype("float64" if X.dtype.itemsize > 8 else "float32")
        return X if X.flags.c_contiguous else self._contiguous(X)

    def _ints(self, what: str, X: Any, ndim: int | None = None, dtype: str = "int32") -> Any:
        """X as a C-contiguous array of the integer dtype. OverflowError if a value does not fit it."""
        # As above: nearly always it is one.
        if type(X) is ndarray and X.dtype is INTEGERS[dtype] and (ndim is None or X.ndim == ndim) and self.xp is np:
            return X if X.flags.c_contiguous else np.ascontiguousarray(X)
        X = self._array(what, X, ndim)
        if X.dtype is INTEGERS["int32"] and dtype == "int64":
            return X.astype(INTEGERS["int64"], order="C")
        if X.dtype != dtype:
            if X.dtype.kind not in "iub" and X.size:
                raise TypeError(f"{what} must hold integers, got {described(X)}")
            if X.size and X.dtype.kind in "iu" and not np.can_cast(X.dtype, dtype):
                limits = np.iinfo(dtype)
                if int(X.max()) > limits.max or int(X.min()) < limits.min:
                    raise OverflowError(f"{what} has values that do not fit into {dtype}")
            X = X.astype(dtype)
        return X if X.flags.c_contiguous else self.xp.ascontiguousarray(X)

    def _array(self, what: str, X: Any, ndim: int | None) -> Any:
        if not isinstance(X, self.xp.ndarray):
            if isinstance(X, np.ndarray) or type(X).__module__.partition(".")[0] == "cupy":
                raise TypeError(f"{what} must live on the device of {type(self).__name__}, got {described(X)}")
            if not isinstance(X, (list, tuple, int, float, np.generic)):
                raise TypeError(f"{what} must be an array, got {described(X)}")
            try:
                X = self.xp.asarray(X)
            except (ValueError, TypeError, OverflowError) as error:
                raise ValueError(f"{what} must be an array, got a {type(X).__name__} that is none: {error}") from error
        if type(X) is not self.xp.ndarray:
            X = self.xp.asarray(X)  # A matrix would not even become flat.
        if not X.dtype.isnative:
            X = X.astype(X.dtype.newbyteorder("="))
        if ndim is not None and X.ndim != ndim:
            raise InputError(f"{what} must have {ndim} dimensions, got {described(X)}")
        return X

    def _same_dtype(self, *arrays: Any) -> tuple[Any, ...]:
        """Arrays of one precision, the highest among them: a kernel is compiled for one."""
        dtype = arrays[0].dtype
        for array in arrays:
            if array.dtype is not dtype and array.dtype.char != dtype.char:
                break
        else:
            return arrays
        return tuple(array.astype("float64") for array in arrays)

    def _map(self, what: str, kernel: Kernel[...], X: FloatsXdT, *scalars: float, inplace: bool = False) -> FloatsXdT:
        """kernel(X), element by element; into X itself if `inplace`."""
        if inplace:
            check_overwritable(what, X)
        x: Any = X
        if not self._is_ready(x):
            x = self._reals(what + ": X", X)
        out = x if inplace else self._empty_like(x)
        # Of contiguous arrays these are views, and sooner made than by `reshape`.
        kernel.run(out.ravel(), x.ravel(), *scalars)
        return self._given(X, out) if inplace else out

    def _map_backward(
        self,
        what: str,
        kernel: Kernel[...],
        dY: FloatsXdT,
        *inputs: FloatsXdT,
        scalars: tuple[float, ...] = (),
        inplace: bool,
    ) -> FloatsXdT:
        """dX = kernel(dY, inputs…), element by element; into dY itself if `inplace`. All have one shape."""
        if inplace:
            check_overwritable(what, dY)
        arrays: tuple[Any, ...] = dY, *inputs
        if not all(map(self._is_ready, arrays)):
            arrays = (self._reals(what + ": dY", dY), *[self._reals(what + ": input", X) for X in inputs])
            arrays = self._same_dtype(*arrays)
        shape = arrays[0].shape
        for array in arrays[1:]:
            if array.shape != shape:
                raise ValueError(f"{what}: dY and the input must have one shape, got {shape} and {array.shape}")
        out = arrays[0] if inplace else self._empty_like(arrays[0])
        if inplace:
            # Loops over items take arrays to be one and the same or to have nothing in common.
            arrays = tuple(
                [
                    array.copy() if array is not out and self.xp.may_share_memory(array, out) else array
                    for array in arrays
                ]
            )
        kernel.run(out.ravel(), *[array.ravel() for array in arrays], *scalars)
        return self._given(dY, out) if inplace else out

    def _given(self, given: ArrayT, result: Any) -> ArrayT:
        """For operations in place: the array that the caller gave, holding the result."""
        if result is not given:
            target: Any = given
            target[...] = result
        return given


def check_overwritable(what: str, X: Any) -> None:
    """TypeError unless X is an array of floats, ValueError if it is read-only: what an operation in place needs."""
    if not hasattr(X, "flags") or X.dtype.kind != "f":
        raise TypeError(f"{what}: only an array of floats can be overwritten in place, got {described(X)}")
    # Arrays of CuPy have no such flag: they can always be written.
    if not getattr(X.flags, "writeable", True):
        raise ValueError(f"{what}: the array to overwrite, {described(X)}, is read-only; copy it or leave inplace out")


def check_indices(what: str, indices: Any, bound: int, things: str = "rows") -> None:
    """IndexError, naming the place, if an index lies outside 0 … bound - 1. A kernel would read or write there."""
    if not all_count_from_start(indices, bound):
        _check_range(what, indices, int(indices.min()), 0, bound, things)


def counted_from_start(what: str, indices: Any, bound: int) -> Any:
    """The indices with -1 … -bound, which count from the end, replaced. IndexError, naming the place, for others."""
    if all_count_from_start(indices, bound):
        return indices
    lowest = int(indices.min())
    _check_range(what, indices, lowest, -bound, bound, "rows")
    return indices if lowest >= 0 else indices + (indices < 0) * indices.dtype.type(bound)


def all_count_from_start(indices: Any, bound: int) -> bool:
    """Whether all are 0 … bound - 1. Negative ones are large when read as unsigned: one pass sees both."""
    if indices.size == 0:
        return True
    unsigned = indices.view(UNSIGNED[indices.itemsize])
    # The ufunc, which takes half as long as the method for few indices.
    highest = np.maximum.reduce(unsigned, axis=None) if type(unsigned) is np.ndarray else unsigned.max()
    return bool(highest < min(bound, 1 << (8 * indices.itemsize - 1)))


def _check_range(what: str, indices: Any, lowest: int, least: int, bound: int, things: str) -> None:
    highest = int(indices.max())
    if lowest >= least and highest < bound:
        return
    wrong = lowest if lowest < least else highest
    place = tuple(int(axis[0]) for axis in (indices == wrong).nonzero())
    at = place[0] if len(place) == 1 else place
    raise IndexError(
        f"{what}: index {wrong} at position {at} is outside {least} to {bound - 1} (there are {bound} {things})"
    )


def check_lengths(what: str, lengths: Any, rows: int) -> None:
    """LengthsError (a ValueError) unless the lengths of sequences are not negative and add up to the number of rows."""
    if lengths.size and int(lengths.min()) < 0:
        position = int((lengths < 0).nonzero()[0][0])
        raise LengthsError(
            f"{what}: all sequence lengths must be >= 0, was: {int(lengths[position])} at position {position}"
        )
    # In float64, where the sum of 64-bit lengths cannot wrap to the right number.
    total = int(lengths.sum(dtype="float64"))
    if total != rows:
        raise LengthsError(f"{what}: lengths must sum up to the number of rows, {rows}, not to {total}")


def check_integer(what: str, value: Any, lowest: int, highest: int = 2**31 - 1) -> int:
    """The value as an integer. TypeError if it is none, ValueError if it is out of bounds."""
    try:
        integer = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be an integer, got {described(value)}") from None
    if not lowest <= integer <= highest:
        raise ValueError(f"{what} must be at least {lowest} and at most {highest}, got {integer}")
    return integer


def check_shape(what: str, shape: Any) -> tuple[int, ...]:
    """The sides of a shape: a tuple, a list or an array of integers, or one integer. Errors as `check_integer`."""
    several = isinstance(shape, Sequence) or getattr(shape, "ndim", 0) > 0
    return tuple([check_integer(what, side, 0, sys.maxsize) for side in (shape if several else (shape,))])


def host_lengths(what: str, lengths: Any) -> list[int]:
    """Lengths, a list or an array of any device, as Python integers. ValueError if one is negative."""
    listed: list[int]
    if isinstance(lengths, (list, tuple)):
        try:
            listed = [operator.index(size) for size in lengths]
        except TypeError:
            raise TypeError(f"{what} must be integers, got {lengths!r:.80}") from None
    elif is_xp_array(lengths) and lengths.ndim == 1 and (lengths.dtype.kind in "iu" or lengths.size == 0):
        listed = to_cpu(lengths).tolist()
    else:
        raise TypeError(f"{what} must be a list or an array of integers of 1 dimension, got {described(lengths)}")
    if listed and min(listed) < 0:
        position = listed.index(min(listed))
        raise ValueError(f"{what} must not be negative, got {listed[position]} at position {position}")
    return listed
