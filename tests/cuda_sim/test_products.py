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
@pytest.mark.parametrize("backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.kernels("recurrent.lstm", "recurrent.backprop_lstm")
def test_an_lstm_walks_through_sequences(rng, dtype, backwards):
    inputs, weights, bias = (rng.standard_normal(size).astype(dtype) for size in ((6, 12), (12, WIDTH), 12))
    h0, c0 = rng.standard_normal((2, WIDTH)).astype(dtype)
    hidden, cell = np.tile(h0, (3, 1)), np.tile(c0, (3, 1))

    gates, c, y = np.zeros((6, 12)), np.zeros((6, WIDTH)), np.zeros((6, WIDTH))
    for sequence in range(3):
        h, state = h0.astype("d"), c0.astype("d")
        for row in visits(sequence, backwards):
            z = inputs[row].astype("d") + weights.astype("d") @ h + bias
            gates[row] = [*logistic(z[: 3 * WIDTH]), *np.tanh(z[3 * WIDTH :])]
            forget, enter, leave, update = gates[row].reshape(4, WIDTH)
            c[row] = state = forget * state + enter * update
            y[row] = h = leave * np.tanh(state)
    room = np.zeros((3, 12), dtype), np.zeros((6, WIDTH), dtype), np.zeros((6, WIDTH), dtype)
    found = on_device(recurrent.lstm, hidden, cell, *room, inputs, bias, weights, STARTS, int(backwards))
    for place, truth in ((3, y), (4, c), (5, gates)):
        agree(found[place], truth)
    # Where nobody asks for the cells later there is a row for each sequence, not for each step.
    room = room[0], room[1], np.zeros((3, WIDTH), dtype)
    agree(on_device(recurrent.lstm, hidden, cell, *room, inputs, bias, weights, STARTS, int(backwards))[3], y)

    dy = rng.standard_normal((6, 2 * WIDTH)).astype(dtype)
    d_gates, dh, dc = np.zeros((6, 12)), np.zeros((3, WIDTH)), np.zeros((3, WIDTH))
    for sequence in range(3):
        rows = visits(sequence, backwards)
        for row, before in reversed(list(zip(rows, [c0.astype("d"), *(c[row] for row in rows)], strict=False))):
            forget, enter, leave, update = gates[row].reshape(4, WIDTH)
            d_h = dh[sequence] + dy[row, WIDTH:]
            d_c = dc[sequence] + d_h * leave * (1 - np.tanh(c[row]) ** 2)
            d_gates[row] = np.concatenate(
                [
                    d_c * before * forget * (1 - forget),
                    d_c * update * enter * (1 - enter),
                    d_h * np.tanh(c[row]) * leave * (1 - leave),
                    d_c * enter * (1 - update**2),
                ]
            )
            dh[sequence], dc[sequence] = d_gates[row] @ weights, d_c * forget
    zeros = np.zeros((3, WIDTH), dtype), np.zeros((3, WIDTH), dtype), np.zeros((6, 12), dtype)
    kept = gates.astype(dtype), c.astype(dtype), c0
    found = on_device(recurrent.backprop_lstm, *zeros, dy, *kept, weights, STARTS, WIDTH, int(backwards))
    for place, truth in ((0, dh), (1, dc), (2, d_gates)):
        agree(found[place], truth)
