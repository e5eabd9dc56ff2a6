"""What layers share that make one vector of each sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import Floats2d, Ints1d, Ragged
from ._checks import check_gradient, wrong_type

Unpool = Callable[[Floats2d], Floats2d]


def pool(
    model: Model[Ragged, Floats2d], Xr: Ragged, reduce: Callable[[Any, Ints1d], tuple[Floats2d, Unpool]]
) -> tuple[Floats2d, Callable[[Floats2d], Ragged]]:
    """`reduce(X, lengths)` gives Y (sequences, width) and the function from dY to dX (n, width)."""
    if not isinstance(Xr, Ragged):
        raise wrong_type(model, "a Ragged", Xr)
    lengths, rows = Xr.lengths, Xr.data
    shape = rows.shape if len(Xr.data_shape) == 2 else Xr.dataXd.shape
    Y, unpool = reduce(rows, lengths)

    def backprop(dY: Floats2d) -> Ragged:
        check_gradient(model, dY, Y)
        return Ragged(unpool(dY).reshape(shape), lengths)

    return Y, backprop
