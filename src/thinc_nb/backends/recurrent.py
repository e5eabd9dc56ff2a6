"""The LSTM."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .._described import described
from ..kernels import recurrent as kernels
from ..types import Floats1d, Floats2d, Floats3d, Ints1d
from ._base import OpsBase, host_lengths


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
        return self._backprop_lstm("backprop_lstm", dY, lengths, params, fwd_state)

    def _backprop_lstm(
        self, what: str, dY: Any, lengths: Any, params: Any, fwd_state: tuple[Any, ...]
    ) -> tuple[Any, Any]:
        Y, G, C, X, H0, C0 = self._forward_state(fwd_state)
        depth, dirs, rows, nO = C.shape
        d, weights = self._reals(f"{what}: dY", dY, 2), self._reals(f"{what}: params", params, 1)
        d, weights, Y, G, C, X, H0, C0 = self._same_dtype(d, weights, Y, G, C, X, H0, C0)
        if d.shape != (rows, dirs * nO):
            raise ValueError(f"{what}: dY must be {(rows, dirs * nO)}, got {described(d)}")
        steps = lengths if isinstance(lengths, Steps) else Steps.of_sizes(f"{what}: lengths", lengths, rows)
        d_weights = self._empty(weights.shape, weights.dtype)
        layers = _layers(what, weights, (depth, dirs, nO), X.shape[1])
        d_layers = _layers(what, d_weights, (depth, dirs, nO), X.shape[1])
        for layer in reversed(range(depth)):
            inputs = Y[layer - 1] if layer else X
            kept = Kept(inputs, Y[layer], G[layer], C[layer], H0[layer], C0[layer])
            d = self._layer_backwards(steps, layers[layer], d_layers[layer], d, kept)
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
        rows = len(X)
        steps = size_at_t if isinstance(size_at_t, Steps) else Steps.of_sizes(f"{what}: size_at_t", size_at_t, rows)
        if not keep:
            outputs = X
            for layer in range(depth):
                kept = Kept(outputs, self._empty((rows, dirs * nO), X.dtype), None, None, H0[layer], C0[layer])
                self._layer_forwards(steps, layers[layer], kept)
                outputs = kept.Y
            return outputs, ()
        Y = self._empty((depth, rows, dirs * nO), X.dtype)
        G = self._empty((depth, dirs, rows, 4 * nO), X.dtype)
        C = self._empty((depth, dirs, rows, nO), X.dtype)
        for layer in range(depth):
            inputs = Y[layer - 1] if layer else X
            kept = Kept(inputs, Y[layer], G[layer], C[layer], H0[layer], C0[layer])
            self._layer_forwards(steps, layers[layer], kept)
        return Y[-1], (Y, G, C, X, H0, C0)

    def _layer_forwards(self, steps: Steps, ways: list[Weights], kept: Kept) -> None:
        """Fill a layer's outputs, and its gates and cells if they are kept.

        Here step by step, for a GPU; NumpyOps walks through whole sequences in a kernel.
        """
        inputs, Y, H0, C0 = kept.X, kept.Y, kept.H0, kept.C0
        nO, rows, sequences, dtype = H0.shape[1], len(inputs), steps.sequences, inputs.dtype
        for way, weights in enumerate(ways):
            gates = self._empty((rows, 4 * nO), dtype) if kept.G is None else kept.G[way]
            c = self._empty((rows, nO), dtype) if kept.C is None else kept.C[way]
            y = Y if len(ways) == 1 else self._empty((rows, nO), dtype)
            self._matmul(inputs, weights.W_in.T, out=gates)
            # Every sequence has its states here: those before its first step until then.
            hidden, cell = self._empty((2, sequences, nO), dtype)
            hidden[...] = C0[way]
            cell[...] = H0[way]
            recurrent = self._empty((sequences, 4 * nO), dtype)
            # By rows BLAS takes a third less time for many steps.
            by_rows, bias = self.xp.ascontiguousarray(weights.W_rec.T), weights.b_in + weights.b_rec
            for start, end in steps.walk(way):
                now, size = slice(start, end), end - start
                self._matmul(hidden[:size], by_rows, out=recurrent[:size])
                kernels.lstm_step(y[now], c[now], gates[now], bias, hidden, cell, recurrent)
            if len(ways) > 1:
                Y[:, way * nO : (way + 1) * nO] = y

    def _layer_backwards(self, steps: Steps, ways: list[Weights], d_ways: list[Weights], d: Any, kept: Kept) -> Any:
        """Fill the gradients of a layer's weights, and return that of its input. `d` is that of its output."""
        nO, sequences = kept.H0.shape[1], steps.sequences
        d_inputs = self._empty(kept.X.shape, d.dtype)
        for way, (weights, wanted) in enumerate(zip(ways, d_ways, strict=True)):
            c, g, columns = kept.C[way], kept.G[way], slice(way * nO, (way + 1) * nO)
            d_gates = self._empty(g.shape, d.dtype)
            own = self.xp.ascontiguousarray(d[:, columns])
            c_before = steps.states_before(self.xp, c, way, kept.H0[way])
            d_y, d_c = self.xp.zeros((2, sequences, nO), dtype=d.dtype)
            for start, end in reversed(list(steps.walk(way))):
                now = slice(start, end)
                kernels.backprop_lstm_step(d_gates[now], own[now], d_y, d_c, g[now], c[now], c_before[now])
                self._matmul(d_gates[now], weights.W_rec, out=d_y[: end - start])
            self._matmul(d_gates.T, kept.X, out=wanted.W_in)
            y_before = steps.states_before(self.xp, kept.Y[:, columns], way, kept.C0[way])
            self._matmul(d_gates.T, y_before, out=wanted.W_rec)
            d_gates.sum(axis=0, out=wanted.b_in)
            wanted.b_rec[...] = wanted.b_in
            part = self._empty(kept.X.shape, d.dtype) if way else d_inputs
            self._matmul(d_gates, weights.W_in, out=part)
            if way:
                d_inputs += part
        return d_inputs

    def _forward_state(self, fwd_state: Any) -> list[Any]:
        """What lstm_forward_training returned: nothing else has arrays whose shapes fit like that."""
        wrong = "backprop_lstm: fwd_state must be what lstm_forward_training returned"
        if not isinstance(fwd_state, (tuple, list)) or len(fwd_state) != 6:
            raise TypeError(f"{wrong}, got {described(fwd_state)}")
        ranks = (3, 4, 4, 2, 3, 3)
        state = [self._reals(f"{wrong}: part {i}", X, ranks[i]) for i, X in enumerate(fwd_state)]
        Y, G, C, X, H0, C0 = (part.shape for part in state)
        depth, dirs, rows, nO = C
        expected = (depth, rows, dirs * nO), (*C[:3], 4 * nO), rows, (*C[:2], nO), (*C[:2], nO)
        if (Y, G, X[0], H0, C0) != expected:
            raise ValueError(f"{wrong}, got arrays of the shapes {(Y, G, C, X, H0, C0)}")
        return state


