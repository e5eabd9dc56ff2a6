"""siamese: one layer for two inputs, and a comparison of what it gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import TypeVar

from ..model import Model
from ..types import NI, NO
from ._checks import check_layers, wrong_type

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)
C = TypeVar("C", default=Any)


def siamese(layer: Model[A, B, NI, NO], similarity: Model[tuple[B, B], C, NO, Any]) -> Model[tuple[A, A], C, NI, Any]:
    """The similarity of what one layer f makes of two inputs: Y = s((f(X1), f(X2))).

    Source: Bromley et al., 1993.
    """
    check_layers("siamese", layer, similarity)
    return Model(
        f"siamese({layer.name}, {similarity.name})",
        forward,
        init=init,
        layers=[layer, similarity],
        dims={"nI": layer.maybe_get_dim("nI"), "nO": similarity.maybe_get_dim("nO")},
    )


def forward(model: Model[Any, Any], X1_X2: Any, is_train: bool) -> tuple[Any, Callable[[Any], tuple[Any, Any]]]:
    """Both inputs through the layer, both outputs through the similarity."""
    if not isinstance(X1_X2, (tuple, list)) or len(X1_X2) != 2:
        raise wrong_type(model, "a pair (X1, X2)", X1_X2)
    layer, similarity = model.layers
    Y1, callback1 = layer(X1_X2[0], is_train)
    Y2, callback2 = layer(X1_X2[1], is_train)
    score, backprop_score = similarity((Y1, Y2), is_train)

    def backprop(d_score: Any) -> tuple[Any, Any]:
        dY1, dY2 = backprop_score(d_score)
        return callback1(dY1), callback2(dY2)

    return score, backprop


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize the layer with the first input, the similarity with what the layer makes of both."""
    layer, similarity = model.layers
    if X is None:
        layer.initialize()
        similarity.initialize(Y=Y)
    else:
        layer.initialize(X=X[0])
        similarity.initialize(X=(layer.predict(X[0]), layer.predict(X[1])), Y=Y)
    nI, nO = layer.maybe_get_dim("nI"), similarity.maybe_get_dim("nO")
    if nI is not None:
        model.set_dim("nI", nI)
    if nO is not None:
        model.set_dim("nO", nO)
