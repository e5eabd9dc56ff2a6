"""Reductions where the Ops never take them: offsets that leave rows out, and sums beside other sums."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from thinc_nb.kernels import reduce


@pytest.fixture
def X(rng):
    return rng.standard_normal((7, 5)).astype("f")


OFFSETS = np.array([1, 3, 3, 6])


def test_rows_outside_the_offsets_are_not_read_or_written(X):
    sums = np.full((3, 5), np.nan, "f")
    X[[0, 6]] = np.nan
    reduce.reduce_sum(sums, X, OFFSETS, 0)
    np.testing.assert_allclose(sums, [X[1:3].sum(axis=0), np.zeros(5), X[3:6].sum(axis=0)], rtol=1e-5, atol=1e-6)
    reduce.reduce_sum(sums, X, OFFSETS, 1)
    np.testing.assert_allclose(sums[2], X[3:6].mean(axis=0), rtol=1e-5, atol=1e-6)
    dX = np.full((7, 5), 9, "f")
    reduce.backprop_reduce_sum(sums, dX, OFFSETS, 0)
    np.testing.assert_array_equal(dX, [np.full(5, 9), *sums[[0, 0, 2, 2, 2]], np.full(5, 9)])


def test_the_gradient_of_a_maximum_goes_to_its_row_alone(X):
    offsets = np.array([1, 3, 6])
    maxes, which = np.zeros((2, 5), "f"), np.zeros((2, 5), "i")
    reduce.reduce_max(maxes, which, X, offsets)
    dX = np.full((7, 5), 9, "f")
    outside = np.zeros(1, "i")
    reduce.backprop_reduce_max(maxes, dX.reshape(-1), which, offsets, outside)
    assert not outside.any()
    for start, end, best in ((1, 3, maxes[0]), (3, 6, maxes[1])):
        np.testing.assert_array_equal(best, X[start:end].max(axis=0))
        np.testing.assert_array_equal(dX[start:end], np.where(X[start:end] == best, best, 0))
    assert (dX[[0, 6]] == 9).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4, 7, 8, 41])
def test_sums_of_rows_are_those_of_float64_and_end_with_the_row(rng, rows, dtype):
    for width in (*range(40), 64, 95, 96, 97, 127, 128, 129, 191, 255, 256, 300):
        room, out = np.full((rows + 2) * width + 64, np.nan, dtype), np.full(3 * width + 64, 7, dtype)
        X = room[: rows * width].reshape(rows, width)
        X[:] = rng.standard_normal(X.shape)
        reduce.reduce_sum(out[:width].reshape(1, width), X, np.array([0, rows]), 0)
        expected, eps = X.astype("d").sum(axis=0), np.finfo(dtype).eps
        bound = (2 + rows / 4) * eps * np.abs(X).sum(axis=0)
        assert (np.abs(out[:width] - expected) <= bound).all(), width
        assert (out[width:] == 7).all(), width


def test_rows_are_spread_to_places_that_rise_and_never_beyond_them(rng):
    values, rows = rng.standard_normal((3, 4)).astype("f"), 9
    for places in ([0, 1, 2], [1, 4, 7], [2, 5, 8], [0, 0, 1], [3, 2, 4], [-1, 0, 1], [4, -2, 5], [0, 1, 9], [0, 9, 3]):
        for far in (0, 2**62, -(2**62)):
            room = np.full((rows + 2, 4), 7, "f")
            at, outside = np.array(places, "q"), np.zeros(1, "i")
            at[1] += far
            reduce.spread_rows(values, room[1:-1].reshape(-1), at, outside, rows)
            assert (room[[0, -1]] == 7).all()
            fits = at[0] >= 0 and at[-1] < rows and (at[1:] > at[:-1]).all()
            assert bool(outside[0]) is not bool(fits)
            if fits:
                expected = np.zeros((rows, 4), "f")
                expected[at] = values
                np.testing.assert_array_equal(room[1:-1], expected)


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_a_sum_does_not_depend_on_the_sequences_beside_it(rng, rows):
    X = rng.standard_normal((rows, 33)).astype("f")
    alone, among = np.zeros((1, 33), "f"), np.zeros((3, 33), "f")
    reduce.reduce_sum(alone, X, np.array([0, rows]), 0)
    reduce.reduce_sum(among, np.concatenate([X, X, X]), np.arange(4) * rows, 0)
    for row in among:
        np.testing.assert_array_equal(row, alone[0])


@pytest.mark.parametrize("width", [9, 1])
def test_softmax_is_accurate_to_a_few_roundings(rng, width):
    X = rng.standard_normal((50, width)).astype("f") * 8
    offsets = np.array([0, 1, 20, 20, 50])
    Y, totals = np.zeros_like(X), np.zeros((4, width), "f")
    reduce.exp_clipped(Y.reshape(-1), X.reshape(-1))
    np.testing.assert_allclose(Y, np.exp(np.clip(X.astype("d"), -20, 20)), rtol=3e-7)
    reduce.normalise_sequences(totals, Y.reshape(-1), offsets)
    for start, end in itertools.pairwise(offsets):
        exact = np.exp(np.clip(X[start:end].astype("d"), -20, 20))
        np.testing.assert_allclose(Y[start:end], exact / exact.sum(axis=0), rtol=1e-6)
