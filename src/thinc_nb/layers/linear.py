"""Linear: a dense layer without activation."""

from __future__ import annotations

from collections.abc import Callable

from .._model.plan import run_as_one
from ..initializers import Initializer, glorot_uniform_init
from ..model import Model
from ..types import NI, NO, Floats2d
from ._dense import affine, dense, init

__all__ = ["Linear", "forward", "init"]


def Linear(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """Dense layer without activation: Y = X Wᵀ + b.

    X (batch, nI) → Y (batch, nO). W (nO, nI) is drawn by `init_W` (glorot_uniform_init), b (nO,) by `init_b` (zeros).
    """
    return dense("linear", forward, nO, nI, init_W or glorot_uniform_init, init_b)


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Y = X Wᵀ + b."""
    fused = run_as_one(model, forward, X, is_train)
    if fused is not None:
        return fused
    return affine(model, X)
