"""A step of an LSTM and its gradient against float64 formulas."""

from __future__ import annotations

import numpy as np
import pytest

from thinc_nb.kernels import recurrent

TOLERANCE = {"float32": 2e-6, "float64": 1e-14}
both = pytest.mark.parametrize("dtype", ["float32", "float64"])


def logistic(x):
    return 1 / (1 + np.exp(-x))


def step(inputs, recurrent_inputs, cell):
    gates = inputs.astype("d") + recurrent_inputs
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
    hidden = np.full((5, width), 9, dtype)
    gates, c, y = step(inputs, added, cell[:3])
    kept, result, used = np.zeros((3, width), dtype), np.zeros((3, width), dtype), inputs.copy()
    later = cell[3:].copy()
    recurrent.lstm_step(result, kept, used, hidden, cell, added)
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
    recurrent.lstm_step(y, c, inputs, hidden, cell, np.zeros_like(inputs))
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
