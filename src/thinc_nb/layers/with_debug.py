"""with_debug: functions that are called as a layer runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import TypeVar

from ..model import Model
from ._checks import check_layers

ModelT = TypeVar("ModelT", bound=Model[Any, Any])


def do_nothing(*args: Any, **kwargs: Any) -> None:
    """Do nothing."""


def with_debug(
    layer: ModelT,
    name: str | None = None,
    *,
    on_init: Callable[[Model[Any, Any], Any, Any], None] = do_nothing,
    on_forward: Callable[[Model[Any, Any], Any, bool], None] = do_nothing,
    on_backprop: Callable[[Any], None] = do_nothing,
) -> ModelT:
    """Call functions when a layer is initialized, before it runs, and before its gradient is computed.

    They get ``(model, X, Y)``, ``(model, X, is_train)`` and ``(dY,)``. The layer itself is changed and returned; its
    forward function and `init` are replaced. `name` is accepted for Thinc's sake.
    """
    check_layers("with_debug", layer)
    orig_forward, orig_init = layer._func, layer.init

    def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
        on_forward(model, X, is_train)
        Y, callback = orig_forward(model, X, is_train=is_train)

        def backprop(dY: Any) -> Any:
            on_backprop(dY)
            return callback(dY)

        return Y, backprop

    def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> Any:
        on_init(model, X, Y)
        return None if orig_init is None else orig_init(model, X=X, Y=Y)

    layer.replace_callbacks(forward, init=init)
    return layer
