"""A step of an LSTM and its gradient against float64 formulas."""

from __future__ import annotations

from typing import Any, NamedTuple

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


# Sequences of 4, 3, 3 and 1 rows; blocks of 8 sequences; widths within and beyond a vector.
BATCHES = [[4, 3, 3, 1], [1], [2] * 19, [3] * 8 + [1]]


def laid_out(lengths, step_by_step):
    """Sequences at each step, and two arrays whose sums are the row of a sequence's step."""
    sizes = np.array([sum(length > t for length in lengths) for t in range(max(lengths))])
    if step_by_step:
        return sizes, np.cumsum(sizes) - sizes, np.arange(len(lengths))
    # Sequence by sequence, the shortest first.
    return sizes, np.arange(max(lengths)), np.cumsum(lengths[::-1])[::-1] - lengths


class Walk(NamedTuple):
    """What is known of each row after a walk through all sequences in all directions, and back."""

    y: Any
    gates: Any
    c: Any
    before: Any
    d_gates: Any


def walk(lengths, places, x, dy, W_in, W_rec, bias, first_hidden, first_cell):
    """A walk step by step, in float64."""
    sizes, step_rows, sequence_rows = places
    dirs, rows, width = len(W_rec), len(x), W_rec.shape[-1]
    gates, c, y = np.zeros((dirs, rows, 4 * width)), np.zeros((dirs, rows, width)), np.zeros((rows, dirs * width))
    before, d_gates = np.zeros((dirs, rows, width)), np.zeros((dirs, rows, 4 * width))
    for way in range(dirs):
        columns = slice(way * width, (way + 1) * width)
        steps = [step_rows[t] + sequence_rows[:size] for t, size in enumerate(sizes)][:: -1 if way else 1]
        hidden, cell = (np.tile(a[way], (len(lengths), 1)).astype("d") for a in (first_hidden, first_cell))
        found = np.zeros((rows, width))
        for now in steps:
            size = len(now)
            before[way, now], found[now] = hidden[:size], cell[:size]
            inner = x[now] @ W_in[way].T.astype("d") + hidden[:size] @ W_rec[way].T
            gates[way, now], cell[:size], hidden[:size] = step(inner, 0, cell[:size], bias[way])
            c[way, now], y[now, columns] = cell[:size], hidden[:size]
        true_dh, true_dc = np.zeros((2, len(lengths), width))
        for now in steps[::-1]:
            part, own = np.zeros((len(now), 4 * width)), dy[now, columns].astype("d")
            recurrent.backprop_lstm_step(part, own, true_dh, true_dc, gates[way, now], c[way, now], found[now])
            d_gates[way, now] = part
            true_dh[: len(now)] = part @ W_rec[way]
    return Walk(y, *(array.reshape(-1, array.shape[-1]) for array in (gates, c, before, d_gates)))


@both
@pytest.mark.parametrize("lengths", BATCHES)
@pytest.mark.parametrize("step_by_step", [True, False])
@pytest.mark.parametrize("dirs", [1, 2])
@pytest.mark.parametrize("width", [3, 20])
def test_a_walk_is_its_steps_one_after_the_other(rng, lengths, step_by_step, dirs, width, dtype):
    places = laid_out(lengths, step_by_step)
    rows, inputs, room, limit = sum(lengths), 5, -(-len(lengths) // 8) * 8, {"float32": 1e-5, "float64": 1e-13}[dtype]

    def reals(*shape):
        return rng.standard_normal(shape).astype(dtype)

    def zeros(*shape):
        return np.zeros(shape, dtype)

    def agree(*pairs):
        for found, expected in pairs:
            np.testing.assert_allclose(found, expected, rtol=limit * 10, atol=limit)

    x, W_in, W_rec = reals(rows, inputs), reals(dirs, 4 * width, inputs), reals(dirs, 4 * width, width)
    bias, first_hidden, first_cell = reals(dirs, 4 * width), reals(dirs, width), reals(dirs, width)
    dy = reals(rows, dirs * width)
    truth = walk(lengths, places, x, dy, W_in, W_rec, bias, first_hidden, first_cell)

    stacked = np.concatenate((W_in, W_rec), axis=2).transpose(0, 2, 1).copy().reshape(-1, 4 * width)
    z, cells, operands = zeros(dirs * room, 4 * width), zeros(dirs * room, width), zeros(dirs * room, inputs + width)
    y, c, gates = zeros(rows, dirs * width), zeros(dirs * rows, width), zeros(dirs * rows, 4 * width)
    start = first_hidden, first_cell, *places
    recurrent.lstm(operands, y, c, gates, cells, z, x, stacked, bias, *start, 1)
    agree((y, truth.y), (c, truth.c), (gates, truth.gates))

    # Without the gates and cells of each row.
    again = np.zeros_like(y)
    recurrent.lstm(operands, again, cells, z, cells, z, x, stacked, bias, *start, 0)
    np.testing.assert_array_equal(again, y)
    if room == 8:
        weights = W_in[0], W_rec[0], W_in[-1], W_rec[-1]
        for keeps in (0, 1):
            few_y, few_c, few_gates, hidden = map(np.zeros_like, (y, c, gates, cells))
            recurrent.lstm_few(hidden, few_gates, few_c, few_y, cells, z, x, *weights, bias, *start, keeps)
            agree((few_y, truth.y), (few_gates, truth.gates), (few_c, truth.c * keeps))

    d_gates, before, d_bias = np.zeros_like(gates), np.zeros_like(c), zeros(dirs * room // 8, 4 * width)
    states = [np.ones((dirs * room, width), dtype) for _ in range(2)]
    kept = y, gates, c, first_hidden, first_cell
    recurrent.backprop_lstm(z, d_gates, d_bias, before, *states, dy, *kept, W_rec[0], W_rec[-1], *places)
    agree((d_gates, truth.d_gates), (before, truth.before))
    sums = truth.d_gates.reshape(dirs, rows, 4 * width).sum(axis=1)
    agree((d_bias.reshape(dirs, -1, 4 * width).sum(axis=1), sums))
