"""Hashed embeddings: ids to vectors in one pass, several tables side by side straight into the joined result.

As separate layers, they copy each column of ids, keep its hashes, gather its vectors, and copy the vectors once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, starmap
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from .._model.plan import Result, flattened
from ..kernels import _threads, hashed as kernels
from ..layers._checks import fitted_gradient
from ..layers.array_getitem import forward as getitem
from ..layers.concatenate import forward as concatenate
from ..layers.hashembed import forward as hashembed
from ._gradients import Weights, is_ready

if TYPE_CHECKING:
    from .._model.plan import Node


ROWS = np.dtype("int32")
MIN_SHARED = 1 << 17
"""Elements of a gradient from which threads share the tables: to begin takes them 30 µs."""


class Table:
    """A hashed embedding, and the layer that picks its column of the ids; None if the ids are one column."""

    __slots__ = ("_column", "_index", "getter", "node", "weights")

    def __init__(self, node: Node, getter: Node | None) -> None:
        self.node, self.getter = node, getter
        self.weights = Weights(node, "E")
        self._index: Any = None
        self._column: int | None = None

    @property
    def column(self) -> int | None:
        """The column that the getter picks; None if it picks anything but one column of all rows."""
        if self.getter is None:
            return 0
        index = self.getter._attrs["index"]
        # The same object cannot have changed: tuples, slices and integers do not.
        if index is not self._index or self._column is None:
            self._index, self._column = index, None
            if type(index) is tuple and len(index) == 2 and index[0] in (slice(None), slice(0, None)):
                self._column = index[1] if type(index[1]) is int else None
        return self._column


class HashEmbeds:
    """The nodes that match this form."""

    form = "hash_embeds"
    kernels = ("hashed.hash_embed", "hashed.backprop_hash_embed")

    def __init__(self, tables: list[Table], inner: Sequence[Node], named: Node, length: int) -> None:
        self.tables = tables
        self.named = ref(named)  # The node that errors name. Weak: it may be the one that holds the plan.
        getters = [table.getter for table in tables if table.getter is not None]
        self.nodes = [*(table.node for table in tables), *getters, *inner]
        self.length = length

    def run(self, X: Any, is_train: bool) -> Result | None:
        """Y and the callback; None for ids or tables that the kernels do not take."""
        ndim = 1 if self.tables[0].getter is None else 2
        if type(X) is not np.ndarray:
            return None
        kind = X.dtype.char
        if kind not in "QLql" or not is_ready(X, ndim, X.dtype):
            return None
        columns = X.shape[1] if ndim == 2 else 1
        ids = X.reshape(-1) if kind in "QL" else X.reshape(-1).view("uint64")
        found: list[tuple[Any, int, int]] = []
        dtype, width = None, 0
        for table in self.tables:
            arrays = table.weights.arrays()
            column = table.column
            if arrays is None or column is None or not 0 <= column < columns:
                return None
            if is_train and table.node.attrs.get("dropout_rate"):
                return None
            E = arrays[0]
            shape = E.shape
            if len(shape) != 2 or not 0 < shape[0] <= 0x7FFFFFFF or (found and E.dtype != dtype):
                return None
            found.append((E, column, width))
            dtype = E.dtype
            width += shape[1]
        ops = self.tables[0].node.ops
        Y = ops._empty((len(X), width), dtype)
        rows = ops._empty((len(found), len(X), 4), ROWS)
        for place, (E, column, start) in enumerate(found):
            seed = self.tables[place].node._attrs["seed"] & 0xFFFFFFFF
            kernels.hash_embed.run(Y, rows[place], E, ids, columns, column, seed, start)

        def backprop(dY: Any) -> Any:
            dY = np.ascontiguousarray(fitted_gradient(self.named() or self.tables[-1].node, dY, Y))
            buffers = [table.node.grad_buffer("E") for table in self.tables]

            def add(first: int, last: int) -> None:
                for place in range(first, last):
                    kernels.backprop_hash_embed.run(rows[place], dY, buffers[place], found[place][2])

            # A table's rows are added one after another, but threads can take different tables, unless tables share
            # memory.
            pairs = combinations(buffers, 2)
            if dY.size >= MIN_SHARED and len(buffers) > 1 and not any(starmap(np.may_share_memory, pairs)):
                _threads.run(add, [(place, place + 1) for place in range(len(buffers))])
            else:
                add(0, len(buffers))
            return ops.alloc(X.shape, dtype="int32" if ndim == 1 else X.dtype)

        return Y, backprop


def match(nodes: Sequence[Node], at: int) -> HashEmbeds | None:
    """A concatenation of hashed embeddings, or one of them; each with or without the choice of a column before it."""
    node = nodes[at]
    if node._func is not concatenate:
        table = _table(nodes, at)
        return None if table is None else HashEmbeds([table], (), table.node, 1 if table.getter is None else 2)
    tables: list[Table] = []
    around: list[Node] = []
    for layer in node.layers:
        inner = flattened(layer, around)
        table = _table(inner, 0)
        if table is None or len(inner) != (1 if table.getter is None else 2):
            return None
        tables.append(table)
    same = len({table.getter is None for table in tables}) == 1
    return HashEmbeds(tables, around, node, 1) if same else None


def _table(nodes: Sequence[Node], at: int) -> Table | None:
    if nodes[at]._func is hashembed:
        return Table(nodes[at], None)
    if nodes[at]._func is getitem and at + 1 < len(nodes) and nodes[at + 1]._func is hashembed:
        return Table(nodes[at + 1], nodes[at])
    return None
