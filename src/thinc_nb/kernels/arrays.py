"""What arrays need that does no arithmetic."""

from __future__ import annotations

from ._compile import elementwise
from ._words import Reals1d

ZERO = 0.0


@elementwise
def clear(i: int, out: Reals1d) -> None:
    out[i] = ZERO
