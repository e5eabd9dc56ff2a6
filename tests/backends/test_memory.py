"""Recycled memory: given back when nobody looks into it any more, and never before."""

from __future__ import annotations

import gc
import multiprocessing
import pickle
import sys
import threading

import numpy as np
import pytest

from thinc_nb.backends import NumpyOps, _memory
from thinc_nb.backends._memory import SMALLEST, Pool, _Block, empty

FLOAT, BYTE = np.dtype("float32"), np.dtype("uint8")


def test_small_arrays_are_numpy_s_own():
    pool = Pool()
    assert empty((10, 10), FLOAT, pool).base is None
    assert empty((0, 1 << 20), FLOAT, pool).shape == (0, 1 << 20)


@pytest.mark.parametrize("shape", [(SMALLEST // 4,), (1000, 96), (3, 100, 100), (1, 1 << 20)])
def test_an_array_is_an_ordinary_one(shape):
    array = empty(shape, FLOAT, Pool())
    assert type(array) is np.ndarray
    assert array.shape == shape
    assert array.dtype == FLOAT
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.ctypes.data % 64 == 0
    array.fill(3)
    assert (pickle.loads(pickle.dumps(array)) == 3).all()


def test_memory_comes_back_when_the_last_view_is_gone():
    pool = Pool()
    array = empty((1000, 96), FLOAT, pool)
    address = array.ctypes.data
    view = array[10:].T.reshape(-1, 2)
    tail = array.reshape(-1)[-1:]
    del array
    assert pool.held == 0
    del view
    assert pool.held == 0
    tail[:] = 7
    another = empty((1000, 96), FLOAT, pool)
    another.fill(1)
    assert tail[0] == 7
    del tail
    assert pool.held > 0
    assert empty((1000, 96), FLOAT, pool).ctypes.data == address


def test_like_sizes_share_memory():
    pool = Pool()
    del_me = empty((1000, 96), FLOAT, pool)
    address = del_me.ctypes.data
    del del_me
    assert empty((1010, 96), FLOAT, pool).ctypes.data == address


def test_no_more_is_held_than_allowed():
    pool = Pool(largest_held=1 << 20)
    arrays = [empty((1 << 16,), FLOAT, pool) for _ in range(10)]
    arrays.clear()
    assert 0 < pool.held <= 1 << 20
    pool.clear()
    assert pool.held == 0


def blocks_of(size: int) -> int:
    return sum(type(thing) is _Block and len(thing) == size for thing in gc.get_objects())


def test_half_comes_back_by_itself_and_the_rest_as_far_as_there_is_room():
    size, pool = 1 << 18, Pool(largest_held=1 << 20)
    arrays = [empty((size,), BYTE, pool) for _ in range(10)]
    for held in [size, 2 * size, 3 * size, 4 * size, *[4 * size] * 6]:
        del arrays[0]
        assert pool.held == held


def test_memory_that_is_given_back_to_the_system_is_gone_at_once():
    size, pool = (1 << 18) + (1 << 15), Pool(largest_held=1 << 20)
    before = blocks_of(size)
    gc.disable()
    try:
        for _ in range(2):
            arrays = [empty((size,), BYTE, pool) for _ in range(10)]
            assert blocks_of(size) == before + 10
            del arrays
            assert 0 < blocks_of(size) - before <= 3
            pool.clear()
            assert pool.held == 0
            assert blocks_of(size) == before
    finally:
        gc.enable()


def test_an_array_in_a_cycle_keeps_its_memory_until_the_cycle_is_collected():
    pool = Pool()
    cycle: list[object] = [empty((SMALLEST,), BYTE, pool)]
    cycle.append(cycle)
    gc.collect()
    assert pool.held == 0
    del cycle
    gc.collect()
    assert pool.held == SMALLEST


def test_sizes_are_not_remembered_for_ever(monkeypatch):
    monkeypatch.setattr(_memory, "MOST_KNOWN", 10)
    pool = Pool()
    for size in range(SMALLEST, SMALLEST + 100):
        empty((size,), BYTE, pool)
    assert len(pool._known) <= 10
    assert pool.held < 3 * SMALLEST


def test_threads_never_get_the_same_memory():
    pool = Pool()
    wrong = []

    def work(mark: int) -> None:
        for rows in range(300):
            array = empty((200 + rows % 3 * 100, 100), FLOAT, pool)
            array.fill(mark)
            if not (array == mark).all():
                wrong.append(mark)

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def overwrite(array: np.ndarray) -> None:
    array.fill(2)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_write_into_its_parent():
    array = empty((1000, 96), FLOAT, Pool())
    array.fill(1)
    child = multiprocessing.get_context("fork").Process(target=overwrite, args=(array,))
    child.start()
    child.join()
    assert (array == 1).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "bool", "S3", "S6", "f2,f4", "complex64"])
@pytest.mark.parametrize("size", [SMALLEST + 1, SMALLEST + 64, 3 * SMALLEST])
def test_zeros_are_zeros_in_memory_that_was_used_before(dtype, size):
    ops = NumpyOps()
    used = empty((size * np.dtype(dtype).itemsize,), np.dtype("uint8"))
    used.fill(255)
    del used
    array = ops.alloc((size,), dtype=dtype)
    assert array.dtype == dtype
    assert not array.view("uint8").any()


@pytest.mark.parametrize("zeros", [True, False])
def test_objects_are_not_put_into_memory_that_was_used_before(zeros):
    used = empty((8 * SMALLEST,), np.dtype("uint8"))
    used.fill(255)
    del used
    array = NumpyOps().alloc((SMALLEST,), dtype=np.dtype(object), zeros=zeros)
    assert array.tolist() == [0 if zeros else None] * SMALLEST


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no getrusage")
def test_zeros_beyond_what_is_kept_take_no_memory_until_they_are_written_to():
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    array = NumpyOps().alloc1f(_memory.LARGEST_HELD // 4 + 1)
    assert array[0] == array[-1] == 0
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < array.nbytes // 2


def test_zeros_beyond_all_addresses_are_a_memory_error():
    with pytest.raises(MemoryError, match=r"cannot allocate an array of shape \(4611686018427387904,\)"):
        NumpyOps().alloc1f(2**62)
