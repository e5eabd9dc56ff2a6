"""(window →) maxout → layer normalisation (→ dropout), and a residual connection around it.

After the product one pass over the rows does all of it, forward and backward. It also makes the sums for the gradients
of bias, gain and shift. `_windows` has the product, and writes the gradient of W where it belongs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .._model.plan import Result, flattened
from ..backends.random import _threshold_and_scale
from ..kernels import maxout_norm as kernels
from ..layers._checks import check_gradient
from ..layers.dropout import forward as dropout
from ..layers.expand_window import forward as expand_window
from ..layers.layernorm import forward as layernorm
from ..layers.maxout import forward as maxout
from ..layers.residual import forward as residual_layer
from ._gradients import Weights, is_ready, total_of
from ._windows import product_of

if TYPE_CHECKING:
    from .._model.plan import Node

KEEP_ALL = (np.uint32(0), np.uint32(0), 1.0)


class MaxoutNorm:
    """Nodes that match this form. inner: the chains inside the residual layer; None without one."""

    form = "maxout_norm"
    kernels = (
        "maxout_norm.maxout_norm",
        "maxout_norm.maxout_norm_only",
        "maxout_norm.backprop_maxout_norm",
        "maxout_norm.windows",
        "maxout_norm.backprop_windows",
        "pairs.product_pairs",
        "pairs.backprop_product_pairs",
        "pairs.product_pair_columns",
    )

    def __init__(self, parts: dict[str, Node], inner: Sequence[Node] | None, length: int) -> None:
        self.window, self.dropout = parts.get("window"), parts.get("dropout")
        self.maxout, self.norm = parts["maxout"], parts["norm"]
        self.weights, self.gains = Weights(self.maxout, "W", "b"), Weights(self.norm, "G", "b")
        self.residual = inner is not None
        self.nodes = [*parts.values(), *(inner or ())]
        self.length = length

    def window_for(self, X: Any, W: Any, b: Any, gain: Any, shift: Any) -> int | None:
        """The size of the window, 0 without one. None if the kernels do not take these arrays."""
        if not is_ready(X, 2, W.dtype) or W.ndim != 3 or gain.dtype != W.dtype:
            return None
        units, pieces, inputs = W.shape
        width = X.shape[1]
        window = 0 if self.window is None else self.window.attrs["window_size"]
        fits = (
            type(window) is int
            and window >= 0
            and pieces in (2, 3)
            and units != 0
            and inputs == width * (2 * window + 1)
            and b.shape == (units, pieces)
            and gain.shape == shift.shape == (units,)
            and (not self.residual or width == units)
        )
        return window if fits else None

    def rate(self, is_train: bool) -> float:
        """The rate of dropout."""
        if not is_train or self.dropout is None or not self.dropout.attrs["is_enabled"]:
            return 0.0
        return self.dropout.attrs["dropout_rate"] or 0.0

    def run(self, X: Any, is_train: bool) -> Result | None:
        """Y and the callback; None for arrays or settings that the kernels do not take."""
        found, normal = self.weights.arrays(), self.gains.arrays()
        if found is None or normal is None:
            return None
        (W, b), (gain, shift) = found, normal
        window, rate = self.window_for(X, W, b, gain, shift), self.rate(is_train)
        if window is None or rate >= 1:
            return None
        units, pieces, inputs = W.shape
        rows = len(X)
        ops = self.maxout.ops
        empty = ops._empty
        bias, matrix = b.reshape(-1), W.reshape((units * pieces, inputs))
        residual = int(self.residual)
        # The key that a bare Dropout would draw, at the same moment.
        mask = (ops.dropout_key(), *_threshold_and_scale(rate)) if rate > 0 else KEEP_ALL
        source = product_of(self.maxout, X, matrix, window)

        def kept(out: Any) -> tuple[Any, ...]:
            normed, which = empty((rows, units), X.dtype), empty((rows, units), np.uint8)
            rstd = empty((rows,), X.dtype)
            kernels.maxout_norm.run(
                out, source.product(), bias, gain, shift, X, normed, which, rstd, pieces, residual, *mask
            )
            return normed, which, rstd

        Y = empty((rows, units), X.dtype)
        state: tuple[Any, ...] | None = None
        if is_train:
            state = kept(Y)
        else:
            kernels.maxout_norm_only.run(Y, source.product(), bias, gain, shift, X, pieces, residual)

        def backprop(dY: Any) -> Any:
            check_gradient(self.norm, dY, Y)
            dY = np.ascontiguousarray(dY)
            dZ, room = source.room(), empty((rows, units), X.dtype)
            # In prediction the forward pass has kept nothing. It is repeated, since Y is the caller's by now.
            normed, which, rstd = state or kept(room)
            kernel = kernels.backprop_maxout_norm
            sums = empty((kernel.blocks(len(dZ), dY), units * (2 + pieces)), X.dtype)
            kernel.run(dZ, dY, normed, which, rstd, gain, sums, room, pieces, source.paired, *mask)
            total = total_of(sums)
            self.norm.inc_grad("G", total[:units])
            self.norm.inc_grad("b", total[units : 2 * units])
            self.maxout.inc_grad("b", total[2 * units :].reshape(b.shape))
            return source.backprop(dZ, dY, residual)

        return Y, backprop


def match(nodes: Sequence[Node], at: int) -> MaxoutNorm | None:
    """The nodes from a place on, or a residual layer of such nodes and no others."""
    node = nodes[at]
    if node._func is not residual_layer or len(node.layers) != 1:
        parts = _parts(nodes, at)
        return None if parts is None else MaxoutNorm(parts, None, len(parts))
    watched: list[Node] = []
    inner = flattened(node.layers[0], watched)
    parts = _parts(inner, 0)
    return None if parts is None or len(parts) != len(inner) else MaxoutNorm(parts, watched, 1)


def _parts(nodes: Sequence[Node], at: int) -> dict[str, Node] | None:
    pattern = (
        ("window", expand_window, False),
        ("maxout", maxout, True),
        ("norm", layernorm, True),
        ("dropout", dropout, False),
    )
    parts: dict[str, Node] = {}
    for name, function, needed in pattern:
        if at < len(nodes) and nodes[at]._func is function:
            parts[name] = nodes[at]
            at += 1
        elif needed:
            return None
    return parts
