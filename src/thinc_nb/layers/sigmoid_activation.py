"""The sigmoid function as a layer of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import FloatsXd, N
from ._checks import as_numbers, fitted_gradient


def sigmoid_activation() -> Model[FloatsXd, FloatsXd, N, N]:
    """Y = 1 / (1 + exp(-X)), element by element, for arrays of any shape. No parameters."""
    return Model("sigmoid_activation", forward)


def forward(model: Model[Any, Any], X: FloatsXd, is_train: bool) -> tuple[FloatsXd, Callable[[FloatsXd], FloatsXd]]:
    """Sigmoid of each element."""
    ops = model.ops
    X = as_numbers(model, X)
    Y = ops.sigmoid(X)

    def backprop(dY: FloatsXd) -> FloatsXd:
        dY = fitted_gradient(model, dY, Y)
        return ops.backprop_sigmoid(dY, Y)

    return Y, backprop
