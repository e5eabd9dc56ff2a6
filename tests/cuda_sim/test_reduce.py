"""Reductions in Numba's CUDA simulator against the same bodies on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from numba import cuda

from thinc_nb.kernels import reduce

TOLERANCE = {"float32": 2e-6, "float64": 1e-13}
OFFSETS = np.array([0, 2, 2, 5], "q")
both = pytest.mark.parametrize("dtype", ["float32", "float64"])


def agree(kernel, *args):
    """All arrays, as the CPU and as the simulator leave them."""
    on_cpu = [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args]
    kernel(*on_cpu)
    on_cuda = [cuda.to_device(arg.copy()) if isinstance(arg, np.ndarray) else arg for arg in args]
    kernel(*on_cuda)
    for cpu, gpu in zip(on_cpu, on_cuda, strict=True):
        if isinstance(cpu, np.ndarray):
            limit = TOLERANCE.get(str(cpu.dtype), 0)
            np.testing.assert_allclose(gpu.copy_to_host(), cpu, rtol=limit, atol=limit)
    return on_cpu


@both
@pytest.mark.parametrize("mean", [0, 1])
@pytest.mark.kernels("reduce.reduce_sum", "reduce.backprop_reduce_sum")
def test_sums(rng, dtype, mean):
    X = rng.standard_normal((5, 6)).astype(dtype)
    sums = agree(reduce.reduce_sum, np.ones((3, 6), dtype), X, OFFSETS, mean)[0]
    np.testing.assert_allclose(sums[2], X[2:].sum(axis=0) / (3 if mean else 1), rtol=1e-5)
    agree(reduce.backprop_reduce_sum, sums, np.zeros_like(X), OFFSETS, mean)
    # Eight rows at once of wide ones, four at once, and those that are left.
    wide, offsets = rng.standard_normal((14, 256)).astype(dtype), np.array([0, 14], "q")
    agree(reduce.reduce_sum, np.ones((1, 256), dtype), wide, offsets, mean)
    agree(reduce.backprop_reduce_sum, wide[:1], np.zeros_like(wide), offsets, mean)


@both
@pytest.mark.kernels("reduce.reduce_max", "reduce.backprop_reduce_max")
def test_maxima(rng, dtype):
    X = rng.standard_normal((9, 6)).astype(dtype).round()
    X[1, 3] = X[0, 4] = X[5, 5] = np.nan
    offsets = np.array([0, 2, 9], "q")
    maxes, which, *_ = agree(reduce.reduce_max, np.ones((2, 6), dtype), np.ones((2, 6), "i"), X, offsets)
    agree(reduce.backprop_reduce_max, maxes, np.ones(54, dtype), which, offsets, np.zeros(1, "i"))
    which[1, 2], which[1, 3] = 7, -1
    outside = agree(reduce.backprop_reduce_max, maxes, np.ones(54, dtype), which, offsets, np.zeros(1, "i"))[-1]
    assert outside.tolist() == [1]


@both
@pytest.mark.kernels("reduce.spread_rows")
def test_rows_at_places(rng, dtype):
    places = np.array([1, 2, 5], "q")
    values = rng.standard_normal((3, 6)).astype(dtype)
    _, spread, _, outside, *_ = agree(reduce.spread_rows, values, np.ones(42, dtype), places, np.zeros(1, "i"), 7)
    spread = spread.reshape(7, 6)
    np.testing.assert_array_equal(spread[places], values)
    assert not spread[[0, 3, 4, 6]].any()
    assert outside.tolist() == [0]
    for wrong in ([1, 2, 7], [-1, 2, 5], [1, 1, 5], [2, 1, 5]):
        places = np.array(wrong, "q")
        _, _, _, outside, *_ = agree(reduce.spread_rows, values, np.ones(42, dtype), places, np.zeros(1, "i"), 7)
        assert outside.tolist() == [1]


@both
@pytest.mark.parametrize("width", [6, 1])
@pytest.mark.kernels("reduce.exp_clipped", "reduce.normalise_sequences", "reduce.backprop_softmax_sequences")
def test_softmax_over_sequences(rng, width, dtype):
    X = rng.standard_normal(5 * width).astype(dtype) * 15
    powers = agree(reduce.exp_clipped, np.zeros_like(X), X)[0]
    totals = np.zeros((3, width), dtype)
    _, Y, _ = agree(reduce.normalise_sequences, totals, powers, OFFSETS)
    np.testing.assert_allclose(Y.reshape(5, width)[2:].sum(axis=0), np.ones(width), rtol=1e-6)
    dY = rng.standard_normal(5 * width).astype(dtype)
    agree(reduce.backprop_softmax_sequences, totals, np.zeros_like(X), dY, Y, OFFSETS)
