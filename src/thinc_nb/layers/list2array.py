"""list2array: sequences to one array."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import ArrayXd, ListXd
from ._checks import wrong_type
from ._sequences import lengths_of
from ._typing import ArrT


def list2array() -> Model[list[ArrT], ArrT]:
    """The sequences one after the other: k arrays (n_i, …) → (sum of n_i, …)."""
    model: Model[Any, Any] = Model("list2array", forward)
    return model


def forward(model: Model[Any, Any], Xs: ListXd, is_train: bool) -> tuple[ArrayXd, Callable[[ArrayXd], ListXd]]:
    """`Ops.flatten`."""
    if not isinstance(Xs, (list, tuple)):
        raise wrong_type(model, "a list of arrays", Xs)
    ops = model.ops
    lengths = lengths_of(ops, Xs)

    def backprop(dY: ArrayXd) -> ListXd:
        return ops.unflatten(dY, lengths)

    flat: Any = ops.flatten(Xs)
    return flat, backprop
