from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from thinc_nb import compat

# The public names of thinc.compat.
NAMES = """
Version blis cublas cupy cupy_from_dlpack cupy_version cupyx enable_mxnet enable_tensorflow h5py has_apple_ops
has_blis has_cupy has_cupy_gpu has_gpu has_mxnet has_os_signpost has_tensorflow has_tensorflow_gpu has_torch
has_torch_amp has_torch_cuda_gpu has_torch_gpu has_torch_mps has_torch_mps_gpu mxnet os_signpost platform tensorflow
torch torch_version warnings
""".split()  # noqa: SIM905


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Compat as if nothing had been asked yet; what is found out in the test is forgotten after it."""
    known = {name: vars(compat).pop(name) for name in [*compat._LAZY] if name in vars(compat)}
    yield monkeypatch
    for name in compat._LAZY:
        vars(compat).pop(name, None)
    vars(compat).update(known)


def fake(name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(members)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_all_names_of_thinc_are_there(name: str) -> None:
    if name in ("Version", "cupy_version", "torch_version"):
        pytest.importorskip("packaging")
    assert hasattr(compat, name)
    assert name in dir(compat)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has_abacus"):
        _ = compat.has_abacus  # type: ignore[attr-defined]


@pytest.mark.usefixtures("fresh")
def test_answers_are_booleans() -> None:
    assert all(isinstance(getattr(compat, name), bool) for name in NAMES if name.startswith("has_"))


def test_missing_library_is_none(fresh: pytest.MonkeyPatch) -> None:
    for name in ("torch", "cupy"):
        fresh.setitem(sys.modules, name, None)
    assert compat.torch is None
    assert compat.cupy is None
    assert not compat.has_torch
    assert not compat.has_cupy
    assert not compat.has_torch_cuda_gpu
    assert not compat.has_gpu
    assert compat.cupy_from_dlpack is None


class CUDARuntimeError(RuntimeError):
    pass


@pytest.mark.parametrize("has_device", [True, False])
def test_cupy_counts_as_a_gpu_only_with_a_device(fresh: pytest.MonkeyPatch, has_device: bool) -> None:
    def get_device_count() -> int:
        if not has_device:
            raise CUDARuntimeError
        return 1

    runtime = fake("runtime", getDeviceCount=get_device_count, CUDARuntimeError=CUDARuntimeError)
    cupy = fake("cupy", cuda=fake("cuda", runtime=runtime), from_dlpack=len)
    fresh.setitem(sys.modules, "cupy", cupy)
    fresh.setitem(sys.modules, "torch", None)
    assert compat.cupy is cupy
    assert compat.has_cupy
    assert compat.has_cupy_gpu is has_device
    assert compat.has_gpu is has_device
    assert compat.cupy_from_dlpack is len


@pytest.mark.parametrize("has_device", [True, False])
def test_torch_counts_as_a_gpu_only_with_a_device(fresh: pytest.MonkeyPatch, has_device: bool) -> None:
    cuda = fake("cuda", is_available=lambda: has_device, device_count=lambda: int(has_device))
    mps = fake("mps", is_built=lambda: False, is_available=lambda: False)
    torch = fake("torch", cuda=cuda, backends=fake("backends", mps=mps))
    fresh.setitem(sys.modules, "torch", torch)
    assert compat.has_torch
    assert compat.torch is torch
    assert compat.has_torch_cuda_gpu is compat.has_torch_gpu is compat.has_torch_amp is has_device


def test_answers_are_kept(fresh: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def ask() -> bool:
        asked.append(1)
        return True

    fresh.setitem(compat._LAZY, "has_blis", ask)
    assert compat.has_blis
    assert compat.has_blis
    assert len(asked) == 1


def test_frameworks_are_enabled_on_demand(fresh: pytest.MonkeyPatch) -> None:
    fresh.setitem(sys.modules, "mxnet", fake("mxnet"))
    assert not getattr(compat, "has_mxnet")  # noqa: B009  # the type checker would keep the answer
    assert compat.mxnet is None
    with pytest.warns(DeprecationWarning, match="MXNet"):
        compat.enable_mxnet()
    assert compat.has_mxnet
    assert compat.mxnet is sys.modules["mxnet"]


def test_tensorflow_is_enabled_without_taking_all_memory(fresh: pytest.MonkeyPatch) -> None:
    grown = []
    experimental = fake(
        "experimental",
        list_physical_devices=lambda kind: ["gpu:0"],
        set_memory_growth=lambda gpu, on: grown.append((gpu, on)),
    )
    fresh.setitem(sys.modules, "tensorflow", fake("tensorflow", config=fake("config", experimental=experimental)))
    with pytest.warns(DeprecationWarning, match="TensorFlow"):
        compat.enable_tensorflow()
    assert compat.has_tensorflow
    assert compat.has_tensorflow_gpu
    assert grown == [("gpu:0", True)]


@pytest.mark.parametrize("name", ["tensorflow", "mxnet"])
def test_enabling_what_is_not_installed_is_an_import_error(fresh: pytest.MonkeyPatch, name: str) -> None:
    fresh.setitem(sys.modules, name, None)
    with pytest.warns(DeprecationWarning, match="deprecated"), pytest.raises(ImportError):
        getattr(compat, f"enable_{name}")()
    assert getattr(compat, f"has_{name}") is False
