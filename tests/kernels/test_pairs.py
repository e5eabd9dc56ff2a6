"""Products of windows, two rows at a time, against float64."""

from __future__ import annotations

import numpy as np
import pytest

from thinc_nb.fusion._windows import strip_outs
from thinc_nb.kernels import pairs

both = pytest.mark.parametrize("dtype", ["float32", "float64"])
# Of rows, width and outs: parts of pairs, tiles and strips, and whole ones with some more.
SHAPES = [(1, 1, 1), (2, 3, 5), (3, 16, 32), (7, 6, 18), (34, 19, 70), (65, 33, 96), (8, 2, 0), (131, 96, 288)]


def windows(x):
    around = np.pad(x.astype("d"), ((1, 1), (0, 0)))
    return np.hstack([around[:-2], around[1:-1], around[2:]])


def random(rng, dtype, *shape):
    return rng.standard_normal(shape).astype(dtype)


def left_sides(x):
    t = np.full(((len(x) + 1) // 2, 4 * x.shape[1]), np.nan, x.dtype)
    pairs.window_pairs(t, x)
    return t


def product(x, w, by_strip=False):
    t, size, outs = left_sides(x), strip_outs(x.itemsize), len(w)
    strips = np.full((-(-outs // size), t.shape[1], size), np.nan, x.dtype)
    z = np.full((len(t), 2 * outs), np.nan, x.dtype)
    if by_strip:
        pairs.product_pairs_by_strip(strips, z, t, w)
    else:
        pairs.pair_strips(strips, w)
        pairs.product_pairs(z, t, strips)
    return z.reshape(2 * len(t), outs)[: len(x)]


def gradients_of_pairs(dz):
    count = (len(dz) + 1) // 2
    even, odd = np.pad(dz, ((0, 2 * count - len(dz)), (0, 0))).reshape(count, 2, -1).transpose(1, 0, 2)
    return np.hstack([even, even + odd, even - odd, odd])


@both
@pytest.mark.parametrize("shape", SHAPES)
def test_the_product_is_that_of_the_windows(rng, dtype, shape):
    rows, width, outs = shape
    x, w = random(rng, dtype, rows, width), random(rng, dtype, outs, 3 * width)
    found, truth = product(x, w), windows(x) @ w.T.astype("d")
    largest = np.abs(windows(x)) @ np.abs(w.T.astype("d"))
    assert (np.abs(found - truth) <= 8 * np.finfo(dtype).eps * (3 * width + 1) * largest.max(initial=0)).all()
    np.testing.assert_array_equal(product(x, w, by_strip=True), found)


def test_errors_are_no_larger_than_those_of_the_plain_sum(rng):
    x, w = random(rng, "f", 500, 96), random(rng, "f", 288, 288)
    truth = windows(x) @ w.T.astype("d")
    plain = windows(x).astype("f") @ w.T
    assert (product(x, w) - truth).std() < 3 * (plain - truth).std()


@both
@pytest.mark.parametrize("shape", SHAPES[:-2])
@pytest.mark.parametrize("residual", [0, 1])
def test_the_gradients_are_those_of_the_windows(rng, dtype, shape, residual):
    rows, width, outs = shape
    x, w = random(rng, dtype, rows, width), random(rng, dtype, outs, 3 * width)
    dz, dy = random(rng, dtype, rows, outs), random(rng, dtype, rows, width)
    t, dm = left_sides(x), gradients_of_pairs(dz)
    limit = {"float32": 2e-5, "float64": 1e-13}[dtype]

    d_right, dw = np.full((outs, 4 * width), np.nan, dtype), np.full_like(w, np.nan)
    pairs.product_pair_columns(d_right, dm, t)
    pairs.backprop_pair_weights(dw, d_right)
    truth = dz.T.astype("d") @ windows(x)
    np.testing.assert_allclose(dw, truth, rtol=limit, atol=limit * np.abs(truth).max())

    h, dt, dx = np.empty((outs, 2 * width), dtype), np.full_like(t, np.nan), np.full_like(x, np.nan)
    pairs.pair_weights(h, w)
    pairs.backprop_product_pairs(dt, dm, w, h)
    pairs.backprop_window_pairs(dx, dy, dt, residual)
    d_windows, around = dz.astype("d") @ w, np.zeros((rows + 2, width))
    for k in range(3):
        around[k : k + rows] += d_windows[:, k * width : (k + 1) * width]
    truth = around[1:-1] + residual * dy
    np.testing.assert_allclose(dx, truth, rtol=limit, atol=limit * np.abs(truth).max())


def test_a_row_has_the_same_bits_wherever_its_pair_lies(rng):
    x, w = random(rng, "f", 70, 20), random(rng, "f", 37, 60)
    whole = product(x, w)
    for start, stop in ((0, 3), (2, 9), (6, 70), (30, 53)):
        np.testing.assert_array_equal(product(x[start:stop], w)[1:-1], whole[start + 1 : stop - 1])


def test_nan_and_inf_stay_in_the_windows_that_hold_them(rng):
    x, w = random(rng, "f", 12, 5), random(rng, "f", 9, 15)
    for wrong in (np.nan, np.inf):
        for row in (4, 7):
            bad = x.copy()
            bad[row, 2] = wrong
            finite = np.isfinite(product(bad, w)).all(axis=1)
            np.testing.assert_array_equal(np.flatnonzero(~finite), [row - 1, row, row + 1])
