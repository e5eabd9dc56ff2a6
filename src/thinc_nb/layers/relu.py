"""Relu."""

from __future__ import annotations

from collections.abc import Callable

from .._model.plan import run_as_one
from ..initializers import Initializer, glorot_uniform_init
from ..model import Model
from ..types import NI, NO, Floats2d
from ._checks import check_gradient
from ._dense import affine, dense, init

__all__ = ["Relu", "forward", "init"]


def Relu(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
    dropout: float | None = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """Dense layer with a rectifier: Y = max(X Wᵀ + b, 0).

    X (batch, nI) → Y (batch, nO). W (nO, nI) is drawn by `init_W` (glorot_uniform_init), b (nO,) by `init_b` (zeros).
    `normalize` adds a LayerNorm after it, `dropout` a Dropout.
    Source: Nair & Hinton, 2010.
    """
    return dense("relu", forward, nO, nI, init_W or glorot_uniform_init, init_b, dropout=dropout, normalize=normalize)


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """The activation of X Wᵀ + b."""
    fused = run_as_one(model, forward, X, is_train)
    if fused is not None:
        return fused
    ops = model.ops
    Z, backprop_affine = affine(model, X)
    Y = ops.relu(Z, inplace=True)

    def backprop(dY: Floats2d) -> Floats2d:
        check_gradient(model, dY, Y)
        return backprop_affine(ops.backprop_relu(dY, Y))

    return Y, backprop
