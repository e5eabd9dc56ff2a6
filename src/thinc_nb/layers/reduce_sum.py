"""reduce_sum."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import Floats2d, Ints1d, N, Ragged
from ._pooling import Unpool, pool


def reduce_sum() -> Model[Ragged, Floats2d, N, N]:
    """The sum of each sequence's rows.

    Ragged of (n, width) → (sequences, width). An empty sequence gives zeros.
    """
    return Model("reduce_sum", forward)


def forward(
    model: Model[Ragged, Floats2d], Xr: Ragged, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Ragged]]:
    """`Ops.reduce_sum`."""
    ops = model.ops

    def reduce(X: Any, lengths: Ints1d) -> tuple[Floats2d, Unpool]:
        Y = ops.reduce_sum(X, lengths)
        return Y, lambda dY: ops.backprop_reduce_sum(dY, lengths)

    return pool(model, Xr, reduce)
