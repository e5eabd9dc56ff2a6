"""Windows over sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._described import described
from ..kernels import window as kernels
from ..types import Floats2d, Ints1d
from ._base import check_integer
from ._lengths import MOST_ROWS, LengthOps

MANY_BYTES = 1 << 24
"""Of a gradient that is not in a processor's cache any more."""


class WindowOps(LengthOps):
    """`seq2col` and its gradient."""

    def seq2col(self, seq: Floats2d, nW: int, *, lengths: Ints1d | None = None) -> Floats2d:
        """Each row beside its nW neighbours on either side: (n, width) → (n, width * (2 * nW + 1)).

        Neighbours beyond the ends of a sequence are zero. `lengths` (int, adding up to n) are the sequences' lengths;
        without them all rows are one sequence.
        """
        nW = check_integer("seq2col: nW", nW, 0)
        x = self._reals("seq2col: seq", seq, 2)
        starts, ends = self._row_bounds("seq2col", len(x), lengths)
        out: Floats2d = self._empty((len(x), x.shape[1] * (2 * nW + 1)), x.dtype)
        if out.size:  # Without columns there may be windows without end.
            kernels.seq2col(out, x.reshape(-1), starts, ends, x.shape[1], nW)
        return out

    def backprop_seq2col(self, dY: Floats2d, nW: int, *, lengths: Ints1d | None = None) -> Floats2d:
        """The gradient of seq2col: each row gets the sum of what reached it as itself and as a neighbour."""
        nW = check_integer("backprop_seq2col: nW", nW, 0)
        dY = self._reals("backprop_seq2col: dY", dY, 2)
        starts, ends = self._row_bounds("backprop_seq2col", len(dY), lengths)
        width, rest = divmod(dY.shape[1], 2 * nW + 1)
        if rest:
            raise ValueError(f"backprop_seq2col: dY must have a multiple of {2 * nW + 1} columns, got {described(dY)}")
        dX: Floats2d = self._empty((len(dY), width), dY.dtype)
        if dX.size:
            large = dY.nbytes > MANY_BYTES and self.xp is np
            kernel = kernels.backprop_seq2col_in_order if large else kernels.backprop_seq2col
            kernel(dX, dY, starts, ends, nW)
        return dX

    def _row_bounds(self, what: str, rows: int, lengths: Ints1d | None) -> tuple[Any, Any]:
        """For each row, where its sequence starts and where it ends. ValueError for more rows than int32 counts."""
        if rows > MOST_ROWS:
            raise ValueError(f"{what}: there may be at most {MOST_ROWS} rows, got {rows}")
        if lengths is None:
            starts, ends = self._empty((2, rows), "int32")
            starts.fill(0)
            ends.fill(rows)
            return starts, ends
        counts, offsets = self._offsets(what, lengths, rows)
        starts, ends = self._empty((2, rows), "int32")
        kernels.row_bounds(counts, offsets, starts, ends)
        return starts, ends
