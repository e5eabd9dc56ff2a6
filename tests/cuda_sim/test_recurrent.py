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


@pytest.mark.parametrize("dirs", [1, 2])
@pytest.mark.kernels("recurrent.lstm", "recurrent.lstm_few", "recurrent.backprop_lstm")
def test_walks(rng, dirs):
    width, inputs, places = 3, 2, (np.array([3, 2]), np.array([0, 3]), np.arange(3))

    def reals(*shape):
        return rng.standard_normal(shape).astype("f")

    def room(*shape):
        return np.zeros(shape, "f")

    def on_both(kernel, args, cuda_args=None):
        on_cpu = [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args]
        kernel(*on_cpu)
        on_cuda = [cuda.to_device(arg.copy()) if isinstance(arg, np.ndarray) else arg for arg in cuda_args or args]
        kernel(*on_cuda)
        assert not np.array_equal(on_cpu[1], args[1])
        return on_cpu, [arg.copy_to_host() if hasattr(arg, "copy_to_host") else arg for arg in on_cuda]

    def agree(on_cpu, on_cuda, which):
        for i in which:
            np.testing.assert_allclose(on_cuda[i], on_cpu[i], rtol=2e-6, atol=2e-6)

    x, stacked, bias = reals(5, inputs), reals(dirs * (inputs + width), 4 * width), reals(dirs, 4 * width)
    states = reals(dirs, width), reals(dirs, width)
    # Room for a block of either device: 8 sequences, and 1.
    items = dirs * 8
    kept = room(5, dirs * width), room(dirs * 5, width), room(dirs * 5, 4 * width)
    args = [room(items, inputs + width), *kept, room(items, width), room(items, 4 * width), x, stacked, bias, *states]
    agree(*on_both(recurrent.lstm, [*args, *places, 1]), (1, 2, 3))

    weights = [reals(4 * width, n) for n in (inputs, width, inputs, width)]
    backward = [room(items, 4 * width), room(dirs * 5, 4 * width), room(items, 4 * width), room(dirs * 5, width)]
    backward += [room(items, width), room(items, width), reals(5, dirs * width), reals(5, dirs * width)]
    backward += [reals(dirs * 5, 4 * width), reals(dirs * 5, width), *states, weights[1], weights[3], *places]
    on_cpu, on_cuda = on_both(recurrent.backprop_lstm, backward)
    agree(on_cpu, on_cuda, (1, 3))
    # A block's sums: there are as many blocks as items on CUDA.
    sums = on_cuda[2].reshape(dirs, 8, -1).sum(axis=1)
    np.testing.assert_allclose(sums, on_cpu[2][:dirs], rtol=2e-6, atol=2e-6)

    # One sequence, and room for as many as a block has.
    def few(block):
        one, items = (np.array([1, 1, 1, 1, 1]), np.arange(5), np.array([0])), dirs * block
        results = [room(dirs * 5, 4 * width), room(dirs * 5, width), room(5, dirs * width)]
        return [room(items, width), *results, room(items, width), room(items, 4 * width), *given, *one, 1]

    given = x, *weights, bias, *states
    agree(*on_both(recurrent.lstm_few, few(8), few(1)), (1, 2, 3))


def test_products(rng):
    a, b = rng.standard_normal((3, 5)).astype("f"), rng.standard_normal((5, 6)).astype("f")
    cases = ((products.product, a, b), (products.product_transposed, a, b.T), (products.product_columns, a.T, b))
    for kernel, left, right in cases:
        out = cuda.to_device(np.zeros((3, 6), "f"))
        kernel(out, cuda.to_device(np.ascontiguousarray(left)), cuda.to_device(np.ascontiguousarray(right)))
        np.testing.assert_allclose(out.copy_to_host(), a @ b, rtol=2e-6, atol=2e-6)
