"""The LSTM against one written for a single sequence in float64, its gradient against finite differences."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb.backends import NumpyOps
from thinc_nb.backends.recurrent import RecurrentOps, Steps
from thinc_nb.kernels import _threads, get_num_threads

ops = NumpyOps()


class StepByStep(NumpyOps):
    """As it is on a GPU."""

    _layer_forwards, _layer_backwards = RecurrentOps._layer_forwards, RecurrentOps._layer_backwards


def logistic(x):
    return 1 / (1 + np.exp(-x))


def run_sequence(X, weights, h, c):
    """One direction over one sequence (steps, width), as the papers have it."""
    W, b, R, rb = weights
    outputs = []
    for x in X:
        forget, enter, leave, update = np.split(W @ x + b + R @ h + rb, 4)
        c = logistic(forget) * c + logistic(enter) * np.tanh(update)
        h = logistic(leave) * np.tanh(c)
        outputs.append(h)
    return np.reshape(outputs, (len(X), len(h)))


def reference(params, H0, C0, sequences):
    depth, dirs, nO = H0.shape
    params = list(params)

    def take(*shape):
        taken = np.array([params.pop(0) for _ in range(int(np.prod(shape)))])
        return taken.reshape(shape)

    for layer in range(depth):
        width = sequences[0].shape[1] if sequences else 0
        ways = []
        for way in range(dirs):
            weights = take(4 * nO, width), take(4 * nO), take(4 * nO, nO), take(4 * nO)
            step = -1 if way else 1
            # H0 is the cell's initial state, as in Thinc.
            ways.append([run_sequence(X[::step], weights, C0[layer, way], H0[layer, way])[::step] for X in sequences])
        sequences = [np.concatenate(outputs, axis=1) for outputs in zip(*ways, strict=True)]
    return sequences


def make(lengths, nI, nO, depth, dirs, dtype="float64"):
    """Sequences, longest first, and all that the LSTM takes."""
    rng = np.random.default_rng(sum(lengths) + 10 * nO + depth)
    lengths = sorted(lengths, reverse=True)
    sequences = [rng.standard_normal((length, nI)).astype(dtype) for length in lengths]
    widths = [nI] + [dirs * nO] * (depth - 1)
    params = rng.standard_normal(sum(dirs * 4 * nO * (width + nO + 2) for width in widths)) * 0.4
    H0, C0 = rng.standard_normal((2, depth, dirs, nO))
    return sequences, params.astype(dtype), H0.astype(dtype), C0.astype(dtype)


def pack(sequences, nI):
    sizes = [sum(len(x) > t for x in sequences) for t in range(max(map(len, sequences), default=0))]
    rows = [x[t] for t, size in enumerate(sizes) for x in sequences[:size]]
    return np.reshape(rows, (len(rows), nI)), np.array(sizes, "i")


shapes = st.tuples(
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 2),
)


@given(shapes, st.sampled_from(["float32", "float64"]))
def test_output_is_that_of_each_sequence_alone(shape, dtype):
    lengths, nI, nO, depth, dirs = shape
    sequences, params, H0, C0 = make(lengths, nI, nO, depth, dirs, dtype)
    X, sizes = pack(sequences, nI)
    expected, _ = pack(reference(params.astype("d"), H0, C0, sequences), dirs * nO)
    Y, _ = ops.lstm_forward_training(params, H0, C0, X, sizes)
    assert Y.dtype == dtype
    np.testing.assert_allclose(Y, expected, atol=2e-6 if dtype == "float32" else 1e-13)
    np.testing.assert_array_equal(ops.lstm_forward_inference(params, H0, C0, X, sizes), Y)


@pytest.mark.parametrize("dirs", [1, 2])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("lengths", [[1], [3, 3], [4, 2, 1]], ids=str)
def test_gradient_is_that_of_finite_differences(lengths, depth, dirs):
    sequences, params, H0, C0 = make(lengths, 2, 3, depth, dirs)
    X, sizes = pack(sequences, 2)
    Y, state = ops.lstm_forward_training(params, H0, C0, X, sizes)
    dY = np.random.default_rng(2).standard_normal(Y.shape)
    given_dY = dY.copy()
    dX, d_params = ops.backprop_lstm(dY, sizes, params, state)
    np.testing.assert_array_equal(dY, given_dY)

    def loss(params, X):
        return float((ops.lstm_forward_inference(params, H0, C0, X, sizes) * dY).sum())

    for gradient, values, call in (
        (dX, X, lambda changed: loss(params, changed)),
        (d_params, params, lambda changed: loss(changed, X)),
    ):
        assert gradient.shape == values.shape
        expected = np.zeros_like(values)
        for place in np.ndindex(values.shape):
            step = np.zeros_like(values)
            step[place] = 1e-5
            expected[place] = (call(values + step) - call(values - step)) / 2e-5
        np.testing.assert_allclose(gradient, expected, atol=1e-8)
    single = ops.lstm_forward_training(*(a.astype("f") for a in (params, H0, C0, X)), sizes)[1]
    for result, exact in zip(
        ops.backprop_lstm(dY.astype("f"), sizes, params.astype("f"), single), (dX, d_params), strict=True
    ):
        assert result.dtype == "float32"
        np.testing.assert_allclose(result, exact, atol=1e-4)


def test_results_of_thinc():
    params = np.linspace(-0.5, 0.5, 56).astype("f")
    initial = np.zeros((1, 1, 2), "f")
    X = np.arange(1, 16, dtype="f").reshape(5, 3) / 10
    sizes = np.array([2, 2, 1], "i")
    Y, state = ops.lstm_forward_training(params, initial, initial, X, sizes)
    np.testing.assert_allclose(
        Y,
        [
            [0.12585711, 0.15078920],
            [0.06801233, 0.10331149],
            [0.07556064, 0.13214375],
            [0.02120625, 0.07017193],
            [0.00432021, 0.04782821],
        ],
        rtol=2e-6,
    )
    dX, _ = ops.backprop_lstm(np.ones_like(Y), sizes, params, state)
    # Of Thinc's gradients, those of all steps but the first are right.
    np.testing.assert_allclose(
        dX[2:],
        [
            [-0.14934789, -0.13693063, -0.12451339],
            [-0.07565506, -0.06866784, -0.06168063],
            [-0.05176892, -0.04682974, -0.04189055],
        ],
        rtol=2e-6,
    )


def test_initial_states_are_thincs():
    # One unit, no weights: all gates 0.5, the candidate 0. Thinc gives 0.5 * tanh(0.5 * H0), whatever C0 is.
    params = np.zeros(20, "f")
    H0, C0 = np.full((1, 1, 1), 2, "f"), np.full((1, 1, 1), 9, "f")
    Y = ops.lstm_forward_inference(params, H0, C0, np.zeros((1, 2), "f"), np.array([1], "i"))
    np.testing.assert_allclose(Y, [[0.5 * np.tanh(1)]], rtol=1e-6)


@pytest.mark.parametrize("sizes", [[], [0, 0]])
@pytest.mark.parametrize("dirs", [1, 2])
def test_an_empty_batch_gives_an_empty_output_and_zero_gradients(sizes, dirs):
    _, params, H0, C0 = make([1], 3, 4, 2, dirs)
    sizes = np.array(sizes, "i")
    Y, state = ops.lstm_forward_training(params, H0, C0, np.zeros((0, 3)), sizes)
    assert Y.shape == (0, 4 * dirs)
    dX, d_params = ops.backprop_lstm(Y, sizes, params, state)
    assert dX.shape == (0, 3)
    assert not d_params.any()


def test_steps_without_rows_are_passed_over():
    sequences, params, H0, C0 = make([2, 1], 3, 4, 1, 2)
    X, sizes = pack(sequences, 3)
    longer = np.append(sizes, [0, 0])
    np.testing.assert_array_equal(
        ops.lstm_forward_inference(params, H0, C0, X, longer), ops.lstm_forward_inference(params, H0, C0, X, sizes)
    )


def test_arguments_may_be_of_other_types_and_layouts():
    sequences, params, H0, C0 = make([3, 2], 3, 4, 1, 1)
    X, sizes = pack(sequences, 3)
    expected = ops.lstm_forward_inference(params, H0, C0, X, sizes)
    Y = ops.lstm_forward_inference(params, H0.astype("f"), C0, np.asfortranarray(X), sizes.astype("q").tolist())
    assert Y.dtype == "float64"
    np.testing.assert_allclose(Y, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": np.zeros(7)}, r"depth 1, 1 directions, nO 4 and nI 3 make 144 params, got float64 \(7,\)"),
        ({"H0": np.zeros((1, 1, 5))}, r"H0 and C0 must both have the shape .* got \(1, 1, 5\) and \(1, 1, 4\)"),
        ({"H0": np.zeros((1, 3, 4)), "C0": np.zeros((1, 3, 4))}, r"the shape \(depth, 1 or 2, nO\)"),
        ({"X": np.zeros(3)}, "X must have 2 dimensions"),
        ({"size_at_t": [2, 2]}, "size_at_t must add up to the number of rows, 3, not to 4"),
        ({"size_at_t": [4, -1]}, "size_at_t must not be negative, got -1 at position 1"),
        ({"size_at_t": [1, 2]}, "size_at_t must not rise, but goes from 1 to 2 at position 1"),
    ],
)
@pytest.mark.parametrize("name", ["lstm_forward_training", "lstm_forward_inference"])
def test_what_does_not_fit_is_refused(name, change, message):
    _, params, H0, C0 = make([1], 3, 4, 1, 1)
    arguments = {"params": params, "H0": H0, "C0": C0, "X": np.zeros((3, 3)), "size_at_t": [2, 1]} | change
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        getattr(ops, name)(**arguments)


def test_a_gradient_that_does_not_fit_is_refused():
    _, params, H0, C0 = make([1], 3, 4, 1, 1)
    Y, state = ops.lstm_forward_training(params, H0, C0, np.zeros((3, 3)), [2, 1])
    with pytest.raises(ValueError, match=r"backprop_lstm: dY must be \(3, 4\), got float64 \(3, 5\)"):
        ops.backprop_lstm(np.zeros((3, 5)), [2, 1], params, state)
    with pytest.raises(ValueError, match="backprop_lstm: lengths must add up to the number of rows, 3, not to 2"):
        ops.backprop_lstm(Y, [1, 1], params, state)
    with pytest.raises(ValueError, match=r"backprop_lstm: .* make 144 params"):
        ops.backprop_lstm(Y, [2, 1], params[:-1], state)
    with pytest.raises(TypeError, match="fwd_state must be what lstm_forward_training returned"):
        ops.backprop_lstm(Y, [2, 1], params, state[:4])
    with pytest.raises(ValueError, match="fwd_state must be what lstm_forward_training returned, got arrays"):
        ops.backprop_lstm(Y, [2, 1], params, (state[0][..., :2], *state[1:]))
    with pytest.raises(TypeError, match="backprop_lstm: lengths must be a list or an array of integers"):
        ops.backprop_lstm(Y, np.array([1.5, 1.5]), params, state)


@pytest.mark.parametrize("dirs", [1, 2])
@pytest.mark.parametrize("lengths", [[5, 3, 3, 1], list(range(1, 20))], ids=["few", "many"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_step_by_step_it_is_the_same(lengths, dirs, dtype):
    sequences, params, H0, C0 = make(lengths, 3, 5, 2, dirs, dtype)
    X, sizes = pack(sequences, 3)
    limit = 2e-5 if dtype == "float32" else 1e-12
    results = []
    for each in (ops, StepByStep()):
        Y, state = each.lstm_forward_training(params, H0, C0, X, sizes)
        np.testing.assert_array_equal(each.lstm_forward_inference(params, H0, C0, X, sizes), Y)
        results.append([*state[:3], *each.backprop_lstm(np.cos(Y), sizes, params, state)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=limit, rtol=limit)


@pytest.mark.parametrize("lengths", [[2, 0, 5, 1], [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5], [0], []], ids=str)
def test_sequences_one_after_the_other(lengths):
    sequences, params, H0, C0 = make(lengths, 3, 5, 2, 2)
    by_length = iter(sequences)
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    given = dict(zip(order, by_length, strict=True))
    X = np.reshape([row for i in range(len(lengths)) for row in given[i]], (sum(lengths), 3))
    packed_X, sizes = pack([x for x in sequences if len(x)], 3)
    expected, packed_state = ops.lstm_forward_training(params, H0, C0, packed_X, sizes)
    steps = Steps.of_lengths(lengths)
    Y, state = ops._lstm("test", params, H0, C0, X, steps, keep=True)
    dX, d_params = ops._backprop_lstm("test", np.cos(Y), steps, params, state)
    packed_dX, packed_d = ops.backprop_lstm(np.cos(expected), sizes, params, packed_state)
    np.testing.assert_allclose(d_params, packed_d, atol=1e-12)
    rows = [step + steps.sequence_rows[:size] for step, size in enumerate(steps.sizes)]
    places = np.concatenate(rows) if rows else np.zeros(0, int)
    np.testing.assert_allclose(Y[places], expected, atol=1e-14)
    np.testing.assert_allclose(dX[places], packed_dX, atol=1e-12)


@pytest.mark.parametrize("sequences", [3, 40, 2000])
def test_directions_in_threads_give_the_same_bits(request, sequences):
    request.addfinalizer(partial(_threads.share, get_num_threads()))
    rng = np.random.default_rng(0)
    nI, nO = 8, 64
    sizes = np.array([sequences, sequences // 2, 1], dtype="int32")
    X = rng.standard_normal((sizes.sum(), nI)).astype("f")
    params = rng.standard_normal(2 * 4 * nO * (nI + nO + 2)).astype("f") * 0.1
    initial = rng.standard_normal((1, 2, nO)).astype("f")
    results = []
    for threads in (1, 2):
        _threads.share(threads)
        Y, state = NumpyOps().lstm_forward_training(params, initial, initial, X, sizes)
        results.append([Y.copy(), *NumpyOps().backprop_lstm(np.ones_like(Y), sizes, params, state)])
        assert np.array_equal(Y, NumpyOps().lstm_forward_inference(params, initial, initial, X, sizes))
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)
