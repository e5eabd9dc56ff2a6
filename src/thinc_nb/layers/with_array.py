"""with_array: a layer for arrays, on sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..model import Model
from ..types import NI, NO, ListXd, Padded, Ragged
from ._checks import check_gradient_kind, check_layers
from ._sequences import as_array, lengths_of, take_over_dims, wrapper_dims
from ._typing import AnySeq, ArrT, ArrU

if TYPE_CHECKING:
    from ..model import OverSeq


def with_array(layer: Model[ArrT, ArrU, NI, NO], pad: int = 0) -> OverSeq[ArrT, ArrU, NI, NO]:
    """Run a layer on the rows of all sequences of a batch at once, as one array.

    X, a list of arrays, Ragged, Padded, or an array → the same with other data. `pad` rows of zeros go between the
    sequences of a list, so that windows do not reach from one into the next.
    """
    return wrapped("with_array", layer, pad, forward, init)


def wrapped(
    name: str, layer: Model[ArrT, ArrU, NI, NO], pad: int, forward: Callable[..., Any], init: Callable[..., Any]
) -> OverSeq[ArrT, ArrU, NI, NO]:
    """The node of with_array, or of with_array2d, which has another `forward` and `init`."""
    check_layers(name, layer)
    model: Any = Model(
        f"with_array({layer.name})",
        forward,
        init=init,
        layers=[layer],
        attrs={"pad": pad},
        dims=wrapper_dims(layer),
    )
    lifted: OverSeq[ArrT, ArrU, NI, NO] = model
    return lifted


def forward(model: Model[Any, Any], X: AnySeq, is_train: bool) -> tuple[Any, Callable[[AnySeq], Any]]:
    """Flatten, run, unflatten."""
    layer = model.layers[0]
    if isinstance(X, Ragged):
        return _ragged(model, X, is_train)
    if isinstance(X, Padded):
        return _padded(model, X, is_train)
    if isinstance(X, (list, tuple)):
        return _list(model, X, is_train)
    return layer(X, is_train)


def _list(model: Model[Any, Any], Xs: Any, is_train: bool) -> tuple[ListXd, Callable[[Any], ListXd]]:
    if len(Xs) == 0:
        # There is no array to run on: its width is not known.
        return [], lambda dYs: []
    ops = model.ops
    pad = model.attrs["pad"]
    lengths = lengths_of(model, Xs)
    Y, callback = model.layers[0](ops.flatten(Xs, pad=pad), is_train)

    def backprop(dYs: ListXd) -> ListXd:
        dX = callback(ops.flatten(dYs, pad=pad))
        return ops.unflatten(dX, lengths, pad=pad)

    return ops.unflatten(Y, lengths, pad=pad), backprop


def _ragged(model: Model[Any, Any], X: Ragged, is_train: bool) -> tuple[Ragged, Callable[[Any], Ragged]]:
    Y, callback = model.layers[0](X.dataXd, is_train)

    def backprop(dY: Ragged) -> Ragged:
        check_gradient_kind(model, dY, Ragged, "a Ragged")
        return Ragged(callback(dY.dataXd), dY.lengths)

    return Ragged(Y, X.lengths), backprop


def _padded(model: Model[Any, Any], X: Padded, is_train: bool) -> tuple[Padded, Callable[[Any], Padded]]:
    Y, callback = model.layers[0](X.data, is_train)

    def backprop(dY: Padded) -> Padded:
        check_gradient_kind(model, dY, Padded, "a Padded")
        return Padded(callback(dY.data), dY.size_at_t, dY.lengths, dY.indices)

    return Padded(Y, X.size_at_t, X.lengths, X.indices), backprop


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize the layer with the rows of the examples."""
    layer = model.layers[0]
    layer.initialize(X=None if X is None else as_array(model.ops, X), Y=None if Y is None else as_array(model.ops, Y))
    take_over_dims(model, layer)
