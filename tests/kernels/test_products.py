"""Matrix products in tiles against float64, and that no element depends on where in a tile it lies."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from thinc_nb.kernels import products

both = pytest.mark.parametrize("dtype", ["float32", "float64"])
# One row, some of a tile, whole tiles and some more; sums within a vector, and longer than a part of a sum.
SHAPES = [
    (1, 1, 1),
    (1, 16, 8),
    (2, 3, 5),
    (3, 0, 4),
    (4, 17, 4),
    (7, 33, 19),
    (9, 128, 50),
    (70, 300, 37),
    (13, 520, 67),
]


def sides(kernel, a, b):
    """a (n, k) and b (k, m) as a kernel takes them."""
    if kernel is products.product_transposed:
        return a, np.ascontiguousarray(b.T)
    return (np.ascontiguousarray(a.T) if kernel is products.product_columns else a), b


every = pytest.mark.parametrize(
    "kernel", [products.product, products.product_transposed, products.product_columns], ids=lambda k: k.name
)


@both
@every
@pytest.mark.parametrize("shape", SHAPES)
def test_products_are_those_of_numpy(rng, kernel, shape, dtype):
    n, k, m = shape
    a, b = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((k, m)).astype(dtype)
    out = np.full((n, m), np.nan, dtype)
    kernel(out, *sides(kernel, a, b))
    bound = np.finfo(dtype).eps * (k + 1) * (np.abs(a).astype("d") @ np.abs(b))
    assert (np.abs(out - a.astype("d") @ b) <= bound).all()


@both
@every
def test_nothing_outside_of_the_result_is_written(rng, kernel, dtype):
    a, b = rng.standard_normal((5, 19)).astype(dtype), rng.standard_normal((19, 21)).astype(dtype)
    around = np.full((7, 21), 9, dtype)
    kernel(around[1:6], *sides(kernel, a, b))
    assert (around[0] == 9).all()
    assert (around[6] == 9).all()


@both
@every
def test_an_element_has_the_same_bits_in_every_tile(rng, kernel, dtype):
    a, b = rng.standard_normal((23, 300)).astype(dtype), rng.standard_normal((300, 45)).astype(dtype)
    whole = np.empty((23, 45), dtype)
    kernel(whole, *sides(kernel, a, b))
    for rows, columns in ((slice(0, 1), slice(0, 45)), (slice(5, 7), slice(3, 4)), (slice(2, 17), slice(16, 39))):
        part = np.empty((rows.stop - rows.start, columns.stop - columns.start), dtype)
        kernel(part, *sides(kernel, a[rows], np.ascontiguousarray(b[:, columns])))
        np.testing.assert_array_equal(part, whole[rows, columns])


@every
def test_nan_and_inf_stay_in_their_rows_and_columns(kernel):
    a, b = np.ones((6, 40), "f"), np.ones((40, 20), "f")
    a[2, 39], b[0, 7] = np.nan, np.inf
    out = np.empty((6, 20), "f")
    kernel(out, *sides(kernel, a, b))
    assert np.isnan(out[2]).all()
    others = np.delete(out, 2, axis=0)
    assert (others[:, 7] == np.inf).all()
    assert (np.delete(others, 7, axis=1) == 40).all()


def test_tiles_are_made_for_the_processor_that_numba_compiles_for():
    # Vectors wider than it has would do, slowly; fused additions that it lacks would be calls of the C library.
    code = (
        "import numpy; from thinc_nb.kernels import _tiles, products; rng = numpy.random.default_rng(0);"
        "a, b = rng.standard_normal((2, 37, 37)).astype('f'); out = numpy.empty_like(a); products.product(out, a, b);"
        "(loop,) = products.product._single.overloads.values();"
        "print(_tiles.VECTOR_BYTES, 'fmaf' not in loop.library.get_asm_str());"
        "numpy.testing.assert_allclose(out, a.astype('d') @ b, rtol=1e-4, atol=1e-5)"
    )
    env = {**os.environ, "THINC_NB_CACHE_DIR": "", "NUMBA_CPU_NAME": "generic"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["16", "True"], "")
