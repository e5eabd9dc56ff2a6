"""concatenate: layers' outputs side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from typing_extensions import TypeVar

from .._arrays import is_xp_array
from .._described import described
from .._model.plan import run_as_one
from .._model.tree import infer_shared_dim
from ..backends import Ops
from ..errors import InputError
from ..model import Model
from ..types import Array2d, Ragged
from ._checks import check_gradient_kind, check_layers, fitted_gradient, gradients_of_parts
from ._sums import added

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)


def concatenate(*layers: Model[A, B]) -> Model[A, B]:
    """Each layer on the same input, their outputs beside each other: Y = [f(X), g(X), …].

    Outputs are arrays (n, width), lists of them, or Ragged, with as many rows each; nO is the sum of widths. Arrays of
    more axes are joined along the second. If the first is a concatenate itself, the others are appended to it, and it
    is returned. One layer is returned itself; no layers give a noop.
    """
    check_layers("concatenate", *layers)
    if not layers:
        return Model("noop", _noop)
    if len(layers) == 1:
        return layers[0]
    if layers[0]._func is forward:
        layers[0].layers.extend(layers[1:])
        return layers[0]
    dims: dict[str, int | None] = {"nO": None, "nI": None}
    if any(layer.has_dim("nI") is False for layer in layers):
        del dims["nI"]
    return Model("|".join(layer.name for layer in layers), forward, init=init, dims=dims, layers=layers)


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """The outputs side by side; the gradient of the input is the sum of the layers'."""
    fused = run_as_one(model, forward, X, is_train)
    if fused is not None:
        return fused
    name, ops = f"layer {model.name!r}", model.ops
    pairs = [layer(X, is_train=is_train) for layer in model.layers]
    Ys = [Y for Y, _ in pairs]
    callbacks = [callback for _, callback in pairs]

    def summed(dYs: list[Any]) -> Any:
        gradients = (callback(dY) for callback, dY in zip(callbacks, dYs, strict=True))
        return reduce(lambda dX, more: added(name, ops, dX, more), gradients)

    if isinstance(Ys[0], Ragged):
        return _ragged(model, Ys, summed)
    if isinstance(Ys[0], (list, tuple)):
        return _lists(model, Ys, summed)
    Y, split = _side_by_side(model, Ys)
    return Y, lambda dY: summed(split(dY))


def _ragged(
    model: Model[Any, Any], Ys: list[Any], summed: Callable[[list[Any]], Any]
) -> tuple[Ragged, Callable[[Ragged], Any]]:
    data, split = _side_by_side(model, [Y.dataXd if isinstance(Y, Ragged) else Y for Y in Ys])
    lengths = Ys[0].lengths

    def backprop(dY: Ragged) -> Any:
        check_gradient_kind(model, dY, Ragged, "a Ragged")
        return summed([Ragged(part, lengths) for part in split(dY.dataXd)])

    return Ragged(data, lengths), backprop


def _lists(
    model: Model[Any, Any], Ys: list[Any], summed: Callable[[list[Any]], Any]
) -> tuple[list[Array2d], Callable[[list[Array2d]], Any]]:
    if not all(isinstance(Y, (list, tuple)) and len(Y) == len(Ys[0]) for Y in Ys):
        raise InputError(
            f"layer {model.name!r}: the outputs must be lists of one length, got {', '.join(map(described, Ys))}"
        )
    parts = [_side_by_side(model, list(items)) for items in zip(*Ys, strict=True)]

    def backprop(dY: list[Array2d]) -> Any:
        given = gradients_of_parts(model, dY, len(parts))
        pieces = [split(d) for (_, split), d in zip(parts, given, strict=True)]
        return summed([[piece[i] for piece in pieces] for i in range(len(Ys))])

    return [Y for Y, _ in parts], backprop


def _side_by_side(model: Model[Any, Any], Ys: list[Any]) -> tuple[Any, Callable[[Any], list[Any]]]:
    """The arrays as one, and the function that takes its gradient apart."""
    first = Ys[0]
    for Y in Ys:
        if not is_xp_array(Y) or Y.ndim < 2 or len(Y) != len(first) or Y.shape[2:] != first.shape[2:]:
            raise InputError(
                f"layer {model.name!r}: the outputs must be arrays (n, width) with as many rows each, "
                f"got {', '.join(map(described, Ys))}"
            )
    ops: Ops = model.ops
    widths = [Y.shape[1] for Y in Ys]
    ends = np.cumsum(widths).tolist()
    dtype = first.dtype if all(Y.dtype == first.dtype for Y in Ys) else np.result_type(*Ys)
    joined = ops.alloc((len(first), ends[-1], *first.shape[2:]), dtype=dtype, zeros=False)
    for Y, width, end in zip(Ys, widths, ends, strict=True):
        joined[:, end - width : end] = Y

    def split(dY: Any) -> list[Any]:
        dY = fitted_gradient(model, dY, joined)
        return [ops.as_contig(dY[:, end - width : end]) for width, end in zip(widths, ends, strict=True)]

    return joined, split


def _noop(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    return X, lambda dY: dY


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize each layer with the examples; nO is the sum of the layers' widths."""
    if X is not None:
        infer_shared_dim(model, "nI", X)
    for layer in model.layers:
        # Y is as wide as all together: only a layer that does not know its width is told that one.
        layer.initialize(X=X, Y=None if layer.has_dim("nO") else Y)
    widths = [layer.maybe_get_dim("nO") for layer in model.layers]
    known = [width for width in widths if width is not None]
    if len(known) == len(widths):
        model.set_dim("nO", sum(known))
