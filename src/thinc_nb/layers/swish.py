"""Swish."""

from __future__ import annotations

from collections.abc import Callable

from .._model.plan import run_as_one
from ..initializers import Initializer, he_normal_init
from ..model import Model
from ..types import NI, NO, Floats2d
from ._checks import check_gradient
from ._dense import affine, dense, init

__all__ = ["Swish", "forward", "init"]


def Swish(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
    dropout: float | None = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """Dense layer with Swish: Z = X Wᵀ + b, Y = Z * sigmoid(Z).

    X (batch, nI) → Y (batch, nO). W (nO, nI) is drawn by `init_W` (he_normal_init), b (nO,) by `init_b` (zeros).
    `normalize` adds a LayerNorm after it, `dropout` a Dropout.
    Source: Ramachandran, Zoph & Le, 2017.
    """
    return dense("swish", forward, nO, nI, init_W or he_normal_init, init_b, dropout=dropout, normalize=normalize)


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """The activation of X Wᵀ + b."""
    fused = run_as_one(model, forward, X, is_train)
    if fused is not None:
        return fused
    ops = model.ops
    Z, backprop_affine = affine(model, X)
    Y = ops.swish(Z)

    def backprop(dY: Floats2d) -> Floats2d:
        check_gradient(model, dY, Z)
        return backprop_affine(ops.backprop_swish(dY, Z, Y))

    return Y, backprop
