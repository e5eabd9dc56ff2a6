"""Sines and cosines against NumPy's float64, over all angles that positions may have."""

from __future__ import annotations

import numpy as np
import pytest

from thinc_nb.kernels import positions


def sines_and_cosines(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    out = np.empty(2 * len(angles), angles.dtype)
    positions.sines_and_cosines(angles, out)
    return out[::2], out[1::2]


def test_float32_is_float64_rounded():
    angles = np.arange(0, 0x4F000000, 10_007, dtype="uint32").view("f")
    assert angles[-1] > 2.1e9
    for got, exact in zip(sines_and_cosines(angles), (np.sin, np.cos), strict=True):
        np.testing.assert_array_equal(got, exact(angles.astype("d")).astype("f"))


@pytest.mark.parametrize("largest", [10, 1e4, 2**31])
def test_float64_is_right_to_an_ulp(largest):
    near = np.arange(1, 1000) * (np.pi / 2)
    angles = np.concatenate([np.linspace(0, largest, 100_001), near, np.nextafter(near, 0), np.geomspace(1e-300, 1)])
    for got, exact in zip(sines_and_cosines(angles), (np.sin(angles), np.cos(angles)), strict=True):
        # NumPy's own error, and where sines are nearly 0 that of pi, which is known to 97 bits.
        assert (np.abs(got - exact) <= 1.5 * np.spacing(np.abs(exact)) + 1e-19).all()


@pytest.mark.parametrize("dtype", ["f", "d"])
def test_zero_and_what_is_no_angle(dtype):
    sines, cosines = sines_and_cosines(np.array([0, np.nan, np.inf], dtype))
    np.testing.assert_array_equal(sines, np.array([0, np.nan, np.nan], dtype))
    np.testing.assert_array_equal(cosines, np.array([1, np.nan, np.nan], dtype))
