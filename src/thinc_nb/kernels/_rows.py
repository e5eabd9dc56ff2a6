"""What several bodies do with one row: they clear or copy it, or add another to it."""

from __future__ import annotations

from ._words import Real, inline, lane, lanes

ZERO = 0.0


@inline
def clear_row(out: Real, width: int) -> None:
    """out = 0, for the first `width` elements."""
    for j in range(lane(), width, lanes()):
        out[j] = ZERO


@inline
def copy_row(out: Real, x: Real, width: int) -> None:
    """out = x, for the first `width` elements."""
    for j in range(lane(), width, lanes()):
        out[j] = x[j]


@inline
def add_row(out: Real, x: Real, width: int) -> None:
    """out += x, for the first `width` elements."""
    for j in range(lane(), width, lanes()):
        out[j] += x[j]
