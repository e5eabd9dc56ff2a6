"""ClippedLinear, and the activations that are made of it."""

from __future__ import annotations

from collections.abc import Callable

from .._model.plan import run_as_one
from ..initializers import Initializer, glorot_uniform_init
from ..model import Model
from ..types import NI, NO, Floats2d
from ._checks import check_gradient
from ._dense import affine, dense, init

__all__ = ["ClippedLinear", "HardSigmoid", "HardTanh", "ReluK", "forward", "init"]


def ClippedLinear(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
    dropout: float | None = None,
    normalize: bool = False,
    slope: float = 1.0,
    offset: float = 0.0,
    min_val: float = 0.0,
    max_val: float = 1.0,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """Dense layer with a line between two limits: Z = X Wᵀ + b, Y = min(max(slope * Z + offset, min_val), max_val).

    X (batch, nI) → Y (batch, nO). W (nO, nI) is drawn by `init_W` (glorot_uniform_init), b (nO,) by `init_b` (zeros).
    `normalize` adds a LayerNorm after it, `dropout` a Dropout. The four settings are attributes.
    """
    return dense(
        "clipped_linear",
        forward,
        nO,
        nI,
        init_W or glorot_uniform_init,
        init_b,
        dropout=dropout,
        normalize=normalize,
        attrs={"slope": slope, "offset": offset, "min_val": min_val, "max_val": max_val},
    )


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """The activation of X Wᵀ + b."""
    fused = run_as_one(model, forward, X, is_train)
    if fused is not None:
        return fused
    ops = model.ops
    settings = [model.attrs[name] for name in ("slope", "offset", "min_val", "max_val")]
    Z, backprop_affine = affine(model, X)
    Y = ops.clipped_linear(Z, *settings)

    def backprop(dY: Floats2d) -> Floats2d:
        check_gradient(model, dY, Z)
        return backprop_affine(ops.backprop_clipped_linear(dY, Z, *settings))

    return Y, backprop


def ReluK(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
    dropout: float | None = None,
    normalize: bool = False,
    k: float = 6.0,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """ClippedLinear that is Z from 0 to k. Source: Krizhevsky, 2010."""
    return ClippedLinear(
        nO, nI, init_W=init_W, init_b=init_b, dropout=dropout, normalize=normalize, min_val=0.0, max_val=k
    )


def HardSigmoid(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
    dropout: float | None = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """ClippedLinear that is Z / 5 + 1/2 from 0 to 1. Source: Courbariaux, Bengio & David, 2015."""
    return ClippedLinear(
        nO, nI, init_W=init_W, init_b=init_b, dropout=dropout, normalize=normalize, slope=0.2, offset=0.5
    )


def HardTanh(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
    dropout: float | None = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """ClippedLinear that is Z from -1 to 1. Source: Collobert, 2004."""
    return ClippedLinear(
        nO, nI, init_W=init_W, init_b=init_b, dropout=dropout, normalize=normalize, min_val=-1.0, max_val=1.0
    )
