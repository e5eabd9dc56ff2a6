"""Products, and the LSTM's walk through whole sequences, in Numba's CUDA simulator against float64 numpy."""

from __future__ import annotations

import numpy as np
import pytest

from thinc_nb.kernels import products, recurrent

from .device import agree, on_device

both = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both
@pytest.mark.kernels("products.product", "products.product_transposed", "products.product_columns")
def test_products(rng, dtype):
    a, b = rng.standard_normal((3, 5)).astype(dtype), rng.standard_normal((5, 6)).astype(dtype)
    truth = a.astype("d") @ b
    room = np.full((3, 6), 9, dtype)
    agree(on_device(products.product, room, a, b)[0], truth)
    agree(on_device(products.product_transposed, room, a, b.T.copy())[0], truth)
    agree(on_device(products.product_columns, room, a.T.copy(), b)[0], truth)


LENGTHS, WIDTH = (3, 2, 1), 3
STARTS = np.array([0, 3, 5, 6], "q")
"""Of the steps: three sequences have a first, two a second, one a third."""


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def visits(sequence: int, backwards: bool) -> list[int]:
    """The rows of a sequence in the order in which a direction comes to them."""
    rows = [int(STARTS[step]) + sequence for step in range(LENGTHS[sequence])]
    return rows[::-1] if backwards else rows


@both
@pytest.mark.kernels("recurrent.lstm", "recurrent.backprop_lstm")
def test_an_lstm_walks_through_sequences_both_ways(rng, dtype):
    x, W_in, W_rec, bias, dy, h0, c0 = (
        rng.standard_normal(size).astype(dtype)
        for size in ((6, 2), (2, 12, 2), (2, 12, WIDTH), (2, 12), (6, 2 * WIDTH), (2, WIDTH), (2, WIDTH))
    )
    gates, c, before = np.zeros((2, 6, 12)), np.zeros((2, 6, WIDTH)), np.zeros((2, 6, WIDTH))
    y, d_gates = np.zeros((6, 2 * WIDTH)), np.zeros((2, 6, 12))
    for way, sequence in np.ndindex(2, 3):
        rows, columns = visits(sequence, bool(way)), slice(way * WIDTH, (way + 1) * WIDTH)
        h, state = h0[way].astype("d"), c0[way].astype("d")
        for row in rows:
            before[way, row] = h
            z = x[row].astype("d") @ W_in[way].T + W_rec[way].astype("d") @ h + bias[way]
            gates[way, row] = [*logistic(z[: 3 * WIDTH]), *np.tanh(z[3 * WIDTH :])]
            forget, enter, leave, update = gates[way, row].reshape(4, WIDTH)
            c[way, row] = state = forget * state + enter * update
            y[row, columns] = h = leave * np.tanh(state)
        dh, dc = np.zeros(WIDTH), np.zeros(WIDTH)
        found = [c0[way].astype("d"), *(c[way, row] for row in rows)]
        for row, cell in reversed(list(zip(rows, found, strict=False))):
            forget, enter, leave, update = gates[way, row].reshape(4, WIDTH)
            d_h, own = dh + dy[row, columns], np.tanh(c[way, row])
            d_c = dc + d_h * leave * (1 - own**2)
            d_gates[way, row] = np.concatenate(
                [
                    d_c * cell * forget * (1 - forget),
                    d_c * update * enter * (1 - enter),
                    d_h * own * leave * (1 - leave),
                    d_c * enter * (1 - update**2),
                ]
            )
            dh, dc = d_gates[way, row] @ W_rec[way], d_c * forget

    def room(*shape):
        return np.zeros(shape, dtype)

    # A block has one sequence here, and a direction three.
    places = np.array([3, 2, 1], "q"), STARTS[:-1].copy(), np.arange(3)
    stacked = np.concatenate((W_in, W_rec), axis=2).transpose(0, 2, 1).reshape(-1, 12).copy()
    start = x, stacked, bias, h0, c0, *places
    results = room(6, 2 * WIDTH), room(12, WIDTH), room(12, 12)
    on_cuda = on_device(recurrent.lstm, room(6, 2 + WIDTH), *results, room(6, WIDTH), room(6, 12), *start, 1)
    for place, truth in ((1, y), (2, c), (3, gates)):
        agree(on_cuda[place], truth.reshape(on_cuda[place].shape))
    # Where nobody asks for gates and cells later.
    unused = room(1, WIDTH), room(1, 12)
    agree(
        on_device(recurrent.lstm, room(6, 2 + WIDTH), results[0], *unused, room(6, WIDTH), room(6, 12), *start, 0)[1], y
    )

    kept = y.astype(dtype), gates.reshape(12, 12).astype(dtype), c.reshape(12, WIDTH).astype(dtype), h0, c0
    outs = room(12, 12), room(6, 12), room(12, WIDTH)
    states = room(6, WIDTH), room(6, WIDTH)
    found = on_device(recurrent.backprop_lstm, room(6, 12), *outs, *states, dy, *kept, W_rec[0], W_rec[1], *places)
    agree(found[1], d_gates.reshape(12, 12))
    agree(found[2].reshape(2, 3, 12).sum(axis=1), d_gates.sum(axis=1))
    agree(found[3], before.reshape(12, WIDTH))
