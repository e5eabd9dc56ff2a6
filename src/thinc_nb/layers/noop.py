"""noop: a layer that does nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..model import Model
from ..types import N
from ._checks import check_layers

if TYPE_CHECKING:
    from ..model import Through


def noop(*layers: Model[Any, Any]) -> Through[Any, N, N]:
    """Give back X. Layers are kept as children, in which they are saved and updated, but they do not run."""
    check_layers("noop", *layers)
    model: Any = Model("noop", forward, layers=layers)
    nothing: Through[Any, N, N] = model
    return nothing


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """X itself."""

    def backprop(dY: Any) -> Any:
        return dY

    return X, backprop
