"""Sequences of a batch, one after the other: where each of them starts and ends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np

from .._described import described
from ..errors import LengthsError
from ..kernels import window as kernels
from ..types import Ints1d
from ._base import OpsBase, check_lengths

INT32, INT64 = np.dtype("int32"), np.dtype("int64")
MOST_ROWS = 2**31 - 1
"""Rows that int32 counts."""
MOST = 2**50
"""Rows: no array has more."""
FEW = 16
"""Sequences up to which Python adds up the lengths, in half the time that arrays for a kernel and its results take."""


class LengthOps(OpsBase):
    """What the families of operations on sequences share."""

    def _offsets(
        self,
        what: str,
        lengths: Ints1d | Sequence[int],
        rows: int | None,
        *,
        shortest: int = 0,
        sequences: int | None = None,
    ) -> tuple[Any, Any]:
        """Lengths as an int64 array, and where each sequence starts, with the end of the last: (sequences + 1,), int64.

        Checks that no length is below `shortest` and, where given, that there are this many sequences and rows.
        """
        if type(lengths) is np.ndarray and lengths.ndim == 1 and 0 < len(lengths) <= FEW and self.xp is np:
            known = self._few_offsets(lengths, rows, shortest, sequences)
            if known is not None:
                return known
        sizes: Any = lengths
        # The usual case without the conversion's checks: they take as long as the reductions of a small batch.
        if isinstance(sizes, self.xp.ndarray) and sizes.ndim == 1 and sizes.dtype.char in "ilq":
            sizes = sizes.astype(INT64, order="C", copy=False)
        else:
            sizes = self._ints(f"{what}: lengths", lengths, 1, "int64")
        if sequences is not None and len(sizes) != sequences:
            raise LengthsError(f"{what}: there are {sequences} sequences, but lengths is {described(sizes)}")
        if not len(sizes):
            if rows:
                check_lengths(what, sizes, rows)
            return sizes, self.xp.zeros(1, dtype="int64")
        offsets = self.xp.empty(len(sizes) + 1, INT64)
        facts = self.xp.empty((1, 3), INT64)
        kernels.sequence_offsets.run(facts, offsets, sizes)
        lowest, highest, total = facts.tolist()[0]
        if highest * len(sizes) >= 2**62:
            # Their sum may have wrapped around.
            raise LengthsError(f"{what}: lengths must be those of arrays, got {highest}")
        if lowest < shortest:
            position = int((sizes < shortest).nonzero()[0][0])
            bound = ">= 0" if shortest == 0 else f"> {shortest - 1}"
            wrong = int(sizes[position])
            raise LengthsError(f"{what}: all sequence lengths must be {bound}, was: {wrong} at position {position}")
        if rows is not None and total != rows:
            check_lengths(what, sizes, rows)
        return sizes, offsets

    def _few_offsets(
        self, lengths: Any, rows: int | None, shortest: int, sequences: int | None
    ) -> tuple[Any, Any] | None:
        """`_offsets` for few lengths on the CPU; None if something has to be converted, or is wrong."""
        if lengths.dtype is not INT32 and lengths.dtype is not INT64:
            return None
        listed = lengths.tolist()
        total, least = (listed[0], listed[0]) if len(listed) == 1 else (sum(listed), min(listed))
        # None is negative, so none is larger than their sum.
        if least < shortest or total > MOST or (rows is not None and rows != total):
            return None
        if sequences is not None and len(listed) != sequences:
            return None
        offsets = np.zeros(len(listed) + 1, INT64)
        if len(listed) == 1:
            offsets[1] = total
        else:
            offsets[1:] = list(accumulate(listed))
        return lengths.astype(INT64), offsets
