"""CauchySimilarity: how close vectors are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._described import described
from .._model.tree import infer_dim
from ..errors import InputError
from ..model import Model
from ..types import NI, Floats1d, Floats2d
from ._checks import check_rows, fitted_gradient, wrong_type


def CauchySimilarity(nI: NI | None = None) -> Model[tuple[Floats2d, Floats2d], Floats1d, NI, int]:
    """1 / (1 + d), where d is the squared distance of two vectors, weighted by column: d = Σ W * (X1 - X2)².

    A pair of arrays (batch, nI) → (batch,), 1 for equal vectors. W (nI,) starts as ones. Source: Chen, 2016.
    """
    return Model("cauchy_similarity", forward, init=init, dims={"nI": nI, "nO": 1}, params={"W": None})


def forward(
    model: Model[tuple[Floats2d, Floats2d], Floats1d], X1_X2: tuple[Floats2d, Floats2d], is_train: bool
) -> tuple[Floats1d, Callable[[Floats1d], tuple[Floats2d, Floats2d]]]:
    """The similarity of each pair of rows."""
    given: object = X1_X2
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise wrong_type(model, "a pair of arrays (X1, X2)", X1_X2)
    X1, X2 = X1_X2
    W = model.get_param("W")
    X1, X2 = check_rows(model, X1, W, any_dtype=True), check_rows(model, X2, W, any_dtype=True)
    if X1.shape != X2.shape:
        raise InputError(f"layer {model.name!r} compares rows of one shape, got {described(X1)} and {described(X2)}")
    difference: Any = X1 - X2
    squares = difference * difference
    Y: Floats1d = 1 / (1 + squares @ W)

    def backprop(dY: Floats1d) -> tuple[Floats2d, Floats2d]:
        dY = fitted_gradient(model, dY, Y)
        d_total = -dY * Y * Y
        model.inc_grad("W", d_total @ squares)
        dX1: Floats2d = d_total[:, None] * (2 * W) * difference
        return dX1, -dX1

    return Y, backprop


def init(
    model: Model[tuple[Floats2d, Floats2d], Floats1d],
    X: tuple[Floats2d, Floats2d] | None = None,
    Y: Floats1d | None = None,
) -> None:
    """Infer the width of the inputs, then set W to ones."""
    if X is not None:
        infer_dim(model, "nI", X[0])
    W = model.ops.alloc1f(model.get_dim("nI"))
    W += 1
    model.set_param("W", W)
