"""residual: a layer's output added to its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import TypeVar

from .._model.plan import run_as_one
from ..model import Model
from ..types import NI, NO
from ._checks import check_layers
from ._sequences import take_over_dims
from ._sums import added

A = TypeVar("A", default=Any)


def residual(layer: Model[A, A, NI, NO]) -> Model[A, A, NI, NO]:
    """A skip connection: Y = f(X) + X, of arrays, lists, Ragged or Padded.

    f gives what it takes. Source: He et al., 2016.
    """
    check_layers("residual", layer)
    dims = {name: layer.maybe_get_dim(name) for name in ("nO", "nI")}
    return Model(f"residual({layer.name})", forward, init=init, layers=[layer], dims=dims)


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """f(X) + X."""
    fused = run_as_one(model, forward, X, is_train)
    if fused is not None:
        return fused
    name, ops = f"layer {model.name!r}", model.ops
    Y, callback = model.layers[0](X, is_train=is_train)

    def backprop(dY: Any) -> Any:
        return added(name, ops, callback(dY), dY)

    return added(name, ops, Y, X), backprop


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize the layer, and take over its widths."""
    layer = model.layers[0]
    layer.initialize(X=X, Y=Y if layer.has_dim("nO") is None else None)
    take_over_dims(model, layer)
