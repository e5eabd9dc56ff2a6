"""with_nvtx_range: a layer as a range in NVIDIA's profilers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import TypeVar

from ..model import Model
from ..util import use_nvtx_range

ModelT = TypeVar("ModelT", bound=Model[Any, Any])


def with_nvtx_range(
    layer: ModelT, name: str | None = None, *, forward_color: int = -1, backprop_color: int = -1
) -> ModelT:
    """Mark a layer's forward and backward pass as ranges for NVIDIA's profilers.

    Their names are `name`, or the layer's, and what is done. The layer itself is changed and returned. Without a CUDA
    device nothing is marked.
    """
    label = layer.name if name is None else name
    orig_forward, orig_init = layer._func, layer.init

    def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
        with use_nvtx_range(f"{label} forward", forward_color):
            Y, callback = orig_forward(model, X, is_train=is_train)

        def backprop(dY: Any) -> Any:
            with use_nvtx_range(f"{label} backprop", backprop_color):
                return callback(dY)

        return Y, backprop

    def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> Any:
        return None if orig_init is None else orig_init(model, X=X, Y=Y)

    layer.replace_callbacks(forward, init=init)
    return layer
