"""Linear, Relu and Softmax: the bias is added in the pass that computes the activation.

Backwards, the sums for the bias's gradient are made in the pass of the activation's gradient, and the gradient of W is
written where it belongs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels import dense as kernels
from ..layers._checks import check_gradient
from ..layers.linear import forward as linear
from ..layers.relu import forward as relu
from ..layers.softmax import forward as softmax
from ._gradients import add_product, arrays_of, is_ready
from ._plan import Result

if TYPE_CHECKING:
    from ._plan import Node


class Dense:
    """A match."""

    form = "dense"
    length = 1

    def __init__(self, node: Node, kernels: tuple[str, ...]) -> None:
        self.node = node
        self.nodes: list[Node] = []
        self.kernels = tuple(f"dense.{name}" for name in kernels)

    def activate(self, Z: Any, b: Any) -> None:
        """Add the bias to Z and apply the activation, in place."""
        raise NotImplementedError

    def derivative(self, dY: Any, Y: Any) -> tuple[Any, Any]:
        """The gradients of Z and of the bias."""
        return dY, dY.sum(axis=0)

    def runs(self, is_train: bool) -> bool:
        """Whether the layer's settings are those that are known here."""
        return True

    def run(self, X: Any, is_train: bool) -> Result | None:
        """Y, and the callback."""
        node = self.node
        found = arrays_of(node, ("W", "b"))
        if found is None:
            return None
        W, b = found
        if not is_ready(X, 2, W.dtype) or W.ndim != 2 or X.shape[1] != W.shape[1] or b.shape != W.shape[:1]:
            return None
        if not len(W) or not self.runs(is_train):
            return None
        ops = node.ops
        Y = ops._empty((len(X), len(W)), X.dtype)
        ops._matmul(X, W.T, Y)
        self.activate(Y, b)

        def backprop(dY: Any) -> Any:
            check_gradient(node, dY, Y)
            dZ, db = self.derivative(np.ascontiguousarray(dY), Y)
            node.inc_grad("b", db)
            add_product(node, "W", dZ.T, X)
            dX = ops._empty(X.shape, X.dtype)
            ops._matmul(dZ, W, dX)
            return dX

        return Y, backprop


class DenseLinear(Dense):
    """Linear."""

    def activate(self, Z: Any, b: Any) -> None:
        """Only the bias."""
        kernels.add_bias(Z, b)


class DenseRelu(Dense):
    """Relu."""

    def activate(self, Z: Any, b: Any) -> None:
        """max(Z + b, 0)."""
        kernels.bias_relu(Z, b)

    def derivative(self, dY: Any, Y: Any) -> tuple[Any, Any]:
        """dY where Y is above 0."""
        kernel, ops = kernels.backprop_bias_relu, self.node.ops
        dZ = ops._empty(Y.shape, Y.dtype)
        sums = ops._empty((kernel.blocks(len(Y), Y), Y.shape[1]), Y.dtype)
        kernel(dZ, dY, Y, sums)
        return dZ, sums.sum(axis=0)


class DenseSoftmax(Dense):
    """Softmax, whose gradient is that of cross-entropy: the losses give that of Z already."""

    def activate(self, Z: Any, b: Any) -> None:
        """softmax(Z + b)."""
        kernels.bias_softmax(Z, Z.reshape(-1), b)

    def runs(self, is_train: bool) -> bool:
        """With a temperature of 1."""
        attrs = self.node.attrs
        return (attrs["softmax_normalize"] or is_train) and attrs["softmax_temperature"] == 1.0


def match(nodes: Sequence[Node], at: int) -> Dense | None:
    """One of the three."""
    node = nodes[at]
    if node._func is relu:
        return DenseRelu(node, ("bias_relu", "backprop_bias_relu"))
    if node._func is softmax:
        return DenseSoftmax(node, ("bias_softmax",))
    return DenseLinear(node, ()) if node._func is linear else None
