"""MultiSoftmax: the scores of several groups of classes side by side."""

from __future__ import annotations

from collections.abc import Callable

from ..initializers import zero_init
from ..model import Model
from ..types import NI, Floats2d
from ._dense import affine, init as init_dense


def MultiSoftmax(nOs: tuple[int, ...], nI: NI | None = None) -> Model[Floats2d, Floats2d, NI, int]:
    """Dense layer for several groups of classes, of widths nOs: Y = X Wᵀ + b, group after group.

    X (batch, nI) → Y (batch, sum of nOs). W (nO, nI) and b (nO,) start as zeros. In spite of its name the layer gives
    the scores themselves, as in Thinc 9.1: apply `ops.softmax` to each group of columns to have probabilities.
    """
    given: object = nOs
    if not isinstance(given, (tuple, list)) or not all(hasattr(nO, "__index__") for nO in given):
        raise TypeError(f"MultiSoftmax: nOs must be the widths of the groups, such as (3, 2), got {nOs!r}")
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
    """The scores of all groups."""
    return affine(model, X)


def init(model: Model[Floats2d, Floats2d], X: Floats2d | None = None, Y: Floats2d | None = None) -> None:
    """Infer the width of the input, then set W and b to zeros."""
    init_dense(zero_init, zero_init, model, X)
