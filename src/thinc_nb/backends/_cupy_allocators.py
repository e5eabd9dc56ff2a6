"""CuPy memory from the pool of another framework, so that the two do not hold the GPU's memory against each other."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .. import compat
from .._interop import assert_pytorch_installed, assert_tensorflow_installed


def cupy_pytorch_allocator(size_in_bytes: int) -> Any:
    """A CuPy memory pointer to memory that belongs to a PyTorch tensor, freed with it."""
    assert_pytorch_installed()
    cupy, torch = compat.cupy, compat.torch
    device = int(cupy.cuda.Device().id)
    # A tensor is no larger than asked for: sizes are already rounded by CuPy's pool.
    tensor = torch.empty(size_in_bytes, dtype=torch.uint8, device=torch.device("cuda", device), requires_grad=False)
    return _pointer(tensor.data_ptr(), size_in_bytes, tensor, device)


def cupy_tensorflow_allocator(size_in_bytes: int) -> Any:
    """A CuPy memory pointer to memory that belongs to a TensorFlow tensor, freed with it."""
    assert_tensorflow_installed()
    tensorflow = import_module("tensorflow")
    dlpack = import_module("tensorflow.experimental.dlpack")
    tensor = tensorflow.zeros((max(1, -(-size_in_bytes // 4)),), dtype="float32")
    array = compat.cupy.from_dlpack(_Capsule(dlpack.to_dlpack(tensor)))
    return _pointer(array.data.ptr, size_in_bytes, tensor, int(array.device.id))


def _pointer(address: int, size: int, owner: Any, device: int) -> Any:
    memory = compat.cupy.cuda.UnownedMemory(address, size, owner, device)
    return compat.cupy.cuda.MemoryPointer(memory, 0)


class _Capsule:
    """A DLPack capsule as the object that from_dlpack takes."""

    def __init__(self, capsule: Any) -> None:
        self.capsule = capsule

    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, int(compat.cupy.cuda.Device().id)
