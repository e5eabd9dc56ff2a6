"""HardSwishMobilenet."""

from __future__ import annotations

from collections.abc import Callable

from ..initializers import Initializer, he_normal_init
from ..model import Model
from ..types import NI, NO, Floats2d
from ._dense import activated, dense, init

__all__ = ["HardSwishMobilenet", "forward", "init"]


def HardSwishMobilenet(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
    dropout: float | None = None,
    normalize: bool = False,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """Dense layer with the Swish of MobileNetV3: Z = X Wᵀ + b, Y = Z * relu6(Z + 3) / 6.

    X (batch, nI) → Y (batch, nO). W (nO, nI) is drawn by `init_W` (he_normal_init), b (nO,) by `init_b` (zeros).
    `normalize` adds a LayerNorm after it, `dropout` a Dropout.
    Source: Howard et al., 2019.
    """
    return dense(
        "hardswishmobilenet", forward, nO, nI, init_W or he_normal_init, init_b, dropout=dropout, normalize=normalize
    )


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """The activation of X Wᵀ + b."""
    return activated(model, forward, X, model.ops.hard_swish_mobilenet, model.ops.backprop_hard_swish_mobilenet)
