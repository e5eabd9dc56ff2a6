"""gemm and affine against float64 products."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb.backends import NumpyOps

ops = NumpyOps()
sizes = st.integers(0, 20)


@given(sizes, sizes, sizes, st.booleans(), st.booleans(), st.sampled_from(["float32", "float64"]))
def test_gemm_is_the_matrix_product(n, k, m, trans1, trans2, dtype):
    rng = np.random.default_rng(n * 400 + k * 20 + m)
    x = rng.standard_normal((k, n) if trans1 else (n, k)).astype(dtype)
    y = rng.standard_normal((m, k) if trans2 else (k, m)).astype(dtype)
    result = ops.gemm(x, y, trans1=trans1, trans2=trans2)
    expected = (x.T if trans1 else x).astype("d") @ (y.T if trans2 else y).astype("d")
    assert result.dtype == dtype
    assert result.shape == (n, m)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_gemm_overwrites_out():
    x = np.ones((2, 3), dtype="f")
    y = np.ones((3, 2), dtype="f")
    out = np.full((2, 2), 5, dtype="f")
    assert ops.gemm(x, y, out=out) is out
    assert out.tolist() == [[3, 3], [3, 3]]


@pytest.mark.parametrize("size", [1, 5, 64, 600])
@pytest.mark.parametrize("trans2", [False, True])
def test_out_may_be_one_of_the_sides_or_a_part_of_them(rng, size, trans2):
    x, y = rng.standard_normal((2, size, size)).astype("f")
    expected = ops.gemm(x, y, trans2=trans2)
    for side in (0, 1):
        pair = [x.copy(), y.copy()]
        assert ops.gemm(*pair, out=pair[side], trans2=trans2) is pair[side]
        np.testing.assert_array_equal(pair[side], expected)
    both = np.concatenate((x, y))
    ops.gemm(both[:size], both[size:], out=both[size // 2 : size // 2 + size], trans2=trans2)
    np.testing.assert_array_equal(both[size // 2 : size // 2 + size], expected)


@pytest.mark.parametrize("place", [np.s_[:, ::2], np.s_[:, ::-2], np.s_[::-1, :6], np.s_[:, 3:9]])
def test_out_may_lie_in_any_way_and_nothing_beside_it_is_written(rng, place):
    x, y = rng.standard_normal((5, 8)).astype("f"), rng.standard_normal((8, 6)).astype("f")
    around = np.full((5, 12), 9, "f")
    expected = around.copy()
    expected[place] = ops.gemm(x, y)
    ops.gemm(x, y, out=around[place])
    np.testing.assert_array_equal(around, expected)
    by_columns = np.zeros((6, 5), "f").T
    np.testing.assert_array_equal(ops.gemm(x, y, out=by_columns), ops.gemm(x, y))


def test_sides_may_lie_in_any_way(rng):
    big = rng.standard_normal((40, 40)).astype("f")
    shifted = np.zeros(40 * 40 * 4 + 1, "u1")[1:].view("f").reshape(40, 40)
    shifted[...] = big
    assert not shifted.flags.aligned
    views = [big[:9, :7], big[::2, 1::3], big[::-1], big[:, ::-1].T, big[:, 3:4], big[5:6], big[:, 3:4].T, shifted]
    views += [np.broadcast_to(big[:1], (30, 40)), np.broadcast_to(big[:, :1], (40, 30)), shifted.T, shifted[3:5]]
    for x in views:
        for y in (*views, *(view.T for view in views)):
            if x.shape[1] == y.shape[0]:
                np.testing.assert_allclose(ops.gemm(x, y), x.astype("d") @ y.astype("d"), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": np.ones((2, 3), "f"), "y": np.ones((2, 3), "f")}, r"cannot multiply \(2, 3\) by \(2, 3\)"),
        (
            {"x": np.ones((2, 3), "f"), "y": np.ones((3, 2), "d")},
            "both be float32 or both float64, got float32 .* float64",
        ),
        ({"x": np.ones((2, 3), "i"), "y": np.ones((3, 2), "i")}, "both be float32 or both float64, got int32"),
        ({"x": np.ones(3, "f"), "y": np.ones((3, 2), "f")}, "2 dimensions, got float32"),
        ({"x": np.ones((2, 3), "f"), "y": np.ones((3, 2), "f"), "out": np.ones((3, 2), "f")}, "out must be float32"),
        ({"x": np.ones((2, 3), "f"), "y": np.ones((3, 2), "f"), "out": np.ones((2, 2), "d")}, "got float64"),
    ],
)
def test_gemm_refuses_what_does_not_fit(arguments, message):
    with pytest.raises(ValueError, match=message):
        ops.gemm(**arguments)


def test_affine_adds_the_bias_to_each_row(rng):
    X, W, b = (rng.standard_normal(shape).astype("f") for shape in ((5, 3), (4, 3), (4,)))
    np.testing.assert_allclose(ops.affine(X, W, b), X.astype("d") @ W.T + b, rtol=1e-5)
    assert ops.affine(X[:0], W, b).shape == (0, 4)
    for bias in (b.astype("d"), np.repeat(b, 2)[::2]):
        np.testing.assert_array_equal(ops.affine(X, W, bias), ops.affine(X, W, b))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 5, 3), (8, 40, 17), (9, 4, 4), (70, 33, 20), (0, 3, 2), (2, 0, 3), (2, 3, 0)])
def test_transposed_right_sides(rng, dtype, shape):
    n, k, m = shape
    a, b = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((m, k)).astype(dtype)
    out = np.full((n, m), np.nan, dtype)
    ops._matmul_transposed(a, b, out)
    np.testing.assert_allclose(out, a.astype("d") @ b.astype("d").T, rtol=1e-4, atol=1e-5)
