"""HardSwish."""

from __future__ import annotations

from collections.abc import Callable

from ..initializers import Initializer, he_normal_init
from ..model import Model
from ..types import NI, NO, Floats2d
from ._dense import activated, dense, init

__all__ = ["HardSwish", "forward", "init"]


def HardSwish(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
    dropout: float | None = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """Dense layer with a Swish of line segments: Z = X Wᵀ + b, Y = Z * HardSigmoid(Z).

    X (batch, nI) → Y (batch, nO). W (nO, nI) is drawn by `init_W` (he_normal_init), b (nO,) by `init_b` (zeros).
    HardSigmoid(Z) is Z / 5 + 1/2, but at least 0 and at most 1. `normalize` adds a LayerNorm after it, `dropout` a
    Dropout. Source: Howard et al., 2019.
    """
    return dense("hardswish", forward, nO, nI, init_W or he_normal_init, init_b, dropout=dropout, normalize=normalize)


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """The activation of X Wᵀ + b."""
    return activated(model, forward, X, model.ops.hard_swish, model.ops.backprop_hard_swish)
