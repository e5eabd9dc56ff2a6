"""with_list: a layer for lists, on other batches of sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..model import Model
from ..types import NI, NO, List2d, Padded, Ragged
from ._checks import check_layers
from ._sequences import as_list, from_list, wrapper_dims

if TYPE_CHECKING:
    from ..model import Endo


def with_list(layer: Model[List2d, List2d, NI, NO]) -> Endo[Padded | Ragged | List2d, NI, NO]:
    """Run a layer on the list of a batch's sequences.

    X, a Ragged or Padded → the same with other data. Anything else goes to the layer as it is.
    """
    check_layers("with_list", layer)
    model: Any = Model(f"with_list({layer.name})", forward, init=init, layers=[layer], dims=wrapper_dims(layer))
    lifted: Endo[Padded | Ragged | List2d, NI, NO] = model
    return lifted


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """To a list, run, and back."""
    layer, ops = model.layers[0], model.ops
    if not isinstance(X, (Ragged, Padded)):
        return layer(X, is_train)
    Ys, callback = layer(as_list(ops, X), is_train)

    def backprop(dY: Any) -> Any:
        return from_list(ops, callback(as_list(ops, dY)), X)

    return from_list(ops, Ys, X), backprop


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize the layer with the examples as lists."""
    model.layers[0].initialize(
        X=as_list(model.ops, X) if isinstance(X, (Ragged, Padded)) else X,
        Y=as_list(model.ops, Y) if isinstance(Y, (Ragged, Padded)) else Y,
    )
