"""What both versions of ParametricAttention share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..model import Model
from ..types import Floats2d, Ragged
from ._checks import check_gradient, check_gradient_kind, check_rows, wrong_type

Transform = Callable[[Floats2d], tuple[Floats2d, Callable[[Floats2d], Floats2d]]]


def attend(
    model: Model[Ragged, Ragged], Xr: Ragged, transform: Transform | None
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    """Each row times its share of attention: Y = X * softmax(K Q), within each sequence, where K is X transformed."""
    if not isinstance(Xr, Ragged):
        raise wrong_type(model, "a Ragged", Xr)
    ops = model.ops
    X, lengths = Xr.data, Xr.lengths
    Q = model.get_param("Q")
    X = check_rows(model, X, Q)
    K, backprop_key = (X, None) if transform is None else transform(X)
    K = check_rows(model, K, Q)
    scores: Any = ops.gemm(K, Q.reshape(-1, 1))
    attention = ops.softmax_sequences(scores, lengths)
    Y: Any = X * attention

    def backprop(dYr: Ragged) -> Ragged:
        check_gradient_kind(model, dYr, Ragged, "a Ragged")
        dY = dYr.data
        check_gradient(model, dY, Y)
        d_attention = (dY * X).sum(axis=1, keepdims=True)
        d_scores = ops.backprop_softmax_sequences(d_attention, attention, lengths)
        model.inc_grad("Q", ops.gemm(d_scores, K, trans1=True)[0])
        dX: Any = dY * attention
        dK = d_scores * Q
        dX += dK if backprop_key is None else backprop_key(dK)
        return Ragged(dX, lengths)

    return Ragged(Y, lengths), backprop
