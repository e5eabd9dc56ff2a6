"""tuplify: layers' outputs as a tuple."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, overload

from typing_extensions import TypeVar

from ..model import Model
from ._checks import check_layers, gradients_of_parts
from ._sums import added

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)
C = TypeVar("C", default=Any)
D = TypeVar("D", default=Any)


@overload
def tuplify(layer1: Model[A, B], layer2: Model[A, C]) -> Model[A, tuple[B, C]]: ...
@overload
def tuplify(layer1: Model[A, B], layer2: Model[A, C], layer3: Model[A, D], /) -> Model[A, tuple[B, C, D]]: ...
@overload
def tuplify(
    layer1: Model[A, Any],
    layer2: Model[A, Any],
    layer3: Model[A, Any],
    layer4: Model[A, Any],
    /,
    *layers: Model[A, Any],
) -> Model[A, tuple[Any, ...]]: ...
def tuplify(layer1: Model[Any, Any], layer2: Model[Any, Any], *layers: Model[Any, Any]) -> Model[Any, Any]:
    """Each layer on the same input, their outputs as a tuple: Y = (f(X), g(X), …)."""
    check_layers("tuplify", layer1, layer2, *layers)
    nodes = (layer1, layer2, *layers)
    names = ", ".join(layer.name for layer in nodes)
    return Model(f"tuple({names})", tuplify_forward, init=init, layers=nodes, dims={"nI": None})


def tuplify_forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[tuple[Any, ...]], Any]]:
    """The outputs; the gradient of the input is the sum of the layers'."""
    name, ops = f"layer {model.name!r}", model.ops
    pairs = [layer(X, is_train=is_train) for layer in model.layers]

    def backprop(dYs: tuple[Any, ...]) -> Any:
        given = gradients_of_parts(model, dYs, len(pairs))
        gradients = (callback(dY) for (_, callback), dY in zip(pairs, given, strict=True))
        return reduce(lambda dX, more: added(name, ops, dX, more), gradients)

    return tuple(Y for Y, _ in pairs), backprop


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize each layer with the examples; Y is a tuple with one for each."""
    if X is None and Y is None:
        # And once more below, as in Thinc: with one seed, the parameters are the same.
        for layer in model.layers:
            layer.initialize()
    outputs = Y if isinstance(Y, (tuple, list)) else ()
    for place, layer in enumerate(model.layers):
        # Only a layer that cannot know its width is told that of its output.
        asks = layer.has_dim("nO") is None and place < len(outputs)
        layer.initialize(X=X, Y=outputs[place] if asks else None)
    nI = model.layers[0].maybe_get_dim("nI")
    if nI is not None:
        model.set_dim("nI", nI)
