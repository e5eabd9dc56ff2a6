"""Products of windows, two rows at a time, in Numba's CUDA simulator against float64 numpy."""

from __future__ import annotations

import numpy as np
import pytest

from thinc_nb.kernels import pairs

from .device import agree, on_device

both = pytest.mark.parametrize("dtype", ["float32", "float64"])
OUTS, WIDTH, STRIP = 5, 3, 4


def windows(x: np.ndarray) -> np.ndarray:
    """The row before, the row, and the row after."""
    around = np.pad(x.astype("d"), ((1, 1), (0, 0)))
    return np.hstack([around[:-2], around[1:-1], around[2:]])


@both
@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.kernels("pairs.window_pairs", "pairs.pair_strips", "pairs.product_pairs", "pairs.product_pairs_by_strip")
def test_product(rng, dtype, rows):
    x, w = rng.standard_normal((rows, WIDTH)).astype(dtype), rng.standard_normal((OUTS, 3 * WIDTH)).astype(dtype)
    count = (rows + 1) // 2
    t = on_device(pairs.window_pairs, np.ones((count, 4 * WIDTH), dtype), x)[0]
    room, z = np.ones((2, 4 * WIDTH, STRIP), dtype), np.ones((count, 2 * OUTS), dtype)
    strips = on_device(pairs.pair_strips, room, w)[0]
    found = on_device(pairs.product_pairs, z, t, strips)[0]
    agree(found.reshape(-1, OUTS)[:rows], windows(x) @ w.T.astype("d"))
    np.testing.assert_array_equal(on_device(pairs.product_pairs_by_strip, room, z, t, w)[1], found)


@both
@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.kernels(
    "pairs.pair_weights",
    "pairs.backprop_product_pairs",
    "pairs.backprop_window_pairs",
    "pairs.product_pair_columns",
    "pairs.backprop_pair_weights",
)
def test_gradients(rng, dtype, rows):
    x, w = rng.standard_normal((rows, WIDTH)).astype(dtype), rng.standard_normal((OUTS, 3 * WIDTH)).astype(dtype)
    dz, dy = rng.standard_normal((rows, OUTS)).astype(dtype), rng.standard_normal((rows, WIDTH)).astype(dtype)
    count = (rows + 1) // 2
    even, odd = np.pad(dz, ((0, 2 * count - rows), (0, 0))).reshape(count, 2, OUTS).transpose(1, 0, 2)
    dm = np.hstack([even, even + odd, even - odd, odd])
    t = on_device(pairs.window_pairs, np.ones((count, 4 * WIDTH), dtype), x)[0]

    d_right = on_device(pairs.product_pair_columns, np.ones((OUTS, 4 * WIDTH), dtype), dm, t)[0]
    dw = on_device(pairs.backprop_pair_weights, np.ones((OUTS, 3 * WIDTH), dtype), d_right)[0]
    agree(dw, dz.T.astype("d") @ windows(x))

    h = on_device(pairs.pair_weights, np.ones((OUTS, 2 * WIDTH), dtype), w)[0]
    dt = on_device(pairs.backprop_product_pairs, np.ones((count, 4 * WIDTH), dtype), dm, w, h)[0]
    d_windows = dz.astype("d") @ w
    around = np.zeros((rows + 2, WIDTH))
    for k in range(3):
        around[k : k + rows] += d_windows[:, k * WIDTH : (k + 1) * WIDTH]
    for residual in (0, 1):
        dx = on_device(pairs.backprop_window_pairs, np.ones_like(x), dy, dt, residual)[0]
        agree(dx, around[1:-1] + residual * dy)
