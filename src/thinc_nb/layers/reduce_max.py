"""reduce_max."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import Floats2d, Ints1d, N, Ragged
from ._pooling import Unpool, pool


def reduce_max() -> Model[Ragged, Floats2d, N, N]:
    """The largest value of each column of each sequence.

    Ragged of (n, width) → (sequences, width). ValueError if a sequence is empty.
    """
    return Model("reduce_max", forward)


def forward(
    model: Model[Ragged, Floats2d], Xr: Ragged, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Ragged]]:
    """`Ops.reduce_max`."""
    ops = model.ops

    def reduce(X: Any, lengths: Ints1d) -> tuple[Floats2d, Unpool]:
        Y, which = ops.reduce_max(X, lengths)
        return Y, lambda dY: ops.backprop_reduce_max(dY, which, lengths)

    return pool(model, Xr, reduce)
