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
