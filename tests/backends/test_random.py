"""Dropout: the right share, repeatable, independent, and the same for mask, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest

from thinc_nb.backends import NumpyOps

ops = NumpyOps()


@pytest.mark.parametrize("drop", [0.05, 0.1, 0.5, 0.9])
def test_the_share_that_is_dropped_is_what_was_asked_for(drop):
    np.random.seed(0)
    mask = ops.get_dropout_mask((1000, 1000), drop)
    assert mask.dtype == "float32"
    assert set(np.unique(mask)) == {np.float32(0), np.float32(1 / (1 - drop))}
    # Six standard deviations of a binomial share.
    assert abs((mask == 0).mean() - drop) < 6 * np.sqrt(drop * (1 - drop) / mask.size)
    share_by_column = (mask == 0).mean(axis=0)
    assert abs(share_by_column - drop).max() < 6 * np.sqrt(drop * (1 - drop) / 1000)


def test_nothing_to_drop_is_ones_and_everything_zeros():
    for drop in (None, 0, 0.0, -1):
        assert (ops.get_dropout_mask((2, 3), drop) == 1).all()
    assert (ops.get_dropout_mask((2, 3), 1.0) == 0).all()
    assert ops.get_dropout_mask((0, 3), 0.5).shape == (0, 3)


def test_seeding_numpy_repeats_the_draw():
    np.random.seed(3)
    first, second = ops.get_dropout_mask((50, 50), 0.5), ops.get_dropout_mask((50, 50), 0.5)
    np.random.seed(3)
    np.testing.assert_array_equal(ops.get_dropout_mask((50, 50), 0.5), first)
    assert (first != second).any()


def test_draws_are_independent_of_their_neighbours_and_of_other_keys():
    n = 1 << 18
    masks = np.array([ops.dropout(np.ones(n, dtype="f"), np.uint32(key), 0.5) > 0 for key in range(8)], dtype="d")
    masks -= masks.mean(axis=1, keepdims=True)
    limit = 6 * 0.25 / np.sqrt(n)
    for lag in (1, 2, 3, 16, 96, 288):
        assert abs((masks[:, lag:] * masks[:, :-lag]).mean(axis=1)).max() < limit, lag
    between = masks @ masks.T / n
    assert abs(between - np.diag(np.diag(between))).max() < limit


def test_all_32_bits_are_uniform():
    ones = np.ones(1 << 16, dtype="f")
    for threshold in range(1, 16):
        drop = threshold / 16
        kept = (ops.dropout(ones, np.uint32(0xDEADBEEF), drop) > 0).mean()
        assert abs(kept - (1 - drop)) < 6 * np.sqrt(drop * (1 - drop) / ones.size)


def test_forward_and_backward_draw_the_same_mask_without_storing_it(rng):
    X = rng.standard_normal((40, 30)).astype("f")
    key = ops.dropout_key()
    Y = ops.dropout(X, key, 0.3)
    dX = ops.dropout(np.ones_like(X), key, 0.3)
    np.testing.assert_array_equal(Y, X * dX)
    for dtype in ("float32", "float64"):
        same = ops.dropout(np.ones((40, 30), dtype=dtype), key, 0.3)
        assert same.dtype == dtype
        np.testing.assert_array_equal(same > 0, dX > 0)


@pytest.mark.parametrize("drop", [0.0, 1.0, -0.5, 2.0, float("nan")])
def test_a_chance_must_lie_between_0_and_1(drop):
    with pytest.raises(ValueError, match="must lie between 0 and 1"):
        ops.dropout(np.ones(3, dtype="f"), np.uint32(1), drop)
