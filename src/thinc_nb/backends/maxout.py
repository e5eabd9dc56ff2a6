"""Maxout."""

from __future__ import annotations

from .._described import described
from ..kernels import maxout as kernels
from ..types import Floats2d, Floats3d, Ints2d
from ._base import OpsBase, check_indices, check_integer
from ._lengths import INT32

FORWARD = {2: kernels.maxout_2, 3: kernels.maxout_3, 4: kernels.maxout_4}
BACKWARD = {2: kernels.backprop_maxout_2, 3: kernels.backprop_maxout_3, 4: kernels.backprop_maxout_4}
"""Kernels for the numbers of pieces that models have."""


class MaxoutOps(OpsBase):
    """`maxout` and its gradient."""

    def maxout(self, X: Floats3d) -> tuple[Floats2d, Ints2d]:
        """The largest piece of each unit (batch, nO), and which it was, the first of several: X (batch, nO, nP).

        A NaN is the largest if it is the first piece, and is passed over otherwise. Source: Goodfellow et al., 2013.
        """
        X = self._reals("maxout: X", X, 3)
        batch, units, pieces = X.shape
        if pieces == 0:
            raise IndexError(f"maxout: X must have at least one piece, got {described(X)}")
        best = self._empty((batch, units), X.dtype)
        which = self._empty((batch, units), INT32)
        few = FORWARD.get(pieces)
        if few is None:
            kernels.maxout(best, which, X)
        else:
            few.run(best.ravel(), which.ravel(), X.ravel())
        return best, which

    def backprop_maxout(self, dY: Floats2d, which: Ints2d, P: int) -> Floats3d:
        """dY (batch, nO) into the pieces that were largest, zero elsewhere: (batch, nO, P)."""
        P = check_integer("backprop_maxout: P", P, 0)
        dY = self._reals("backprop_maxout: dY", dY, 2)
        pieces = self._ints("backprop_maxout: which", which, 2)
        if pieces.shape != dY.shape:
            raise ValueError(f"backprop_maxout: dY is {described(dY)}, but which is {described(which)}")
        dX: Floats3d = self._empty((*dY.shape, P), dY.dtype)
        few = BACKWARD.get(P) if dY.dtype.char == "f" else None
        if few is None:
            check_indices("backprop_maxout: which", pieces, P, "pieces")
            kernels.backprop_maxout(dY.reshape(-1), pieces.reshape(-1), dX.reshape(-1), P)
        else:
            outside = self.xp.zeros(1, INT32)
            few.run(dY.ravel().view(INT32), pieces.ravel(), dX.ravel().view(INT32), outside)
            if outside[0]:
                check_indices("backprop_maxout: which", pieces, P, "pieces")
        return dX
