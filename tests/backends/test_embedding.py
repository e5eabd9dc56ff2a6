"""Hashes against known values, gathering and scattering against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from murmur import x64_128
from thinc_nb.backends import NumpyOps

ops = NumpyOps()


def test_hashes_are_thinc_s():
    expected = [[3089165797, 1536154270, 2023308811, 4074317197], [666152391, 2819266844, 3389477347, 2033898381]]
    keys = ops.hash(np.array([1, 2], dtype="uint64"), 7)
    assert keys.dtype == "uint32"
    assert keys.tolist() == expected
    ngrams = ops.ngrams(2, np.array([1, 2, 3], dtype="uint64"))
    assert ngrams.tolist() == [2346165840139155392, 16863871380863422640]


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20), st.integers(0, 2**32 - 1), st.integers(1, 2**31 - 1))
def test_hashes_follow_the_published_function(ids, seed, rows):
    array = np.array(ids, dtype="uint64")
    expected = np.array([x64_128(key, seed) for key in ids], dtype="uint32").reshape(-1, 4)
    np.testing.assert_array_equal(ops.hash(array, seed), expected)
    np.testing.assert_array_equal(ops.hash_rows(array, seed, rows), expected % rows)


@pytest.mark.parametrize("seed", [[3], np.array([3, 4]), 3.5, None, "3"])
def test_a_seed_is_an_integer(seed):
    for hashed in (lambda: ops.hash(np.arange(3), seed), lambda: ops.hash_rows(np.arange(3), seed, 5)):
        with pytest.raises(TypeError, match=r"hash(_rows)?: seed must be an integer, got"):
            hashed()


def test_ids_may_be_signed_or_short_or_strided():
    ids = np.array([5, 0, 7], dtype="uint64")
    for same in (ids.astype("int32"), ids.astype("uint32"), np.repeat(ids, 2)[::2]):
        np.testing.assert_array_equal(ops.hash(same, 1), ops.hash(ids, 1))
    np.testing.assert_array_equal(ops.hash(np.array([-1]), 1), ops.hash(np.array([2**64 - 1], dtype="uint64"), 1))
    with pytest.raises(TypeError, match="hash: ids must be integers, got float32"):
        ops.hash(ids.astype("f"), 1)
    with pytest.raises(ValueError, match="hash: ids must have 1 dimensions"):
        ops.hash(ids.reshape(1, 3), 1)
    with pytest.raises(ValueError, match="1 to 2147483647 rows, got 0"):
        ops.hash_rows(ids, 1, 0)


def test_ngrams_of_too_few_keys_are_none():
    assert ops.ngrams(4, np.array([1, 2, 3], dtype="uint64")).shape == (0,)
    for n in (0, -3):
        assert ops.ngrams(n, np.array([1], dtype="uint64")).shape == (0,)
    with pytest.raises(TypeError, match="n must be an integer"):
        ops.ngrams(1.5, np.array([1], dtype="uint64"))


def test_counts_are_added_as_integers():
    table = np.array([[2**60], [0]])
    ops.scatter_add(table, np.array([0, 1, -1]), np.array([[1], [2], [3]]))
    np.testing.assert_array_equal(table, [[2**60 + 1], [5]])
    with pytest.raises(IndexError):
        ops.scatter_add(table, np.array([2]), np.array([[1]]))


tables = st.tuples(st.integers(1, 9), st.integers(0, 40), st.integers(0, 12), st.integers(0, 5))


@given(tables, st.sampled_from(["float32", "float64"]), st.sampled_from(["int32", "uint32", "int64", "uint64"]))
def test_gather_add_sums_rows_and_scatter_add_is_its_transpose(sizes, dtype, index_dtype):
    rows, width, n, k = sizes
    rng = np.random.default_rng(rows + width + n + k)
    table = rng.standard_normal((rows, width)).astype(dtype)
    indices = rng.integers(0, rows, (n, k)).astype(index_dtype)
    out = ops.gather_add(table, indices)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, table[indices.astype("int64")].sum(axis=1), rtol=1e-5, atol=1e-6)

    values = rng.standard_normal((n, width)).astype(dtype)
    expected = table.copy()
    added = table.copy()
    ops.scatter_add_rows(added, indices, values)
    for j in range(k):
        np.add.at(expected, indices[:, j], values)
    np.testing.assert_allclose(added, expected, rtol=1e-4, atol=1e-5)
    if k:
        added, expected = table.copy(), table.copy()
        assert ops.scatter_add(added, indices[:, 0], values) is None
        np.add.at(expected, indices[:, 0], values)
        np.testing.assert_allclose(added, expected, rtol=1e-4, atol=1e-5)


def test_scatter_add_takes_any_shape_and_layout(rng):
    table = np.zeros((4, 2, 3), dtype="f")
    ops.scatter_add(table, np.array([[0, 3], [3, 3]]), np.ones((2, 2, 2, 3), dtype="f"))
    assert table[:, 0, 0].tolist() == [1, 0, 0, 3]
    table = np.zeros((3, 4), dtype="f").T
    ops.scatter_add(table, np.array([1, 1]), np.ones((2, 3), dtype="f"))
    assert table[:, 0].tolist() == [0, 2, 0, 0]
    vector = np.zeros(3, dtype="d")
    ops.scatter_add(vector, np.array([2, 2]), np.ones(2, dtype="f"))
    assert vector.tolist() == [0, 0, 2]


@pytest.mark.parametrize(("index", "shown"), [(4, "4"), (-1, "-1")])
def test_indices_outside_the_table_are_refused(index, shown):
    table = np.zeros((4, 3), dtype="f")
    indices = np.array([[0, 1], [2, index]])
    message = rf"index {shown} at position \(1, 1\) is outside 0 to 3 \(there are 4 rows\)"
    with pytest.raises(IndexError, match="gather_add: " + message):
        ops.gather_add(table, indices)
    with pytest.raises(IndexError, match="scatter_add_rows: " + message):
        ops.scatter_add_rows(table, indices, np.zeros((2, 3), dtype="f"))
    assert not table.any()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("first", [0, 1])
def test_values_that_are_a_part_of_the_table_are_added_as_they_were(dtype, first):
    table = np.arange(12, dtype=dtype).reshape(4, 3)
    expected = table.copy()
    expected[1:] += table[:3]
    ops.scatter_add(table[first:], np.arange(1, 4) - first, table[:3])
    np.testing.assert_array_equal(table, expected)
    if dtype != "int64":
        expected[2:] += table[:2] + table[1:3]
        ops.scatter_add_rows(table, np.array([[2], [3], [2], [3]]), table[[0, 1, 1, 2]])
        np.testing.assert_array_equal(table, expected)
        expected[1:] += table[:3]
        ops.scatter_add_rows(table, np.array([[1], [2], [3]]), table[:3])
        np.testing.assert_array_equal(table, expected)


@pytest.mark.parametrize("index", [4, -5])
def test_scatter_add_counts_negative_indices_from_the_end(index):
    table = np.zeros((4, 3), dtype="f")
    ops.scatter_add(table, np.array([0, -1, -1, -4]), np.ones((4, 3), dtype="f"))
    np.testing.assert_array_equal(table[:, 0], [2, 0, 0, 2])
    with pytest.raises(IndexError, match=f"scatter_add: index {index} at position 1 is outside -4 to 3"):
        ops.scatter_add(table, np.array([2, index]), np.ones((2, 3), dtype="f"))
    np.testing.assert_array_equal(table[:, 0], [2, 0, 0, 2])


@pytest.mark.parametrize("dtype", ["f", "i8"])
@pytest.mark.parametrize("indices", [np.array([0, 2, 2]), np.array([True, False, True, True])])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (3, 1), (3, 3)])
def test_values_and_masks_are_taken_as_numpy_takes_them(dtype, indices, shape):
    table, values = np.arange(12).reshape(4, 3).astype(dtype), 1 + np.arange(9)[: math.prod(shape)].reshape(shape)
    expected = table.copy()
    np.add.at(expected, indices, values.astype(dtype))
    ops.scatter_add(table, indices, values.astype(dtype))
    np.testing.assert_array_equal(table, expected)


@pytest.mark.parametrize("dtype", ["f", "i8"])
def test_a_mask_of_other_rows_is_refused(dtype):
    with pytest.raises(IndexError, match=r"scatter_add: table is \w+ \(4, 3\), but the mask is bool \(2,\)"):
        ops.scatter_add(np.zeros((4, 3), dtype), np.array([True, False]), np.ones((2, 3), dtype))


def test_values_that_do_not_fit_are_refused():
    table = np.zeros((4, 3), dtype="f")
    with pytest.raises(ValueError, match=r"values must be \(2, 3\), got float32 \(2, 2\)"):
        ops.scatter_add(table, np.array([0, 1]), np.zeros((2, 2), dtype="f"))
    with pytest.raises(ValueError, match=r"be \(1, 3\), got float32 \(2, 3\)"):
        ops.scatter_add_rows(table, np.array([[0, 1]]), np.zeros((2, 3), dtype="f"))
    with pytest.raises(OverflowError, match="do not fit into int32"):
        ops.gather_add(table, np.array([[2**32]]))
