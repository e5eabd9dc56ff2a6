"""with_flatten: a layer from a list to an array, on a list of lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain as chained
from typing import Any

from typing_extensions import TypeVar

from ..model import Model
from ..types import ListXd
from ._checks import check_gradient_kind, check_layers
from ._sequences import joined, lengths_of
from ._typing import ArrT

A = TypeVar("A", default=Any)


def with_flatten(layer: Model[Sequence[A], ArrT]) -> Model[Sequence[Sequence[A]], list[ArrT]]:
    """Run a layer on the items of all lists of a list at once; what it gives, an array, is cut into one for each."""
    check_layers("with_flatten", layer)
    model: Model[Any, Any] = Model(f"with_flatten({layer.name})", forward, init=init, layers=[layer])
    return model


def forward(
    model: Model[Any, Any], Xnest: Sequence[Sequence[Any]], is_train: bool
) -> tuple[ListXd, Callable[[ListXd], list[Any]]]:
    """Flatten, run, unflatten."""
    ops = model.ops
    lengths = lengths_of(model, Xnest, "a list of lists")
    Y, callback = model.layers[0](list(chained.from_iterable(Xnest)), is_train)

    def backprop(dYs: ListXd) -> list[Any]:
        check_gradient_kind(model, dYs, (list, tuple), "a list of arrays")
        dX = callback(ops.flatten(dYs) if len(dYs) else Y[:0])
        parts, end = [], 0
        for length in lengths.tolist():
            parts.append(dX[end : end + length])
            end += length
        return parts

    return ops.unflatten(Y, lengths), backprop


def init(model: Model[Any, Any], X: Sequence[Sequence[Any]] | None = None, Y: ListXd | None = None) -> None:
    """Initialize the layer with the items of the examples."""
    model.layers[0].initialize(
        X=None if X is None else list(chained.from_iterable(X)), Y=None if Y is None else joined(model, Y)
    )
