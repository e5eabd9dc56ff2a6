"""What each operation makes of NaN and ±inf: the values, and how far they spread.

The activations are their formulas in IEEE arithmetic; the numbers below are those formulas at NaN, inf and -inf,
worked out by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from thinc_nb.backends import NumpyOps

ops = NumpyOps()
NAN, INF = math.nan, math.inf
POINTS = (NAN, INF, -INF)
both = pytest.mark.parametrize("dtype", ["float32", "float64"])

# At NaN, inf and -inf.
FORWARD = {
    "relu": (NAN, INF, 0.0),
    "relu_k": (NAN, 6.0, 0.0),
    "clipped_linear": (NAN, 1.0, 0.0),
    "hard_sigmoid": (NAN, 1.0, 0.0),
    "hard_tanh": (NAN, 1.0, -1.0),
    "hard_swish": (NAN, INF, NAN),  # -inf * 0
    "hard_swish_mobilenet": (NAN, INF, NAN),
    "sigmoid": (NAN, 1.0, 0.0),
    "dsigmoid": (NAN, -INF, -INF),
    "swish": (NAN, INF, NAN),
    "gelu": (NAN, INF, NAN),
    "gelu_approx": (NAN, INF, NAN),
    "mish": (NAN, INF, NAN),
    "dish": (NAN, NAN, NAN),  # inf / sqrt(1 + inf)
    "dtanh": (NAN, -INF, -INF),
    "sechsq": (NAN, 0.0, 0.0),
    "erf": (NAN, 1.0, -1.0),
}
# For dY = 1. What compares the argument with a bound takes NaN for one side or the other.
BACKWARD = {
    "relu": (1.0, 1.0, 0.0),  # of Y: the comparison is of relu's argument here
    "relu_k": (0.0, 0.0, 0.0),
    "clipped_linear": (0.0, 0.0, 0.0),
    "hard_sigmoid": (0.0, 0.0, 0.0),
    "hard_tanh": (0.0, 0.0, 0.0),
    "hard_swish": (NAN, 1.0, 0.0),
    "hard_swish_mobilenet": (NAN, 1.0, 0.0),
    "sigmoid": (NAN, 0.0, 0.0),
    "swish": (NAN, NAN, NAN),
    "gelu": (NAN, NAN, NAN),
    "gelu_approx": (NAN, NAN, NAN),
    "mish": (1.0, 1.0, NAN),
    "dish": (NAN, NAN, NAN),
}


@both
@pytest.mark.parametrize("name", FORWARD)
def test_activation_of_what_is_not_finite(name, dtype):
    # Long enough to be vectorised, with a remainder.
    x = np.resize(np.array(POINTS, dtype), 75)
    np.testing.assert_array_equal(getattr(ops, name)(x), np.resize(np.array(FORWARD[name], dtype), 75))


@both
@pytest.mark.parametrize("name", BACKWARD)
def test_gradient_where_the_argument_is_not_finite(name, dtype):
    x = np.resize(np.array(POINTS, dtype), 75)
    y = getattr(ops, name)(x)
    inputs = {"relu": (y,), "sigmoid": (y,), "swish": (x, y)}.get(name, (x,))
    dx = getattr(ops, f"backprop_{name}")(np.ones_like(x), *inputs)
    np.testing.assert_array_equal(dx, np.resize(np.array(BACKWARD[name], dtype), 75))


@pytest.mark.parametrize("name", BACKWARD)
def test_gradient_is_nan_where_dY_is(name):
    # Also where the derivative is 0, but for relu, which selects instead of multiplying.
    x = np.linspace(-30, 30, 61)
    y = getattr(ops, name)(x)
    inputs = {"relu": (y,), "sigmoid": (y,), "swish": (x, y)}.get(name, (x,))
    dx = getattr(ops, f"backprop_{name}")(np.full_like(x, NAN), *inputs)
    np.testing.assert_array_equal(np.isnan(dx), x > 0 if name == "relu" else np.ones(61, bool))


# --- how far it spreads ---------------------------------------------------------------------------------------------

ROWS, WIDTH, AT = 12, 5, 4
LENGTHS = np.array([3, 4, 5], "int32")  # Row 4 is in the second sequence, of rows 3 to 6.
SEQUENCE = [3, 4, 5, 6]
rng = np.random.default_rng(0)
G, b = rng.standard_normal(WIDTH), rng.standard_normal(WIDTH)
W = rng.standard_normal((3, WIDTH))
other = rng.standard_normal((ROWS, WIDTH))
statistics = ops.layer_norm(other, G, b)[1:]
params, state = rng.standard_normal(4 * 2 * (WIDTH + 2 + 2)), np.zeros((1, 1, 2))
size_at_t = np.array([4, 4, 4], "int32")

# Operation on X (12, 5), and the rows of its result that row 4 of X reaches.
SPREADS: dict[str, tuple[Callable[[Any], Any], list[int]]] = {
    "softmax": (ops.softmax, [AT]),
    "backprop_softmax, of Y": (lambda X: ops.backprop_softmax(X, other), [AT]),
    "backprop_softmax, of dY": (lambda X: ops.backprop_softmax(other, X), [AT]),
    "layer_norm": (lambda X: ops.layer_norm(X, G, b)[0], [AT]),
    "backprop_layer_norm, dX": (lambda X: ops.backprop_layer_norm(X, other, G, *statistics)[0], [AT]),
    "softmax_sequences": (lambda X: ops.softmax_sequences(X, LENGTHS), SEQUENCE),
    "backprop_softmax_sequences": (lambda X: ops.backprop_softmax_sequences(X, other, LENGTHS), SEQUENCE),
    "reduce_sum": (lambda X: ops.reduce_sum(X, LENGTHS), [1]),
    "reduce_mean": (lambda X: ops.reduce_mean(X, LENGTHS), [1]),
    "reduce_max": (lambda X: ops.reduce_max(X, LENGTHS)[0], [1]),
    "reduce_first": (lambda X: ops.reduce_first(X, LENGTHS)[0], []),
    "reduce_last": (lambda X: ops.reduce_last(X, LENGTHS)[0], []),
    "maxout": (lambda X: ops.maxout(X.reshape(ROWS, 1, WIDTH))[0], [AT]),
    "seq2col": (lambda X: ops.seq2col(X, 1), [3, 4, 5]),
    "seq2col, lengths": (lambda X: ops.seq2col(X, 2, lengths=LENGTHS), SEQUENCE),
    "backprop_seq2col": (lambda X: ops.backprop_seq2col(np.tile(X, 3), 1), [3, 4, 5]),
    "gather_add": (lambda X: ops.gather_add(X, np.array([[0, AT], [1, 2], [AT, AT]], "int32")), [0, 2]),
    "gemm": (lambda X: ops.gemm(X, W, trans2=True), [AT]),
    "affine": (lambda X: ops.affine(X, W, np.zeros(3)), [AT]),
    # Row 4 is step 1 of the first of four sequences.
    "lstm": (lambda X: ops.lstm_forward_inference(params, state, state, X, size_at_t), [4, 8]),
}


@pytest.mark.parametrize("value", POINTS)
@pytest.mark.parametrize("name", SPREADS)
def test_a_value_that_is_not_finite_reaches_no_other_rows(name, value):
    call, reached = SPREADS[name]
    X = rng.standard_normal((ROWS, WIDTH))
    before = call(X.copy())
    X[AT] = value
    with np.errstate(invalid="ignore"):  # Products are numpy's matmul, which warns.
        after = call(X)
    rest = np.setdiff1d(np.arange(len(before)), reached)
    np.testing.assert_allclose(after[rest], before[rest], rtol=1e-12)
    for row in reached:
        assert not np.array_equal(after[row], before[row]) or name == "reduce_max", row


@pytest.mark.parametrize("name", [name for name in SPREADS if name not in {"maxout", "reduce_max"}])
def test_nan_does_not_disappear(name):
    call, reached = SPREADS[name]
    X = rng.standard_normal((ROWS, WIDTH))
    X[AT] = NAN
    assert np.isnan(call(X)[reached]).any(axis=-1).all()


@both
def test_largest_of_a_sequence_passes_nan_over_unless_it_comes_first(dtype):
    X = np.array([[1, NAN], [NAN, 2], [0, 3], [-INF, -INF], [INF, -INF]], dtype)
    largest, which = ops.reduce_max(X, np.array([3, 2], "int32"))
    np.testing.assert_array_equal(largest, [[1, NAN], [INF, -INF]])
    np.testing.assert_array_equal(which, [[0, 0], [1, 0]])


@both
@pytest.mark.parametrize("pieces", [2, 3, 5])
def test_largest_piece_passes_nan_over_unless_it_comes_first(dtype, pieces):
    X = np.zeros((1, 4, pieces), dtype)
    X[0, 0, 1], X[0, 1, 0], X[0, 2, 1], X[0, 3] = NAN, NAN, INF, -INF
    best, which = ops.maxout(X)
    np.testing.assert_array_equal(best, [[0, NAN, INF, -INF]])
    np.testing.assert_array_equal(which, [[0, 0, 1, 0]])


@both
def test_adam_keeps_what_is_not_finite_to_its_element(dtype):
    weights, gradient = np.ones(40, dtype), np.ones(40, dtype)
    gradient[[3, 20, 39]] = POINTS
    mom1, mom2 = np.zeros(40, dtype), np.zeros(40, dtype)
    ops.adam(weights, gradient, mom1, mom2, 0.9, 0.99, 1e-8, 0.1)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(weights)), [3, 20, 39])
    assert (gradient == 0).all()


@pytest.mark.parametrize(("value", "others"), [(NAN, 2.0), (INF, 0.0), (-INF, 0.0)])
def test_clipping_a_gradient_that_is_not_finite(value, others):
    # The norm is NaN, and nothing is clipped, or inf, and all else becomes 0.
    gradient = np.array([2, value, 2], "f")
    np.testing.assert_array_equal(ops.clip_gradient(gradient, 1.0), [others, NAN, others])


@pytest.mark.parametrize(
    ("y_true", "y_pred"), [(NAN, 0.5), (1.0, NAN), (1.0, INF), (0.0, -INF), (1.0, -0.5), (0.0, 1.5)]
)
def test_logistic_loss_of_what_is_no_probability_is_nan(y_true, y_pred):
    assert np.isnan(ops.logloss(np.array([y_true], "f"), np.array([y_pred], "f"))).all()


def test_averages_take_what_is_not_finite():
    average, weights = np.zeros(3, "f"), np.array(POINTS, "f")
    ops.update_averages(average, weights, 1)
    np.testing.assert_array_equal(average, POINTS)


def test_dropout_drops_what_is_not_finite():
    X = np.resize(np.array(POINTS, "f"), 300)
    key = np.uint32(5)
    kept = ops.dropout(np.ones(300, "f"), key, 0.5) > 0
    np.testing.assert_array_equal(ops.dropout(X, key, 0.5), np.where(kept, X, 0))
