"""Activation kernels in Numba's CUDA simulator against the same bodies on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from numba import cuda

from thinc_nb.kernels import KERNELS, activations

SCALARS = {
    "clipped_linear": (0.5, 0.25, -1.0, 2.0),
    "backprop_clipped_linear": (0.5, -2.5, 3.5),
    "hard_swish": (3.0,),
    "backprop_hard_swish": (3.0,),
    "mish": (20.0,),
    "backprop_mish": (20.0,),
}
NAMES = sorted(name.partition(".")[2] for name in KERNELS if name.startswith("activations."))
TOLERANCE = {"float32": 2e-6, "float64": 1e-13}
every = pytest.mark.parametrize("name", NAMES)


def run_both(name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kernel = getattr(activations, name)
    inputs = [np.ascontiguousarray(x if place % 2 else x[::-1]) for place in range(len(kernel.annotations) - 1)]
    scalars = SCALARS.get(name, ())
    inputs = inputs[: len(inputs) - len(scalars)]
    on_cpu, on_cuda = np.zeros_like(x), cuda.to_device(np.zeros_like(x))
    kernel(on_cpu, *inputs, *scalars)
    kernel(on_cuda, *[cuda.to_device(array) for array in inputs], *scalars)
    return on_cpu, on_cuda.copy_to_host()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.kernels(f"activations.{name}")) for name in NAMES]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cuda_gives_what_the_cpu_gives(name, dtype):
    low, high = (0.01, 0.99) if name == "logloss" else (-6, 6)
    cpu, gpu = run_both(name, np.linspace(low, high, 37).astype(dtype))
    assert gpu.dtype == dtype
    np.testing.assert_allclose(gpu, cpu, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@every
def test_nan_and_inf_give_what_they_give_on_the_cpu(name):
    cpu, gpu = run_both(name, np.array([np.nan, np.inf, -np.inf, 1, -1, 0], "f4"))
    np.testing.assert_allclose(gpu, cpu, rtol=2e-6, atol=2e-6)


@every
def test_nothing_to_do(name):
    cpu, gpu = run_both(name, np.zeros(0, "f4"))
    assert cpu.shape == gpu.shape == (0,)
