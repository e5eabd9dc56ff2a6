"""bidirectional: two layers on the same sequences, side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._described import described
from ..errors import InputError
from ..model import Model
from ..types import NI, NO, Floats3d, Padded
from ..util import get_width
from ._checks import check_layers, wrong_gradient, wrong_type
from ._sums import added


def bidirectional(
    l2r: Model[Padded, Padded, NI, NO], r2l: Model[Padded, Padded, NI, Any] | None = None
) -> Model[Padded, Padded, NI, Any]:
    """The outputs of two layers on each sequence, beside each other.

    Padded of width nI → Padded whose width is that of both outputs together. r2l: a copy of l2r if not given. As in
    Thinc 9.1, `r2l` gets the sequences as they are, not reversed; an LSTM that reads both ways is ``LSTM(bi=True)``.
    """
    check_layers("bidirectional", *((l2r,) if r2l is None else (l2r, r2l)))
    backwards = l2r.copy() if r2l is None else r2l
    return Model(f"bi{l2r.name}", forward, init=init, layers=[l2r, backwards])


def forward(model: Model[Padded, Padded], X: Padded, is_train: bool) -> tuple[Padded, Callable[[Padded], Padded]]:
    """Both layers; the gradient of the input is the sum of theirs."""
    if not isinstance(X, Padded):
        raise wrong_type(model, "a Padded", X)
    ops = model.ops
    l2r, r2l = model.layers
    Y_l2r, backprop_l2r = l2r(X, is_train)
    Y_r2l, backprop_r2l = r2l(X, is_train)
    width = Y_l2r.data.shape[2]

    def backprop(dY: Any) -> Padded:
        if not isinstance(dY, Padded) or getattr(dY.data, "ndim", None) != 3:
            raise wrong_gradient(model, "a Padded with data (steps, sequences, width)", dY)
        dX_l2r = backprop_l2r(_with_data(dY, ops.as_contig(dY.data[:, :, :width])))
        dX_r2l = backprop_r2l(_with_data(dY, ops.as_contig(dY.data[:, :, width:])))
        total: Padded = added(f"layer {model.name!r}", ops, dX_l2r, dX_r2l)
        return total

    return _with_data(X, ops.xp.concatenate((Y_l2r.data, Y_r2l.data), axis=2)), backprop


def _with_data(X: Padded, data: Floats3d) -> Padded:
    return Padded(data, X.size_at_t, X.lengths, X.indices)


def init(model: Model[Padded, Padded], X: Padded | None = None, Y: Padded | None = None) -> None:
    """Initialize both layers with the examples; each gives half of the width of Y."""
    half = None
    if Y is not None:
        if not isinstance(Y, Padded):
            raise InputError(f"layer {model.name!r} gives a Padded, so Y must be one, got {described(Y)}")
        half = _with_data(Y, Y.data[:, :, : get_width(Y) // 2])
    for layer in model.layers:
        layer.initialize(X=X, Y=half)
