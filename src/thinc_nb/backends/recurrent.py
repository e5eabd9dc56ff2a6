"""The LSTM."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..kernels import recurrent as kernels
from ..types import Floats1d, Floats2d, Floats3d, Ints1d
from ._base import OpsBase, described, host_lengths

MIN_SEQUENCES, MIN_STEPS = 8, 12
"""From which on a walk has the weights copied, which takes as long as five steps of 32 sequences gain."""


class RecurrentOps(OpsBase):
    """`lstm_forward_training`, `lstm_forward_inference` and `backprop_lstm`.

    A batch of sequences is packed time step by time step: X (n, nI) holds the first row of every sequence, the longest
    first, then the second row of those that have one, and so on. `size_at_t` (steps,) says how many those are at each
    step; it never rises and adds up to n. There are `depth` layers of `dirs` directions (1, or 2 with the second from
    the end to the start) of nO units; a layer's output is that of its directions side by side.

    params (parameters,) are, for each layer and in it for each direction: the weights of the input (4 * nO, its width),
    their bias (4 * nO), the weights of the output before (4 * nO, nO), their bias (4 * nO). The four blocks of rows are
    forget gate, input gate, output gate and candidate. As in Thinc it is H0 (depth, dirs, nO) that the cells of every
    sequence start with, and C0 (depth, dirs, nO) its outputs. All is float64 if one of the arrays is, else float32.
    """

    def lstm_forward_training(
        self, params: Floats1d, H0: Floats3d, C0: Floats3d, X: Floats2d, size_at_t: Ints1d
    ) -> tuple[Floats2d, tuple[Any, ...]]:
        """The last layer's output (n, dirs * nO), and what backprop_lstm needs of the forward pass.

        ValueError if shapes or sizes do not fit each other. Source: Hochreiter & Schmidhuber, 1997, with the forget
        gate of Gers, Schmidhuber & Cummins, 2000.
        """
        return self._lstm("lstm_forward_training", params, H0, C0, X, size_at_t, keep=True)

    def lstm_forward_inference(
        self, params: Floats1d, H0: Floats3d, C0: Floats3d, X: Floats2d, size_at_t: Ints1d
    ) -> Floats2d:
        """The last layer's output (n, dirs * nO), as from lstm_forward_training, in less memory."""
        Y: Floats2d = self._lstm("lstm_forward_inference", params, H0, C0, X, size_at_t, keep=False)[0]
        return Y

    def backprop_lstm(
        self, dY: Floats2d, lengths: Ints1d, params: Floats1d, fwd_state: tuple[Any, ...]
    ) -> tuple[Floats2d, Floats1d]:
        """The gradients of X and params. `lengths` is size_at_t of the forward pass, `fwd_state` what it returned.

        dY (n, dirs * nO) is not changed; H0 and C0 get no gradient. Thinc's gradients of params, and of X at the first
        step of a direction, are not those of its forward pass: these are.
        """
        Y, G, C, X, H0, C0 = self._forward_state(fwd_state)
        depth, dirs, rows, nO = Y.shape
        d, weights = self._reals("backprop_lstm: dY", dY, 2), self._reals("backprop_lstm: params", params, 1)
        d, weights, Y, G, C, X, H0, C0 = self._same_dtype(d, weights, Y, G, C, X, H0, C0)
        if d.shape != (rows, dirs * nO):
            raise ValueError(f"backprop_lstm: dY must be {(rows, dirs * nO)}, got {described(d)}")
        steps = _Steps("backprop_lstm: lengths", lengths, rows)
        d_weights = self._empty(weights.shape, weights.dtype)
        layers = _layers("backprop_lstm", weights, (depth, dirs, nO), X.shape[1])
        d_layers = _layers("backprop_lstm", d_weights, (depth, dirs, nO), X.shape[1])
        for layer in reversed(range(depth)):
            inputs = self._side_by_side(Y[layer - 1]) if layer else X
            d_gates = self._empty((dirs, *G.shape[2:]), d.dtype)
            run = partial(self._layer_backwards, steps, layers[layer], d, d_gates, G[layer], C[layer], H0[layer])
            self._each_way(run, dirs, steps.sequences, nO)
            d_inputs = self._empty(inputs.shape, d.dtype)
            for way in range(dirs):
                given, wanted = layers[layer][way], d_layers[layer][way]
                self._matmul(d_gates[way].T, inputs, out=wanted.W_in)
                y_before = steps.states_before(self.xp, Y[layer, way], way, C0[layer, way])
                self._matmul(d_gates[way].T, y_before, out=wanted.W_rec)
                d_gates[way].sum(axis=0, out=wanted.b_in)
                wanted.b_rec[...] = wanted.b_in
                part = self._empty(inputs.shape, d.dtype) if way else d_inputs
                self._matmul(d_gates[way], given.W_in, out=part)
                if way:
                    d_inputs += part
            d = d_inputs
        return d, d_weights

    def _lstm(
        self, what: str, params: Any, H0: Any, C0: Any, X: Any, size_at_t: Any, *, keep: bool
    ) -> tuple[Any, tuple[Any, ...]]:
        """The output and the forward state: outputs, gates, cells, X, H0 and C0. Only a layer's, unless `keep`."""
        X, params, H0, C0 = self._same_dtype(
            self._reals(f"{what}: X", X, 2),
            self._reals(f"{what}: params", params, 1),
            self._reals(f"{what}: H0", H0, 3),
            self._reals(f"{what}: C0", C0, 3),
        )
        depth, dirs, nO = H0.shape
        if C0.shape != H0.shape or depth == 0 or dirs not in (1, 2):
            raise ValueError(
                f"{what}: H0 and C0 must both have the shape (depth, 1 or 2, nO), got {H0.shape} and {C0.shape}"
            )
        layers = _layers(what, params, H0.shape, X.shape[1])
        steps = _Steps(f"{what}: size_at_t", size_at_t, len(X))
        kept = (depth if keep else 1, dirs, len(X))
        Y = self._empty((*kept, nO), X.dtype)
        G = self._empty((*kept, 4 * nO), X.dtype)
        # What is not kept needs a row for each sequence only.
        alone = not keep and self._walks(steps.sequences, layers[0][0].W_rec)
        C = self._empty((*kept[:2], steps.sequences if alone else len(X), nO), X.dtype)
        outputs = X
        for layer in range(depth):
            inputs, ways = outputs, layers[layer]
            y = Y[layer if keep else 0]
            gates, c = (G[layer], C[layer]) if keep else (G[0], C[0])
            for way in range(dirs):
                self._matmul(inputs, ways[way].W_in.T, out=gates[way])
            run = partial(self._layer_forwards, steps, ways, y, gates, c, H0[layer], C0[layer])
            self._each_way(run, dirs, steps.sequences, nO)
            outputs = self._side_by_side(Y[layer if keep else 0])
        return outputs, (Y, G, C, X, H0, C0)

    def _layer_forwards(
        self, steps: _Steps, ways: list[_Weights], Y: Any, gates: Any, C: Any, H0: Any, C0: Any, way: int
    ) -> None:
        """The steps of a direction, after the product of its input."""
        W_rec, y, c, bias = ways[way].W_rec, Y[way], C[way], ways[way].b_in + ways[way].b_rec
        nO, sequences = y.shape[1], steps.sequences
        # Every sequence has its states here: those before its first step until then.
        hidden, cell = self._empty((2, sequences, nO), y.dtype)
        hidden[...] = C0[way]
        cell[...] = H0[way]
        recurrent = self._empty((sequences, 4 * nO), y.dtype)
        # Read by rows it is a seventh faster in many steps of many sequences, and a third for BLAS.
        is_worth_a_copy = sequences >= MIN_SEQUENCES and len(steps.sizes) >= MIN_STEPS
        if self._walks(sequences, W_rec):
            if is_worth_a_copy:
                W_rec = self.xp.ascontiguousarray(W_rec.T)
            kernels.lstm(hidden, cell, recurrent, y, c, gates[way], bias, W_rec, steps.bounds, way)
            return
        by_rows = self.xp.ascontiguousarray(W_rec.T)
        for start, end in steps.walk(way):
            now, size = slice(start, end), end - start
            self._matmul(hidden[:size], by_rows, out=recurrent[:size])
            kernels.lstm_step(y[now], c[now], gates[way, now], bias, hidden, cell, recurrent)

    def _layer_backwards(
        self, steps: _Steps, ways: list[_Weights], d: Any, d_gates: Any, gates: Any, C: Any, H0: Any, way: int
    ) -> None:
        """The gradient of what went into the gates of a direction."""
        W_rec, c, d_g, g = ways[way].W_rec, C[way], d_gates[way], gates[way]
        nO, sequences = c.shape[1], steps.sequences
        d_y, d_c = self.xp.zeros((2, sequences, nO), dtype=d.dtype)
        if self._walks(sequences, W_rec):
            kernels.backprop_lstm(d_y, d_c, d_g, d, g, c, H0[way], W_rec, steps.bounds, way * nO, way)
            return
        own = self.xp.ascontiguousarray(d[:, way * nO : (way + 1) * nO])
        c_before = steps.states_before(self.xp, c, way, H0[way])
        for start, end in reversed(list(steps.walk(way))):
            now = slice(start, end)
            kernels.backprop_lstm_step(d_g[now], own[now], d_y, d_c, g[now], c[now], c_before[now])
            self._matmul(d_g[now], W_rec, out=d_y[: end - start])

    def _walks(self, sequences: int, W_rec: Any) -> bool:
        """Whether one kernel walks through whole sequences, its products included."""
        return False

    def _each_way(self, walk: Callable[[int], None], dirs: int, sequences: int, nO: int) -> None:
        """Call with each direction; NumpyOps has a thread for each."""
        for way in range(dirs):
            walk(way)

    def _forward_state(self, fwd_state: Any) -> list[Any]:
        """What lstm_forward_training returned: nothing else has arrays whose shapes fit like that."""
        wrong = "backprop_lstm: fwd_state must be what lstm_forward_training returned"
        if not isinstance(fwd_state, (tuple, list)) or len(fwd_state) != 6:
            raise TypeError(f"{wrong}, got {described(fwd_state)}")
        ranks = (4, 4, 4, 2, 3, 3)
        state = [self._reals(f"{wrong}: part {i}", X, ranks[i]) for i, X in enumerate(fwd_state)]
        Y, G, C, X, H0, C0 = (part.shape for part in state)
        if (*Y[:3], 4 * Y[3]) != G or C != Y or X[0] != Y[2] or not H0 == C0 == (*Y[:2], Y[3]):
            raise ValueError(f"{wrong}, got arrays of the shapes {(Y, G, C, X, H0, C0)}")
        return state

    def _side_by_side(self, Y: Any) -> Any:
        """The outputs of a layer's directions (dirs, n, nO) as one (n, dirs * nO)."""
        return Y[0] if len(Y) == 1 else self.xp.concatenate(tuple(Y), axis=1)


