"""softmax and layer normalisation against float64 formulas; gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from thinc_nb.backends import NumpyOps

ops = NumpyOps()
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}
arrays = st.sampled_from(["float32", "float64"]).flatmap(
    lambda dtype: hnp.arrays(
        dtype, hnp.array_shapes(max_dims=4, min_side=0, max_side=40), elements=st.floats(-50, 50, width=32)
    )
)


def softmax(x, axis=-1, temperature=1.0):
    x = x.astype("d") / temperature
    if not x.size:
        return x
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@given(arrays, st.integers(0, 3), st.sampled_from([0.5, 1.0, 3.0]))
def test_softmax_follows_the_formula_along_any_axis(x, axis, temperature):
    axis = axis % x.ndim
    y = ops.softmax(x, axis=axis, temperature=temperature)
    assert y.dtype == x.dtype
    assert y.shape == x.shape
    np.testing.assert_allclose(
        y, softmax(x, axis, temperature), rtol=50 * TOLERANCE[str(x.dtype)], atol=TOLERANCE[str(x.dtype)]
    )


def test_softmax_in_place_writes_into_what_it_was_given(rng):
    for x in (rng.standard_normal((5, 7)).astype("f"), rng.standard_normal((7, 5)).T):
        expected = softmax(x)
        assert ops.softmax(x, inplace=True) is x
        np.testing.assert_allclose(x, expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 3, 16, 50, 96, 300, 1500])
def test_softmax_has_the_same_bits_in_place(rng, width, dtype):
    x = rng.standard_normal((37, width)).astype(dtype)
    expected = ops.softmax(x)
    for start in (0, 1, 5):
        room = np.full(x.size + 20, 7, dtype)
        given = room[start : start + x.size].reshape(x.shape)
        given[:] = x
        assert ops.softmax(given, inplace=True) is given
        np.testing.assert_array_equal(given, expected)
        assert (room == 7).sum() == 20


def test_softmax_in_place_refuses_what_is_read_only(rng):
    x = rng.standard_normal((3, 4)).astype("f")
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        ops.softmax(x, inplace=True)


def test_gradients_take_arguments_that_overlap(rng):
    room = rng.standard_normal(401).astype("f")
    for shift in (0, 1):
        y, dy = room[:400].reshape(20, 20), room[shift : 400 + shift].reshape(20, 20)
        np.testing.assert_array_equal(ops.backprop_softmax(y, dy), ops.backprop_softmax(y.copy(), dy.copy()))
        ones = np.ones(20, "f")
        for result, apart in zip(
            ops.backprop_layer_norm(dy, y, ones, ones, ones),
            ops.backprop_layer_norm(dy.copy(), y.copy(), ones, ones, ones),
            strict=True,
        ):
            np.testing.assert_array_equal(result, apart)


def test_softmax_of_a_row_with_nan_or_inf_is_nan_and_leaves_the_others_alone():
    x = np.array([[1, np.nan, 2], [np.inf, 0, 1], [-np.inf, 0, 0], [1, 1, 1]], dtype="f")
    y = ops.softmax(x)
    assert np.isnan(y[0]).all()
    assert np.isnan(y[1, 0])
    np.testing.assert_allclose(y[2:], [[0, 0.5, 0.5], [1 / 3] * 3], rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_the_gradient_of_softmax_is_that_of_finite_differences(rng, axis):
    x, dy, direction = (rng.standard_normal((4, 6, 3)) for _ in range(3))
    dx = ops.backprop_softmax(ops.softmax(x, axis=axis, temperature=2.0), dy, axis=axis, temperature=2.0)
    eps = 1e-6
    difference = softmax(x + eps * direction, axis, 2.0) - softmax(x - eps * direction, axis, 2.0)
    np.testing.assert_allclose((dx * direction).sum(), (dy * difference).sum() / (2 * eps), rtol=1e-7)


def test_softmax_takes_any_layout_and_integers_but_no_objects(rng):
    x = rng.standard_normal((6, 8)).astype("f")
    for same in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], np.broadcast_to(x, (2, 6, 8))[1]):
        np.testing.assert_array_equal(ops.softmax(same), ops.softmax(x))
    assert ops.softmax(np.arange(3)).dtype == "float32"
    with pytest.raises(TypeError, match="softmax: x must hold real numbers, got complex128"):
        ops.softmax(np.ones(3, dtype=complex))
    with pytest.raises(ValueError, match="has no axis 2, got float32"):
        ops.softmax(x, axis=2)
    with pytest.raises(ValueError, match="one shape"):
        ops.backprop_softmax(x, x[:3])


def layer_norm(X, G, b):
    X = X.astype("d")
    mean, var = X.mean(axis=1, keepdims=True), X.var(axis=1, keepdims=True)
    return (X - mean) / np.sqrt(var + 1e-8) * G + b


@given(st.integers(0, 600), st.integers(1, 70), st.sampled_from(["float32", "float64"]))
def test_layer_norm_follows_the_formula(rows, width, dtype):
    rng = np.random.default_rng(rows + width)
    X = rng.standard_normal((rows, width)).astype(dtype)
    G, b = rng.standard_normal((2, width)).astype(dtype)
    Y, mean, rstd = ops.layer_norm(X, G, b)
    assert Y.dtype == mean.dtype == rstd.dtype == dtype
    # A row of one or two nearly equal values divides a rounding error by a small number.
    np.testing.assert_allclose(Y, layer_norm(X, G, b), rtol=1e-3 if dtype == "float32" else 1e-9, atol=5e-4)
    np.testing.assert_allclose(mean, X.mean(axis=1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 5, 256, 257, 700])
def test_the_gradients_of_layer_norm_are_those_of_finite_differences(rng, rows):
    X, dY, towards = rng.standard_normal((3, rows, 9))
    G, b, towards_G = rng.standard_normal((3, 9))
    _, mean, rstd = ops.layer_norm(X, G, b)
    dX, dG, db = ops.backprop_layer_norm(dY, X, G, mean, rstd)
    eps = 1e-6
    difference = layer_norm(X + eps * towards, G, b) - layer_norm(X - eps * towards, G, b)
    np.testing.assert_allclose((dX * towards).sum(), (dY * difference).sum() / (2 * eps), rtol=1e-6)
    difference = layer_norm(X, G + eps * towards_G, b) - layer_norm(X, G - eps * towards_G, b)
    np.testing.assert_allclose((dG * towards_G).sum(), (dY * difference).sum() / (2 * eps), rtol=1e-6)
    np.testing.assert_allclose(db, dY.sum(axis=0))


def test_no_rows_give_gradients_of_zero():
    X, G = np.zeros((0, 4), dtype="f"), np.ones(4, dtype="f")
    Y, mean, rstd = ops.layer_norm(X, G, G)
    dX, dG, db = ops.backprop_layer_norm(Y, X, G, mean, rstd)
    assert dX.shape == (0, 4)
    assert dG.tolist() == db.tolist() == [0, 0, 0, 0]


def test_layer_norm_refuses_what_does_not_fit():
    X, G = np.zeros((2, 4), dtype="f"), np.ones(3, dtype="f")
    with pytest.raises(ValueError, match=r"X is float32 \(2, 4\), but G is float32 \(3,\)"):
        ops.layer_norm(X, G, G)
    with pytest.raises(ValueError, match="X must have 2 dimensions, got float32"):
        ops.layer_norm(G, G, G)
