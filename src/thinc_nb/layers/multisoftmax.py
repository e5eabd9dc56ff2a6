"""MultiSoftmax: several probability distributions side by side."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from ..initializers import zero_init
from ..model import Model
from ..types import NI, Floats2d
from ._checks import check_gradient
from ._dense import affine, init as init_dense


def MultiSoftmax(nOs: tuple[int, ...], nI: NI | None = None) -> Model[Floats2d, Floats2d, NI, int]:
    """Dense layer with a softmax on each of several groups of columns, of widths nOs: each group of a row sums to 1.

    X (batch, nI) → Y (batch, sum of nOs). W (nO, nI) and b (nO,) start as zeros. As for Softmax, the gradient that is
    given back to it is taken as that of X Wᵀ + b.
    """
    return Model(
        "multisoftmax",
        forward,
        init=init,
        dims={"nO": sum(nOs), "nI": nI},
        params={"W": None, "b": None},
        attrs={"nOs": nOs},
    )


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Softmax of each group of columns of X Wᵀ + b."""
    nOs = model.attrs["nOs"]
    Y, backprop_affine = affine(model, X)
    for width, end in zip(nOs, accumulate(nOs), strict=True):
        Y[:, end - width : end] = model.ops.softmax(Y[:, end - width : end])

    def backprop(dY: Floats2d) -> Floats2d:
        check_gradient(model, dY, Y)
        return backprop_affine(dY)

    return Y, backprop


def init(model: Model[Floats2d, Floats2d], X: Floats2d | None = None, Y: Floats2d | None = None) -> None:
    """Infer the width of the input, then set W and b to zeros."""
    init_dense(zero_init, zero_init, model, X)
