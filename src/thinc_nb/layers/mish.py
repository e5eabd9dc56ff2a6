"""Mish."""

from __future__ import annotations

from collections.abc import Callable

from ..initializers import Initializer, glorot_uniform_init
from ..model import Model
from ..types import NI, NO, Floats2d
from ._dense import activated, dense, init

__all__ = ["Mish", "forward", "init"]


def Mish(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
    dropout: float | None = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """Dense layer with Mish: Z = X Wᵀ + b, Y = Z * tanh(log(1 + exp(Z))).

    X (batch, nI) → Y (batch, nO). W (nO, nI) is drawn by `init_W` (glorot_uniform_init), b (nO,) by `init_b` (zeros).
    `normalize` adds a LayerNorm after it, `dropout` a Dropout. Source: Misra, 2019.
    """
    return dense("mish", forward, nO, nI, init_W or glorot_uniform_init, init_b, dropout=dropout, normalize=normalize)


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """The activation of X Wᵀ + b."""
    return activated(model, forward, X, model.ops.mish, model.ops.backprop_mish)
