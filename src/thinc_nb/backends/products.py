"""Matrix products. The work is BLAS's, through ``matmul``."""

from __future__ import annotations

from typing import Any

from .._described import described
from ..kernels import dense
from ..types import Floats1d, Floats2d
from ._base import OpsBase, check_overwritable


class ProductOps(OpsBase):
    """`gemm` and `affine`."""

    def gemm(
        self, x: Floats2d, y: Floats2d, out: Floats2d | None = None, trans1: bool = False, trans2: bool = False
    ) -> Floats2d:
        """The matrix product of x and y, each transposed first if asked for.

        `out`, of the result's shape and dtype, is overwritten and returned; it may be x, y or a part of them.
        ValueError if shapes or dtypes do not fit.
        """
        x, y = self._array("gemm: x", x, 2), self._array("gemm: y", y, 2)
        if x.dtype != y.dtype or x.dtype.char not in "fd":
            raise ValueError(
                f"gemm: x and y must both be float32 or both float64, got {described(x)} and {described(y)}"
            )
        left = x.T if trans1 else x
        right = y.T if trans2 else y
        if left.shape[1] != right.shape[0]:
            raise ValueError(
                f"gemm: cannot multiply {left.shape} by {right.shape} (x is {x.shape}{' transposed' * trans1}, "
                f"y is {y.shape}{' transposed' * trans2})"
            )
        shape = (left.shape[0], right.shape[1])
        if out is not None:
            check_overwritable("gemm: out", out)
        product: Floats2d = self._empty(shape, x.dtype) if out is None else out
        if product.shape != shape or product.dtype != x.dtype:
            raise ValueError(f"gemm: out must be {x.dtype} {shape}, got {described(out)}")
        if out is not None and (not out.flags.c_contiguous or self._share_memory(out, x, y)):
            # A product is written while its sides are read, and in whole rows.
            product = self._empty(shape, x.dtype)
        self._matmul(left, right, product)
        if out is None or product is out:
            return product
        out[...] = product
        return out

    def _share_memory(self, out: Any, *sides: Any) -> bool:
        return any(self.xp.may_share_memory(out, side) for side in sides)

    def affine(self, X: Floats2d, W: Floats2d, b: Floats1d) -> Floats2d:
        """Y = X Wᵀ + b: X (batch, nI), W (nO, nI), b (nO,) → Y (batch, nO)."""
        Y = self.gemm(X, W, trans2=True)
        bias = self._array("affine: b", b, 1)
        if bias.dtype.kind not in "biuf":
            raise TypeError(f"affine: b must hold real numbers, got {described(b)}")
        if bias.shape != Y.shape[1:]:
            raise ValueError(f"affine: W is {described(W)}, so b must have {Y.shape[1]} elements, got {described(b)}")
        if bias.dtype == Y.dtype and bias.flags.c_contiguous:
            dense.add_bias(Y, bias)
        else:
            Y += bias
        return Y
