"""What a kernel's PTX expects is what the launch passes; the launch itself needs a GPU (see tests/gpu)."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

from thinc_nb.kernels import KERNELS
from thinc_nb.kernels._cuda import compile_ptx
from thinc_nb.kernels._launch import _flattened, entry_of
from thinc_nb.kernels._warmup import all_kernels

SIZES = {"items": 1, "rows": 2, "blocks": 4}
SCALARS = {"int": 3, "float": np.float32(1), "UInt32": np.uint32(1), "Start": np.uint32(0)}


def fake_array(kind: str) -> SimpleNamespace:
    """What the launch looks at of a cupy array."""
    host = np.zeros((2,) * int(kind[-2]), "f")
    return SimpleNamespace(
        data=SimpleNamespace(ptr=1 << 40),
        ndim=host.ndim,
        size=host.size,
        itemsize=4,
        shape=host.shape,
        strides=host.strides,
    )


@pytest.mark.parametrize("name", sorted(all_kernels()))
def test_the_flattened_arguments_are_those_of_the_ptx(name):
    kernel = KERNELS[name]
    ptx = compile_ptx(kernel, "f32", (9, 0))
    declared = re.findall(r"\.param \.(\w+) " + entry_of(ptx), ptx)
    args = tuple(SCALARS[kind] if kind in SCALARS else fake_array(kind) for _, kind in kernel.annotations)
    passed = [np.int64(0)] * SIZES[kernel.shape] + list(_flattened(args))
    assert [size_of(kind) for kind in declared] == [value.dtype.itemsize for value in passed]
    assert [kind == "f32" for kind in declared] == [value.dtype.kind == "f" for value in passed]


def size_of(kind: str) -> int:
    return int(kind[1:]) // 8


def test_arrays_of_other_types_than_annotated_are_compiled_for():
    ptx = compile_ptx(all_kernels()["embed.scatter_add"], "f32", (9, 0), (("<i8", 1), None, None))
    assert "ArrayIxLi1" in entry_of(ptx) or "Ix" in entry_of(ptx)


def test_text_without_a_kernel_is_refused():
    with pytest.raises(ValueError, match="no kernel"):
        entry_of("")
