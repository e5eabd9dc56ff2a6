"""bidirectional: one layer from the start of each sequence, and one from its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import Ops
from ..model import Model
from ..types import NI, NO, Floats3d, Padded
from ..util import get_width
from ._checks import wrong_type
from ._sums import added


def bidirectional(
    l2r: Model[Padded, Padded, NI, NO], r2l: Model[Padded, Padded] | None = None
) -> Model[Padded, Padded, NI, Any]:
    """The output of `l2r` on each sequence beside that of `r2l` on the reversed sequence, reversed back.

    Padded of width nI → Padded whose width is that of both outputs together. r2l: a copy of l2r if not given.
    Source: Schuster & Paliwal, 1997.
    """
    backwards = l2r.copy() if r2l is None else r2l
    return Model(f"bi{l2r.name}", forward, init=init, layers=[l2r, backwards])


def forward(model: Model[Padded, Padded], X: Padded, is_train: bool) -> tuple[Padded, Callable[[Padded], Padded]]:
    """Both layers, the second on the reversed sequences."""
    if not isinstance(X, Padded):
        raise wrong_type(model, "a Padded", X)
    ops = model.ops
    l2r, r2l = model.layers
    places = _reversed_places(ops, X)
    Y_l2r, backprop_l2r = l2r(X, is_train)
    Y_r2l, backprop_r2l = r2l(_reordered(X, places), is_train)
    width = Y_l2r.data.shape[2]
    data = ops.xp.concatenate((Y_l2r.data, _reordered(Y_r2l, places).data), axis=2)

    def backprop(dY: Padded) -> Padded:
        dX_l2r = backprop_l2r(_with_data(dY, ops.as_contig(dY.data[:, :, :width])))
        dX_r2l = backprop_r2l(_reordered(_with_data(dY, dY.data[:, :, width:]), places))
        total: Padded = added(f"layer {model.name!r}", ops, dX_l2r, _reordered(dX_r2l, places))
        return total

    return _with_data(X, data), backprop


def _reversed_places(ops: Ops, X: Padded) -> Any:
    """For each step of each sequence, the step that takes its place when it is reversed: (steps, sequences)."""
    steps = ops.xp.arange(X.data.shape[0])[:, None]
    mirrored = X.lengths[None, :] - 1 - steps
    # Padding stays where it is.
    return ops.xp.where(mirrored >= 0, mirrored, steps)


def _reordered(X: Padded, places: Any) -> Padded:
    data: Any = X.data
    sequences = np.arange(data.shape[1])
    return _with_data(X, data[places, sequences])


def _with_data(X: Padded, data: Floats3d) -> Padded:
    return Padded(data, X.size_at_t, X.lengths, X.indices)


def init(model: Model[Padded, Padded], X: Padded | None = None, Y: Padded | None = None) -> None:
    """Initialize both layers with the examples; each gives half of the width of Y."""
    half = None
    if Y is not None:
        half = _with_data(Y, Y.data[:, :, : get_width(Y) // 2])
    for layer in model.layers:
        layer.initialize(X=X, Y=half)