class Weights(NamedTuple):
    """Views into params: of the input, and of the output before."""

    W_in: Any
    b_in: Any
    W_rec: Any
    b_rec: Any


class Kept(NamedTuple):
    """A layer's input and output, its gates and cells, and what it starts with. Gates and cells may be None."""

    X: Any
    Y: Any
    G: Any
    C: Any
    H0: Any
    C0: Any


def _layers(what: str, params: Any, states: tuple[int, int, int], nI: int) -> list[list[Weights]]:
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
        [Weights(take(4 * nO, width), take(4 * nO), take(4 * nO, nO), take(4 * nO)) for _ in range(dirs)]
        for width in widths
    ]


class Steps:
    """Where the time steps of a batch are: the row of a sequence's step is a sum of two numbers."""

    def __init__(self, sizes: Any, step_rows: Any, sequence_rows: Any):
        self.sizes = sizes
        """How many sequences there are at each step: int64, as the others are."""
        self.step_rows = step_rows
        self.sequence_rows = sequence_rows
        self.sequences = len(sequence_rows)

    @classmethod
    def of_sizes(cls, what: str, size_at_t: Any, rows: int) -> Steps:
        """A batch that is packed step by step. ValueError if the sizes do not fit the rows."""
        listed = host_lengths(what, size_at_t)
        if sum(listed) != rows:
            raise ValueError(f"{what} must add up to the number of rows, {rows}, not to {sum(listed)}")
        sizes = np.array(listed, dtype="int64")
        if (sizes[1:] > sizes[:-1]).any():
            position = int((sizes[1:] > sizes[:-1]).argmax()) + 1
            raise ValueError(
                f"{what} must not rise, but goes from {sizes[position - 1]} to {sizes[position]} at position {position}"
            )
        sizes = sizes[sizes > 0]
        return cls(sizes, sizes.cumsum() - sizes, np.arange(sizes[0] if sizes.size else 0))

    @classmethod
    def of_lengths(cls, lengths: Any) -> Steps:
        """Sequences one after the other."""
        sizes = np.asarray(lengths, dtype="int64")
        order = (-sizes).argsort(kind="stable")[: np.count_nonzero(sizes)]
        starts = sizes.cumsum() - sizes
        falling = sizes[order]
        longest = int(falling[0]) if falling.size else 0
        at_each = len(falling) - falling[::-1].searchsorted(np.arange(longest), side="right")
        return cls(at_each, np.arange(longest), starts[order])

    def walk(self, way: int) -> Iterator[tuple[int, int]]:
        """First row and end of each step of a packed batch, as a direction comes to them: 0 from the start."""
        steps = list(itertools.pairwise([0, *self.sizes.cumsum().tolist()]))
        return iter(steps[::-1] if way else steps)

    def states_before(self, xp: Any, states: Any, way: int, initial: Any) -> Any:
        """The states (n, nO) that each row found. xp: the module of their device."""
        before = self._rows_before(way)
        found = states[xp.asarray(before)]
        if before.size and before.min() < 0:
            found[xp.asarray(before < 0)] = initial
        return found

    def _rows_before(self, way: int) -> Any:
        """For each row, which row of its sequence a direction comes from; -1 where it begins. Packed step by step."""
        step = np.repeat(np.arange(len(self.sizes)), self.sizes)
        sequence = np.arange(len(step)) - self.step_rows[step]
        before = step + (1 if way else -1)
        inside = (before >= 0) & (before < len(self.sizes))
        before = np.where(inside, before, 0)
        inside &= sequence < self.sizes[before]
        return np.where(inside, self.step_rows[before] + sequence, -1)
