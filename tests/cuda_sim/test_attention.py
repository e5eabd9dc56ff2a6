"""Attention with its sum in Numba's CUDA simulator against the same bodies on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from numba import cuda

from thinc_nb.kernels import attention


@pytest.mark.parametrize("mean", [0, 1])
@pytest.mark.kernels("attention.attend_sum", "attention.backprop_attend_sum")
def test_attention(rng, mean):
    offsets, width = np.array([0, 3, 3, 5]), 6

    def reals(*shape):
        return rng.standard_normal(shape).astype("f")

    x, query, dy = reals(5, width), reals(width), reals(3, width)
    forward = [np.ones((3, width), "f"), np.zeros(5, "f"), x, query, offsets, mean]
    attention.attend_sum(*forward)
    shares = forward[1]
    np.testing.assert_allclose(np.add.reduceat(shares, [0, 3]), 1, rtol=1e-6)
    backward = [dy, np.zeros((5, width), "f"), np.ones((1, width), "f"), np.zeros(5, "f"), shares, x, query]
    backward += [offsets, mean]
    for kernel, args in ((attention.attend_sum, forward), (attention.backprop_attend_sum, backward)):
        on_cpu = [arg.copy() if isinstance(arg, np.ndarray) else arg for arg in args]
        kernel(*on_cpu)
        on_cuda = [cuda.to_device(arg) if isinstance(arg, np.ndarray) else arg for arg in args]
        kernel(*on_cuda)
        for cpu, gpu in zip(on_cpu, on_cuda, strict=True):
            if isinstance(cpu, np.ndarray):
                np.testing.assert_allclose(gpu.copy_to_host(), cpu, rtol=2e-6, atol=2e-6)
