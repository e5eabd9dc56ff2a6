"""What a launch on the GPU passes to CuPy is what the kernel's PTX expects, on a stand-in for CuPy."""

from __future__ import annotations

import re
import threading
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fake_cupy
from thinc_nb.backends import CupyOps, NumpyOps
from thinc_nb.kernels import KERNELS, activations, embed, hashing
from thinc_nb.kernels._cuda import MAX_BLOCKS, THREADS, compile_ptx
from thinc_nb.kernels._launch import declared_kinds, entry_of, kept_ptx, packed
from thinc_nb.kernels._warmup import all_kernels

SIZES = {"items": 1, "rows": 2, "blocks": 4}
NUMBERS: dict[str, Any] = {"int": 3, "float": np.float32(1), "UInt32": 1, "Start": np.int64(0)}


def fake_array(kind: tuple[str, int]) -> SimpleNamespace:
    """What the launch looks at of a cupy array."""
    host = np.zeros((2,) * kind[1], kind[0])
    data = SimpleNamespace(ptr=1 << 40, device_id=0)
    return SimpleNamespace(
        data=data,
        dtype=host.dtype,
        ndim=host.ndim,
        size=host.size,
        itemsize=host.itemsize,
        shape=host.shape,
        strides=host.strides,
    )


@pytest.mark.parametrize("name", sorted(all_kernels()))
def test_arguments_are_packed_as_the_ptx_declares_them(name):
    kernel = KERNELS[name]
    _, ptx = kept_ptx(kernel, "f32", (9, 0))
    declared = re.findall(r"\.param \.(\w+) " + entry_of(ptx), ptx)
    kinds = declared_kinds(kernel, "f32")
    args = tuple(
        NUMBERS[annotation] if kind is None else fake_array(kind)
        for (_, annotation), kind in zip(kernel.annotations, kinds, strict=True)
    )
    given, values = packed(kernel, args, 0)
    values = [np.int64(0)] * SIZES[kernel.shape] + values
    assert [kind and (np.dtype(kind[0]).str, kind[1]) for kind in given] == kinds
    assert [int(kind[1:]) // 8 for kind in declared] == [value.dtype.itemsize for value in values]
    assert [kind == "f32" for kind in declared] == [value.dtype.kind == "f" for value in values]


def test_an_array_is_its_size_address_shape_and_strides(cupy):
    X = cupy.zeros((3, 4), dtype="float32")
    indices = cupy.zeros(3, dtype="int32")
    _, values = packed(embed.scatter_add, (indices, X, X), 0)
    assert values[7:14] == [0, 0, 12, 4, X.data.ptr, 3, 4]
    assert values[14:16] == [16, 4]


@pytest.mark.parametrize("seed", [3, np.int8(3), np.uint64(3), True])
def test_any_integer_is_passed_in_the_kernel_s_own_width(cupy, seed):
    ids, out = cupy.asarray(np.arange(4, dtype="uint64")), cupy.zeros(8, dtype="uint64")
    hashing.hash_ids(ids, out, seed)
    hashes = NumpyOps().hash(np.arange(4, dtype="uint64"), int(seed))
    np.testing.assert_array_equal(out.get().view("uint32").reshape(4, 4), hashes)


def test_arrays_of_other_types_than_annotated_are_compiled_for(cupy):
    ptx = compile_ptx(all_kernels()["embed.scatter_add"], "f32", (9, 0), (("<i8", 1), None, None))
    assert "ArrayIxLi1" in entry_of(ptx) or "Ix" in entry_of(ptx)
    table = cupy.zeros((2, 3), dtype="float64")
    embed.scatter_add(cupy.asarray(np.array([1, 1, 0], "int64")), cupy.ones((3, 3), dtype="float64"), table)
    np.testing.assert_array_equal(table.get(), [[1, 1, 1], [2, 2, 2]])
    assert fake_cupy.launches[-1].precision == "f64"


def test_nothing_to_do_is_no_launch(cupy):
    ops = CupyOps()
    assert ops.relu(cupy.zeros((0, 3), dtype="float32")).shape == (0, 3)
    assert ops.softmax(cupy.zeros((0, 3), dtype="float32")).shape == (0, 3)
    assert fake_cupy.launches == []
    assert ops.softmax(cupy.zeros((3, 0), dtype="float32")).shape == (3, 0)


def test_the_grid_covers_all_items_and_no_more_than_the_limit(cupy):
    for size in (1, THREADS, THREADS + 1, THREADS * MAX_BLOCKS + 1):
        x = cupy.zeros(size, dtype="float32")
        activations.relu(x, x)
        launch = fake_cupy.launches[-1]
        assert launch.grid == (min(-(-size // THREADS), MAX_BLOCKS),)
        assert launch.block == (THREADS, 1)
        assert launch.head == [size]


def test_a_kernel_is_loaded_once_for_each_device_and_kind_of_arrays(cupy, monkeypatch):
    fake_cupy.loaded.clear()
    x = cupy.zeros(3, dtype="float32")
    for _ in range(3):
        activations.relu(x, x)
    assert len(fake_cupy.loaded) == 1
    y = x.astype("float64")
    activations.relu(y, y)
    assert len(fake_cupy.loaded) == 2
    monkeypatch.setattr(fake_cupy.Device, "capability", "80")
    with cupy.cuda.Device(1):
        z = fake_cupy.ndarray(np.zeros(3, "f"), device_id=1)
        activations.relu(z, z)
    assert [path.rpartition("-sm_")[2][:2] for path in fake_cupy.loaded] == ["90", "90", "80"]


def test_an_array_of_another_gpu_is_refused(cupy):
    elsewhere = fake_cupy.ndarray(np.zeros(3, "f"), device_id=1)
    with pytest.raises(ValueError, match=r"activations.relu: 'x' is on GPU 1, but GPU 0 is the current one"):
        activations.relu(cupy.zeros(3, dtype="float32"), elsewhere)
    assert fake_cupy.launches == []


def test_a_driver_that_is_too_old_is_named(cupy, monkeypatch):
    error = fake_cupy.CUDADriverError("CUDA_ERROR_UNSUPPORTED_PTX_VERSION")
    monkeypatch.setattr(fake_cupy.RawModule, "fails_with", error)
    x = cupy.zeros(3, dtype="float32")
    with pytest.raises(
        RuntimeError, match=r"activations.relu: the driver cannot load this kernel .*UNSUPPORTED.*PTX \d"
    ):
        activations.relu(x, x)
    monkeypatch.undo()


def test_ptx_is_kept_on_disk_and_nowhere_if_there_is_no_folder(cupy, monkeypatch, tmp_path):
    kernel = all_kernels()["optimise.scale"]
    monkeypatch.setenv("THINC_NB_CACHE_DIR", str(tmp_path))
    path, ptx = kept_ptx(kernel, "f32", (8, 0))
    assert path is not None
    assert path.read_text() == ptx
    path.write_text("// another text")
    assert kept_ptx(kernel, "f32", (8, 0)) == (path, "// another text")
    assert kept_ptx(kernel, "f32", (8, 0), tuple(declared_kinds(kernel, "f32"))) == (path, "// another text")
    monkeypatch.setenv("THINC_NB_CACHE_DIR", "")
    path, ptx = kept_ptx(kernel, "f32", (8, 0))
    assert path is None
    assert ".target sm_80" in ptx
    x = cupy.ones(3, dtype="float32")
    kernel(x, 2.0)
    assert x.get().tolist() == [2, 2, 2]


def test_threads_may_compile_at_once(monkeypatch):
    from numba.cuda import dispatcher

    monkeypatch.setenv("THINC_NB_CACHE_DIR", "")
    before = dispatcher.get_current_device
    names = [name for name in all_kernels() if name.startswith("optimise.")]
    found: dict[str, str] = {}

    def work(name: str) -> None:
        found[name] = kept_ptx(KERNELS[name], "f32", (8, 0))[1]

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert dispatcher.get_current_device is before
    assert all(".target sm_80" in found[name] for name in names)


def test_text_without_a_kernel_is_refused():
    with pytest.raises(ValueError, match="no kernel"):
        entry_of("")
