"""with_flatten_v2: a layer from list to list, on a list of lists."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain as chained
from typing import Any

from typing_extensions import TypeVar

from ..model import Model
from ._sequences import joined

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)


def with_flatten_v2(layer: Model[list[A], list[B]]) -> Model[list[list[A]], list[list[B]]]:
    """Run a layer on the items of all lists of a list at once; what it gives, a list, is cut into one for each."""
    return Model(f"with_flatten({layer.name})", forward, init=init, layers=[layer])


def forward(
    model: Model[list[list[Any]], list[list[Any]]], Xnest: list[list[Any]], is_train: bool
) -> tuple[list[list[Any]], Callable[[list[list[Any]]], list[list[Any]]]]:
    """Flatten, run, unflatten."""
    lengths = [len(X) for X in Xnest]
    Ys, callback = model.layers[0](_flat(Xnest), is_train)

    def backprop(dYnest: list[list[Any]]) -> list[list[Any]]:
        return _nested(callback(_flat(dYnest)), lengths)

    return _nested(Ys, lengths), backprop


def _flat(nested: list[list[Any]]) -> list[Any]:
    return list(chained.from_iterable(nested))


def _nested(flat: list[Any], lengths: list[int]) -> list[list[Any]]:
    items = iter(flat)
    return [[next(items) for _ in range(length)] for length in lengths]


def init(model: Model[Any, Any], X: list[list[Any]] | None = None, Y: list[list[Any]] | None = None) -> None:
    """Initialize the layer with the items of the examples."""
    model.layers[0].initialize(X=None if X is None else _flat(X), Y=None if Y is None else joined(model, Y))
