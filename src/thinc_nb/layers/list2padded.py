"""list2padded: a list of sequences to Padded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import List2d, N, Padded
from ._checks import wrong_type


def list2padded() -> Model[List2d, Padded, N, N]:
    """The sequences in one array, sorted by length and padded with zeros: k arrays (n_i, width) → Padded."""
    return Model("list2padded", forward)


def forward(model: Model[Any, Any], Xs: List2d, is_train: bool) -> tuple[Padded, Callable[[Padded], List2d]]:
    """`Ops.list2padded`."""
    if not isinstance(Xs, (list, tuple)):
        raise wrong_type(model, "a list of arrays (n, width)", Xs)
    ops = model.ops

    def backprop(dY: Padded) -> List2d:
        return ops.padded2list(dY)

    return ops.list2padded(Xs), backprop
