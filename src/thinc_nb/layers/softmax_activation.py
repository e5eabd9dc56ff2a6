"""The softmax function as a layer of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import Floats2d, FloatsXd, N
from ._checks import as_numbers, fitted_gradient


def softmax_activation() -> Model[Floats2d, Floats2d, N, N]:
    """Y = softmax(X), row by row: (batch, width) → the same shape, each row sums to 1. No parameters."""
    return Model("softmax_activation", forward)


def forward(model: Model[Any, Any], X: FloatsXd, is_train: bool) -> tuple[FloatsXd, Callable[[FloatsXd], FloatsXd]]:
    """Softmax along the last axis."""
    ops = model.ops
    X = as_numbers(model, X)
    Y = ops.softmax(X)

    def backprop(dY: FloatsXd) -> FloatsXd:
        dY = fitted_gradient(model, dY, Y)
        return ops.backprop_softmax(Y, dY)

    return Y, backprop
