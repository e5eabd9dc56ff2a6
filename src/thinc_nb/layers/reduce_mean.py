"""reduce_mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import Floats2d, Ints1d, N, Ragged
from ._pooling import Unpool, pool


def reduce_mean() -> Model[Ragged, Floats2d, N, N]:
    """The mean of each sequence's rows.

    Ragged of (n, width) → (sequences, width). An empty sequence gives zeros.
    """
    return Model("reduce_mean", forward)


def forward(
    model: Model[Ragged, Floats2d], Xr: Ragged, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Ragged]]:
    """`Ops.reduce_mean`."""
    ops = model.ops

    def reduce(X: Any, lengths: Ints1d) -> tuple[Floats2d, Unpool]:
        Y = ops.reduce_mean(X, lengths)
        return Y, lambda dY: ops.backprop_reduce_mean(dY, lengths)

    return pool(model, Xr, reduce)
