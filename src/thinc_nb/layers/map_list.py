"""map_list: a layer on each item of a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import TypeVar

from ..model import Model
from ..types import NI, NO
from ._checks import as_items, check_layers, gradients_of_parts

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)


def map_list(layer: Model[A, B, NI, NO]) -> Model[list[A], list[B], NI, NO]:
    """Run a layer on each item of a list, one after the other. See `with_array` to run it on all at once."""
    check_layers("map_list", layer)
    return Model("map_list", forward, init=init, layers=[layer])


def forward(
    model: Model[list[Any], list[Any]], Xs: list[Any], is_train: bool
) -> tuple[list[Any], Callable[[list[Any]], list[Any]]]:
    """The layer on each item."""
    Xs = as_items(model, "a list", Xs)
    pairs = [model.layers[0](X, is_train) for X in Xs]

    def backprop(dYs: list[Any]) -> list[Any]:
        given = gradients_of_parts(model, dYs, len(pairs))
        return [callback(dY) for (_, callback), dY in zip(pairs, given, strict=True)]

    return [Y for Y, _ in pairs], backprop


def init(model: Model[Any, Any], X: list[Any] | None = None, Y: list[Any] | None = None) -> None:
    """Initialize the layer with the first items of the examples."""
    model.layers[0].initialize(X=_first(X), Y=_first(Y))


def _first(items: Any) -> Any:
    return items[0] if items is not None and len(items) else None
