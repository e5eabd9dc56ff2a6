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
    outside = np.zeros(2, "i")
    reduce.backprop_reduce_max(maxes, dX.reshape(-1), which, offsets, outside)
    assert not outside.any()
    for start, end, best in ((1, 3, maxes[0]), (3, 6, maxes[1])):
        np.testing.assert_array_equal(best, X[start:end].max(axis=0))
        np.testing.assert_array_equal(dX[start:end], np.where(X[start:end] == best, best, 0))
    assert (dX[[0, 6]] == 9).all()


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_a_sum_does_not_depend_on_the_sequences_beside_it(rng, rows):
    X = rng.standard_normal((rows, 33)).astype("f")
    alone, among = np.zeros((1, 33), "f"), np.zeros((3, 33), "f")
    reduce.reduce_sum(alone, X, np.array([0, rows]), 0)
    reduce.reduce_sum(among, np.concatenate([X, X, X]), np.arange(4) * rows, 0)
    for row in among:
        np.testing.assert_array_equal(row, alone[0])


def test_softmax_is_accurate_to_a_few_roundings(rng):
    X = rng.standard_normal((50, 9)).astype("f") * 8
    offsets = np.array([0, 1, 20, 50])
    Y, totals = np.zeros_like(X), np.zeros((3, 9), "f")
    reduce.exp_clipped(Y.reshape(-1), X.reshape(-1))
    np.testing.assert_allclose(Y, np.exp(np.clip(X.astype("d"), -20, 20)), rtol=3e-7)
    reduce.normalise_sequences(totals, Y, offsets)
    for start, end in itertools.pairwise(offsets):
        exact = np.exp(np.clip(X[start:end].astype("d"), -20, 20))
        np.testing.assert_allclose(Y[start:end], exact / exact.sum(axis=0), rtol=1e-6)
