"""ParametricAttention: rows weighted by a learnt vector."""

from __future__ import annotations

from collections.abc import Callable

from .._model.tree import infer_dim
from ..initializers import uniform_init
from ..model import Model
from ..types import N, Ragged
from ._attention import attend


def ParametricAttention(nO: N | None = None) -> Model[Ragged, Ragged, N, N]:
    """Weigh the rows of each sequence by their attention: Y = X * softmax(X Q), softmax within each sequence.

    Ragged of (n, nO) → Ragged of (n, nO). Q (nO,) is drawn uniformly within ±0.1. A `reduce_sum` after it gives one
    vector for each sequence. Source: Yang et al., 2016.
    """
    return Model("para-attn", forward, init=init, params={"Q": None}, dims={"nO": nO})


def forward(model: Model[Ragged, Ragged], Xr: Ragged, is_train: bool) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    """The rows are their own keys."""
    return attend(model, Xr, None)


def init(model: Model[Ragged, Ragged], X: Ragged | None = None, Y: Ragged | None = None) -> None:
    """Infer the width, then draw Q."""
    if X is not None:
        infer_dim(model, "nO", X)
    model.set_param("Q", uniform_init(model.ops, (model.get_dim("nO"),)))
