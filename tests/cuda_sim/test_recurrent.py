"""The LSTM and matrix products in Numba's CUDA simulator against the same bodies on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from numba import cuda

from thinc_nb.kernels import products, recurrent


# Widths that are, and are not, multiples of the lanes: only the second makes lanes read what others wrote.
@pytest.mark.parametrize("width", [4, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.kernels("recurrent.lstm_step", "recurrent.backprop_lstm_step")
def test_steps(rng, width, dtype):
    def reals(rows, columns):
        return rng.standard_normal((rows, columns)).astype(dtype)

    limit = 2e-6 if dtype == "float32" else 1e-13
    forward = [
        np.zeros((3, width), dtype),
        np.zeros((3, width), dtype),
        reals(3, 4 * width),
        np.zeros((5, width), dtype),
    ]
    forward[3:3] = [reals(1, 4 * width)[0]]
    forward += [reals(5, width), reals(5, 4 * width)]
    backward = [np.zeros((3, 4 * width), dtype), reals(3, width), reals(5, width), reals(5, width)]
    backward += [reals(3, 4 * width), reals(3, width), reals(3, width)]
    for kernel, arrays in ((recurrent.lstm_step, forward), (recurrent.backprop_lstm_step, backward)):
        on_cpu = [array.copy() for array in arrays]
        kernel(*on_cpu)
        on_cuda = [cuda.to_device(array.copy()) for array in arrays]
        kernel(*on_cuda)
        assert not np.array_equal(on_cpu[0], arrays[0])
        for cpu, gpu in zip(on_cpu, on_cuda, strict=True):
            np.testing.assert_allclose(gpu.copy_to_host(), cpu, rtol=limit, atol=limit)


@pytest.mark.parametrize("backwards", [0, 1])
def test_walks(rng, backwards):
    width, starts = 3, np.array([0, 3, 5])

    def reals(*shape):
        return rng.standard_normal(shape).astype("f")

    gates, weights = reals(5, 4 * width), reals(4 * width, width)
    forward = [reals(3, width), reals(3, width), np.zeros((3, 4 * width), "f"), *np.zeros((2, 5, width), "f")]
    forward += [gates, reals(4 * width), weights, starts, backwards]
    backward = [*np.zeros((2, 3, width), "f"), np.zeros((5, 4 * width), "f"), reals(5, 2 * width), reals(5, 4 * width)]
    backward += [reals(5, width), reals(width), weights, starts, width, backwards]
    for kernel, args in ((recurrent.lstm, forward), (recurrent.backprop_lstm, backward)):
        on_cpu = [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args]
        kernel(*on_cpu)
        on_cuda = [cuda.to_device(arg.copy()) if isinstance(arg, np.ndarray) else arg for arg in args]
        kernel(*on_cuda)
        for cpu, gpu in zip(on_cpu, on_cuda, strict=True):
            if isinstance(cpu, np.ndarray):
                np.testing.assert_allclose(gpu.copy_to_host(), cpu, rtol=2e-6, atol=2e-6)


def test_products(rng):
    a, b = rng.standard_normal((3, 5)).astype("f"), rng.standard_normal((5, 6)).astype("f")
    cases = ((products.product, a, b), (products.product_transposed, a, b.T), (products.product_columns, a.T, b))
    for kernel, left, right in cases:
        out = cuda.to_device(np.zeros((3, 6), "f"))
        kernel(out, cuda.to_device(np.ascontiguousarray(left)), cuda.to_device(np.ascontiguousarray(right)))
        np.testing.assert_allclose(out.copy_to_host(), a @ b, rtol=2e-6, atol=2e-6)
