"""list2ragged: a list of sequences to Ragged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import ListXd, N, Ragged
from ._checks import as_items, check_gradient_kind
from ._sequences import lengths_of


def list2ragged() -> Model[ListXd, Ragged, N, N]:
    """The sequences one after the other with their lengths: k arrays (n_i, width) → Ragged."""
    return Model("list2ragged", forward)


def forward(model: Model[Any, Any], Xs: ListXd, is_train: bool) -> tuple[Ragged, Callable[[Ragged], ListXd]]:
    """`Ops.flatten` and lengths."""
    Xs = as_items(model, "a list of arrays", Xs)
    ops = model.ops

    def backprop(dY: Ragged) -> ListXd:
        check_gradient_kind(model, dY, Ragged, "a Ragged")
        return ops.unflatten(dY.dataXd, dY.lengths)

    flat: Any = ops.flatten(Xs)
    return Ragged(flat, lengths_of(model, Xs)), backprop
