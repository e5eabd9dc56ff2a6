"""with_array2d: a layer for matrices, on sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..model import Model
from ..types import NI, NO, Padded, Ragged
from ._checks import check_gradient_kind
from ._sequences import as_array, take_over_dims
from ._typing import AnySeq, ArrT, ArrU
from .with_array import forward as forward_array, wrapped

if TYPE_CHECKING:
    from ..model import OverSeq


def with_array2d(layer: Model[ArrT, ArrU, NI, NO], pad: int = 0) -> OverSeq[ArrT, ArrU, NI, NO]:
    """`with_array` for layers that take two dimensions only: the data of Padded and Ragged is made such."""
    return wrapped("with_array2d", layer, pad, forward, init)


def forward(model: Model[Any, Any], X: AnySeq, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """Flatten to two dimensions, run, unflatten."""
    if isinstance(X, Ragged):
        return _ragged(model, X, is_train)
    if isinstance(X, Padded):
        return _padded(model, X, is_train)
    return forward_array(model, X, is_train)


def _ragged(model: Model[Any, Any], X: Ragged, is_train: bool) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    Y, callback = model.layers[0](X.data, is_train)
    shape = X.dataXd.shape

    def backprop(dY: Ragged) -> Ragged:
        check_gradient_kind(model, dY, Ragged, "a Ragged")
        return Ragged(callback(dY.data).reshape(shape), dY.lengths)

    return Ragged(Y, X.lengths), backprop


def _padded(model: Model[Any, Any], X: Padded, is_train: bool) -> tuple[Padded, Callable[[Padded], Padded]]:
    Y, callback = model.layers[0](_rows(X.data), is_train)
    steps, sequences = X.data.shape[:2]

    def backprop(dY: Padded) -> Padded:
        check_gradient_kind(model, dY, Padded, "a Padded")
        return Padded(callback(_rows(dY.data)).reshape(X.data.shape), dY.size_at_t, dY.lengths, dY.indices)

    return Padded(Y.reshape((steps, sequences, Y.shape[1])), X.size_at_t, X.lengths, X.indices), backprop


def _rows(data: Any) -> Any:
    return data.reshape((data.shape[0] * data.shape[1], data.shape[2]))


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize the layer with the rows of the examples."""
    layer = model.layers[0]
    layer.initialize(X=_example(model, X), Y=_example(model, Y))
    take_over_dims(model, layer)


def _example(model: Model[Any, Any], X: Any) -> Any:
    if X is None:
        return None
    if isinstance(X, Padded):
        return _rows(X.data)
    return X.data if isinstance(X, Ragged) else as_array(model.ops, X)
