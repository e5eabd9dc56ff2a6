"""with_array and its like, one after another: the batch stays one array from one wrapper to the next.

As separate layers, with_array cuts its result into a list of sequences, and the next wrapper, or list2ragged, copies
them into one array again. Only without padding: inside a wrapper the rows between sequences become other than zero, and
the next wrapper would have them zero again.

An LSTM in with_padded takes part: it finds the steps of sequences that lie one after the other, so nothing is padded.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import TYPE_CHECKING, Any

import numpy as np

from .._model.plan import Result
from ..backends.recurrent import Steps
from ..layers._checks import check_gradient_kind
from ..layers._sequences import lengths_of
from ..layers.list2ragged import forward as list2ragged
from ..layers.lstm import forward as lstm, run_rows
from ..layers.with_array import forward as with_array
from ..layers.with_padded import forward as with_padded
from ..types import Ragged

if TYPE_CHECKING:
    from .._model.plan import Node


class OneArray:
    """Nodes that match this form: wrappers, and perhaps a list2ragged after them."""

    form = "sequences"
    kernels = ()

    def __init__(self, wrappers: Sequence[Node], ragged: Node | None) -> None:
        self.wrappers, self.ragged = wrappers, ragged
        self.nodes: list[Node] = [node._layers[0] for node in wrappers if node._func is with_padded]
        self.length = len(wrappers) + (ragged is not None)

    def run(self, X: Any, is_train: bool) -> Result | None:
        """The outputs as a list or Ragged, and the callback; None for what is no list of alike arrays."""
        if type(X) is not list or not X:
            return None
        for node in self.wrappers:
            if node._func is with_array and node._attrs["pad"] != 0:
                return None
        ops = self.wrappers[0].ops
        # The usual case, which looks at each array only once: there are many, and they are short.
        Y: Any = ops._joined(X)
        if Y is None:
            if set(map(type, X)) != {np.ndarray}:
                return None
            first = X[0]
            if any(x.ndim not in (1, 2) or x.dtype != first.dtype or x.shape[1:] != first.shape[1:] for x in X):
                return None
            Y = ops.flatten(X)
        lengths = lengths_of(self.wrappers[0], X)
        callbacks = []
        for node in self.wrappers:
            layer = node._layers[0]
            if node._func is with_array:
                Y, callback = type(layer).__call__(layer, Y, is_train)
            elif Y.ndim == 2 and Y.dtype.char in "fd" and Y.shape[1] == layer.maybe_get_dim("nI"):
                Y, callback = run_rows(layer, Y, Steps.of_lengths(lengths), is_train)
            else:
                Y, callback = _cut(node, Y, lengths, is_train)
            callbacks.append(callback)
        is_ragged = self.ragged is not None

        def backprop(dY: Any) -> Any:
            if not is_ragged:
                check_gradient_kind(self.wrappers[-1], dY, Sized, "a Padded, Ragged or list of arrays")
            d = dY.dataXd if is_ragged else ops.flatten(dY)
            for callback in reversed(callbacks):
                d = callback(d)
            return ops.unflatten(d, lengths)

        return Ragged(Y, lengths) if is_ragged else ops.unflatten(Y, lengths), backprop


def _cut(node: Node, Y: Any, lengths: Any, is_train: bool) -> Result:
    """Run a wrapper on a list after all: it knows what to do with other arrays, or what error to raise."""
    ops = node.ops
    Ys, callback = type(node).__call__(node, ops.unflatten(Y, lengths), is_train)
    return ops.flatten(Ys), lambda d: ops.flatten(callback(ops.unflatten(d, lengths)))


def match(nodes: Sequence[Node], at: int) -> OneArray | None:
    """Two or more wrappers; one that has an LSTM; or one or more and list2ragged after them."""
    end = at
    while end < len(nodes) and (nodes[end]._func is with_array or _has_lstm(nodes[end])):
        end += 1
    ragged = nodes[end] if end > at and end < len(nodes) and nodes[end]._func is list2ragged else None
    is_worth_it = end - at > 1 or ragged is not None or (end > at and _has_lstm(nodes[at]))
    return OneArray(nodes[at:end], ragged) if is_worth_it else None


def _has_lstm(node: Node) -> bool:
    return node._func is with_padded and node._layers[0]._func is lstm
