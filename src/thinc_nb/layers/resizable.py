"""resizable: a layer that can be given more outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from typing_extensions import TypeVar

from ..model import Model
from ..types import NI, NO, Floats2d
from ._checks import check_layers
from ._sequences import wrapper_dims

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)


def resizable(layer: Model[A, B, NI, NO], resize_layer: Callable[..., Model[Any, Any]]) -> Model[A, B, NI, NO]:
    """The layer, with the way to change its output width: `resize_layer(layer, nO)` gives the layer of another width.

    See `resize_model`, and `resize_linear_weighted` for layers with weights by row.
    """
    check_layers("resizable", layer)
    return Model(
        f"resizable({layer.name})",
        forward,
        init=init,
        layers=[layer],
        attrs={"resize_layer": resize_layer},
        dims=wrapper_dims(layer),
    )


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """What the layer does."""
    layer = model.layers[0]
    return layer(X, is_train)


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize the layer with the examples."""
    model.layers[0].initialize(X=X, Y=Y)


def resize_model(model: Model[A, B], new_nO: int) -> Model[A, B]:
    """Replace the layer inside a `resizable` by one with `new_nO` outputs, and return the model."""
    model.layers[0] = model.attrs["resize_layer"](model.layers[0], new_nO)
    return model


def resize_linear_weighted(
    layer: Model[Floats2d, Floats2d], new_nO: int, *, fill_defaults: Mapping[str, float] | None = None
) -> Model[Floats2d, Floats2d]:
    """A copy of a layer with more outputs, that keeps the weights of those it has.

    Parameters are stored output by output: W (nO, …) and b (nO,), or flat, as SparseLinear's. What is new is zero, or
    what `fill_defaults` says for the parameter's name: ``{"b": -1.0}``. The layer itself if it has that width already,
    and if its widths are not known yet: then nO is set. ValueError if it has weights for more outputs.
    """
    old_nO = layer.maybe_get_dim("nO")
    if old_nO == new_nO:
        return layer
    if old_nO is None or layer.has_dim("nI") is None:
        layer.set_dim("nO", new_nO, force=True)
        return layer
    weights = {name: layer.maybe_get_param(name) for name in layer.param_names}
    if new_nO < old_nO and any(weight is not None for weight in weights.values()):
        raise ValueError(
            f"resize_linear_weighted: layer {layer.name!r} has nO {old_nO} and can only grow, not to {new_nO}"
        )
    larger = layer.copy()
    for name in weights:
        larger.set_param(name, None)
    larger.set_dim("nO", new_nO, force=True)
    for name, old in weights.items():
        if old is not None:
            new = larger.ops.alloc((len(old) // old_nO * new_nO, *old.shape[1:]), dtype=old.dtype)
            new[: len(old)] = old
            new[len(old) :] = (fill_defaults or {}).get(name, 0.0)
            larger.set_param(name, new)
    if all(weight is None for weight in weights.values()):
        larger.initialize()
    return larger
