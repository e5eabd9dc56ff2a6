"""Nodes that do nothing, for tests of what all nodes do: their forward pass and its callback give what they get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from thinc_nb.model import Model


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    return X, lambda dY: dY


def node(name: str = "node", **parts: Any) -> Model[Any, Any]:
    return Model(name, forward, **parts)


def ones(*shape: int) -> Any:
    return np.ones(shape, dtype="f")
