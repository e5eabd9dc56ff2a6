"""chain: layers one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from typing_extensions import TypeVar

from .._model.plan import chain_plan, runs_in_a_row
from .._model.tree import callback_through
from ..model import Model
from ..util import get_width
from ._checks import check_layers

if TYPE_CHECKING:
    from ..model import Through

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)
C = TypeVar("C", default=Any)
D = TypeVar("D", default=Any)
E = TypeVar("E", default=Any)


# Two for each number of layers: pyright takes the members of a union one by one only where it has a choice. A chain
# that ends with a layer that gives what it gets gives what comes before.
@overload
def chain(layer1: Model[A, B], layer2: Through[Any, Any, Any]) -> Model[A, B]: ...
@overload
def chain(layer1: Model[A, B], layer2: Model[B, C]) -> Model[A, C]: ...
@overload
def chain(layer1: Model[A, B], layer2: Model[B, C], layer3: Through[Any, Any, Any], /) -> Model[A, C]: ...
@overload
def chain(layer1: Model[A, B], layer2: Model[B, C], layer3: Model[C, D], /) -> Model[A, D]: ...
@overload
def chain(
    layer1: Model[A, B], layer2: Model[B, C], layer3: Model[C, D], layer4: Through[Any, Any, Any], /
) -> Model[A, D]: ...
@overload
def chain(layer1: Model[A, B], layer2: Model[B, C], layer3: Model[C, D], layer4: Model[D, E], /) -> Model[A, E]: ...
@overload
def chain(
    layer1: Model[A, B],
    layer2: Model[B, C],
    layer3: Model[C, D],
    layer4: Model[D, E],
    layer5: Through[Any, Any, Any],
    /,
    *layers: Model[Any, Any],
) -> Model[A, Any]: ...
@overload
def chain(
    layer1: Model[A, B],
    layer2: Model[B, C],
    layer3: Model[C, D],
    layer4: Model[D, E],
    layer5: Model[E, Any],
    /,
    *layers: Model[Any, Any],
) -> Model[A, Any]: ...
def chain(layer1: Model[Any, Any], layer2: Model[Any, Any], *layers: Model[Any, Any]) -> Model[Any, Any]:
    """Layers one after the other: Y = … g(f(X)).

    The output of each layer has to be what the next one takes. The widths nI of the first layer and nO of the last are
    those of the chain, where these layers have them.
    """
    return chain_no_types(layer1, layer2, *layers)


def chain_no_types(*layer: Model[Any, Any]) -> Model[Any, Any]:
    """`chain` as a registry calls it: with layers of any types."""
    check_layers("chain", *layer)
    if len(layer) < 2:
        raise TypeError(f"chain() combines two or more layers, got {len(layer)}")
    dims: dict[str, int | None] = {"nO": layer[-1].maybe_get_dim("nO")}
    if layer[0].has_dim("nI") is not False:
        dims["nI"] = layer[0].maybe_get_dim("nI")
    return Model(">>".join(node.name for node in layer), forward, init=init, dims=dims, layers=layer)


@runs_in_a_row
def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """Each layer on the output of the one before; adjacent layers as one where a fused form of them is known."""
    plan = chain_plan(model)
    if plan is not None:
        return plan.run(model, X, is_train)
    callbacks = []
    for layer in model.layers:
        X, callback = layer(X, is_train=is_train)
        callbacks.append(callback)
    return X, callback_through(model, callbacks)


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize each layer with the output of the one before; Y is for those whose nO is not known."""
    if X is None and Y is None:
        # And once more below, as in Thinc: with one seed, the parameters are the same.
        for layer in model.layers:
            layer.initialize()
    for layer in model.layers:
        layer.initialize(X=X, Y=Y if layer.has_dim("nO") is None else None)
        if X is not None:
            X = layer.predict(X)
    first, last = model.layers[0], model.layers[-1]
    nI = first.maybe_get_dim("nI")
    if nI is not None:
        model.set_dim("nI", nI)
    if model.has_dim("nO") is None:
        nO = last.maybe_get_dim("nO") if X is None else _width(X, last)
        if nO is not None:
            model.set_dim("nO", nO)


def _width(Y: Any, last: Model[Any, Any]) -> int | None:
    try:
        return get_width(Y)
    except (ValueError, TypeError):  # not an array, or of a rank that has no width
        return last.maybe_get_dim("nO")
