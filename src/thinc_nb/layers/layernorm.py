"""Layer normalisation."""

from __future__ import annotations

from collections.abc import Callable

from .._model.tree import infer_dim
from ..model import Model
from ..types import Floats2d, N
from ._checks import check_rows, fitted_gradient


def LayerNorm(nI: N | None = None) -> Model[Floats2d, Floats2d, N, N]:
    """Rows to mean 0 and variance 1, then times the gain G, plus b: Y = (X - mean) / √(variance + 1e-8) * G + b.

    X (batch, nI) → Y (batch, nI), which is float64 if X is. G (nI,) starts as ones, b (nI,) as zeros. Source: Ba, Kiros
    & Hinton, 2016.
    """
    return Model("layernorm", forward, init=init, dims={"nI": nI, "nO": nI}, params={"G": None, "b": None})


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Normalise, scale and shift."""
    ops = model.ops
    G = model.get_param("G")
    X = check_rows(model, X, G, any_dtype=True)
    Y, mean, rstd = ops.layer_norm(X, G, model.get_param("b"))
    like = X if X.dtype == Y.dtype else Y  # X is kept anyway

    def backprop(dY: Floats2d) -> Floats2d:
        dY = fitted_gradient(model, dY, like)
        dX, dG, db = ops.backprop_layer_norm(dY, X, G, mean, rstd)
        model.inc_grad("G", dG)
        model.inc_grad("b", db)
        return dX

    return Y, backprop


def init(model: Model[Floats2d, Floats2d], X: Floats2d | None = None, Y: Floats2d | None = None) -> None:
    """Infer the width, then set G to ones and b to zeros."""
    if X is not None:
        infer_dim(model, "nI", X)
        infer_dim(model, "nO", X)
    elif Y is not None:
        infer_dim(model, "nI", Y)
        infer_dim(model, "nO", Y)
    nI = model.get_dim("nI")
    if model.has_dim("nO") is None:
        model.set_dim("nO", nI)
    G = model.ops.alloc1f(nI)
    G += 1
    model.set_param("G", G)
    model.set_param("b", model.ops.alloc1f(nI))
