"""Reductions over sequences against loops in float64, and their gradients as transposes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb.backends import NumpyOps

ops = NumpyOps()
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
dtypes = st.sampled_from(["float32", "float64"])
filled = st.lists(st.integers(1, 26), max_size=6)
any_lengths = st.lists(st.integers(0, 26), max_size=6) | st.lists(st.integers(0, 9), min_size=17, max_size=24)
widths = st.integers(0, 20) | st.integers(250, 260)


def batch(lengths, width, dtype):
    rng = np.random.default_rng(sum(lengths) + 31 * width)
    return rng.standard_normal((sum(lengths), width)).astype(dtype), np.array(lengths, "i")


def apart(X, lengths):
    return np.split(np.asarray(X, "d"), np.cumsum(lengths)[:-1]) if len(lengths) else []


def close(result, expected, dtype):
    assert result.dtype == dtype
    limit = TOLERANCE[dtype]
    np.testing.assert_allclose(result, np.reshape(expected, result.shape), rtol=limit, atol=limit)


@given(any_lengths, widths, dtypes)
def test_sums_and_means(lengths, width, dtype):
    X, sizes = batch(lengths, width, dtype)
    parts = apart(X, sizes)
    shape = (len(lengths), width)
    close(ops.reduce_sum(X, sizes), np.reshape([part.sum(axis=0) for part in parts], shape), dtype)
    close(ops.reduce_mean(X, sizes), np.reshape([part.sum(axis=0) / max(len(part), 1) for part in parts], shape), dtype)
    dY = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    close(ops.backprop_reduce_sum(dY, sizes), np.repeat(dY, sizes, axis=0), dtype)
    scaled = dY.astype("d") / np.maximum(sizes, 1)[:, None]
    close(ops.backprop_reduce_mean(dY, sizes), np.repeat(scaled, sizes, axis=0), dtype)


@given(filled, widths, dtypes)
def test_maxima(lengths, width, dtype):
    X, sizes = batch(lengths, width, dtype)
    # Few values, so that there are ties: the first counts.
    X = X.round()
    parts = apart(X, sizes)
    maxes, which = ops.reduce_max(X, sizes)
    assert which.dtype == "int32"
    close(maxes, [part.max(axis=0) for part in parts], dtype)
    np.testing.assert_array_equal(which, np.reshape([part.argmax(axis=0) for part in parts], which.shape))
    dY = np.random.default_rng(1).standard_normal(maxes.shape).astype(dtype)
    expected = np.zeros(X.shape)
    for k, start in enumerate(np.cumsum(sizes) - sizes):
        expected[start + which[k], np.arange(width)] = dY[k]
    close(ops.backprop_reduce_max(dY, which, sizes), expected, dtype)


def test_nan_and_infinity_in_maxima():
    # Thinc's: NaN stays where it is first, and is never larger than what came before it.
    X = np.array([[np.nan, 1], [3, np.nan], [-np.inf, 2], [np.inf, 0]], "f")
    maxes, which = ops.reduce_max(X, np.array([2, 2], "i"))
    np.testing.assert_array_equal(maxes, [[np.nan, 1], [np.inf, 2]])
    np.testing.assert_array_equal(which, [[0, 0], [1, 0]])
    np.testing.assert_array_equal(ops.reduce_max(np.full((2, 1), -np.inf, "f"), np.array([2], "i"))[0], [[-np.inf]])
    np.testing.assert_array_equal(ops.reduce_sum(X, np.array([2, 2], "i")), [[np.nan, np.nan], [np.nan, 2]])


@pytest.mark.parametrize("rows", range(2, 12))
def test_nan_is_never_larger_in_any_row_of_a_maximum(rng, rows):
    X = rng.standard_normal((rows, 2 * rows)).astype("f")
    X[np.arange(1, rows), np.arange(1, rows)] = np.nan
    X[0, -1] = np.nan
    maxes, which = ops.reduce_max(X, np.array([rows], "i"))
    np.testing.assert_array_equal(maxes[0, :-1], np.nanmax(X[:, :-1], axis=0))
    np.testing.assert_array_equal(which[0, :-1], np.nanargmax(X[:, :-1], axis=0))
    assert np.isnan(maxes[0, -1])
    assert which[0, -1] == 0


@given(filled, st.sampled_from([(), (3,), (2, 2)]), st.sampled_from(["float16", "float32", "float64", "int64"]))
def test_first_and_last_rows(lengths, shape, dtype):
    X = np.arange(1, 1 + sum(lengths) * int(np.prod(shape))).reshape(sum(lengths), *shape).astype(dtype)
    sizes = np.array(lengths, "i")
    ends = np.cumsum(sizes)
    firsts, starts_ends = ops.reduce_first(X, sizes)
    assert starts_ends.dtype == "int32"
    assert starts_ends.tolist() == [0, *ends]
    lasts, places = ops.reduce_last(X, sizes)
    assert places.dtype == "int64"
    assert places.tolist() == (ends - 1).tolist()
    expected = np.zeros((2, *X.shape), dtype)
    for k, (start, end) in enumerate(zip(ends - sizes, ends, strict=True)):
        np.testing.assert_array_equal(firsts[k], X[start])
        np.testing.assert_array_equal(lasts[k], X[end - 1])
        expected[0, start], expected[1, end - 1] = X[start], X[end - 1]
    assert firsts.dtype == lasts.dtype == dtype
    assert not np.shares_memory(firsts, X)
    assert not np.shares_memory(lasts, X)
    for gradient, value in (
        (ops.backprop_reduce_first(firsts, starts_ends), expected[0]),
        (ops.backprop_reduce_last(lasts, places), expected[1]),
    ):
        assert gradient.dtype == dtype
        np.testing.assert_array_equal(gradient, value)


def test_a_sequence_without_rows_gets_no_gradient_of_its_first_row():
    dX = ops.backprop_reduce_first(np.array([[1.0], [2.0], [3.0]]), np.array([0, 2, 2, 3], "i"))
    np.testing.assert_array_equal(dX, [[1], [0], [3]])
    assert ops.backprop_reduce_first(np.zeros((0, 2)), np.array([], "i")).shape == (0, 2)
    assert ops.backprop_reduce_first(np.zeros((0, 2)), np.array([0], "i")).shape == (0, 2)


@given(any_lengths, st.integers(0, 20), dtypes)
def test_softmax_over_sequences(lengths, width, dtype):
    X, sizes = batch(lengths, width, dtype)
    X *= 15
    clipped = np.clip(X.astype("d"), -20, 20)
    expected = [np.exp(part) / np.exp(part).sum(axis=0) for part in apart(clipped, sizes)]
    Y = ops.softmax_sequences(X, sizes)
    close(Y, np.concatenate(expected) if expected else X, dtype)
    dY = np.random.default_rng(1).standard_normal(X.shape).astype(dtype)
    gradients = [y * (d - (d * y).sum(axis=0)) for y, d in zip(apart(Y, sizes), apart(dY, sizes), strict=True)]
    close(ops.backprop_softmax_sequences(dY, Y, sizes), np.concatenate(gradients) if gradients else X, dtype)


def test_softmax_clips_as_thinc_does():
    X = np.array([[100, -100], [200, -200], [np.nan, np.inf], [1, 0]], "f")
    Y = ops.softmax_sequences(X, np.array([2, 2], "i"), inplace=True, axis=0)
    np.testing.assert_allclose(Y, [[0.5, 0.5], [0.5, 0.5], [np.nan, 1], [np.nan, 2.0611537e-09]], rtol=1e-6)
    assert X[0, 0] == 100  # neither does Thinc write into Xs


def test_results_of_thinc():
    X = np.array([[1, 2], [3, 4], [-1, -1], [7, 8], [9, 10]], "f")
    lengths = np.array([2, 3], "i")
    np.testing.assert_array_equal(ops.reduce_sum(X, lengths), [[4, 6], [15, 17]])
    np.testing.assert_allclose(ops.reduce_mean(X, lengths), [[2, 3], [5, 5.666667]], rtol=1e-6)
    np.testing.assert_array_equal(ops.reduce_mean(X, np.array([2, 0, 3], "i"))[1], [0, 0])
    np.testing.assert_array_equal(
        ops.backprop_reduce_max(np.array([[1, 2], [3, 4]], "f"), np.array([[0, 1], [2, 0]], "i"), lengths),
        [[1, 0], [0, 2], [0, 4], [0, 0], [3, 0]],
    )
    np.testing.assert_allclose(
        ops.softmax_sequences(np.arange(1, 11, dtype="f").reshape(5, 2) / 3, lengths)[:, 0],
        [0.33924362, 0.66075635, 0.1483371, 0.2889212, 0.5627417],
        rtol=1e-6,
    )


@pytest.mark.parametrize("lengths", [[2, 3], np.array([2, 3], "q"), np.array([2, 3], "B"), np.array([2, 3], "Q")])
def test_arguments_may_be_of_other_types_and_layouts(lengths):
    X = np.asfortranarray(np.arange(10.0).reshape(5, 2))
    X.flags.writeable = False
    expected = [[2, 4], [18, 21]]
    np.testing.assert_array_equal(ops.reduce_sum(X, lengths), expected)
    np.testing.assert_array_equal(ops.reduce_sum(X.astype("i"), lengths), expected)
    assert ops.reduce_max(X.astype("e"), lengths)[0].dtype == "float32"
    np.testing.assert_array_equal(ops.reduce_last(X, lengths)[0], X[[1, 4]])
    assert ops.backprop_reduce_max(X[:2], np.zeros((2, 2), "q"), lengths).shape == (5, 2)


REDUCTIONS = ["reduce_first", "reduce_last", "reduce_max", "reduce_mean", "reduce_sum", "softmax_sequences"]


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([2, 2], "lengths must sum up to .*, 5, not to 4"),
        ([6, -1], "all sequence lengths .*: -1 at position 1"),
    ],
)
def test_lengths_that_do_not_fit_are_refused(name, lengths, message):
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        getattr(ops, name)(np.zeros((5, 2), "f"), np.array(lengths, "i"))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_lengths_whose_sum_wraps_around_are_refused(name):
    # Four times 2**62 is 0 in 64 bits, which is the number of rows.
    with pytest.raises(ValueError, match=f"{name}: lengths must be those of arrays, got 4611686018427387904"):
        getattr(ops, name)(np.zeros((0, 2), "f"), np.full(4, 2**62))


@pytest.mark.parametrize("name", ["reduce_first", "reduce_last", "reduce_max"])
def test_nothing_has_no_first_last_or_largest(name):
    with pytest.raises(ValueError, match=f"{name}: all sequence lengths must be > 0, was: 0 at position 1"):
        getattr(ops, name)(np.zeros((5, 2), "f"), np.array([2, 0, 3], "i"))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_an_empty_batch_is_reduced_to_one(name):
    result = getattr(ops, name)(np.zeros((0, 3), "f"), np.array([], "i"))
    assert (result[0] if isinstance(result, tuple) else result).shape == (0, 3)


@pytest.mark.parametrize("dtype", ["f", "d", "i", "U3"])
def test_sequences_without_rows_have_no_first_row_to_fill(dtype):
    firsts = np.array([[1], [2], [3], [4]]).astype(dtype)
    for bounds in ([0, 2, 2, 3, 5], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [1, 1, 2, 4, 4]):
        result = ops.backprop_reduce_first(firsts, np.array(bounds, "i"))
        expected = np.zeros((bounds[-1], 1), dtype)
        for k, (start, end) in enumerate(itertools.pairwise(bounds)):
            if end > start:
                expected[start] = firsts[k]
        np.testing.assert_array_equal(result, expected)
    empty = ops.backprop_reduce_first(firsts[:0], np.array([], "i"))
    assert empty.shape == (0, 1)


@pytest.mark.parametrize(("entry", "place"), [(2, (0, 1)), (-1, (0, 1)), (7, (0, 1))])
def test_a_largest_row_outside_its_sequence_is_refused(entry, place):
    which = np.array([[0, entry], [2, 0]], "i")
    message = rf"which is {entry} at position \(0, 1\), but sequence 0 has 2 rows"
    with pytest.raises(IndexError, match=message):
        ops.backprop_reduce_max(np.zeros((2, 2), "f"), which, np.array([2, 3], "i"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d, n: ops.backprop_reduce_sum(d, n[:1]), "backprop_reduce_sum: there are 2 sequences"),
        (lambda d, n: ops.backprop_reduce_mean(d[0], n), "backprop_reduce_mean: d_means must have 2 dimensions"),
        (lambda d, n: ops.backprop_reduce_max(d, np.zeros((1, 2), "i"), n), r"which is int32 \(1, 2\)"),
        (lambda d, n: ops.backprop_reduce_first(d, n), "starts_ends must have 3 entries"),
        (lambda d, n: ops.backprop_reduce_first(d, np.array([0, 5, 2])), "starts_ends must not .* fall"),
        (lambda d, n: ops.backprop_reduce_first(d, np.array([0, -1, 2])), "starts_ends must not be negative"),
        (lambda d, n: ops.backprop_reduce_first(d, np.array([-3, -2, -1])), "starts_ends must not be negative"),
        (lambda d, n: ops.backprop_reduce_first(d.astype("i"), np.array([0, 5, 2])), "starts_ends must not .* fall"),
        (lambda d, n: ops.backprop_reduce_last(d, np.array([-2, -1])), "lasts must not be negative"),
        (lambda d, n: ops.backprop_reduce_last(d, np.array([-1, 4])), "lasts must not be negative"),
        (lambda d, n: ops.backprop_reduce_last(d.astype("i"), n[::-1]), "lasts must .* rise"),
        (lambda d, n: ops.backprop_reduce_last(d[:, :0], n[::-1]), "lasts must .* rise"),
        (lambda d, n: ops.backprop_reduce_last(d, n[:1]), "backprop_reduce_last: d_lasts is"),
        (lambda d, n: ops.backprop_reduce_last(d, n[::-1]), "lasts must .* rise"),
        (lambda d, n: ops.backprop_softmax_sequences(d, d[:1], n), "backprop_softmax_sequences: dY is"),
    ],
)
def test_gradients_that_do_not_fit_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.zeros((2, 2), "f"), np.array([2, 3], "i"))


@pytest.mark.parametrize("sequences", [1, 2, 16, 17, 40])
@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", ">i4"])
def test_offsets_of_few_and_of_many_sequences(sequences, dtype):
    given_lengths = (np.arange(2 * sequences) % 7).astype(dtype)[::2]
    before = given_lengths.copy()
    lengths, offsets = ops._offsets("it", given_lengths, int(before.sum()))
    assert lengths.dtype == offsets.dtype == "int64"
    assert lengths.flags.c_contiguous
    np.testing.assert_array_equal(lengths, before)
    np.testing.assert_array_equal(offsets, [0, *np.cumsum(before)])
    lengths += 1
    np.testing.assert_array_equal(given_lengths, before)


MANY = 2**31 + 24


def test_rows_beyond_int32_are_counted_in_int64_or_refused():
    # Without columns they take no memory.
    X, lengths = np.empty((MANY, 0), "f"), np.array([10, MANY - 10])
    _, starts_ends = ops.reduce_first(X, lengths)
    np.testing.assert_array_equal(starts_ends, [0, 10, MANY])
    assert ops.backprop_reduce_first(np.empty((2, 0), "f"), starts_ends).shape == X.shape
    with pytest.raises(ValueError, match=f"reduce_max: a sequence may have at most {2**31 - 1} rows, got {MANY}"):
        ops.reduce_max(X, np.array([MANY]))
