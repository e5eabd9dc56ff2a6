"""The product of a layer with its input, or with the windows around its rows, and its gradients."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from ..backends import _products
from ..kernels import maxout_norm, pairs
from ._gradients import add_product, add_written

if TYPE_CHECKING:
    from .._model.plan import Node

MIN_ROWS = 48
"""Rows from which taking two at a time is faster, with the rearrangement of weights included (at a width of 96)."""
MAX_SHARED = 1 << 16
"""Elements of the left side that stay in the second cache of each thread, where all threads read all of it."""


@cache
def strip_outs(itemsize: int) -> int:
    """How many outs a strip of weights has for `multiply_pairs`."""
    from ..kernels._pair_tiles import STRIP
    from ..kernels._tiles import VECTOR_BYTES

    return STRIP * VECTOR_BYTES // itemsize


class Product(Protocol):
    """The product of a node's weights with its input, or with windows around the rows of its input: (rows, outs)."""

    paired: int
    """1 if `room` is for the gradients of pairs of rows (see kernels/pairs.py), else 0."""

    def product(self) -> Any:
        """Compute it: (rows, outs)."""
        ...

    def room(self) -> Any:
        """A new array for its gradient, which `backprop` takes as dZ."""
        ...

    def backprop(self, dZ: Any, dY: Any, residual: int) -> Any:
        """The gradient of the input, plus dY if `residual`. The gradient of the weights is added to them."""
        ...


def product_of(node: Node, X: Any, matrix: Any, window: int) -> Product:
    """The fastest product for this input. matrix: the weights W of the node, (outs, inputs)."""
    if window == 1 and len(X) >= MIN_ROWS and X.shape[1] <= _products.MAX_WIDTH and _products.has_wide_vectors():
        return Pairs(node, X, matrix)
    return Windows(node, X, matrix, window)


class Windows:
    """The product with the input as it is (window 0), or with an array that holds the windows side by side."""

    __slots__ = ("columns", "matrix", "node", "paired", "shape", "window")

    def __init__(self, node: Node, X: Any, matrix: Any, window: int) -> None:
        self.node, self.matrix, self.window, self.shape, self.paired = node, matrix, window, X.shape, 0
        self.columns = X
        if window:
            self.columns = node.ops._empty((len(X), matrix.shape[1]), X.dtype)
            maxout_norm.windows.run(self.columns, X.reshape(-1), X.shape[1], window)

    def product(self) -> Any:
        """The product."""
        Z = self.room()
        self.node.ops._matmul_transposed(self.columns, self.matrix, Z)
        return Z

    def room(self) -> Any:
        """A new array (rows, outs)."""
        return self.node.ops._empty((self.shape[0], len(self.matrix)), self.columns.dtype)

    def backprop(self, dZ: Any, dY: Any, residual: int) -> Any:
        """The gradient of the input."""
        ops, columns = self.node.ops, self.columns
        add_product(self.node, "W", dZ.T, columns)
        d_columns = ops._empty(columns.shape, columns.dtype)
        ops._matmul(dZ, self.matrix, d_columns)
        if self.window:
            dX = ops._empty(self.shape, columns.dtype)
            maxout_norm.backprop_windows.run(dX, dY, d_columns, self.window, residual)
            return dX
        if residual:
            d_columns += dY
        return d_columns


class Pairs:
    """The product with windows of three rows, for two rows at a time, without an array of windows."""

    __slots__ = ("left", "matrix", "node", "paired", "shape")

    def __init__(self, node: Node, X: Any, matrix: Any) -> None:
        self.node, self.matrix, self.shape, self.paired = node, matrix, X.shape, 1
        rows, width = X.shape
        self.left = node.ops._empty(((rows + 1) // 2, 4 * width), X.dtype)
        pairs.window_pairs.run(self.left, X)

    def product(self) -> Any:
        """The product."""
        left, empty = self.left, self.node.ops._empty
        outs, size = len(self.matrix), strip_outs(left.itemsize)
        strips = empty((-(-outs // size), left.shape[1], size), left.dtype)
        Z = empty((len(left), 2 * outs), left.dtype)
        if left.size <= MAX_SHARED:
            pairs.product_pairs_by_strip.run(strips, Z, left, self.matrix)
        else:
            pairs.pair_strips.run(strips, self.matrix)
            pairs.product_pairs.run(Z, left, strips)
        return Z.reshape(2 * len(left), outs)[: self.shape[0]]

    def room(self) -> Any:
        """A new array with two rows for each pair of rows, and two gradients in each: (rows rounded up, 2 * outs)."""
        return self.node.ops._empty((2 * len(self.left), 2 * len(self.matrix)), self.left.dtype)

    def backprop(self, dZ: Any, dY: Any, residual: int) -> Any:
        """The gradient of the input."""
        left, matrix, empty = self.left, self.matrix, self.node.ops._empty
        outs, width = len(matrix), self.shape[1]
        dM = dZ.reshape(len(left), 4 * outs)

        def write(dW: Any) -> None:
            d_right = empty((outs, 4 * width), left.dtype)
            pairs.product_pair_columns.run(d_right, dM, left)
            pairs.backprop_pair_weights.run(dW, d_right)

        add_written(self.node, "W", matrix.shape, left.dtype, write)
        right = empty((outs, 2 * width), left.dtype)
        pairs.pair_weights.run(right, matrix)
        d_left = empty(left.shape, left.dtype)
        pairs.backprop_product_pairs.run(d_left, dM, matrix, right)
        dX = empty(self.shape, left.dtype)
        pairs.backprop_window_pairs.run(dX, dY, d_left, residual)
        return dX
