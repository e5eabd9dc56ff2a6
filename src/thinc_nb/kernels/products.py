"""Matrix products, one for each way that the two sides may lie in memory. Rows of the result are independent items."""

from __future__ import annotations

from ._compile import blockwise
from ._words import Reals2d, multiply, multiply_columns, multiply_transposed

ROWS = 16
"""Rows of a block, a multiple of those of a tile. Threads share whole blocks: larger ones are shared less evenly."""


@blockwise(cpu=ROWS, cuda=1)
def product(block: int, start: int, stop: int, out: Reals2d, a: Reals2d, b: Reals2d) -> None:
    """out = a @ b: (n, k) @ (k, m)."""
    multiply(out[start:stop], a[start:stop], b)


@blockwise(cpu=ROWS, cuda=1)
def product_transposed(block: int, start: int, stop: int, out: Reals2d, a: Reals2d, b: Reals2d) -> None:
    """out = a @ b.T: (n, k) @ (m, k).T."""
    multiply_transposed(out[start:stop], a[start:stop], b)


@blockwise(cpu=ROWS, cuda=1)
def product_columns(block: int, start: int, stop: int, out: Reals2d, a: Reals2d, b: Reals2d) -> None:
    """out = a.T @ b: (k, n).T @ (k, m)."""
    multiply_columns(out[start:stop], a[:, start:stop], b)
