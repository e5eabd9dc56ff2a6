"""SparseLinear's kernels, and scattering in order, in Numba's CUDA simulator against float64 numpy."""

from __future__ import annotations

import numpy as np
import pytest
from numba import cuda

from murmur import x86_32
from thinc_nb.kernels import embed, sparse

from .device import TOLERANCE

OFFSETS = np.array([0, 2, 2, 5], "q")
both = pytest.mark.parametrize("dtype", ["float32", "float64"])
wraps = pytest.mark.filterwarnings("ignore:.*overflow encountered in scalar:RuntimeWarning")


@both
@wraps
# What SparseLinear and SparseLinear_v2 pass: a table of 16 entries in all, and one of 10 for each output.
@pytest.mark.parametrize(("length", "masked", "step"), [(8, 1, 1), (10, 0, 10)])
@pytest.mark.kernels("sparse.sparse_linear", "sparse.sparse_linear_few", "sparse.backprop_sparse_linear")
def test_sparse_linear(rng, dtype, length, masked, step):
    outputs = 5
    table, bias, values = (rng.standard_normal(size).astype(dtype) for size in (length + step * outputs, outputs, 5))
    keys, dy = rng.integers(0, 2**64, 5, dtype="uint64"), rng.standard_normal((3, outputs)).astype(dtype)
    places = np.array([[x86_32(int(key), seed) % length for seed in (0, 1)] for key in keys])
    item = np.repeat(np.arange(3), np.diff(OFFSETS))
    # (features, 2, outputs): where the weights of each feature are.
    found = places[:, :, None] + step * np.arange(outputs)
    weights = table.astype("d")[found]

    y, own_places = cuda.to_device(np.ones((3, outputs), dtype)), cuda.to_device(np.zeros((2, 5), "uint32"))
    given = [cuda.to_device(array) for array in (table, bias, keys, values, OFFSETS)]
    on_table, on_bias, on_keys, on_values, on_offsets = given
    sparse.sparse_linear(y, on_table, on_bias, own_places, on_keys, on_values, on_offsets, length, masked, step)
    np.testing.assert_array_equal(own_places.copy_to_host(), places.T)
    truth = np.tile(bias.astype("d"), (3, 1))
    np.add.at(truth, item, values[:, None].astype("d") * weights.sum(axis=1))
    limit = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    np.testing.assert_allclose(y.copy_to_host(), truth, **limit)

    again, few_places, few_offsets = map(
        cuda.to_device, (np.ones_like(dy), np.zeros((2, 5), "uint32"), np.zeros((1, 4), "q"))
    )
    few = few_offsets, again, on_table, on_bias, few_places, on_keys, on_values
    sparse.sparse_linear_few(*few, cuda.to_device(np.diff(OFFSETS).astype("i")), length, masked, step)
    np.testing.assert_array_equal(again.copy_to_host(), y.copy_to_host())
    np.testing.assert_array_equal(few_places.copy_to_host(), places.T)
    np.testing.assert_array_equal(few_offsets.copy_to_host(), [OFFSETS])
    sparse.sparse_linear_few(*few, cuda.to_device(np.array([2, -1, 4], "i")), length, masked, step)
    assert few_offsets.copy_to_host()[0, 3] == -1

    d_table, d_values = (cuda.to_device(np.ones(size, dtype)) for size in (len(table), 5))
    sparse.backprop_sparse_linear(
        cuda.to_device(dy), d_table, d_values, on_table, own_places, on_values, on_offsets, step
    )
    d_truth = np.ones(len(table))
    np.add.at(d_truth, found, (dy.astype("d")[item] * values[:, None])[:, None])
    np.testing.assert_allclose(d_table.copy_to_host(), d_truth, **limit)
    np.testing.assert_allclose(d_values.copy_to_host(), (dy[item] * weights.sum(axis=1)).sum(axis=1), **limit)


@both
@pytest.mark.kernels("embed.scatter_add_sorted")
def test_scattering_in_order(rng, dtype):
    indices, values = np.array([2, 0, 2, 2, 0, 3], "i"), rng.standard_normal((3, 5)).astype(dtype)
    table = rng.standard_normal((4, 5)).astype(dtype)
    order = np.argsort(indices, kind="stable")
    starts, ends = np.array([0, 2, 5], "q"), np.array([2, 5, 6], "q")
    found = cuda.to_device(table.copy())
    given = [cuda.to_device(array) for array in (starts, ends, order, indices[order], values)]
    embed.scatter_add_sorted(*given, found, 2)
    truth = table.astype("d")
    np.add.at(truth, indices, np.repeat(values.astype("d"), 2, axis=0))
    np.testing.assert_allclose(found.copy_to_host(), truth, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
