"""Making, converting and reshaping arrays."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from .._described import described
from ..kernels import arrays as kernels
from ..types import (
    Array2d,
    ArrayT,
    ArrayXd,
    DTypes,
    DTypesFloat,
    DTypesInt,
    Floats1d,
    Floats2d,
    Floats3d,
    Floats4d,
    FloatsXd,
    Ints1d,
    Ints2d,
    Ints3d,
    Ints4d,
    IntsXd,
    Shape,
)
from ._base import OpsBase, check_shape
from ._lists import matrices

DType: TypeAlias = DTypes | np.dtype[Any] | None
COMMON = {name: np.dtype(name) for name in ("float32", "float64", "int32", "int64")}
TRANSPOSED_FROM = 1 << 14
"""Elements from which a kernel copies a transposed matrix sooner than numpy."""
REPEATED_FROM = 1 << 14
"""Bytes of a result that is sooner made by compiled code than by numpy."""
WORDS = {4: np.dtype("float32"), 8: np.dtype("float64")}
"""As what elements of so many bytes are copied."""


class ArrayOps(OpsBase):
    """`alloc`, `asarray` and `reshape` with their typed forms, and `as_contig`, `to_numpy`, `tile`, `insert_into`."""

    # --- new arrays

    def alloc(self, shape: Shape | int, *, dtype: DType = "float32", zeros: bool = True) -> Any:
        """A new array on the device, filled with zeros unless told otherwise. A dtype of None means float64."""
        # By their types: to ask an abstract class takes longer than all the rest.
        sides: tuple[int, ...] = shape if type(shape) is tuple else check_shape("alloc: shape", shape)
        for side in sides:
            if type(side) is not int or not 0 <= side <= sys.maxsize:
                sides = check_shape("alloc: shape", sides)
                break
        named: Any = dtype
        kind = (COMMON.get(named) if type(named) is str else None) or np.dtype(dtype)
        if zeros:
            return self._zeros(sides, kind)
        # Recycled memory holds no valid references.
        return self.xp.empty(sides, kind) if kind.hasobject else self._empty(sides, kind)

    def alloc_f(self, shape: Shape, *, dtype: DTypesFloat | None = "float32", zeros: bool = True) -> Any:
        """`alloc` for floats."""
        return self.alloc(shape, dtype=dtype, zeros=zeros)

    def alloc1f(self, d0: int, *, dtype: DTypesFloat | None = "float32", zeros: bool = True) -> Floats1d:
        """`alloc` for floats of 1 dimension."""
        array: Floats1d = self.alloc((d0,), dtype=dtype, zeros=zeros)
        return array

    def alloc2f(self, d0: int, d1: int, *, dtype: DTypesFloat | None = "float32", zeros: bool = True) -> Floats2d:
        """`alloc` for floats of 2 dimensions."""
        array: Floats2d = self.alloc((d0, d1), dtype=dtype, zeros=zeros)
        return array

    def alloc3f(
        self, d0: int, d1: int, d2: int, *, dtype: DTypesFloat | None = "float32", zeros: bool = True
    ) -> Floats3d:
        """`alloc` for floats of 3 dimensions."""
        array: Floats3d = self.alloc((d0, d1, d2), dtype=dtype, zeros=zeros)
        return array

    def alloc4f(
        self, d0: int, d1: int, d2: int, d3: int, *, dtype: DTypesFloat | None = "float32", zeros: bool = True
    ) -> Floats4d:
        """`alloc` for floats of 4 dimensions."""
        array: Floats4d = self.alloc((d0, d1, d2, d3), dtype=dtype, zeros=zeros)
        return array

    def alloc_i(self, shape: Shape, *, dtype: DTypesInt | None = "int32", zeros: bool = True) -> Any:
        """`alloc` for integers."""
        return self.alloc(shape, dtype=dtype, zeros=zeros)

    def alloc1i(self, d0: int, *, dtype: DTypesInt | None = "int32", zeros: bool = True) -> Ints1d:
        """`alloc` for integers of 1 dimension."""
        array: Ints1d = self.alloc((d0,), dtype=dtype, zeros=zeros)
        return array

    def alloc2i(self, d0: int, d1: int, *, dtype: DTypesInt | None = "int32", zeros: bool = True) -> Ints2d:
        """`alloc` for integers of 2 dimensions."""
        array: Ints2d = self.alloc((d0, d1), dtype=dtype, zeros=zeros)
        return array

    def alloc3i(self, d0: int, d1: int, d2: int, *, dtype: DTypesInt | None = "int32", zeros: bool = True) -> Ints3d:
        """`alloc` for integers of 3 dimensions."""
        array: Ints3d = self.alloc((d0, d1, d2), dtype=dtype, zeros=zeros)
        return array

    def alloc4i(
        self, d0: int, d1: int, d2: int, d3: int, *, dtype: DTypesInt | None = "int32", zeros: bool = True
    ) -> Ints4d:
        """`alloc` for integers of 4 dimensions."""
        array: Ints4d = self.alloc((d0, d1, d2, d3), dtype=dtype, zeros=zeros)
        return array

    # --- conversion

    def asarray(self, data: ArrayXd | Sequence[ArrayXd] | Sequence[Any], dtype: DTypes | None = None) -> Any:
        """The data as an array of the device, itself if it is one of that dtype."""
        return self.xp.asarray(data, dtype=dtype)

    def asarray_f(self, data: FloatsXd | Sequence[Any], *, dtype: DTypes | None = "float32") -> Any:
        """`asarray` for floats."""
        return self.asarray(data, dtype=dtype)

    def asarray1f(self, data: Floats1d | Sequence[float], *, dtype: DTypes | None = "float32") -> Floats1d:
        """`asarray` for floats of 1 dimension."""
        array: Floats1d = self.asarray(data, dtype=dtype)
        return array

    def asarray2f(self, data: Floats2d | Sequence[Sequence[float]], *, dtype: DTypes | None = "float32") -> Floats2d:
        """`asarray` for floats of 2 dimensions."""
        array: Floats2d = self.asarray(data, dtype=dtype)
        return array

    def asarray3f(
        self, data: Floats3d | Sequence[Sequence[Sequence[float]]], *, dtype: DTypes | None = "float32"
    ) -> Floats3d:
        """`asarray` for floats of 3 dimensions."""
        array: Floats3d = self.asarray(data, dtype=dtype)
        return array

    def asarray4f(
        self, data: Floats4d | Sequence[Sequence[Sequence[Sequence[float]]]], *, dtype: DTypes | None = "float32"
    ) -> Floats4d:
        """`asarray` for floats of 4 dimensions."""
        array: Floats4d = self.asarray(data, dtype=dtype)
        return array

    def asarray_i(self, data: IntsXd | Sequence[Any], *, dtype: DTypes | None = "int32") -> Any:
        """`asarray` for integers."""
        return self.asarray(data, dtype=dtype)

    def asarray1i(self, data: Ints1d | Sequence[int], *, dtype: DTypes | None = "int32") -> Ints1d:
        """`asarray` for integers of 1 dimension."""
        array: Ints1d = self.asarray(data, dtype=dtype)
        return array

    def asarray2i(self, data: Ints2d | Sequence[Sequence[int]], *, dtype: DTypes | None = "int32") -> Ints2d:
        """`asarray` for integers of 2 dimensions."""
        array: Ints2d = self.asarray(data, dtype=dtype)
        return array

    def asarray3i(self, data: Ints3d | Sequence[Sequence[Sequence[int]]], *, dtype: DTypes | None = "int32") -> Ints3d:
        """`asarray` for integers of 3 dimensions."""
        array: Ints3d = self.asarray(data, dtype=dtype)
        return array

    def asarray4i(
        self, data: Ints4d | Sequence[Sequence[Sequence[Sequence[int]]]], *, dtype: DTypes | None = "int32"
    ) -> Ints4d:
        """`asarray` for integers of 4 dimensions."""
        array: Ints4d = self.asarray(data, dtype=dtype)
        return array

    def as_contig(self, data: ArrayT, dtype: DTypes | None = None) -> ArrayT:
        """The data as a C-contiguous array, itself if it is one of that dtype."""
        given: Any = data
        # Asked for nothing else, or for what it has.
        as_it_is = dtype is None or (type(given) is np.ndarray and given.dtype == np.dtype(dtype))
        contiguous: ArrayT = self._contiguous(data) if as_it_is else self.xp.ascontiguousarray(data, dtype=dtype)
        return contiguous

    def _contiguous(self, X: Any) -> Any:
        turned = self._turned(X) if type(X) is np.ndarray and X.ndim == 2 and X.size >= TRANSPOSED_FROM else None
        return self.xp.ascontiguousarray(X) if turned is None else turned

    def _turned(self, X: Any) -> Any:
        """A C-contiguous copy of a matrix in Fortran's order, by a kernel; None for what numpy copies."""
        word, flags = WORDS.get(X.itemsize), X.flags
        if word is None or flags.c_contiguous or not flags.f_contiguous or self.xp is not np:
            return None
        # A kernel would be compiled anew for what is read-only.
        if X.dtype.hasobject or not flags.writeable:
            return None
        out = self._empty(X.shape, X.dtype)
        kernels.transpose.run(out.view(word), X.T.view(word))
        return out

    def to_numpy(self, data: Any, *, byte_order: Literal["<", ">", "=", "|"] | None = None) -> Any:
        """An array of the device as a numpy array, in a byte order if one is given. ValueError for anything else."""
        if not isinstance(data, np.ndarray):
            raise ValueError(f"to_numpy takes arrays of {type(self).__name__}, got {described(data)}")
        if byte_order:
            data = data.astype(data.dtype.newbyteorder(byte_order), copy=False)
        return data

    # --- shapes

    def reshape(self, array: ArrayT, shape: Shape) -> ArrayT:
        """The array in another shape; a copy only if its memory is not contiguous. ValueError if sizes differ."""
        # The method, where there is one: numpy's function takes twice as long to find it.
        plain = type(array) is np.ndarray
        given: Any = array
        reshaped: ArrayT = given.reshape(shape) if plain else self.xp.reshape(array, shape)
        return reshaped

    def reshape1(self, array: ArrayXd, d0: int) -> Any:
        """`reshape` to 1 dimension."""
        return self.reshape(array, (d0,))

    def reshape2(self, array: ArrayXd, d0: int, d1: int) -> Any:
        """`reshape` to 2 dimensions."""
        return self.reshape(array, (d0, d1))

    def reshape3(self, array: ArrayXd, d0: int, d1: int, d2: int) -> Any:
        """`reshape` to 3 dimensions."""
        return self.reshape(array, (d0, d1, d2))

    def reshape4(self, array: ArrayXd, d0: int, d1: int, d2: int, d3: int) -> Any:
        """`reshape` to 4 dimensions."""
        return self.reshape(array, (d0, d1, d2, d3))

    def reshape_f(self, array: FloatsXd, shape: Shape) -> Any:
        """`reshape` for floats."""
        return self.reshape(array, shape)

    def reshape1f(self, array: FloatsXd, d0: int) -> Floats1d:
        """`reshape` for floats to 1 dimension."""
        reshaped: Floats1d = self.reshape(array, (d0,))
        return reshaped

    def reshape2f(self, array: FloatsXd, d0: int, d1: int) -> Floats2d:
        """`reshape` for floats to 2 dimensions."""
        reshaped: Floats2d = self.reshape(array, (d0, d1))
        return reshaped

    def reshape3f(self, array: FloatsXd, d0: int, d1: int, d2: int) -> Floats3d:
        """`reshape` for floats to 3 dimensions."""
        reshaped: Floats3d = self.reshape(array, (d0, d1, d2))
        return reshaped

    def reshape4f(self, array: FloatsXd, d0: int, d1: int, d2: int, d3: int) -> Floats4d:
        """`reshape` for floats to 4 dimensions."""
        reshaped: Floats4d = self.reshape(array, (d0, d1, d2, d3))
        return reshaped

    def reshape_i(self, array: IntsXd, shape: Shape) -> Any:
        """`reshape` for integers."""
        return self.reshape(array, shape)

    def reshape1i(self, array: IntsXd, d0: int) -> Ints1d:
        """`reshape` for integers to 1 dimension."""
        reshaped: Ints1d = self.reshape(array, (d0,))
        return reshaped

    def reshape2i(self, array: IntsXd, d0: int, d1: int) -> Ints2d:
        """`reshape` for integers to 2 dimensions."""
        reshaped: Ints2d = self.reshape(array, (d0, d1))
        return reshaped

    def reshape3i(self, array: IntsXd, d0: int, d1: int, d2: int) -> Ints3d:
        """`reshape` for integers to 3 dimensions."""
        reshaped: Ints3d = self.reshape(array, (d0, d1, d2))
        return reshaped

    def reshape4i(self, array: IntsXd, d0: int, d1: int, d2: int, d3: int) -> Ints4d:
        """`reshape` for integers to 4 dimensions."""
        reshaped: Ints4d = self.reshape(array, (d0, d1, d2, d3))
        return reshaped

    def tile(self, X: Array2d, reps: int) -> Any:
        """The columns of X, repeated. MemoryError if the result is larger than any memory."""
        # numpy multiplies without looking, and ends the process.
        times: Any = reps
        if isinstance(times, (int, np.integer)) and getattr(X, "nbytes", 0) * int(times) > sys.maxsize:
            raise MemoryError(f"tile: {described(X)} cannot be repeated {reps} times")
        if type(times) is int and times > 0 and self.xp is np and getattr(X, "nbytes", 0) * times >= REPEATED_FROM:
            repeated = matrices().repeated(X, times, self._empty)
            if repeated is not None:
                return repeated
        return self.xp.tile(X, reps)

    def insert_into(self, shape: Shape, Xs: Sequence[ArrayXd]) -> Any:
        """Zeros of a shape, with Xs[i] at the beginning of row i, in the dtype of the first of them."""
        if not isinstance(Xs, (list, tuple)) or not Xs:
            raise TypeError(f"insert_into: Xs must be a list of at least one array, got {described(Xs)}")
        known = matrices().alike(tuple(Xs)) if self.xp is np else None
        if known is not None and known.fits_into(shape) and known.dtype.kind in "biufc" and known.dtype.isnative:
            inserted = self.alloc(shape, dtype=known.dtype, zeros=False)
            matrices().fill(known, inserted)
            self._clear(inserted[len(Xs) :])
            return inserted
        arrays = [self._array("insert_into: Xs", X, None) for X in Xs]
        dtype = arrays[0].dtype
        # Zeros only where nothing else goes, for numbers: in other dtypes 0 is not what zeroed memory says.
        numbers = dtype.kind in "biufc"
        output = self.alloc(shape, dtype=dtype, zeros=not numbers)
        for i, X in enumerate(arrays):
            try:
                output[i, : len(X)] = X
                if numbers:
                    self._clear(output[i, len(X) :])
            except (ValueError, IndexError, TypeError) as error:
                raise ValueError(
                    f"insert_into: {described(X)} does not fit into row {i} of {shape}: {error}"
                ) from error
        if numbers:
            self._clear(output[len(arrays) :])
        return output
