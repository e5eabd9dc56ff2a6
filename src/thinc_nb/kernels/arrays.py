"""What arrays need that does no arithmetic."""

from __future__ import annotations

from ._compile import blockwise, elementwise
from ._words import Reals1d, Reals2d, copy_transposed, lanes

ZERO = 0.0
TILE = 16
"""Rows of a tile, at most."""


@elementwise
def clear(i: int, out: Reals1d) -> None:
    out[i] = ZERO


# So many rows that what is read of each of x's is more than a line or two of the cache.
@blockwise(cpu=128, cuda=1)
def transpose(block: int, start: int, stop: int, out: Reals2d, x: Reals2d) -> None:
    """out = x.T. Bits are copied, whatever they mean."""
    # On the CPU the last block has whole tiles too, with rows of the one before it, which get what they have.
    first = max(min(start, out.shape[0] - TILE), 0) if lanes() == 1 else start
    copy_transposed(out[first:stop], x[:, first:stop])
