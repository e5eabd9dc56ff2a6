"""with_signpost_interval: a layer as intervals in Apple's profilers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import TypeVar

from .. import compat
from ..model import Model

ModelT = TypeVar("ModelT", bound=Model[Any, Any])


def with_signpost_interval(layer: ModelT, signposter: Any, name: str | None = None) -> ModelT:
    """Mark a layer's initialization, forward and backward pass as signpost intervals, on macOS.

    signposter: an `os_signpost.Signposter`. The layer itself is changed and returned. ValueError if the package
    os_signpost is not installed.
    """
    if not compat.has_os_signpost:
        raise ValueError("with_signpost_interval layer requires the 'os_signpost' package")
    label = layer.name if name is None else name
    orig_forward, orig_init = layer._func, layer.init

    def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
        with signposter.use_interval(f"{label} forward"):
            Y, callback = orig_forward(model, X, is_train=is_train)

        def backprop(dY: Any) -> Any:
            with signposter.use_interval(f"{label} backprop"):
                return callback(dY)

        return Y, backprop

    def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> Any:
        if orig_init is None:
            return None
        with signposter.use_interval(f"{label} init"):
            return orig_init(model, X=X, Y=Y)

    layer.replace_callbacks(forward, init=init)
    return layer
