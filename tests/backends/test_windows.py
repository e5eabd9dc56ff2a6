"""seq2col against a loop over sequences."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb.backends import NumpyOps, windows

ops = NumpyOps()
lengths_strategy = st.lists(st.integers(0, 7), max_size=6)


def seq2col(X, nW, lengths):
    """Each sequence between nW rows of zeros, and windows cut from that."""
    out = []
    start = 0
    for length in lengths:
        padded = np.pad(X[start : start + length], ((nW, nW), (0, 0)))
        out += [padded[i : i + 2 * nW + 1].reshape(-1) for i in range(length)]
        start += length
    return np.array(out).reshape(len(X), (2 * nW + 1) * X.shape[1])


@given(lengths_strategy, st.integers(0, 4), st.integers(0, 20), st.sampled_from(["float32", "float64"]))
def test_windows_stop_at_the_ends_of_sequences(lengths, nW, width, dtype):
    rng = np.random.default_rng(sum(lengths) + width)
    X = rng.standard_normal((sum(lengths), width)).astype(dtype)
    cols = ops.seq2col(X, nW, lengths=np.array(lengths, dtype="i"))
    assert cols.dtype == dtype
    np.testing.assert_array_equal(cols, seq2col(X, nW, lengths))
    # The gradient is the transpose of this linear map: <dY, f(X)> = <f'(dY), X> for every X.
    dY = rng.standard_normal(cols.shape).astype(dtype)
    dX = ops.backprop_seq2col(dY, nW, lengths=np.array(lengths, dtype="i"))
    assert dX.shape == X.shape
    with patch.object(windows, "MANY_BYTES", -1):
        in_order = ops.backprop_seq2col(dY, nW, lengths=np.array(lengths, dtype="i"))
    np.testing.assert_allclose(in_order, dX, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose((dX.astype("d") * X).sum(), (dY.astype("d") * cols).sum(), rtol=1e-4, atol=1e-4)


def test_without_lengths_all_rows_are_one_sequence(rng):
    X = rng.standard_normal((5, 3)).astype("f")
    np.testing.assert_array_equal(ops.seq2col(X, 1), seq2col(X, 1, [5]))
    assert ops.seq2col(X[:0], 2).shape == (0, 15)
    np.testing.assert_array_equal(
        ops.backprop_seq2col(np.arange(18, dtype="f").reshape(3, 6), 1, lengths=np.array([1, 2], "i")),
        [[2, 3], [20, 22], [24, 26]],  # Thinc's result
    )


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 1], "seq2col: lengths must sum up to the number of rows, 3, not to 2"),
        ([4, -1], ">= 0, was: -1 at position 1"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(lengths, message):
    with pytest.raises(ValueError, match=message):
        ops.seq2col(np.zeros((3, 2), dtype="f"), 1, lengths=np.array(lengths, dtype="i"))


def test_widths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"a multiple of 3 columns, got float32 \(3, 4\)"):
        ops.backprop_seq2col(np.zeros((3, 4), dtype="f"), 1)
    with pytest.raises(ValueError, match=r"nW must be at least 0 .* got -1"):
        ops.seq2col(np.zeros((3, 4), dtype="f"), -1)


@pytest.mark.parametrize("lengths", [None, np.array([10, 2**31 + 14])])
def test_more_rows_than_int32_counts_are_refused(lengths):
    X = np.empty((2**31 + 24, 0), "f")  # Without columns they take no memory.
    for windows_of in (ops.seq2col, ops.backprop_seq2col):
        with pytest.raises(ValueError, match=f"seq2col: there may be at most {2**31 - 1} rows, got {len(X)}"):
            windows_of(X, 1, lengths=lengths)
