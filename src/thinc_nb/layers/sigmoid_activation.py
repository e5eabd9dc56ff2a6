"""The sigmoid function as a layer of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._arrays import is_xp_array
from ..model import Model
from ..types import FloatsXd, N
from ._checks import fitted_gradient, wrong_type


def sigmoid_activation() -> Model[FloatsXd, FloatsXd, N, N]:
    """Y = 1 / (1 + exp(-X)), element by element, for arrays of any shape. No parameters."""
    return Model("sigmoid_activation", forward)


def forward(model: Model[Any, Any], X: FloatsXd, is_train: bool) -> tuple[FloatsXd, Callable[[FloatsXd], FloatsXd]]:
    """Sigmoid of each element."""
    if not is_xp_array(X):
        raise wrong_type(model, "an array", X)
    ops = model.ops
    Y = ops.sigmoid(X)

    def backprop(dY: FloatsXd) -> FloatsXd:
        dY = fitted_gradient(model, dY, Y)
        return ops.backprop_sigmoid(dY, Y)

    return Y, backprop
