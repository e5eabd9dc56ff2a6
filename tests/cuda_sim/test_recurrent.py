"""The LSTM's steps in Numba's CUDA simulator against the same bodies on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from numba import cuda

from thinc_nb.kernels import recurrent


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
