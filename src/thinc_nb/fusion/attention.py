"""ParametricAttention and the sum or mean after it: rows to one vector per sequence, without weighed rows in between.

As separate layers, they read the rows for the scores, weigh them into a new array, and read this again for the sum;
backwards they make four arrays of that size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._model.plan import Result
from ..errors import LengthsError
from ..kernels import attention as kernels
from ..layers._checks import check_gradient
from ..layers.parametricattention import forward as attention
from ..layers.reduce_mean import forward as reduce_mean
from ..layers.reduce_sum import forward as reduce_sum
from ..types import Ragged
from ._gradients import Weights, is_ready

if TYPE_CHECKING:
    from .._model.plan import Node


class AttentionPool:
    """Two nodes that match this form."""

    form = "attention_pool"
    kernels = ("attention.attend_sum", "attention.backprop_attend_sum")
    length = 2

    def __init__(self, attention: Node, reduction: Node) -> None:
        self.attention, self.reduction = attention, reduction
        self.weights = Weights(attention, "Q")
        self.nodes: list[Node] = []
        self.mean = int(reduction._func is reduce_mean)

    def run(self, X: Any, is_train: bool) -> Result | None:
        """Y and the callback; None for input or weights that the kernels do not take."""
        found = self.weights.arrays()
        if found is None or type(X) is not Ragged:
            return None
        query, rows, lengths = found[0], X.data, X.lengths
        if query.ndim != 1 or not is_ready(rows, 2, query.dtype) or rows.shape[1:] != query.shape:
            return None
        if type(lengths) is not np.ndarray or lengths.ndim != 1 or lengths.dtype.char not in "ilq":
            return None
        if not len(lengths):
            return None
        ops, mean = self.attention.ops, self.mean
        try:
            _, offsets = ops._offsets(self.form, lengths, len(rows))
        except LengthsError:
            return None
        Y, shares = ops._empty((len(lengths), len(query)), rows.dtype), ops._empty((len(rows),), rows.dtype)
        kernels.attend_sum.run(Y, shares, rows, query, offsets, mean)

        def backprop(dY: Any) -> Any:
            check_gradient(self.reduction, dY, Y)
            dY = np.ascontiguousarray(dY)
            dX, d_scores = ops._empty(rows.shape, rows.dtype), ops._empty(shares.shape, rows.dtype)
            kernel = kernels.backprop_attend_sum
            sums = ops._empty((kernel.blocks(len(dY), dY), len(query)), rows.dtype)
            kernel(dY, dX, sums, d_scores, shares, rows, query, offsets, mean)
            self.attention.inc_grad("Q", sums.sum(axis=0))
            return Ragged(dX, lengths)

        return Y, backprop


def match(nodes: Sequence[Node], at: int) -> AttentionPool | None:
    """ParametricAttention, and reduce_sum or reduce_mean after it."""
    if nodes[at]._func is not attention or at + 1 == len(nodes):
        return None
    reduction = nodes[at + 1]
    return AttentionPool(nodes[at], reduction) if reduction._func in (reduce_sum, reduce_mean) else None
