"""Which way a matrix product goes on the CPU: a kernel of ours where that is faster, else BLAS.

Our kernels keep tiles of the result in registers and copy nothing. OpenBLAS first copies both sides into an order of
its own, which pays off for matrices larger than the caches, and takes most of the time for small ones. With few rows
our kernels take a fifth to two thirds of its time, in models of the usual widths 80 to 95% (measured with vectors of
512 bits on Zen 4). With AVX2 a product of 4 rows takes half, one of 32 rows as long or longer: there they only get very
few rows.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..kernels import Kernel, products
from . import _blas

VERY_FEW_ROWS = 8
FEW_ROWS = 64
"""Rows up to which the other side is read only once, however it lies."""
MANY_ROWS, SHORT_SUM, MIN_WIDTH = 256, 128, 64
"""Limits within which a transposed right side is first copied, so that it lies by rows."""
MAX_SHARED = 1 << 18
"""Elements up to which a transposed right side stays in the second cache."""
MAX_WIDTH = 800
"""Columns up to which the rows for a part of the sum stay in the second cache."""


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
