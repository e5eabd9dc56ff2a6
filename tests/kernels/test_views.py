"""Views that compiled code makes, against those that numpy makes: the same array, the same flags, the same owner."""

from __future__ import annotations

import gc
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from thinc_nb.backends import NumpyOps
from thinc_nb.kernels import _matrices, _views

ops = NumpyOps()
FLAGS = ("c_contiguous", "f_contiguous", "owndata", "writeable", "aligned", "writebackifcopy")
WHOLE = np.arange(6 * 8 * 4 * 2, dtype="f4").reshape(6, 8, 4, 2)


def read_only(x):
    x = x.view()
    x.flags.writeable = False
    return x


ARRAYS = {
    "2 dimensions": WHOLE[:, :, 0, 0],
    "3 dimensions": WHOLE[..., 0].copy(),
    "4 dimensions": WHOLE,
    "a part": WHOLE[1:, 2:, :, 1:],
    "backwards": WHOLE[::-1, ::-1],
    "turned": WHOLE.T,
    "read-only": read_only(WHOLE),
    "other dtype": WHOLE.astype("U3"),
    "other bytes": WHOLE.astype(">i8"),
    "not aligned": np.zeros(6 * 8 * 4 + 1, "u1")[1:].view("f4").reshape(6, 8),
    "nothing": np.zeros((5, 0, 3)),
    "no columns": np.zeros((5, 4, 0)),
    "of a buffer": np.frombuffer(bytearray(range(48)), "u1").reshape(6, 8),
}


def same(made, expected):
    assert type(made) is type(expected) is np.ndarray
    assert (made.shape, made.strides, made.dtype) == (expected.shape, expected.strides, expected.dtype)
    assert made.dtype is expected.dtype
    assert made.base is expected.base
    assert made.__array_interface__["data"] == expected.__array_interface__["data"] or not made.size
    assert [getattr(made.flags, flag) for flag in FLAGS] == [getattr(expected.flags, flag) for flag in FLAGS]
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("x", ARRAYS.values(), ids=ARRAYS)
def test_beginnings_are_slices(x):
    sizes = [min(size, x.shape[1]) for size in (3, 0, 4, 1, 8, 2)[: len(x)]] + [0] * (len(x) - 6)
    made = _views.beginnings(x, np.array(sizes))
    for k, size in enumerate(sizes):
        same(made[k], x[k, :size])
    for view, size in zip(ops.unpad(x, sizes), sizes, strict=True):
        assert len(view) == size


@pytest.mark.parametrize("x", ARRAYS.values(), ids=ARRAYS)
def test_parts_are_slices(x):
    sizes = [0, 1, 0, len(x) - 2, 1, 0]
    made, end = _views.parts(x, np.array(sizes)), 0
    for view, size in zip(made, sizes, strict=True):
        same(view, x[end : end + size])
        end += size


def test_one_dimension_is_taken_apart():
    x = np.arange(7)
    for view, expected in zip(_views.parts(x, np.array([2, 0, 5])), (x[:2], x[2:2], x[2:]), strict=True):
        same(view, expected)


@pytest.mark.parametrize("sizes", [[1, -1, 7], [4, 4, 0], [3, 3, 0], [7, 0, -1], [], [2**62] * 4 + [7]])
def test_what_does_not_add_up_is_left_to_the_caller(sizes):
    assert _views.parts(np.ones((7, 2)), np.array(sizes, "i8")) is None


@pytest.mark.parametrize("sizes", [[1, -1, 2], [3, 0, 0], [0, 0, 2**62], [1, 1, 1, 1]])
def test_what_there_is_no_room_for_is_left_to_the_caller(sizes):
    assert _views.beginnings(np.ones((3, 2)), np.array(sizes, "i8")) is None


class Named(np.ndarray):
    pass


@pytest.mark.parametrize("x", [np.ones((3, 2)).view(Named), np.ma.ones((3, 2)), np.full((3, 2), None)])
def test_other_arrays_are_left_to_the_caller(x):
    assert _views.beginnings(x, np.array([1, 1, 1])) is None


def test_what_is_made_can_be_forgotten_and_nothing_is_left():
    x, sizes = np.ones((50, 9, 3)), [5] * 50
    numpys = {sys.getrefcount(view) for view in [x[k, :5] for k in range(50)]}
    before, dtype_before = sys.getrefcount(x), sys.getrefcount(x.dtype)
    for _ in range(100):
        views = ops.unpad(x, sizes)
        assert sys.getrefcount(x) == before + 50
        assert {sys.getrefcount(view) for view in views} == numpys
        del views
        assert _views.beginnings(x, np.array([*sizes[1:], 10])) is None
    gc.collect()
    assert sys.getrefcount(x) == before
    assert abs(sys.getrefcount(x.dtype) - dtype_before) < 50


def test_views_keep_their_array_alive():
    views = ops.unpad(np.arange(24.0).reshape(4, 6), [1, 2, 3, 4])
    gc.collect()
    assert [view.tolist() for view in views] == [[0], [6, 7], [12, 13, 14], [18, 19, 20, 21]]


@pytest.mark.parametrize(
    ("lengths", "error"),
    [
        ([1, 2, 3, 7], ValueError),
        ([1, -2, 3, 4], ValueError),
        ([1, 2.0, 3, 4], TypeError),
        ([1, None, 3, 4], TypeError),
        ([1, 2, 3, 2**70], ValueError),
        ([1, 2, 3], ValueError),
        ([1, 2, 3, 4, 5], ValueError),
    ],
)
def test_lengths_that_do_not_fit_are_errors(lengths, error):
    with pytest.raises(error, match="unpad"):
        ops.unpad(np.ones((4, 6, 2)), lengths)


@pytest.mark.parametrize(
    "lengths", [[True, 2, 3, 4], [np.int32(1), 2, 3, 4], np.array([1, 2, 3, 4], "u1"), (1, 2, 3, 4)]
)
def test_lengths_may_be_other_integers(lengths):
    assert [len(x) for x in ops.unpad(np.ones((4, 6, 2)), lengths)] == [1, 2, 3, 4]


def test_where_arrays_lie_otherwise_numpy_slices(monkeypatch):
    x = np.arange(48.0).reshape(4, 6, 2)
    expected = [x[k, :size] for k, size in enumerate([1, 2, 3, 4])]
    padded = ops.list2padded(expected)
    assert _views.is_known()
    for module, name in ((_views, "is_known"), (_matrices, "are_known")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda: False)
            for made, view in zip(ops.unpad(x, [1, 2, 3, 4]), expected, strict=True):
                same(made, view)
            for made, view in zip(ops.padded2list(padded), expected, strict=True):
                np.testing.assert_array_equal(made, view)
    monkeypatch.setattr(_views, "STRIDES", 32)
    assert not _views.is_known.__wrapped__()


def test_sixteen_threads_slice_one_array():
    x = np.arange(40 * 30, dtype="f4").reshape(40, 30)
    sizes = [k % 31 for k in range(40)]
    with ThreadPoolExecutor(16) as pool:
        for views in pool.map(lambda _: ops.unpad(x, sizes), range(300)):
            assert all((view == x[k, :size]).all() for k, (view, size) in enumerate(zip(views, sizes, strict=True)))