class _Weights(NamedTuple):
    """Views into params: of the input, and of the output before."""

    W_in: Any
    b_in: Any
    W_rec: Any
    b_rec: Any


def _layers(what: str, params: Any, states: tuple[int, int, int], nI: int) -> list[list[_Weights]]:
    """The weights of each layer's directions."""
    depth, dirs, nO = states
    widths = [nI] + [dirs * nO] * (depth - 1)
    expected = sum(dirs * 4 * nO * (width + nO + 2) for width in widths)
    if params.shape != (expected,):
        raise ValueError(
            f"{what}: depth {depth}, {dirs} directions, nO {nO} and nI {nI} make {expected} params, "
            f"got {described(params)}"
        )
    end = 0

    def take(*shape: int) -> Any:
        nonlocal end
        start, end = end, end + math.prod(shape)
        return params[start:end].reshape(shape)

    return [
        [_Weights(take(4 * nO, width), take(4 * nO), take(4 * nO, nO), take(4 * nO)) for _ in range(dirs)]
        for width in widths
    ]


class _Steps:
    """Where the time steps of a packed batch are."""

    def __init__(self, what: str, size_at_t: Any, rows: int):
        listed = host_lengths(what, size_at_t)
        if sum(listed) != rows:
            raise ValueError(f"{what} must add up to the number of rows, {rows}, not to {sum(listed)}")
        sizes = np.array(listed, dtype="int64")
        if (sizes[1:] > sizes[:-1]).any():
            position = int((sizes[1:] > sizes[:-1]).argmax()) + 1
            raise ValueError(
                f"{what} must not rise, but goes from {sizes[position - 1]} to {sizes[position]} at position {position}"
            )
        self.sizes = sizes[sizes > 0]
        self.bounds = np.concatenate((np.zeros(1, "int64"), self.sizes.cumsum()))
        """The first row of each step, and the end of the last."""
        self.sequences = int(self.sizes[0]) if self.sizes.size else 0

    def walk(self, way: int) -> Iterator[tuple[int, int]]:
        """First row and end of each step, in the order of a direction: 0 from the start, 1 from the end."""
        bounds = self.bounds.tolist()
        steps = list(itertools.pairwise(bounds))
        return iter(steps[::-1] if way else steps)

    def states_before(self, xp: Any, states: Any, way: int, initial: Any) -> Any:
        """The states (n, nO) that each row found. xp: the module of their device."""
        before = self._rows_before(way)
        found = states[xp.asarray(before)]
        if before.size and before.min() < 0:
            found[xp.asarray(before < 0)] = initial
        return found

    def _rows_before(self, way: int) -> Any:
        """For each row, which row of its sequence a direction comes from; -1 where it begins."""
        step = np.repeat(np.arange(len(self.sizes)), self.sizes)
        starts = self.bounds[:-1]
        sequence = np.arange(len(step)) - starts[step]
        before = step + (1 if way else -1)
        inside = (before >= 0) & (before < len(self.sizes))
        before = np.where(inside, before, 0)
        inside &= sequence < self.sizes[before]
        return np.where(inside, starts[before] + sequence, -1)
