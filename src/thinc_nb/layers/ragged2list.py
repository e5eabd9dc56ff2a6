"""ragged2list: Ragged to a list of sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import Array2d, ListXd, N, Ragged
from ._checks import check_gradient_kind, wrong_type


def ragged2list() -> Model[Ragged, list[Array2d], N, N]:
    """Each sequence as an array (n_i, width). They are views of the Ragged's data."""
    return Model("ragged2list", forward)


def forward(model: Model[Any, Any], Xr: Ragged, is_train: bool) -> tuple[ListXd, Callable[[ListXd], Ragged]]:
    """`Ops.unflatten`."""
    if not isinstance(Xr, Ragged):
        raise wrong_type(model, "a Ragged", Xr)
    ops = model.ops
    lengths, data = Xr.lengths, Xr.dataXd

    def backprop(dYs: ListXd) -> Ragged:
        check_gradient_kind(model, dYs, (list, tuple), "a list of arrays")
        dX: Any = ops.flatten(dYs) if len(dYs) else ops.alloc(data.shape, dtype=data.dtype)
        return Ragged(dX, lengths)

    return ops.unflatten(data, lengths), backprop
