"""Kernels that only move what is in arrays."""

from __future__ import annotations

import numpy as np
import pytest

from thinc_nb.kernels import arrays

both = pytest.mark.parametrize("dtype", ["float32", "float64"])


@both
@pytest.mark.parametrize("rows", [1, 7, 8, 15, 16, 17, 31, 128, 129, 140, 260])
@pytest.mark.parametrize("columns", [0, 1, 5, 15, 16, 17, 40, 130])
def test_transpose(rng, rows, columns, dtype):
    x, out = rng.standard_normal((columns, rows)).astype(dtype), np.zeros((rows, columns), dtype)
    arrays.transpose(out, x)
    np.testing.assert_array_equal(out, x.T)


@both
def test_transpose_writes_nothing_beside_its_result(rng, dtype):
    x, whole = rng.standard_normal((37, 150)).astype(dtype), np.full((152, 37), 7, dtype)
    arrays.transpose(whole[1:-1], x)
    np.testing.assert_array_equal(whole[1:-1], x.T)
    assert (whole[[0, -1]] == 7).all()


@both
def test_transpose_keeps_all_bits(rng, dtype):
    size = np.dtype(dtype).itemsize
    bits = rng.integers(0, 256, (200, 33 * size), "u1").view(dtype)
    bits[3, :9] = np.nan
    out = np.empty((33, 200), dtype)
    arrays.transpose(out, bits)
    assert out.tobytes() == bits.view(f"u{size}").T.tobytes()
