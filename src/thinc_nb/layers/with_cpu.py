"""with_cpu: a layer on the CPU within a model that may be on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import TypeVar

from .._arrays import is_cupy_array, is_xp_array, to_cpu
from ..backends import Ops
from ..model import Model
from ..types import NI, NO, Padded, Ragged
from ..util import convert_recursive
from ._checks import check_layers
from ._sequences import wrapper_dims

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)


def with_cpu(layer: Model[A, B, NI, NO], ops: Ops) -> Model[A, B, NI, NO]:
    """Run a layer on the CPU: what goes in comes from the device, what comes out goes to the device of `ops`."""
    check_layers("with_cpu", layer)
    layer.to_cpu()
    return Model(f"with_cpu({layer.name})", forward, init=init, layers=[layer], ops=ops, dims=wrapper_dims(layer))


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """To the CPU, run, and back."""
    Y, callback = model.layers[0](_to_cpu(X), is_train)

    def backprop(dY: Any) -> Any:
        return _to_device(model.ops, callback(_to_cpu(dY)))

    return _to_device(model.ops, Y), backprop


def _to_cpu(X: Any) -> Any:
    return _converted(is_cupy_array, to_cpu, X)


def _to_device(ops: Ops, X: Any) -> Any:
    if ops.device_type == "cpu":
        return X
    return _converted(is_xp_array, ops.asarray, X)


def _converted(is_match: Callable[[Any], bool], convert: Callable[[Any], Any], X: Any) -> Any:
    """Nested data with each array converted, those of Ragged and Padded included."""

    def is_batch_or_match(item: Any) -> bool:
        return isinstance(item, (Ragged, Padded)) or is_match(item)

    def converted_item(item: Any) -> Any:
        if isinstance(item, Ragged):
            return Ragged(converted_item(item.dataXd), converted_item(item.lengths))
        if isinstance(item, Padded):
            return Padded(*(converted_item(part) for part in (item.data, item.size_at_t, item.lengths, item.indices)))
        return convert(item) if is_match(item) else item

    return convert_recursive(is_batch_or_match, converted_item, X)


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize the layer with the examples on the CPU."""
    model.layers[0].initialize(X=_to_cpu(X), Y=_to_cpu(Y))
