"""Which way a matrix product goes on the CPU: a kernel of ours where that is faster, else BLAS.

Ours keeps tiles of the result in registers and copies nothing. OpenBLAS first copies both sides into an order of its
own, which pays off for matrices that are larger than the caches and costs small ones most of their time: with few rows
ours takes a fifth to two thirds of the time, in models of the usual widths 80 to 95% (measured with vectors of 512 bits
on Zen 4; with AVX2's a product of 4 rows takes half, one of 32 as long or longer: only very few rows are ours there).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..kernels import Kernel, products
from . import _blas

VERY_FEW_ROWS = 8
FEW_ROWS = 64
"""Rows for which the other side is read once, wherever it lies."""
MANY_ROWS, SHORT_SUM, MIN_WIDTH = 256, 128, 64
"""Where a transposed right side is copied so that it lies by rows."""
MAX_SHARED = 1 << 18
"""Elements of a transposed right side that stay in the second cache."""
MAX_WIDTH = 800
"""Columns of which the rows of a part of a sum stay there."""


def matmul(a: Any, b: Any, out: Any) -> None:
    """out = a @ b, all of 2 dimensions and one precision, out C-contiguous.

    How many threads there are changes no bits.
    """
    kernel, left, right = _kernel(a, b, out)
    if kernel is None:
        _blas.matmul(a, b, out)
    else:
        kernel.run(out, left, right)


def _kernel(a: Any, b: Any, out: Any) -> tuple[Kernel[...] | None, Any, Any]:
    """The kernel, and its two sides; None if it is BLAS's."""
    rows, columns = out.shape
    if not rows or not columns or not len(b) or (rows > VERY_FEW_ROWS and not has_wide_vectors()):
        return None, a, b
    by_rows = a.flags.c_contiguous
    if by_rows and b.flags.f_contiguous:
        if rows >= MANY_ROWS and a.shape[1] <= SHORT_SUM and MIN_WIDTH <= columns <= MAX_WIDTH:
            # Short sums: adding up a vector's lanes takes as long as a quarter of the rest.
            return products.product, a, np.ascontiguousarray(b)
        return (products.product_transposed if rows <= FEW_ROWS or b.size <= MAX_SHARED else None), a, b.T
    if columns > MAX_WIDTH or not b.flags.c_contiguous:
        return None, a, b
    if by_rows:
        return products.product, a, b
    return (products.product_columns, a.T, b) if a.flags.f_contiguous and rows <= MAX_WIDTH else (None, a, b)


@cache
def has_wide_vectors() -> bool:
    """Whether the processor has vectors of 512 bits."""
    from ..kernels._tiles import VECTOR_BYTES

    return VECTOR_BYTES == 64
