"""map_list: a layer on each item of a list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from typing_extensions import TypeVar

from .._arrays import is_xp_array
from ..model import Model
from ..types import NI, NO, Padded, Pairs, Ragged
from ._checks import as_items, check_layers, gradients_of_parts

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)


def map_list(layer: Model[A, B, NI, NO]) -> Model[list[A], list[B], NI, NO]:
    """Run a layer on each item of a list, one after the other. See `with_array` to run it on all at once.

    The items of a Ragged or Padded are such of one sequence each; other iterables are read into a list.
    """
    check_layers("map_list", layer)
    return Model("map_list", forward, init=init, layers=[layer])


def forward(
    model: Model[list[Any], list[Any]], Xs: list[Any], is_train: bool
) -> tuple[list[Any], Callable[[list[Any]], list[Any]]]:
    """The layer on each item."""
    pairs = [model.layers[0](X, is_train) for X in _items(model, Xs)]

    def backprop(dYs: list[Any]) -> list[Any]:
        given = gradients_of_parts(model, dYs, len(pairs))
        return [callback(dY) for (_, callback), dY in zip(pairs, given, strict=True)]

    return [Y for Y, _ in pairs], backprop


def _items(model: Model[Any, Any], Xs: Any) -> Any:
    if isinstance(Xs, (Ragged, Padded, Pairs)):
        return [Xs[i] for i in range(len(Xs))]
    if isinstance(Xs, Iterable) and not is_xp_array(Xs):
        return list(Xs)
    return as_items(model, "a list", Xs)


def init(model: Model[Any, Any], X: list[Any] | None = None, Y: list[Any] | None = None) -> None:
    """Initialize the layer with the first items of the examples."""
    model.layers[0].initialize(X=_first(X), Y=_first(Y))


def _first(items: Any) -> Any:
    return items[0] if items is not None and len(items) else None
