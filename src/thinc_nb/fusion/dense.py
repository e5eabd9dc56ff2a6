"""Dense layers: Linear, Relu, Softmax and the other activations.

In Relu and Softmax one pass adds the bias and computes the activation; in Relu one pass computes the gradients of both.
In all of them the gradient of W is written where it belongs.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from .._model.plan import Result
from ..kernels import dense as kernels
from ..layers._checks import check_gradient
from ..layers.clipped_linear import forward as clipped_linear
from ..layers.dish import forward as dish
from ..layers.gelu import forward as gelu
from ..layers.hard_swish import forward as hard_swish
from ..layers.hard_swish_mobilenet import forward as hard_swish_mobilenet
from ..layers.linear import forward as linear
from ..layers.mish import forward as mish
from ..layers.relu import forward as relu
from ..layers.sigmoid import forward as sigmoid
from ..layers.softmax import forward as softmax
from ..layers.swish import forward as swish
from ._gradients import Weights, add_product, is_ready, total_of

if TYPE_CHECKING:
    from .._model.plan import Node


MIN_SUMMED = 1 << 12
"""Elements from which a kernel sums rows; below, NumPy does."""


class Dense:
    """A layer that matches this form. There is a subclass for each kind."""

    form = "dense"
    length = 1

    def __init__(self, node: Node, kernels: tuple[str, ...]) -> None:
        self._node = ref(node)  # A weak reference, since the node holds the plan, and so this, if it runs by itself.
        self.weights = Weights(node, "W", "b")
        self.nodes: list[Node] = []
        self.kernels = tuple(f"dense.{name}" for name in kernels)

    @property
    def node(self) -> Node:
        """The layer."""
        node = self._node()
        if node is None:
            raise ReferenceError("the layer that is asked to run is gone")
        return node

    def activate(self, Z: Any, b: Any) -> Any:
        """The activation of Z + b. Z is overwritten: with Z + b, or with the result."""
        raise NotImplementedError

    def derivative(self, dY: Any, Y: Any, Z: Any) -> tuple[Any, Any]:
        """The gradients of Z and of the bias."""
        return dY, self.sums(dY)

    def sums(self, dZ: Any) -> Any:
        """The sum of the rows: of large arrays in blocks, which threads share."""
        if dZ.size < MIN_SUMMED:
            return np.add.reduce(dZ, axis=0)
        kernel = kernels.column_sums
        sums = self.node.ops._empty((kernel.blocks(len(dZ), dZ), dZ.shape[1]), dZ.dtype)
        kernel.run(dZ, sums)
        return total_of(sums)

    def runs(self, is_train: bool) -> bool:
        """Whether the kernels can do what the layer's settings say."""
        return True

    def run(self, X: Any, is_train: bool) -> Result | None:
        """Y and the callback; None for input, weights or settings that the kernels do not take."""
        node: Any = self._node()  # The same as `self.node`, without a call.
        found = self.weights.arrays()
        if found is None:
            return None
        W, b = found
        shape = W.shape
        if not is_ready(X, 2, W.dtype) or len(shape) != 2 or X.shape[1] != shape[1] or b.shape != shape[:1]:
            return None
        if not shape[0] or not self.runs(is_train):
            return None
        ops = node.ops
        Z = ops._empty((len(X), shape[0]), X.dtype)
        ops._matmul_transposed(X, W, Z)
        Y = self.activate(Z, b)

        def backprop(dY: Any) -> Any:
            check_gradient(node, dY, Y)
            dZ, db = self.derivative(np.ascontiguousarray(dY), Y, Z)
            node.inc_grad("b", db)
            add_product(node, "W", dZ.T, X)
            dX = ops._empty(X.shape, X.dtype)
            ops._matmul(dZ, W, dX)
            return dX

        return Y, backprop


class DenseLinear(Dense):
    """Linear."""

    def activate(self, Z: Any, b: Any) -> Any:
        """Z + b."""
        kernels.add_bias.run(Z, b)
        return Z


class DenseRelu(Dense):
    """Relu."""

    def activate(self, Z: Any, b: Any) -> Any:
        """max(Z + b, 0)."""
        kernels.bias_relu.run(Z, b)
        return Z

    def derivative(self, dY: Any, Y: Any, Z: Any) -> tuple[Any, Any]:
        """dY where Y is above 0."""
        kernel, ops = kernels.backprop_bias_relu, self.node.ops
        dZ = ops._empty(Y.shape, Y.dtype)
        sums = ops._empty((kernel.blocks(len(Y), Y), Y.shape[1]), Y.dtype)
        kernel.run(dZ, dY, Y, sums)
        return dZ, total_of(sums)


class DenseSoftmax(Dense):
    """Softmax. Its dY is the gradient of its scores, as the losses give it, so `derivative` has nothing to do."""

    def activate(self, Z: Any, b: Any) -> Any:
        """softmax(Z + b)."""
        kernels.bias_softmax.run(Z, Z.reshape(-1), b)
        return Z

    def runs(self, is_train: bool) -> bool:
        """Only normalised, and with a temperature of 1."""
        attrs = self.node._attrs
        return (attrs["softmax_normalize"] or is_train) and attrs["softmax_temperature"] == 1.0


class DenseActivated(Dense):
    """The other activations, by the method of Ops that computes them."""

    def __init__(self, node: Node, name: str, gradient_of: str) -> None:
        super().__init__(node, ())
        self.name, self.gradient_of = name, gradient_of
        kernel = "hard_swish" if name == "hard_swish_mobilenet" else name
        self.kernels = ("dense.add_bias", f"activations.{kernel}", f"activations.backprop_{kernel}")

    def settings(self) -> list[Any]:
        """The arguments of the activation besides X."""
        attrs = self.node.attrs
        names = ("slope", "offset", "min_val", "max_val") if self.name == "clipped_linear" else ()
        return [attrs[name] for name in names]

    def activate(self, Z: Any, b: Any) -> Any:
        """The activation of Z + b, which stays in Z for the gradient."""
        kernels.add_bias.run(Z, b)
        return getattr(self.node.ops, self.name)(Z, *self.settings())

    def derivative(self, dY: Any, Y: Any, Z: Any) -> tuple[Any, Any]:
        """The gradients of Z and of the bias, from Z, Y or both."""
        backprop = getattr(self.node.ops, f"backprop_{self.name}")
        taken = [Z if which == "Z" else Y for which in self.gradient_of]
        dZ = backprop(dY, *taken, *self.settings())
        return dZ, self.sums(dZ)


ACTIVATIONS = {
    clipped_linear: ("clipped_linear", "Z"),
    dish: ("dish", "Z"),
    gelu: ("gelu", "Z"),
    hard_swish: ("hard_swish", "Z"),
    hard_swish_mobilenet: ("hard_swish_mobilenet", "Z"),
    mish: ("mish", "Z"),
    sigmoid: ("sigmoid", "Y"),
    swish: ("swish", "ZY"),
}
"""For each forward function the name of its operation, and what the gradient takes after dY, in order."""


def match(nodes: Sequence[Node], at: int) -> Dense | None:
    """The form for a dense layer; None for any other node."""
    node = nodes[at]
    if node._func is relu:
        return DenseRelu(node, ("bias_relu", "backprop_bias_relu"))
    if node._func is softmax:
        return DenseSoftmax(node, ("bias_softmax",))
    if node._func is linear:
        return DenseLinear(node, ())
    # A forward function that is another kind of object may have no hash.
    found = ACTIVATIONS.get(node._func) if isinstance(node._func, FunctionType) else None
    return None if found is None else DenseActivated(node, *found)
