"""Rows of many arrays in one: as numpy has them, or not at all where an array is of another kind."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from thinc_nb.backends import NumpyOps
from thinc_nb.kernels import _matrices, _moves, _threads
from thinc_nb.kernels._threads import get_num_threads
from thinc_nb.types import Padded

ops = NumpyOps()
COUNT = 9


def matrices(dtype="float32", columns=3):
    rng = np.random.default_rng(0)
    return [rng.integers(1, 100, (k % 4, columns)).astype(dtype) for k in range(COUNT)]


def padded_by_numpy(arrays, steps=0):
    out = np.zeros((len(arrays), max(steps, *map(len, arrays)), *arrays[0].shape[1:]), arrays[0].dtype)
    for row, x in zip(out, arrays, strict=True):
        row[: len(x)] = x
    return out


@pytest.fixture
def joined(monkeypatch):
    """What was made of the arrays by compiled code: None for what was left to numpy."""
    results = []
    concatenated = _matrices.concatenated

    def noted(*args):
        results.append(concatenated(*args))
        return results[-1]

    monkeypatch.setattr(_matrices, "concatenated", noted)
    return results


def test_arrays_lie_here_as_they_are_read():
    assert _matrices.are_known()


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
    monkeypatch.setattr(_matrices, "are_known", lambda: False)
    arrays = matrices()
    assert _matrices.concatenated(tuple(arrays), np.empty) is None
    np.testing.assert_array_equal(ops.flatten(arrays), np.concatenate(arrays))
    np.testing.assert_array_equal(ops.pad(arrays), padded_by_numpy(arrays))
    padded = ops.list2padded(arrays)
    for x, y in zip(arrays, ops.padded2list(padded), strict=True):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(ops.tile(np.ones((100, 100)), 2), np.ones((100, 200)))
    np.testing.assert_array_equal(ops.insert_into((COUNT, 3, 3), arrays), padded_by_numpy(arrays))


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


@pytest.mark.parametrize(("count", "most"), [(1, 32), (8, 130), (5000, 5000)])
def test_a_long_array_among_short_ones_makes_no_parts_of_them(monkeypatch, count, most):
    items, run = [], _moves.run
    monkeypatch.setattr(_moves, "run", lambda loop, *args: (items.append(args[0]), run(loop, *args)))
    arrays = [np.full((1, 4), k, "f4") for k in range(count)]
    arrays[count // 2] = np.ones((_moves.PART * 2, 4), "f4")
    flat = _matrices.concatenated(tuple(arrays), np.empty)
    np.testing.assert_array_equal(flat, np.concatenate(arrays))
    assert count <= items[0] <= most


# --- padded ---------------------------------------------------------------------------------------------------------

SHAPES = [(), (1,), (17,), (70,), (2, 3), (1, 2, 5), (2, 0)]
WORDS = ["f2", "f4", "f8", ">f4", "i1", "i4", "u8", "?", "c16", "U3", "S5", "M8[D]", "V7"]
same = np.testing.assert_array_equal


@pytest.fixture
def filled(monkeypatch):
    """The arrays that compiled code has filled."""
    arrays = []
    for name, place in (("fill", 1), ("sorted_by_length", 0), ("in_order", 0)):
        monkeypatch.setattr(_matrices, name, noting(getattr(_matrices, name), place, arrays))
    return arrays


def noting(function, place, noted):
    def called(*args):
        result = function(*args)
        noted.append(args[place] if result is None else result)
        return result

    return called


def rows_of(lengths, shape, dtype):
    kind, rng = np.dtype(dtype), np.random.default_rng(0)
    sizes = [length * int(np.prod(shape)) for length in lengths]
    if kind.kind == "U":
        whole = [rng.integers(97, 123, size * kind.itemsize // 4, "u4").view(kind) for size in sizes]
    else:
        whole = [rng.integers(0, 2, size * kind.itemsize, "u1").view(kind) for size in sizes]
    return [flat.reshape(length, *shape) for flat, length in zip(whole, lengths, strict=True)]


@pytest.mark.parametrize("dtype", WORDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_sequences_of_any_rank_and_dtype_are_padded(filled, dtype, shape):
    arrays = rows_of([3, 0, 5, 1], shape, dtype)
    padded = ops.pad(arrays, round_to=4)
    assert padded.dtype == arrays[0].dtype
    assert padded.tobytes() == padded_by_numpy(arrays, 8).tobytes()
    assert filled == [padded] if padded.size == 0 else filled[0] is padded
    if np.dtype(dtype).kind in "iufc" and np.dtype(dtype).isnative:
        inserted = ops.insert_into((6, 7, *shape), arrays)
        assert inserted[:4].tobytes() == padded_by_numpy(arrays, 7).tobytes()
        assert not inserted[4:].any()
        assert filled[1] is inserted


@pytest.mark.parametrize("dtype", WORDS)
@pytest.mark.parametrize("width", [0, 1, 17, 70, 1100])
def test_sequences_of_any_dtype_stand_beside_each_other(filled, dtype, width):
    lengths = [3, 0, 5, 1, 5, 3, 0]
    arrays = rows_of(lengths, (width,), dtype)
    padded = ops.list2padded(arrays)
    # The longest first, of equals the last: written down, not computed as it is there.
    order = [4, 2, 5, 0, 3, 6, 1]
    assert padded.indices.tolist() == order
    assert padded.lengths.tolist() == [5, 5, 3, 3, 1, 0, 0]
    assert padded.size_at_t.tolist() == [5, 4, 4, 2, 2]
    assert {padded.indices.dtype, padded.lengths.dtype, padded.size_at_t.dtype} == {np.dtype("i4")}
    expected = padded_by_numpy([arrays[k] for k in order]).swapaxes(0, 1)
    assert padded.data.dtype == arrays[0].dtype
    assert padded.data.tobytes() == expected.tobytes()
    assert filled[0][0] is padded.data
    back = ops.padded2list(padded)
    for x, y in zip(arrays, back, strict=True):
        native = x.astype(x.dtype.newbyteorder("="))
        assert native.tobytes() == y.tobytes()
        assert (native.shape, native.dtype) == (y.shape, y.dtype)
        assert y.flags.writeable
        assert not np.shares_memory(y, padded.data)
    assert len(filled) == (2 if padded.data.dtype.isnative else 1)


@pytest.mark.parametrize("lengths", [[0], [1], [0, 0, 0], [3000, 1, 2999], [20_000], [1] * 300, list(range(50))])
def test_batches_of_every_kind(lengths):
    arrays = rows_of(lengths, (9,), "f4")
    same(ops.pad(arrays), padded_by_numpy(arrays))
    padded = ops.list2padded(arrays)
    order = sorted(range(len(lengths)), key=lambda k: (-lengths[k], -k))
    assert padded.indices.tolist() == order
    same(padded.data, padded_by_numpy([arrays[k] for k in order]).swapaxes(0, 1))
    assert padded.size_at_t.tolist() == [sum(length > t for length in lengths) for t in range(max(lengths))]
    for x, y in zip(arrays, ops.padded2list(padded), strict=True):
        same(x, y)
    same(ops.flatten(arrays), np.concatenate(arrays))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(np.ones((3, 2), "f4").T, id="in Fortran's order"),
        pytest.param(np.ones((2, 6), "f4")[:, ::2], id="every other column"),
        pytest.param(np.ones((4, 3), "f4")[::-1], id="backwards"),
        pytest.param(np.ones((2, 3), "f4").view(Named), id="a class of its own"),
        pytest.param(np.array([[1, 2, 3]], object).astype("f4")[:, ::-1], id="columns backwards"),
    ],
)
def test_sequences_that_lie_otherwise_are_padded_one_by_one(filled, other):
    arrays = [*matrices(), other]
    same(ops.pad(arrays), padded_by_numpy(arrays))
    padded = ops.list2padded(arrays)
    same(ops.insert_into((COUNT + 1, 5, 3), arrays), padded_by_numpy(arrays, 5))
    assert not filled
    for x, y in zip(arrays, ops.padded2list(padded), strict=True):
        same(x, y)


def test_objects_are_padded_one_by_one():
    arrays = [np.array([["a", None]], object), np.array([[1, 2], [3, 4]], object)]
    assert ops.pad(arrays).tolist() == [[["a", None], [0, 0]], [[1, 2], [3, 4]]]
    assert [x.tolist() for x in ops.padded2list(ops.list2padded(arrays))] == [x.tolist() for x in arrays]


def test_a_padded_that_lies_otherwise_is_taken_apart_too():
    arrays = matrices()
    padded = ops.list2padded(arrays)
    turned = np.asfortranarray(padded.data)
    for data in (turned, padded.data.astype(">f4")):
        for places in (np.int32, np.int64, list):
            lengths, indices = (
                places(x) if places is list else x.astype(places) for x in (padded.lengths, padded.indices)
            )
            back = ops.padded2list(Padded(data, padded.size_at_t, lengths, indices))
            for x, y in zip(arrays, back, strict=True):
                same(x, y)


def test_places_that_are_read_only_are_read():
    padded = ops.list2padded(matrices())
    for places in (padded.lengths, padded.indices, padded.data):
        places.flags.writeable = False
    for x, y in zip(matrices(), ops.padded2list(padded), strict=True):
        same(x, y)


@pytest.mark.parametrize(
    ("lengths", "indices", "message"),
    [
        ([3, 2, 4], [0, 1, 2], "a sequence has length 4"),
        ([3, 2, -1], [0, 1, 2], "lengths must not be negative"),
        ([3, 2, 1], [0, 1, 3], "indices"),
        ([3, 2, 1], [0, 1, 1], "indices"),
        ([3, 2, 1], [0, 1, -1], "indices must not be negative"),
        ([3, 2], [0, 1], "2 lengths"),
        ([3, 2, 1], [0, 1], "3 lengths"),
    ],
)
def test_what_does_not_fit_the_data_is_refused(lengths, indices, message):
    data, places = np.ones((3, 3, 2), "f4"), [np.array(x, "i4") for x in ([3, 2, 1], lengths, indices)]
    with pytest.raises(ValueError, match=message):
        ops.padded2list(Padded(data, *places))


def test_lengths_that_do_not_fall_are_taken_one_by_one():
    data, rising = np.arange(12, dtype="f4").reshape(3, 2, 2), np.array([1, 3], "i4")
    one, other = ops.padded2list(Padded(data, np.array([2, 1, 1], "i4"), rising, np.array([1, 0], "i4")))
    same(other, data[:1, 0])
    same(one, data[:, 1])


def test_room_that_does_not_suffice_is_an_error():
    for shape in ((COUNT, 2, 3), (COUNT - 1, 3, 3), (COUNT, 3, 4), (COUNT, 3), (COUNT, 3, 3, 1)):
        with pytest.raises(ValueError, match=r"insert_into: .* does not fit into row"):
            ops.insert_into(shape, matrices())
    same(ops.insert_into((COUNT, 3, 3), [x.astype(">f4") for x in matrices()]), padded_by_numpy(matrices()))


@pytest.mark.parametrize("shape", [(5000,), (100, 96), (1, 5000), (3, 40, 50), (5000, 1), (4, 0, 3), (2100, 3)])
@pytest.mark.parametrize("dtype", ["f4", ">f8", "i8", "?", "c16", "U2", "V3"])
def test_columns_are_repeated(shape, dtype):
    [X] = rows_of(shape[:1], shape[1:], dtype)
    for times in (1, 2, 5, np.int64(3)):
        Y = ops.tile(X, times)
        assert Y.dtype == X.dtype
        assert Y.tobytes() == np.tile(X, times).tobytes()
        assert Y.shape == np.tile(X, times).shape
        assert not np.shares_memory(X, Y)
    X.flags.writeable = False
    assert ops.tile(X, 2).flags.writeable or not X.size
    same(ops.tile(X.T, 2), np.tile(X.T, 2))


@pytest.mark.parametrize(("width", "dtype"), [(1, "i1"), (1, "f4"), (2, "f4"), (4, "f8"), (1, "c16"), (32, "?")])
def test_rows_of_few_bytes_are_repeated_by_numpy(width, dtype):
    assert _matrices.repeated(np.ones((9000, width), dtype), 3, np.empty) is None
    assert _matrices.repeated(np.ones((9000, 2 * width + 1), dtype), 3, np.empty).shape == (9000, 6 * width + 3)


def test_sixteen_threads_move_at_once(threads):
    threads(3)
    given = [rows_of(np.random.default_rng(k).integers(0, 40, 30 + k), (96,), "f4") for k in range(16)]

    def moved(arrays):
        padded = ops.list2padded(arrays)
        back = all(x.tobytes() == y.tobytes() for x, y in zip(arrays, ops.padded2list(padded), strict=True))
        pad = ops.pad(arrays).tobytes() == padded_by_numpy(arrays).tobytes()
        flat = ops.flatten(arrays)
        tiled = ops.tile(flat, 3).tobytes() == np.tile(flat, 3).tobytes()
        return back and pad and tiled and flat.tobytes() == np.concatenate(arrays).tobytes()

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(moved, given * 4))


def test_work_is_shared(threads):
    arrays, shared = rows_of([40] * 40, (96,), "f4"), []
    threads(2)
    for call in (
        lambda: ops.pad(arrays),
        lambda: ops.list2padded(arrays).data,
        lambda: np.concatenate(ops.padded2list(ops.list2padded(arrays))),
        lambda: ops.flatten(arrays),
        lambda: ops.tile(np.concatenate(arrays), 2),
        lambda: ops.insert_into((2, 2000, 96), [np.concatenate(arrays), arrays[0]]),
    ):
        alone = call()
        before = _threads.prepare().shared
        same(call(), alone)
        shared.append(_threads.prepare().shared > before)
    assert shared == [True] * 6


@pytest.fixture
def threads():
    """Set the number of threads; everything is large enough for them."""
    before = get_num_threads()
    yield lambda count: _threads.share(count, 10)
    _threads.share(before)
