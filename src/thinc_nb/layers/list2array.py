"""list2array: sequences to one array."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..model import Model
from ..types import ArrayXd, ListXd, N
from ._checks import as_items
from ._sequences import lengths_of

if TYPE_CHECKING:
    from ..model import FromList


def list2array() -> FromList[N, N]:
    """The sequences one after the other: k arrays (n_i, …) → (sum of n_i, …)."""
    model: Any = Model("list2array", forward)
    joined: FromList[N, N] = model
    return joined


def forward(model: Model[Any, Any], Xs: ListXd, is_train: bool) -> tuple[ArrayXd, Callable[[ArrayXd], ListXd]]:
    """`Ops.flatten`."""
    Xs = as_items(model, "a list of arrays", Xs)
    ops = model.ops
    lengths = lengths_of(model, Xs)

    def backprop(dY: ArrayXd) -> ListXd:
        return ops.unflatten(dY, lengths)

    flat: Any = ops.flatten(Xs)
    return flat, backprop
