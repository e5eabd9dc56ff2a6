"""An LSTM's layer on the CPU: one kernel walks through the sequences of both directions, products included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..kernels import arrays, recurrent as kernels

if TYPE_CHECKING:
    from .numpy_ops import NumpyOps
    from .recurrent import Kept, Steps, Weights

FEW = kernels.lstm_few.cpu_rows
"""Sequences of one block: for no more than these the weights are used as they are."""


def forwards(ops: NumpyOps, steps: Steps, ways: list[Weights], kept: Kept) -> None:
    """Fill a layer's outputs, and its gates and cells if they are kept."""
    X, Y, H0, C0 = kept.X, kept.Y, kept.H0, kept.C0
    dtype, (rows, nI), (dirs, nO) = X.dtype, X.shape, H0.shape
    if rows == 0:
        return
    items = dirs * -(-steps.sequences // FEW) * FEW
    bias = ops._empty((dirs, 4 * nO), dtype)
    for own, weights in zip(bias, ways, strict=True):
        own[...] = weights.b_in + weights.b_rec
    cell, z = ops._empty((items, nO), dtype), ops._empty((items, 4 * nO), dtype)
    states = bias, C0, H0, steps.sizes, steps.step_rows, steps.sequence_rows
    keeps = kept.G is not None
    c = kept.C.reshape(dirs * rows, nO) if keeps else cell
    if steps.sequences <= FEW:
        gates = (kept.G if keeps else ops._empty((dirs, rows, 4 * nO), dtype)).reshape(dirs * rows, 4 * nO)
        hidden, of_ways = ops._empty((items, nO), dtype), (ways[0].W_in, ways[0].W_rec, ways[-1].W_in, ways[-1].W_rec)
        kernels.lstm_few.run(hidden, gates, c, Y, cell, z, X, *of_ways, *states, int(keeps))
        return
    gates = kept.G.reshape(dirs * rows, 4 * nO) if keeps else z
    inner = nI + nO
    stacked = ops._empty((dirs * inner, 4 * nO), dtype)
    for way, weights in enumerate(ways):
        top = way * inner
        arrays.transpose.run(stacked[top : top + nI], weights.W_in)
        arrays.transpose.run(stacked[top + nI : top + inner], weights.W_rec)
    operands = ops._empty((items, inner), dtype)
    kernels.lstm.run(operands, Y, c, gates, cell, z, X, stacked, *states, int(keeps))


def backwards(ops: NumpyOps, steps: Steps, ways: list[Weights], d_ways: list[Weights], d: Any, kept: Kept) -> Any:
    """Fill the gradients of a layer's weights, and return that of its input. `d` is that of its output."""
    dtype, rows, (dirs, nO) = d.dtype, len(d), kept.H0.shape
    room = -(-steps.sequences // FEW) * FEW
    d_gates, before = ops._empty((dirs, rows, 4 * nO), dtype), ops._empty((dirs, rows, nO), dtype)
    d_bias = ops._empty((dirs, room // FEW, 4 * nO), dtype)
    if rows:
        items = dirs * room
        d_now, d_hidden, d_cell = (ops._empty((items, width), dtype) for width in (4 * nO, nO, nO))
        kernels.backprop_lstm.run(
            d_now,
            d_gates.reshape(-1, 4 * nO),
            d_bias.reshape(-1, 4 * nO),
            before.reshape(-1, nO),
            d_hidden,
            d_cell,
            d,
            kept.Y,
            kept.G.reshape(-1, 4 * nO),
            kept.C.reshape(-1, nO),
            kept.C0,
            kept.H0,
            ways[0].W_rec,
            ways[-1].W_rec,
            steps.sizes,
            steps.step_rows,
            steps.sequence_rows,
        )
    d_inputs = ops._empty(kept.X.shape, dtype)
    for way, (weights, wanted) in enumerate(zip(ways, d_ways, strict=True)):
        ops._matmul(d_gates[way].T, kept.X, out=wanted.W_in)
        ops._matmul(d_gates[way].T, before[way], out=wanted.W_rec)
        d_bias[way].sum(axis=0, out=wanted.b_in)
        wanted.b_rec[...] = wanted.b_in
        part = ops._empty(kept.X.shape, dtype) if way else d_inputs
        ops._matmul(d_gates[way], weights.W_in, out=part)
        if way:
            d_inputs += part
    return d_inputs
