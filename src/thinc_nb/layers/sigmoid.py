"""Sigmoid: a dense layer for probabilities that do not exclude each other."""

from __future__ import annotations

from collections.abc import Callable

from .._model.plan import run_as_one
from ..initializers import Initializer, zero_init
from ..model import Model
from ..types import NI, NO, Floats2d
from ._checks import check_gradient
from ._dense import affine, dense, init_unset as init

__all__ = ["Sigmoid", "forward", "init"]


def Sigmoid(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """Dense layer with a sigmoid: Y = 1 / (1 + exp(-(X Wᵀ + b))), each value of Y from 0 to 1.

    X (batch, nI) → Y (batch, nO). W (nO, nI) and b (nO,) start as zeros.
    """
    return dense("sigmoid", forward, nO, nI, init_W or zero_init, init_b, keeps_widths=True)


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Sigmoid of X Wᵀ + b."""
    fused = run_as_one(model, forward, X, is_train)
    if fused is not None:
        return fused
    ops = model.ops
    Z, backprop_affine = affine(model, X)
    Y = ops.sigmoid(Z, inplace=True)

    def backprop(dY: Floats2d) -> Floats2d:
        check_gradient(model, dY, Y)
        return backprop_affine(ops.backprop_sigmoid(dY, Y))

    return Y, backprop
