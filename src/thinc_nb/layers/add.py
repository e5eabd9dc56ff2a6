"""add: the sum of layers' outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import TypeVar

from .._model.tree import infer_shared_dim
from ..model import Model
from ._checks import check_layers
from ._sums import added

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)


def add(layer1: Model[A, B], layer2: Model[A, B], *layers: Model[A, B]) -> Model[A, B]:
    """Each layer on the same input, their outputs added: Y = f(X) + g(X) + ….

    All give the same shape. If the first is an add itself, the others are appended to it, and it is returned.
    """
    check_layers("add", layer1, layer2, *layers)
    nodes = (layer1, layer2, *layers)
    if layer1._func is forward:
        layer1.layers.extend(nodes[1:])
        return layer1
    dims: dict[str, int | None] = {"nO": None, "nI": None}
    if any(node.has_dim("nI") is False for node in nodes):
        del dims["nI"]
    return Model("add", forward, init=init, dims=dims, layers=nodes)


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """The sum of the outputs; the gradient of the input is the sum of the layers'."""
    name, ops = f"layer {model.name!r}", model.ops
    first, *others = model.layers
    Y, callback = first(X, is_train=is_train)
    callbacks = [callback]
    for layer in others:
        Y_layer, callback = layer(X, is_train=is_train)
        Y = added(name, ops, Y, Y_layer)
        callbacks.append(callback)

    def backprop(dY: Any) -> Any:
        dX = callbacks[0](dY)
        for callback in callbacks[1:]:
            dX = added(name, ops, dX, callback(dY))
        return dX

    return Y, backprop


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize each layer with the examples."""
    if X is not None:
        infer_shared_dim(model, "nI", X)
    if Y is not None:
        infer_shared_dim(model, "nO", Y)
    for layer in model.layers:
        layer.initialize(X=X, Y=Y)
    if model.has_dim("nO") is None:
        nO_first = model.layers[0].maybe_get_dim("nO")
        if nO_first is not None:
            model.set_dim("nO", nO_first)
