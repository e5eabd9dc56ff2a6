"""A layer and a combinator of this project, typed so that those who use them are checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from thinc_nb.api import Linear, Model, Sigmoid, chain
from thinc_nb.types import NI, NO, Floats2d, InT, XY_YZ_OutT


def Gated(nO: NO, nI: NI | None = None) -> Model[Floats2d, Floats2d, NI, NO]:
    """Y = sigmoid(X Wᵀ + b) × (X Vᵀ + c), with W and V (nO, nI). Source: Dauphin et al., 2017."""
    return Model("gated", _forward, init=_init, layers=[Sigmoid(nO, nI), Linear(nO, nI)], dims={"nO": nO, "nI": nI})


def _forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    gate, values = model.layers
    G, backprop_gate = gate(X, is_train)
    V, backprop_values = values(X, is_train)

    def backprop(dY: Floats2d) -> Floats2d:
        dX: Floats2d = backprop_gate(dY * V) + backprop_values(dY * G)
        return dX

    return G * V, backprop


def _init(model: Model[Floats2d, Floats2d], X: Floats2d | None = None, Y: Floats2d | None = None) -> None:
    for layer in model.layers:
        layer.initialize(X, Y)


def followed_by(first: Model[InT, Any], second: Model[Any, Any]) -> Model[InT, XY_YZ_OutT]:
    """Two layers as one. The marker in the result has the plugin work out what comes out of it."""
    return chain(first, second)
