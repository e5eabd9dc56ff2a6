"""maxout against numpy's max and argmax."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb.backends import NumpyOps

ops = NumpyOps()


@given(st.integers(0, 9), st.integers(0, 40), st.integers(1, 6), st.sampled_from(["float32", "float64"]))
def test_the_largest_piece_and_the_first_that_is(batch, units, pieces, dtype):
    rng = np.random.default_rng(batch + units + pieces)
    X = rng.integers(-3, 3, (batch, units, pieces)).astype(dtype)  # Few values: many ties.
    best, which = ops.maxout(X)
    assert best.dtype == dtype
    assert which.dtype == "int32"
    np.testing.assert_array_equal(best, X.max(axis=2))
    np.testing.assert_array_equal(which, X.argmax(axis=2))
    dY = rng.standard_normal((batch, units)).astype(dtype)
    dX = ops.backprop_maxout(dY, which, pieces)
    expected = np.zeros_like(X)
    np.put_along_axis(expected, which[:, :, None].astype("int64"), dY[:, :, None], axis=2)
    np.testing.assert_array_equal(dX, expected)


def test_inf_counts_as_a_number_and_nan_only_as_the_first_piece():
    X = np.array([[[-np.inf, np.inf, 0], [np.nan, 1, 2], [1, np.nan, 2], [-np.inf, -np.inf, -np.inf]]], dtype="f")
    best, which = ops.maxout(X)
    np.testing.assert_array_equal(best, [[np.inf, np.nan, 2, -np.inf]])
    np.testing.assert_array_equal(which, [[1, 0, 2, 0]])


@pytest.mark.parametrize("pieces", [2, 3, 4, 5])
def test_gradients_that_are_no_numbers_reach_one_piece_only(pieces):
    dY = np.array([[np.inf, -np.inf, np.nan, -0.0]], dtype="float32")
    which = np.array([[0, pieces - 1, 1, 1]], dtype="int32")
    expected = np.zeros((1, 4, pieces), dtype="float32")
    expected[0, np.arange(4), which[0]] = dY[0]
    dX = ops.backprop_maxout(dY, which, pieces)
    np.testing.assert_array_equal(dX.view("int32"), expected.view("int32"))


def test_what_lies_outside_is_refused():
    with pytest.raises(IndexError, match="at least one piece"):
        ops.maxout(np.zeros((2, 3, 0), dtype="f"))
    dY = np.ones((1, 2), dtype="f")
    with pytest.raises(IndexError, match=r"index 3 at position \(0, 1\) is outside 0 to 2 \(there are 3 pieces\)"):
        ops.backprop_maxout(dY, np.array([[0, 3]], dtype="i"), 3)
    with pytest.raises(IndexError, match=r"index -1 at position \(0, 0\)"):
        ops.backprop_maxout(dY, np.array([[-1, 0]], dtype="i"), 3)
    for pieces in (2, 3, 4, 5):
        many = np.zeros((100, 90), dtype="i")
        ops.backprop_maxout(np.ones((100, 90), "f"), many, pieces)
        for wrong in (-1, pieces, 2**31 - 1, -(2**31)):
            many[77, 5] = wrong
            with pytest.raises(IndexError, match=rf"index {wrong} at position \(77, 5\)"):
                ops.backprop_maxout(np.ones((100, 90), "f"), many, pieces)
    with pytest.raises(ValueError, match="which is int32"):
        ops.backprop_maxout(dY, np.zeros((2, 2), dtype="i"), 3)
