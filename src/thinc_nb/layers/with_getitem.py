"""with_getitem: a layer on one item of a tuple."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import TypeVar

from .._described import described
from ..errors import InputIndexError
from ..model import Model
from ._checks import check_layers, wrong_gradient

if TYPE_CHECKING:
    from ..model import AtItem

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)


def with_getitem(idx: int, layer: Model[A, B]) -> AtItem[A, B]:
    """Run a layer on item `idx` of a tuple; the others stay as they are."""
    check_layers("with_getitem", layer)
    if not hasattr(idx, "__index__"):
        raise TypeError(f"with_getitem: idx must be an integer, got {type(idx).__name__} {idx!r}")
    model: Any = Model(f"with_getitem({layer.name})", forward, init=init, layers=[layer], attrs={"idx": idx})
    on_item: AtItem[A, B] = model
    return on_item


def forward(
    model: Model[tuple[Any, ...], tuple[Any, ...]], items: tuple[Any, ...], is_train: bool
) -> tuple[tuple[Any, ...], Callable[[tuple[Any, ...]], tuple[Any, ...]]]:
    """The items, one of them replaced by what the layer makes of it."""
    idx: int = model.attrs["idx"]
    given: object = items
    if not isinstance(given, (tuple, list)) or not -len(items) <= idx < len(items):
        raise InputIndexError(f"layer {model.name!r} takes a tuple with an item {idx}, got {described(items)}")
    Y, callback = model.layers[0](items[idx], is_train)

    def backprop(d_items: Any) -> tuple[Any, ...]:
        if not isinstance(d_items, (tuple, list)) or not -len(d_items) <= idx < len(d_items):
            raise wrong_gradient(model, f"a tuple with an item {idx}", d_items)
        return _replaced(d_items, idx, callback(d_items[idx]))

    return _replaced(items, idx, Y), backprop


def _replaced(items: Sequence[Any], idx: int, value: Any) -> tuple[Any, ...]:
    changed = list(items)
    changed[idx] = value
    return tuple(changed)


def init(model: Model[Any, Any], X: tuple[Any, ...] | None = None, Y: tuple[Any, ...] | None = None) -> None:
    """Initialize the layer with its items of the examples."""
    idx: int = model.attrs["idx"]
    model.layers[0].initialize(X=None if X is None else X[idx], Y=None if Y is None else Y[idx])
