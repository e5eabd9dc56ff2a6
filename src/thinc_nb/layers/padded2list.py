"""padded2list: Padded to a list of sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import Array2d, List2d, N, Padded
from ._checks import wrong_type


def padded2list() -> Model[Padded, list[Array2d], N, N]:
    """Each sequence as an array (n_i, width), in the order that they had before they were padded."""
    return Model("padded2list", forward)


def forward(model: Model[Any, Any], Xp: Padded, is_train: bool) -> tuple[List2d, Callable[[List2d], Padded]]:
    """`Ops.padded2list`."""
    if not isinstance(Xp, Padded):
        raise wrong_type(model, "a Padded", Xp)
    ops = model.ops

    def backprop(dYs: List2d) -> Padded:
        return ops.list2padded(dYs)

    return ops.padded2list(Xp), backprop
