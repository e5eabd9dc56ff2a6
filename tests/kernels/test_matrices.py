"""Rows of many matrices in one: as numpy has them, or not at all where an array is of another kind."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from thinc_nb.backends import NumpyOps
from thinc_nb.kernels import _matrices

ops = NumpyOps()
COUNT = 9


def matrices(dtype="float32", columns=3):
    rng = np.random.default_rng(0)
    return [rng.integers(1, 100, (k % 4, columns)).astype(dtype) for k in range(COUNT)]


@pytest.fixture
def joined(monkeypatch):
    """What was made of the arrays by compiled code: None for what was left to numpy."""
    results = []
    concatenated = _matrices.concatenated

    def noted(*args):
        results.append(concatenated(*args))
        return results[-1]

    monkeypatch.setattr("thinc_nb.backends.sequences._concatenated", lambda: noted)
    return results


def test_arrays_lie_here_as_they_are_read():
    assert _matrices.functions() is not None


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", "i1", "i4", "i8", "u2", "u8", "?", "c8", "c16", "U3", "S5", "M8[D]", "V7"]
)
@pytest.mark.parametrize("columns", [0, 1, 3, 70])
def test_rows_lie_one_after_the_other(joined, dtype, columns):
    rng = np.random.default_rng(0)
    kind = np.dtype(dtype)
    first = rng.integers(0, 2, 9 * columns * kind.itemsize, "u1").view(kind).reshape(9, columns)
    arrays = [first[:0], first[:1], first[1:9], first[:0], first[3:7]]
    flat = ops.flatten(arrays)
    assert flat.dtype == kind
    assert flat.flags.c_contiguous
    assert flat.flags.writeable
    assert flat.tobytes() == np.concatenate(arrays).tobytes()
    assert joined[0] is flat


def test_arrays_may_be_read_only_and_parts_of_others(joined):
    whole = np.arange(4000, dtype="f4").reshape(1000, 4)
    whole.flags.writeable = False
    arrays = [whole[start : start + 5] for start in range(0, 900, 7)]
    flat = ops.flatten(arrays)
    np.testing.assert_array_equal(flat, np.concatenate(arrays))
    assert joined[0] is flat
    np.testing.assert_array_equal(ops.flatten(tuple(arrays)), flat)


class Named(np.ndarray):
    pass


class Longer(list):
    pass


@pytest.mark.parametrize("place", [0, 1, COUNT - 1])
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(np.ones((3, 2), "f4").T, id="in Fortran's order"),
        pytest.param(np.ones((2, 6), "f4")[:, ::2], id="every other column"),
        pytest.param(np.ones((4, 3), "f4")[::-1], id="backwards"),
        pytest.param(as_strided(np.ones(3, "f4"), (2, 3), (0, 4)), id="one row twice"),
        pytest.param(np.ones((2, 3), "f4").view(Named), id="a class of its own"),
        pytest.param(np.ma.ones((2, 3), "f4"), id="masked"),
        pytest.param(np.ones((2, 3), "f8"), id="another precision"),
        pytest.param(np.ones((2, 3), ">f4"), id="another order of bytes"),
        pytest.param(np.ones((0, 5), "f4"), id="no rows of another width"),
    ],
)
def test_what_is_of_another_kind_is_left_to_numpy(joined, other, place):
    arrays = matrices()
    arrays[place] = other
    flat = ops.flatten(arrays)
    assert joined == [None]
    given = [np.asarray(x) for x in arrays if x.size]
    np.testing.assert_array_equal(flat, np.concatenate(given))


@pytest.mark.parametrize("place", [0, 1, COUNT - 1])
@pytest.mark.parametrize(
    ("other", "error"),
    [
        (None, ValueError),
        (7, ValueError),
        ("text", ValueError),
        ([[1.0, 2.0, 3.0]], ValueError),
        (Longer(), ValueError),
        (object(), ValueError),
        (np.float32(1), ValueError),
        (np.array(1, "f4"), ValueError),
        (np.ones(3, "f4"), ValueError),
        (np.ones((1, 3, 1), "f4"), ValueError),
        (np.ones((2, 4), "f4"), ValueError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_does_not_belong_there_is_refused_as_before(place, other, error):
    arrays = matrices()
    arrays[place] = other
    with pytest.raises(error, match="flatten: "):
        ops.flatten(arrays)


def test_objects_are_copied_by_python():
    arrays = [np.array([[object()]], object) for _ in range(COUNT)]
    flat = ops.flatten(arrays)
    assert [row[0] for row in flat] == [array[0, 0] for array in arrays]


def test_more_bytes_than_there_are_is_an_error():
    far = as_strided(np.zeros(1, "f4"), (2**40, 2**18), (0, 0))
    with pytest.raises((MemoryError, ValueError)):
        ops.flatten([far] * COUNT)
    # Numpy calls what has one row contiguous, whatever its strides are.
    wide = as_strided(np.zeros(4, "f4"), (1, 4), (2**40, 4))
    np.testing.assert_array_equal(ops.flatten([wide] * COUNT), np.zeros((COUNT, 4)))


@pytest.mark.parametrize(
    ("field", "elsewhere"),
    [("ITEMS", 16), ("TYPE", 16), ("DATA", 32), ("NDIM", 16), ("SHAPE", 40), ("DTYPE", 16), ("FLAGS", 24)],
)
def test_where_arrays_lie_otherwise_numpy_concatenates(monkeypatch, field, elsewhere):
    probe = (np.empty((3, 5), "float32"),)
    assert _matrices.is_known(probe)
    # Words that are there, and say something else.
    monkeypatch.setattr(_matrices, field, elsewhere)
    assert not _matrices.is_known(probe)
    monkeypatch.setattr(_matrices, "functions", lambda: None)
    arrays = matrices()
    assert _matrices.concatenated(tuple(arrays), np.empty) is None
    np.testing.assert_array_equal(ops.flatten(arrays), np.concatenate(arrays))


def test_a_list_that_another_thread_changes_does_not_matter():
    arrays = [np.full((50, 8), k, "f4") for k in range(200)]
    listed, ended = list(arrays), threading.Event()

    def change():
        while not ended.is_set():
            listed[:] = [array.copy() for array in arrays]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        expected = np.concatenate(arrays)
        for _ in range(200):
            np.testing.assert_array_equal(ops.flatten(listed), expected)
    finally:
        ended.set()
        thread.join()
