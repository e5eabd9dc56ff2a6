"""Maxout."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..initializers import Initializer, glorot_uniform_init, zero_init
from ..model import Model
from ..types import NI, NO, Floats2d
from ._checks import check_gradient, check_rows
from ._dense import infer_widths, with_extras


def Maxout(
    nO: NO | None = None,
    nI: NI | None = None,
    nP: int | None = 3,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
    dropout: float | None = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """Dense layer whose units are the largest of nP pieces: Y[i, o] = max over p of (X[i] · W[o, p] + b[o, p]).

    X (batch, nI) → Y (batch, nO). W (nO, nP, nI) is drawn by `init_W` (glorot_uniform_init), b (nO, nP) by `init_b`
    (zeros). ValueError if nP is 0. Source: Goodfellow et al., 2013.
    """
    if nP == 0:
        raise ValueError("Maxout: nP, the number of pieces, must be at least 1, got 0")
    model: Model[Floats2d, Floats2d] = Model(
        "maxout",
        forward,
        init=partial(init, init_W or glorot_uniform_init, init_b or zero_init),
        dims={"nO": nO, "nI": nI, "nP": nP},
        params={"W": None, "b": None},
    )
    return with_extras(model, nO, dropout, normalize)


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """The pieces as one matrix product, then the largest of each unit."""
    ops = model.ops
    W: Any = model.get_param("W")
    b: Any = model.get_param("b")
    X = check_rows(model, X, W)
    nO, nP, nI = W.shape
    pieces = W.reshape((nO * nP, nI))
    Z: Any = ops.affine(X, pieces, b.reshape((nO * nP,)))
    Y, which = ops.maxout(Z.reshape((X.shape[0], nO, nP)))

    def backprop(dY: Floats2d) -> Floats2d:
        check_gradient(model, dY, Y)
        d_pieces: Any = ops.backprop_maxout(dY, which, nP)
        dZ = d_pieces.reshape((X.shape[0], nO * nP))
        model.inc_grad("b", dZ.sum(axis=0).reshape((nO, nP)))
        dW: Any = ops.gemm(dZ, X, trans1=True)
        model.inc_grad("W", dW.reshape(W.shape))
        return ops.gemm(dZ, pieces)

    return Y, backprop


def init(
    init_W: Initializer,
    init_b: Initializer,
    model: Model[Floats2d, Floats2d],
    X: Floats2d | None = None,
    Y: Floats2d | None = None,
) -> None:
    """Infer the widths from examples, then draw W and, after it, b."""
    infer_widths(model, X, Y)
    nO, nP, nI = model.get_dim("nO"), model.get_dim("nP"), model.get_dim("nI")
    model.set_param("W", init_W(model.ops, (nO, nP, nI)))
    model.set_param("b", init_b(model.ops, (nO, nP)))
