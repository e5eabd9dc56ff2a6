"""Tables of vectors and the hashes that index them."""

from __future__ import annotations

import sys
from typing import Any, TypeAlias

import numpy as np
from numpy import ndarray

from .._arrays import is_xp_array
from .._described import described
from ..errors import InputError
from ..kernels import embed as kernels, hashing, positions, sparse
from ..types import Floats2d, Ints1d, Ints2d
from ._base import (
    DOUBLE,
    SINGLE,
    check_indices,
    check_integer,
    check_overwritable,
    counted_from_start,
)
from ._lengths import INT32, INT64, LengthOps

UINT32, UINT64 = np.dtype("uint32"), np.dtype("uint64")
FEW_FEATURES = 1 << 14
"""Features of SparseLinear from which threads share the work."""
SparseKept: TypeAlias = tuple[Any, Any, Any, Any, int]
"""W, places, values, offsets, and how far apart the weights of neighbouring outputs are."""


class EmbeddingOps(LengthOps):
    """`hash`, `ngrams`, `gather_add`, `scatter_add` and `position_encode`."""

    def hash(self, ids: Ints1d, seed: int) -> Ints2d:
        """Four 32-bit hashes of each 64-bit id, by MurmurHash3 (Appleby, 2011): (n,) uint64 → (n, 4) uint32."""
        bits = self._ids("hash: ids", ids)
        keys: Ints2d = self._empty((len(bits), 4), UINT32)
        hashing.hash_ids.run(bits, keys.view(UINT64).ravel(), _bits_of_seed("hash: seed", seed))
        return keys

    def hash_rows(self, ids: Ints1d, seed: int, rows: int) -> Ints2d:
        """The four rows of a table that each id stands for: `hash` modulo the number of rows, (n, 4) int32."""
        if not 0 < rows <= 0x7FFFFFFF:
            raise ValueError(f"hash_rows: the table must have 1 to {0x7FFFFFFF} rows, got {rows}")
        bits = self._ids("hash_rows: ids", ids)
        keys: Ints2d = self._empty((len(bits), 4), INT32)
        hashing.hash_rows.run(keys, bits, _bits_of_seed("hash_rows: seed", seed), rows)
        return keys

    def ngrams(self, n: int, keys: Ints1d) -> Ints1d:
        """A hash of every n keys in a row, by MurmurHash2: (m,) uint64 → (max(0, m - n + 1),) uint64.

        As in Thinc there are none of no keys: for n below 1 the result is empty.
        """
        n = check_integer("ngrams: n", n, -0x80000000)
        bits = self._ids("ngrams: keys", keys)
        out: Ints1d = self._empty((max(0, len(bits) - n + 1) if n > 0 else 0,), UINT64)
        hashing.ngrams.run(out, bits, n)
        return out

    def gather_add(self, table: Floats2d, indices: Ints2d) -> Floats2d:
        """The sum of the rows that each row of indices (n, k) names in table (rows, width): (n, width).

        IndexError if an index is negative or not below the number of rows.
        """
        table = self._reals("gather_add: table", table, 2)
        rows = self._ints("gather_add: indices", indices, 2)
        check_indices("gather_add", rows, len(table))
        out: Floats2d = self._gather_add(table, rows)
        return out

    def _gather_add(self, table: Any, indices: Any) -> Any:
        out = self._empty((len(indices), table.shape[1]), table.dtype)
        kernels.gather_add(out, table, indices)
        return out

    def scatter_add(self, table: Floats2d, indices: Ints1d, values: Floats2d) -> None:
        """table[indices[i]] += values[i], in place and in order. Any number of trailing dimensions.

        Negative indices count from the end, as NumPy's do: -1 is the last row. IndexError for indices outside. A mask
        (rows,) stands for the rows where it is true, and values may be fewer that broadcast. A table of integers takes
        integers. Values that are a part of the table are added as they were before.
        """
        if is_xp_array(indices) and indices.dtype.kind == "b":
            if indices.shape != getattr(table, "shape", ())[:1]:
                raise IndexError(f"scatter_add: table is {described(table)}, but the mask is {described(indices)}")
            indices = indices.nonzero()[0]
        if is_xp_array(table) and table.dtype.kind in "iu":
            # The kernels, which are for real numbers, would not keep large ones exact.
            places = self._ints("scatter_add: indices", indices, dtype="int64")
            try:
                self.xp.add.at(table, places, values)
            except (IndexError, TypeError, ValueError) as error:
                kind = next(kind for kind in (IndexError, TypeError, ValueError) if isinstance(error, kind))
                raise kind(f"scatter_add: {error}") from error
            return
        check_overwritable("scatter_add", table)
        if table.ndim == 0:
            raise ValueError(f"scatter_add: table must have rows, got {described(table)}")
        rows = counted_from_start("scatter_add", self._ints("scatter_add: indices", indices), len(table))
        added = self._unshared(self._reals("scatter_add: values", values), table)
        shape = (*rows.shape, *table.shape[1:])
        if added.shape != shape:
            try:
                added = self.xp.ascontiguousarray(self.xp.broadcast_to(added, shape))
            except ValueError:
                raise ValueError(
                    f"scatter_add: table is {described(table)} and indices are {described(indices)}, so values must be "
                    f"{shape}, got {described(values)}"
                ) from None
        width = added.size // rows.size if rows.size else 0
        if width:
            target = self._reals("scatter_add: table", table)
            added = added.astype(target.dtype, copy=False).reshape(rows.size, width)
            target_rows = target.reshape(len(table), width)
            if self._needs_order():
                self._scatter_add_sorted(target_rows, rows.reshape(-1), added)
            else:
                kernels.scatter_add(rows.reshape(-1), added, target_rows)
            self._given(table, target)

    def scatter_add_rows(self, table: Floats2d, indices: Ints2d, values: Floats2d) -> None:
        """The gradient of `gather_add`: values (n, width) are added to each of the k rows named by indices (n, k).

        IndexError if an index is negative or not below the number of rows.
        """
        check_overwritable("scatter_add_rows", table)
        if table.ndim != 2:
            raise ValueError(f"scatter_add_rows: table must have 2 dimensions, got {described(table)}")
        rows = self._ints("scatter_add_rows: indices", indices, 2)
        check_indices("scatter_add_rows", rows, len(table))
        added = self._unshared(self._reals("scatter_add_rows: values", values, 2), table)
        if added.shape != (len(rows), table.shape[1]):
            raise ValueError(
                f"scatter_add_rows: table is {described(table)} and indices are {described(indices)}, so values must "
                f"be {(len(rows), table.shape[1])}, got {described(values)}"
            )
        target = self._reals("scatter_add_rows: table", table, 2)
        added = added.astype(target.dtype, copy=False)
        if self._needs_order():
            self._scatter_add_sorted(target, rows.reshape(-1), added)
        else:
            kernels.scatter_add_rows(rows, added, target)
        self._given(table, target)

    def _unshared(self, values: Any, table: Any) -> Any:
        """The values, copied if the table lies in their memory: in what order rows are read and written is open."""
        return values.copy() if self.xp.may_share_memory(values, table) else values

    def _needs_order(self) -> bool:
        # The CPU adds one row after the other anyway.
        return self.deterministic and self.xp is not np

    def _scatter_add_sorted(self, table: Any, indices: Any, values: Any) -> None:
        """Add values[i // k] to table[indices[i]], of k indices for each row of values, in the order of i."""
        if indices.size == 0:
            return
        xp = self.xp
        order = indices.argsort().astype("int64", copy=False)  # CuPy's sort is always stable.
        ordered = indices[order]
        inner = xp.flatnonzero(ordered[1:] != ordered[:-1]).astype("int64", copy=False) + 1
        bounds = xp.concatenate([xp.zeros(1, dtype="int64"), inner, xp.full(1, indices.size, dtype="int64")])
        kernels.scatter_add_sorted(bounds[:-1], bounds[1:], order, ordered, values, table, indices.size // len(values))

    def _sparse_linear(
        self, W: Any, b: Any, keys: Any, values: Any, lengths: Any, length: int, masked: bool
    ) -> tuple[Any, SparseKept]:
        """SparseLinear of W (nO * length,) and b (nO,): (items, nO), and what its gradient needs.

        There are as many values as keys. ValueError if the lengths do not add up to that, or for W of another size.
        """
        W, b = self._reals("sparse_linear: W", W, 1), self._reals("sparse_linear: b", b, 1)
        if len(W) != len(b) * length:
            raise InputError(f"sparse_linear: W must have {len(b)} * {length} elements, got {described(W)}")
        bits = self._ids("sparse_linear: keys", keys)
        weighed = self._reals("sparse_linear: values", values, 1)
        b, weighed = (array.astype(W.dtype, copy=False) for array in (b, weighed))
        _, offsets = self._offsets("sparse_linear", lengths, len(bits))
        Y = self._empty((len(offsets) - 1, len(b)), W.dtype)
        places = self._empty((2, len(bits)), UINT32)
        step = 1 if masked else length
        sparse.sparse_linear.run(Y, W, b, places, bits, weighed, offsets, length, int(masked), step)
        return Y, (W, places, weighed, offsets, step)

    def _sparse_linear_few(
        self, W: Any, b: Any, keys: Any, values: Any, lengths: Any, length: int, masked: bool
    ) -> tuple[Any, SparseKept] | None:
        """The same of few features in the usual arrays; None for others, and for what is wrong.

        One kernel does all, checks of lengths included: of one item Python takes most of the time.
        """
        if self.xp is not np:
            return None
        for array, dtype in ((W, SINGLE), (b, SINGLE), (values, SINGLE), (keys, UINT64), (lengths, INT32)):
            if (
                type(array) is not ndarray
                or array.dtype is not dtype
                or array.ndim != 1
                or not array.flags.c_contiguous
            ):
                return None
        features, items, outputs = len(keys), len(lengths), len(b)
        if features != len(values) or features >= FEW_FEATURES or len(W) != outputs * length:
            return None
        Y, places = self._empty((items, outputs), SINGLE), self._empty((2, features), UINT32)
        offsets, step = np.empty((1, items + 1), INT64), 1 if masked else length
        sparse.sparse_linear_few.run(offsets, Y, W, b, places, keys, values, lengths, length, int(masked), step)
        return None if offsets.item(items) < 0 else (Y, (W, places, values, offsets, step))

    def _backprop_sparse_linear(self, dY: Any, dW: Any, kept: SparseKept) -> Any:
        """The gradient of the values; that of W is added to dW."""
        W, places, values, offsets, step = kept
        d_values = self._empty(values.shape, W.dtype)
        dY = self._reals("sparse_linear: dY", dY, 2)
        sparse.backprop_sparse_linear(dY, dW, d_values, W, places, values, offsets.reshape(-1), step)
        return d_values

    def position_encode(self, N: int, D: int, period: int = 10000, out: Floats2d | None = None) -> Floats2d:
        """Sines and cosines of positions 0 … N - 1 in D columns, as in Vaswani et al., 2017: (N, D) float32.

        Columns 2k and 2k + 1 are the sine and the cosine of position / period ** (4k / D). If D is odd, the last column
        repeats the sine before it, as in Thinc. With `out` (N, D) the result is written there, in its precision.
        ValueError for negative N or D, a period below 1 and an `out` of another shape, read-only or no floats.
        """
        N = check_integer("position_encode: N", N, 0)
        D = check_integer("position_encode: D", D, 0)
        if not isinstance(period, (int, float, np.number)):
            raise TypeError(f"position_encode: period must be a number, got {described(period)}")
        if not 1 <= period <= sys.float_info.max:
            raise ValueError(f"position_encode: period must be at least 1, and finite, got {period!s:.40}")
        if out is not None:
            if (
                self._array("position_encode: out", out, 2).shape != (N, D)
                or not is_xp_array(out)
                or out.dtype.kind != "f"
            ):
                raise ValueError(f"position_encode: out must be an array of floats {(N, D)}, got {described(out)}")
            check_overwritable("position_encode: out", out)
        table: Floats2d = self._empty((N, D), "float32") if out is None else out
        # Exponents, wavelengths and angles are rounded to the precision of the result, again as in Thinc: at position
        # 3000 that shows in the fourth decimal.
        xp, precision = self.xp, SINGLE if table.dtype.itemsize == 4 else DOUBLE
        pairs = xp.arange(D // 2 or 1)
        exponents = (4 * pairs / max(D, 1)).astype(table.dtype).astype(DOUBLE)
        wavelengths = (float(int(period)) ** exponents).astype(table.dtype)
        angles = self._empty((N, len(pairs)), precision)
        xp.divide(xp.arange(N, dtype=table.dtype)[:, None], wavelengths, out=angles)
        is_ready = type(table) is xp.ndarray and table.dtype is precision and table.flags.c_contiguous
        is_whole = is_ready and 2 * len(pairs) == D
        both = table if is_whole else self._empty((N, 2 * len(pairs)), precision)
        positions.sines_and_cosines.run(angles.ravel(), both.ravel())
        if not is_whole:
            table[:, : 2 * len(pairs)] = both[:, :D]
        if D % 2:
            table[:, -1] = both[:, -2]
        return table

    def _ids(self, what: str, ids: Any) -> Any:
        if type(ids) is ndarray and ids.dtype is UINT64 and ids.ndim == 1 and ids.flags.c_contiguous and self.xp is np:
            return ids
        ids = self._array(what, ids, 1)
        if ids.dtype.char not in "LQ":
            if ids.dtype.kind not in "iu":
                raise TypeError(f"{what} must be integers, got {described(ids)}")
            # Signed ids keep their bits: -1 is the id 2**64 - 1.
            ids = ids.astype("int64").view("uint64") if ids.dtype.kind == "i" else ids.astype("uint64")
        return ids if ids.flags.c_contiguous else self.xp.ascontiguousarray(ids)


def _bits_of_seed(what: str, seed: Any) -> int:
    """The lowest 32 bits. TypeError if the seed is no integer."""
    return (seed if type(seed) is int else check_integer(what, seed, -(1 << 63), (1 << 64) - 1)) & 0xFFFFFFFF
