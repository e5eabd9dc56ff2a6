"""The activation operations: what they give, where they write, what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb.backends.numpy_ops import NumpyOps

OPS = NumpyOps()
FORWARD = [
    "relu", "relu_k", "clipped_linear", "hard_sigmoid", "hard_tanh", "hard_swish", "hard_swish_mobilenet", "sigmoid",
    "dsigmoid", "swish", "gelu", "gelu_approx", "mish", "dish", "dtanh", "sechsq", "erf",
]  # fmt: skip
NOT_IN_PLACE = {"sechsq", "erf"}
BACKWARD = [
    "relu", "relu_k", "clipped_linear", "hard_sigmoid", "hard_tanh", "hard_swish", "hard_swish_mobilenet", "sigmoid",
    "swish", "gelu", "gelu_approx", "mish", "dish",
]  # fmt: skip
OF_Y = {"relu", "sigmoid"}
KINKS = {
    "relu": (0,), "relu_k": (0, 6), "clipped_linear": (0, 1), "hard_sigmoid": (-2.5, 2.5), "hard_tanh": (-1, 1),
    "hard_swish": (-2.5, 2.5), "hard_swish_mobilenet": (-3, 3),
}  # fmt: skip
forward = pytest.mark.parametrize("name", FORWARD)
in_place = pytest.mark.parametrize("name", [name for name in FORWARD if name not in NOT_IN_PLACE])
backward = pytest.mark.parametrize("name", BACKWARD)
both = pytest.mark.parametrize("dtype", ["float32", "float64"])


def inputs(name: str, X: np.ndarray) -> tuple[np.ndarray, ...]:
    """What the backward method takes after dY."""
    Y = getattr(OPS, name)(X)
    return (Y,) if name in OF_Y else (X, Y) if name == "swish" else (X,)


def gradient(name: str, dY: np.ndarray, X: np.ndarray, **options: bool) -> np.ndarray:
    return getattr(OPS, f"backprop_{name}")(dY, *inputs(name, X), **options)


# What Thinc 9.1.1's NumpyOps gives for float32, dY = 2; where it clips exp's argument to ±20 see the end of this file.
X_SEEN = np.array([-6, -3, -2.5, -1, 0, 1, 2.5, 3, 6, 20.5], "f4")
Y_SEEN = {
    "relu": [0, 0, 0, 0, 0, 1, 2.5, 3, 6, 20.5],
    "relu_k": [0, 0, 0, 0, 0, 1, 2.5, 3, 6, 6],
    "clipped_linear": [0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
    "hard_sigmoid": [0, 0, 0, 0.3, 0.5, 0.7, 1, 1, 1, 1],
    "hard_tanh": [-1, -1, -1, -1, 0, 1, 1, 1, 1, 1],
    "hard_swish": [0, 0, 0, -0.3, 0, 0.7, 2.5, 3, 6, 20.5],
    "hard_swish_mobilenet": [0, 0, -0.20833334, -0.33333334, 0, 0.6666667, 2.2916667, 3, 6, 20.5],
    "swish": [
        -0.0148357395,
        -0.142277628,
        -0.189645454,
        -0.268941402,
        0,
        0.731058598,
        2.31035447,
        2.85772228,
        5.98516464,
        20.5,
    ],
    "gelu": [0, -0.0040498674, -0.015524179, -0.15865529, 0, 0.84134471, 2.4844759, 2.9959502, 6, 20.5],
    "gelu_approx": [0, -0.0036373436, -0.015084222, -0.15880799, 0, 0.84119201, 2.4849157, 2.9963627, 6, 20.5],
    "mish": [-0.014854081, -0.14564745, -0.19681621, -0.30340147, 0, 0.86509836, 2.4713924, 2.9865351, 5.9999266, 20.5],
    "dish": [
        -0.040818393,
        -0.076975107,
        -0.089404136,
        -0.14644662,
        0,
        0.85355341,
        2.4105959,
        2.9230249,
        5.9591818,
        20.487825,
    ],
    "sigmoid": [
        0.0024726233,
        0.047425874,
        0.075858183,
        0.2689414,
        0.5,
        0.7310586,
        0.92414182,
        0.95257413,
        0.99752742,
        1,
    ],
    "dsigmoid": [-42, -12, -8.75, -2, 0, 0, -3.75, -6, -30, -399.75],
    "dtanh": [-35, -8, -5.25, 0, 1, 0, -5.25, -8, -35, -419.25],
    "sechsq": [
        2.4576548e-05,
        0.0098660393,
        0.026592221,
        0.4199743,
        1,
        0.4199743,
        0.026592221,
        0.0098660393,
        2.4576548e-05,
        0,
    ],
    "erf": [-1, -0.9999779, -0.99959296, -0.8427007, 0, 0.8427007, 0.99959296, 0.9999779, 1, 1],
}
DX_SEEN = {
    "relu": [0, 0, 0, 0, 0, 2, 2, 2, 2, 2],
    "relu_k": [0, 0, 0, 0, 0, 2, 2, 2, 0, 0],
    "clipped_linear": [0] * 10,
    "hard_sigmoid": [0, 0, 0, 0.4, 0.4, 0.4, 0, 0, 0, 0],
    "hard_tanh": [0, 0, 0, 0, 2, 0, 0, 0, 0, 0],
    "hard_swish": [0, 0, -1, 0.2, 1, 1.8, 3, 2, 2, 2],
    "hard_swish_mobilenet": [0, -1, -0.6666667, 0.33333334, 1, 1.6666667, 2.6666667, 3, 2, 2],
    "swish": [-0.024652867, -0.17620823, -0.19880223, 0.14465898, 1, 1.8553411, 2.1988022, 2.1762083, 2.0246525, 2],
    "gelu": [-7.29e-08, -0.023891179, -0.075222149, -0.16663089, 1, 2.166631, 2.0752223, 2.0238912, 2, 2],
    "gelu_approx": [0, -0.023168325, -0.07590294, -0.16592789, 1, 2.165928, 2.075903, 2.0231683, 2, 2],
    "mish": [-0.024719937, -0.18678623, -0.21948713, 0.11843351, 1.2, 2.0980723, 2.0822592, 2.0422137, 2.0002682, 2],
    "dish": [
        -0.013053179,
        -0.043551564,
        -0.056542397,
        -0.060660124,
        1,
        2.0606601,
        2.0565424,
        2.0435514,
        2.0130532,
        2.0011833,
    ],
}


@both
@forward
def test_values_are_thincs(name, dtype):
    X = X_SEEN.astype(dtype)
    Y = getattr(OPS, name)(X)
    assert Y.dtype == dtype
    np.testing.assert_allclose(Y, np.array(Y_SEEN[name], dtype), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(X, X_SEEN)


@both
@pytest.mark.parametrize("name", list(DX_SEEN))
def test_gradients_are_thincs_kinks_included(name, dtype):
    X = X_SEEN.astype(dtype)
    dX = gradient(name, np.full_like(X, 2), X)
    assert dX.dtype == dtype
    np.testing.assert_allclose(dX, np.array(DX_SEEN[name], dtype), rtol=2e-6, atol=2e-6)


def test_sigmoid_gradient_is_computed_from_the_result():
    dX = OPS.backprop_sigmoid(np.full(5, 2, "f4"), np.array([0, 0.5, 1, 2, -1], "f4"))
    assert dX.tolist() == [0, 0.5, 0, -4, -4]


@both
def test_relu_gradient_is_zero_where_the_result_is_whatever_dy_is(dtype):
    dY, Y = np.array([math.inf, math.nan, 2, 2], dtype), np.array([0, -1, math.nan, 1], dtype)
    assert OPS.backprop_relu(dY, Y).tolist() == [0, 0, 2, 2]  # Thinc's for float32


def test_swish_gradient_uses_the_result_it_is_given():
    one = np.ones(1, "f4")
    dX = OPS.backprop_swish(one, one, np.full(1, 100, "f4"))
    np.testing.assert_allclose(dX, [27.625198], rtol=1e-6)  # Thinc's


@backward
def test_gradient_is_that_of_finite_differences(name):
    X = np.linspace(-6.9, 6.9, 461)
    kinks = np.array(KINKS.get(name, ()))
    X = X[(np.abs(X[:, None] - kinks) > 1e-3).all(axis=1)]
    step, f = 1e-6, getattr(OPS, name)
    slope = (f(X + step) - f(X - step)) / (2 * step)
    np.testing.assert_allclose(gradient(name, np.full_like(X, 3), X), 3 * slope, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("slope", [0.5, -2.0, 0.0])
def test_clipped_linear_gradient_for_any_slope(slope):
    X = np.linspace(-3.003, 3.004, 400)
    arguments, step = (slope, 0.25, -1.0, 1.5), 1e-6
    f = OPS.clipped_linear
    expected = (f(X + step, *arguments) - f(X - step, *arguments)) / (2 * step)
    np.testing.assert_allclose(OPS.backprop_clipped_linear(np.ones_like(X), X, *arguments), expected, atol=1e-8)


def test_clipped_linear_with_its_bounds_crossed_is_the_upper_one():
    X = np.linspace(-2, 2, 5, dtype="f4")
    assert OPS.clipped_linear(X, min_val=1.0, max_val=-1.0).tolist() == [-1] * 5
    assert OPS.backprop_clipped_linear(X, X, min_val=1.0, max_val=-1.0).tolist() == [0] * 5


@st.composite
def arrays(draw):
    shape = tuple(draw(st.lists(st.integers(0, 5), min_size=0, max_size=4)))
    X = np.random.default_rng(draw(st.integers(0, 99))).normal(0, 3, shape).astype(draw(st.sampled_from(["f4", "f8"])))
    layout = draw(st.sampled_from(["C", "F", "strided", "read-only"]))
    if layout == "F":
        X = np.asfortranarray(X)
    if layout == "strided" and X.ndim:
        X = np.repeat(X, 2, axis=-1)[..., ::2]
    if layout == "read-only":
        X.flags.writeable = False
    return X


@given(X=arrays(), name=st.sampled_from(FORWARD))
def test_any_shape_and_layout_goes_element_by_element(X, name):
    Y = getattr(OPS, name)(X)
    assert (Y.shape, Y.dtype) == (X.shape, X.dtype)
    assert Y.flags.c_contiguous
    assert Y.flags.writeable
    flat = getattr(OPS, name)(np.array(X, order="C").reshape(-1))
    np.testing.assert_array_equal(Y.reshape(-1), flat)


@given(X=arrays(), name=st.sampled_from(BACKWARD))
def test_gradients_of_any_shape_and_layout(X, name):
    dX = gradient(name, np.full_like(X, 2), X)
    assert (dX.shape, dX.dtype) == (X.shape, X.dtype)
    flat = np.array(X, order="C").reshape(-1)
    np.testing.assert_array_equal(dX.reshape(-1), gradient(name, np.full_like(flat, 2), flat))


@both
@in_place
def test_in_place_overwrites_and_returns_the_argument(name, dtype):
    X = np.linspace(-4, 4, 12).astype(dtype).reshape(3, 4)
    expected = getattr(OPS, name)(X)
    assert getattr(OPS, name)(X, inplace=True) is X
    np.testing.assert_array_equal(X, expected)


@in_place
@pytest.mark.parametrize("size", [1, 15, 16, 17, 63, 64, 65, 129, 1000, 40_001])
def test_in_place_does_the_same_as_elsewhere(name, size):
    # Loops are compiled as if arrays had nothing in common: whole vectors are read before they are written.
    rng = np.random.default_rng(size)
    X, dY = rng.normal(0, 3, (2, size)).astype("f4")
    expected = getattr(OPS, name)(X)
    expected_gradient = gradient(name, dY, X) if name in BACKWARD else None
    if expected_gradient is not None:
        np.testing.assert_array_equal(gradient(name, dY.copy(), X.copy(), inplace=True), expected_gradient)
    getattr(OPS, name)(X, inplace=True)
    np.testing.assert_array_equal(X, expected)


@in_place
def test_in_place_reaches_an_array_that_is_not_contiguous(name):
    X = np.linspace(-4, 4, 24, dtype="f4").reshape(3, 8)
    kept, part = X[:, 1::2].copy(), X[:, ::2]
    expected = getattr(OPS, name)(part.copy())
    assert getattr(OPS, name)(part, inplace=True) is part
    np.testing.assert_array_equal(X[:, ::2], expected)
    np.testing.assert_array_equal(X[:, 1::2], kept)


@both
@backward
def test_gradient_in_place_overwrites_dy_but_sigmoids_y(name, dtype):
    X = np.linspace(-4, 4, 12).astype(dtype).reshape(3, 4)
    dY, given_inputs = np.full_like(X, 2), inputs(name, X)
    expected = gradient(name, dY, X)
    dX = getattr(OPS, f"backprop_{name}")(dY, *given_inputs, inplace=True)
    assert dX is (given_inputs[0] if name == "sigmoid" else dY)
    np.testing.assert_array_equal(dX, expected)
    np.testing.assert_array_equal(X, np.linspace(-4, 4, 12).astype(dtype).reshape(3, 4))


@pytest.mark.parametrize("name", [name for name in BACKWARD if name != "sigmoid"])
@pytest.mark.parametrize("shift", [1, -1])
def test_gradients_in_place_take_inputs_that_overlap_them_in_part(name: str, shift: int) -> None:
    values = np.random.default_rng(0).standard_normal(1001, dtype="float32")
    parts = [slice(1, None), slice(None, -1)][::shift]
    method = getattr(OPS, f"backprop_{name}")
    count = 2 if name == "swish" else 1
    expected = method(values[parts[0]].copy(), *[values[parts[1]].copy()] * count)
    dY = values[parts[0]]
    assert method(dY, *[values[parts[1]]] * count, inplace=True) is dY
    np.testing.assert_array_equal(dY, expected)


@backward
def test_precisions_that_differ_give_the_higher_one(name):
    X = np.linspace(-4, 4, 5)
    dY = np.ones(5, "f4")
    dX = gradient(name, dY, X)
    assert dX.dtype == "f8"
    np.testing.assert_allclose(dX, gradient(name, np.ones(5), X), rtol=1e-15)
    assert gradient(name, np.ones(5), X.astype("f4")).dtype == "f8"


@forward
def test_lists_and_integers_become_float32(name):
    assert getattr(OPS, name)([[1, -2], [0, 3]]).dtype == "f4"
    np.testing.assert_array_equal(getattr(OPS, name)([1, -2]), getattr(OPS, name)(np.array([1, -2], "f4")))


@backward
def test_shapes_that_differ_are_refused(name):
    X = np.ones((2, 3), "f4")
    with pytest.raises(ValueError, match=r"one shape, got \(3,\) and \(2, 3\)"):
        gradient(name, np.ones(3, "f4"), X)


@forward
def test_what_is_not_numeric_is_refused(name):
    with pytest.raises(TypeError, match="must hold real numbers"):
        getattr(OPS, name)(np.array(["a"]))


@in_place
def test_in_place_refuses_what_cannot_be_overwritten(name):
    method = getattr(OPS, name)
    X = np.ones(3, "f4")
    X.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        method(X, inplace=True)
    with pytest.raises(TypeError, match=r"array of floats can be overwritten in place, got int64 \(3,\)"):
        method(np.ones(3, "i8"), inplace=True)
    with pytest.raises(TypeError, match="got a list"):
        method([1.0, 2.0], inplace=True)


@backward
def test_gradient_in_place_refuses_a_read_only_array(name):
    X = np.ones(3, "f4")
    dY, (first, *others) = np.ones(3, "f4"), inputs(name, X)
    (first if name == "sigmoid" else dY).flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        getattr(OPS, f"backprop_{name}")(dY, first, *others, inplace=True)


def test_logloss_is_elementwise_and_finite_at_the_ends():
    loss = OPS.logloss(np.array([1, 0, 1, 0], "f4"), np.array([0.9, 0.1, 0, 1], "f4"))
    np.testing.assert_allclose(loss, [0.105360545, 0.105360545, 18.420681, 18.420681], rtol=1e-6)  # Thinc's
    right = OPS.logloss(np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    np.testing.assert_allclose(right, [-1e-8, -1e-8], rtol=1e-6)


def test_logloss_keeps_shape_and_precision():
    assert OPS.logloss(np.zeros((0, 2), "f4"), np.zeros((0, 2), "f4")).shape == (0, 2)
    assert OPS.logloss(np.ones((2, 2), "f4"), np.full((2, 2), 0.5)).dtype == "f8"
    with pytest.raises(ValueError, match=r"y_true is float32 \(2, 2\), but y_pred is float32 \(2,\)"):
        OPS.logloss(np.ones((2, 2), "f4"), np.ones(2, "f4"))


def test_logloss_of_what_is_no_probability_is_nan():
    assert np.isnan(OPS.logloss(np.ones(3, "f4"), np.array([1.2, -0.5, math.nan], "f4"))).all()


def test_nothing_is_clipped_before_exp():
    # Thinc clips to ±20, so that its sigmoid stays above 2.06e-9 and swish(-1e20) is -2e11.
    X = np.array([-30, -100, -1e20], "f4")
    np.testing.assert_allclose(OPS.sigmoid(X[:1]), [9.357623e-14], rtol=1e-6)
    np.testing.assert_allclose(OPS.swish(X), [-2.807287e-12, 0, 0], rtol=1e-6, atol=1e-35)
    np.testing.assert_allclose(OPS.sechsq(X[:1]), [3.502606e-26], rtol=1e-6)
