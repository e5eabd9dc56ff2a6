"""A step of an LSTM and its gradient against float64 formulas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from thinc_nb.kernels import recurrent

TOLERANCE = {"float32": 2e-6, "float64": 1e-14}
both = pytest.mark.parametrize("dtype", ["float32", "float64"])


def logistic(x):
    return 1 / (1 + np.exp(-x))


def step(inputs, recurrent_inputs, cell, bias=0):
    gates = inputs.astype("d") + recurrent_inputs + bias
    width = cell.shape[1]
    gates[:, : 3 * width] = logistic(gates[:, : 3 * width])
    gates[:, 3 * width :] = np.tanh(gates[:, 3 * width :])
    forget, enter, leave, update = np.split(gates, 4, axis=1)
    c = forget * cell + enter * update
    return gates, c, leave * np.tanh(c)


@both
@pytest.mark.parametrize("width", [1, 7, 32])
def test_a_step_leaves_outputs_states_and_gates(rng, width, dtype):
    inputs, added = rng.standard_normal((2, 3, 4 * width)).astype(dtype) * 3
    cell = rng.standard_normal((5, width)).astype(dtype)
    bias = rng.standard_normal(4 * width).astype(dtype)
    hidden = np.full((5, width), 9, dtype)
    gates, c, y = step(inputs, added, cell[:3], bias)
    kept, result, used = np.zeros((3, width), dtype), np.zeros((3, width), dtype), inputs.copy()
    later = cell[3:].copy()
    recurrent.lstm_step(result, kept, used, bias, hidden, cell, added)
    limit = TOLERANCE[dtype]
    for left, expected in ((result, y), (hidden[:3], y), (kept, c), (cell[:3], c), (used, gates)):
        np.testing.assert_allclose(left, expected, rtol=limit, atol=limit)
    # Sequences that are not at this step keep their states.
    np.testing.assert_array_equal(cell[3:], later)
    assert (hidden[3:] == 9).all()


def test_large_inputs_saturate_and_nan_stays():
    inputs = np.array([[np.inf, -np.inf, 500, -500], [np.nan, 0, 0, 0]], "f")
    y, c, hidden, cell = np.zeros((4, 2, 1), "f")
    cell[:] = 3
    recurrent.lstm_step(y, c, inputs, np.zeros(4, "f"), hidden, cell, np.zeros_like(inputs))
    np.testing.assert_array_equal(inputs[0], [1, 0, 1, -1])
    np.testing.assert_allclose(y, [[np.tanh(3)], [np.nan]], rtol=1e-6)


@both
def test_the_gradient_of_a_step_is_that_of_finite_differences(rng, dtype):
    width = 5
    inputs = rng.standard_normal((3, 4 * width))
    cell, dy, d_hidden, d_cell = rng.standard_normal((4, 3, width))
    gates, c, _ = step(inputs, 0, cell)

    def loss(inputs, cell):
        _, c, y = step(inputs, 0, cell)
        return (y * (dy + d_hidden)).sum() + (c * d_cell).sum()

    numeric = []
    for values, call in ((inputs, lambda x: loss(x, cell)), (cell, lambda x: loss(inputs, x))):
        gradient = np.zeros_like(values)
        for place in np.ndindex(values.shape):
            change = np.zeros_like(values)
            change[place] = 1e-6
            gradient[place] = (call(values + change) - call(values - change)) / 2e-6
        numeric.append(gradient)
    d_gates = np.zeros(inputs.shape, dtype)
    carried = d_cell.astype(dtype)
    recurrent.backprop_lstm_step(
        d_gates, *(a.astype(dtype) for a in (dy, d_hidden)), carried, *(a.astype(dtype) for a in (gates, c, cell))
    )
    limit = 1e-5 if dtype == "float32" else 1e-8
    np.testing.assert_allclose(d_gates, numeric[0], atol=limit)
    np.testing.assert_allclose(carried, numeric[1], atol=limit)


# Sequences of 4, 3, 3 and 1 rows; blocks of 16 sequences; widths within and beyond a vector.
BATCHES = [[4, 3, 3, 1], [1], [2] * 19, [3] * 16 + [1]]


def packed(lengths):
    """The first row of each step, and the end of the last."""
    sizes = [sum(length > t for length in lengths) for t in range(max(lengths))]
    return np.cumsum([0, *sizes])


@both
@pytest.mark.parametrize("lengths", BATCHES)
@pytest.mark.parametrize("backwards", [0, 1])
@pytest.mark.parametrize("width", [3, 20])
def test_a_walk_is_its_steps_one_after_the_other(rng, lengths, backwards, width, dtype):
    starts, sequences = packed(lengths), len(lengths)
    rows, limit = int(starts[-1]), {"float32": 1e-5, "float64": 1e-13}[dtype]

    def reals(*shape):
        return rng.standard_normal(shape).astype(dtype)

    inputs, bias, weights = reals(rows, 4 * width), reals(4 * width), reals(4 * width, width)
    first_hidden, first_cell, dy = reals(width), reals(width), reals(rows, 2 * width)
    hidden, cell = np.tile(first_hidden, (sequences, 1)), np.tile(first_cell, (sequences, 1))
    true_hidden, true_cell = hidden.astype("d"), cell.astype("d")
    gates, c, y = np.zeros((rows, 4 * width)), np.zeros((rows, width)), np.zeros((rows, width))
    before = np.zeros((rows, width))
    steps = list(itertools.pairwise(starts))
    order = steps[::-1] if backwards else steps
    for start, end in order:
        now, size = slice(start, end), end - start
        before[now] = true_cell[:size]
        gates[now], c[now], y[now] = step(inputs[now], true_hidden[:size] @ weights.T, true_cell[:size], bias)
        true_hidden[:size], true_cell[:size] = y[now], c[now]
    left_y, left_c, left_gates = np.zeros_like(y, dtype), np.zeros_like(c, dtype), inputs.copy()
    room = np.zeros((sequences, 4 * width), dtype)
    initial = hidden.copy(), cell.copy()
    recurrent.lstm(hidden, cell, room, left_y, left_c, left_gates, bias, weights, starts, backwards)
    for left, expected in ((left_y, y), (left_c, c), (left_gates, gates), (hidden, true_hidden), (cell, true_cell)):
        np.testing.assert_allclose(left, expected, rtol=limit, atol=limit)

    # Without the cells of each row.
    hidden, cell = initial
    again, last = np.zeros_like(left_y), np.zeros((sequences, width), dtype)
    recurrent.lstm(hidden, cell, room, again, last, inputs.copy(), bias, weights, starts, backwards)
    np.testing.assert_array_equal(again, left_y)

    d_gates, true_dh, true_dc = np.zeros((rows, 4 * width)), *np.zeros((2, sequences, width))
    for start, end in reversed(order):
        now, size = slice(start, end), end - start
        own = dy[now, width:].astype("d")
        recurrent.backprop_lstm_step(
            d_gates[now], own, true_dh, true_dc, gates[now].copy(), c[now].copy(), before[now].copy()
        )
        true_dh[:size] = d_gates[now] @ weights
    left, dh, dc = np.zeros_like(d_gates, dtype), *np.zeros((2, sequences, width), dtype)
    recurrent.backprop_lstm(dh, dc, left, dy, left_gates, left_c, first_cell, weights, starts, width, backwards)
    for found, expected in ((left, d_gates), (dh, true_dh), (dc, true_dc)):
        np.testing.assert_allclose(found, expected, rtol=limit * 10, atol=limit * 10)
