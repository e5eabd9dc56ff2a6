"""One vector for each sequence of a batch, and softmax over sequences."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from .._described import described
from ..errors import InputRankError
from ..kernels import reduce as kernels
from ..types import ArrayT, Floats2d, Ints1d, Ints2d
from ._base import SINGLE
from ._lengths import INT32, INT64, MOST_ROWS, LengthOps


class ReductionOps(LengthOps):
    """`reduce_first`, `_last`, `_max`, `_mean`, `_sum`, `softmax_sequences` and their gradients.

    `lengths` (sequences,) are integers that add up to the rows of X (n, width). ValueError if they do not, or if one is
    negative. A sequence of length 0 has sum and mean 0, but no first, last or largest: ValueError.
    """

    def reduce_first(self, X: ArrayT, lengths: Ints1d) -> tuple[ArrayT, Ints1d]:
        """The first row of each sequence, and where sequences start and the last ends (sequences + 1,), int32.

        X may have any number of dimensions and any dtype.
        """
        rows = self._array_of_rows("reduce_first: X", X)
        _, offsets = self._offsets("reduce_first", lengths, len(rows), shortest=1)
        return rows.take(offsets[:-1], axis=0), offsets.astype(INT32 if len(rows) <= MOST_ROWS else INT64)

    def backprop_reduce_first(self, d_firsts: ArrayT, starts_ends: Ints1d) -> ArrayT:
        """d_firsts (sequences, …) in the first row of each sequence, zeros elsewhere: (end of the last, …).

        `starts_ends` is what reduce_first gave. ValueError if it falls or does not fit d_firsts.
        """
        dY = self._array_of_rows("backprop_reduce_first: d_firsts", d_firsts)
        bounds = self._ints("backprop_reduce_first: starts_ends", starts_ends, 1, "int64")
        starts = bounds[:-1]
        if len(starts) != len(dY):
            raise ValueError(
                f"backprop_reduce_first: d_firsts is {described(dY)}, so starts_ends must have {len(dY) + 1} entries, "
                f"got {described(bounds)}"
            )
        rows = int(bounds[-1]) if len(bounds) else 0
        dX: ArrayT | None = self._rows_at(rows, starts, dY)
        if dX is None:
            ends = bounds[1:]
            if int(bounds.min()) < 0 or bool((ends < starts).any()):
                raise ValueError("backprop_reduce_first: starts_ends must not be negative and must not fall")
            # There are sequences without rows.
            filled = ends > starts
            dX = self._rows_at(rows, starts[filled], dY[filled])
        return cast("ArrayT", dX)

    def reduce_last(self, X: ArrayT, lengths: Ints1d) -> tuple[ArrayT, Ints1d]:
        """The last row of each sequence, and which rows those are (sequences,), int64.

        X may have any number of dimensions and any dtype.
        """
        rows = self._array_of_rows("reduce_last: X", X)
        _, offsets = self._offsets("reduce_last", lengths, len(rows), shortest=1)
        lasts = offsets[1:] - 1
        return rows.take(lasts, axis=0), lasts

    def backprop_reduce_last(self, d_lasts: ArrayT, lasts: Ints1d) -> ArrayT:
        """d_lasts (sequences, …) in the last row of each sequence, zeros elsewhere: (last row + 1, …).

        `lasts` is what reduce_last gave. ValueError if it does not rise or does not fit d_lasts.
        """
        dY = self._array_of_rows("backprop_reduce_last: d_lasts", d_lasts)
        places = self._ints("backprop_reduce_last: lasts", lasts, 1, "int64")
        if len(places) != len(dY):
            raise ValueError(f"backprop_reduce_last: d_lasts is {described(dY)}, but lasts is {described(places)}")
        dX: ArrayT | None = self._rows_at(int(places[-1]) + 1 if len(places) else 0, places, dY)
        if dX is None:
            raise ValueError("backprop_reduce_last: lasts must not be negative and must rise")
        return dX

    def reduce_max(self, X: Floats2d, lengths: Ints1d) -> tuple[Floats2d, Ints2d]:
        """The largest value of each column in each sequence, and in which of its rows it is, the first where several.

        A NaN is only the largest in a sequence's first row, as in Thinc.
        """
        X = self._reals("reduce_max: X", X, 2)
        lengths, offsets = self._offsets("reduce_max", lengths, len(X), shortest=1)
        if len(X) > MOST_ROWS and int(lengths.max()) > MOST_ROWS:
            raise ValueError(f"reduce_max: a sequence may have at most {MOST_ROWS} rows, got {int(lengths.max())}")
        maxes = self._empty((len(lengths), X.shape[1]), X.dtype)
        which = self._empty(maxes.shape, "int32")
        kernels.reduce_max.run(maxes, which, X, offsets)
        return maxes, which

    def backprop_reduce_max(self, d_maxes: Floats2d, which: Ints2d, lengths: Ints1d) -> Floats2d:
        """d_maxes (sequences, width) in the rows that were largest, zeros elsewhere: (sum of lengths, width).

        IndexError if an entry of `which` is no row of its sequence.
        """
        dY = self._reals("backprop_reduce_max: d_maxes", d_maxes, 2)
        which = self._ints("backprop_reduce_max: which", which, 2)
        if which.shape != dY.shape:
            raise ValueError(f"backprop_reduce_max: d_maxes is {described(dY)}, but which is {described(which)}")
        lengths, offsets = self._offsets("backprop_reduce_max", lengths, None, shortest=1, sequences=len(dY))
        dX: Floats2d = self._empty((int(offsets[-1]), dY.shape[1]), dY.dtype)
        outside = self.xp.zeros(1, INT32)
        kernels.backprop_reduce_max.run(dY, dX.ravel(), which, offsets, outside)
        if outside[0]:
            wrong = (which < 0) | (which >= lengths[:, None])
            k, column = (int(axis[0]) for axis in wrong.nonzero())
            raise IndexError(
                f"backprop_reduce_max: which is {int(which[k, column])} at position {(k, column)}, but sequence {k} "
                f"has {int(lengths[k])} rows"
            )
        return dX

    def reduce_mean(self, X: Floats2d, lengths: Ints1d) -> Floats2d:
        """The mean of each sequence's rows, 0 for a sequence without rows: (n, width) → (sequences, width)."""
        return self._sums("reduce_mean", X, lengths, mean=True)

    def backprop_reduce_mean(self, d_means: Floats2d, lengths: Ints1d) -> Floats2d:
        """d_means (sequences, width), over its length, in each row of a sequence: (sum of lengths, width)."""
        return self._backprop_sums("backprop_reduce_mean: d_means", d_means, lengths, mean=True)

    def reduce_sum(self, X: Floats2d, lengths: Ints1d) -> Floats2d:
        """The sum of each sequence's rows, 0 for a sequence without rows: (n, width) → (sequences, width)."""
        return self._sums("reduce_sum", X, lengths, mean=False)

    def backprop_reduce_sum(self, d_sums: Floats2d, lengths: Ints1d) -> Floats2d:
        """d_sums (sequences, width) in each row of a sequence: (sum of lengths, width)."""
        return self._backprop_sums("backprop_reduce_sum: d_sums", d_sums, lengths, mean=False)

    def softmax_sequences(self, Xs: Floats2d, lengths: Ints1d, *, inplace: bool = False, axis: int = -1) -> Floats2d:
        """Softmax down each column of each sequence: (n, width) → (n, width), each sequence's columns add up to 1.

        Values are clipped to -20 … 20 before, as in Thinc. `inplace` and `axis` are accepted for Thinc's sake: it does
        the same whatever they are.
        """
        X = self._reals("softmax_sequences: Xs", Xs)
        if X.ndim != 2:
            raise InputRankError(f"softmax_sequences: Softmax currently only supports 2d, got Xs {described(Xs)}")
        lengths, offsets = self._offsets("softmax_sequences", lengths, len(X))
        Y: Floats2d = self._empty_like(X)
        flat = Y.ravel()
        kernels.exp_clipped.run(flat, X.ravel())
        kernels.normalise_sequences.run(self._empty((len(lengths), X.shape[1]), X.dtype), flat, offsets)
        return Y

    def backprop_softmax_sequences(self, dY: Floats2d, Y: Floats2d, lengths: Ints1d) -> Floats2d:
        """The gradient of softmax_sequences from its result Y; that of clipping is taken as 1."""
        d, y = self._same_dtype(
            self._reals("backprop_softmax_sequences: dY", dY, 2), self._reals("backprop_softmax_sequences: Y", Y, 2)
        )
        if d.shape != y.shape:
            raise ValueError(f"backprop_softmax_sequences: dY is {described(dY)}, but Y is {described(Y)}")
        lengths, offsets = self._offsets("backprop_softmax_sequences", lengths, len(y))
        dX: Floats2d = self._empty_like(y)
        totals = self._empty((len(lengths), y.shape[1]), y.dtype)
        kernels.backprop_softmax_sequences.run(totals, dX.ravel(), d.ravel(), y.ravel(), offsets)
        return dX

    def _sums(self, what: str, X: Any, lengths: Any, *, mean: bool) -> Floats2d:
        X = self._reals(f"{what}: X", X, 2)
        lengths, offsets = self._offsets(what, lengths, len(X))
        sums: Floats2d = self._empty((len(lengths), X.shape[1]), X.dtype)
        kernels.reduce_sum.run(sums, X, offsets, int(mean))
        return sums

    def _backprop_sums(self, what: str, d_sums: Any, lengths: Any, *, mean: bool) -> Floats2d:
        dY = self._reals(what, d_sums, 2)
        _, offsets = self._offsets(what.partition(":")[0], lengths, None, sequences=len(dY))
        dX: Floats2d = self._empty((int(offsets[-1]), dY.shape[1]), dY.dtype)
        kernels.backprop_reduce_sum.run(dY, dX, offsets, int(mean))
        return dX

    def _rows_at(self, rows: int, places: Any, values: Any) -> Any:
        """An array of this many rows, zeros but for values at the places; None if places do not rise within them."""
        if rows < 0:
            return None
        if values.size and values.dtype.char in "fd":
            spread = self._empty((rows, *values.shape[1:]), values.dtype)
            outside = self.xp.zeros(1, INT32)
            flat = values
            if values.ndim != 2 or not self._is_ready(values):
                flat = self._reals("values", values).reshape(len(values), -1)
            kernels.spread_rows.run(flat, spread.ravel(), places, outside, rows)
            return None if outside[0] else spread
        if len(places) and (int(places[0]) < 0 or int(places[-1]) >= rows or bool((places[1:] <= places[:-1]).any())):
            return None
        out = self._zeros((rows, *values.shape[1:]), values.dtype)
        out[places] = values
        return out

    def _array_of_rows(self, what: str, X: Any) -> Any:
        if type(X) is np.ndarray and X.ndim and X.dtype is SINGLE and self.xp is np:
            return X
        X = self._array(what, X, None)
        if X.ndim == 0:
            raise ValueError(f"{what} must have at least 1 dimension, got {described(X)}")
        return X
