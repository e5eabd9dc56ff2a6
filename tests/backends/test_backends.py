"""Which Ops are current, by thread and by block; making Ops by name."""

from __future__ import annotations

import contextlib
import copy
import inspect
import pickle
import threading
from contextvars import copy_context
from types import SimpleNamespace

import catalogue
import numpy as np
import pytest

from thinc_nb import compat
from thinc_nb.api import Linear
from thinc_nb.backends import (
    AppleOps,
    CupyOps,
    MPSOps,
    NumpyOps,
    Ops,
    get_array_ops,
    get_current_ops,
    get_ops,
    set_current_ops,
    set_gpu_allocator,
    use_ops,
    use_pytorch_for_gpu_memory,
    use_tensorflow_for_gpu_memory,
)


def test_ops_are_made_by_name():
    assert type(get_ops("numpy")) is type(get_ops("cpu")) is NumpyOps
    assert get_ops("numpy", use_blis=False).use_blis is False
    assert type(get_ops("cupy")) is CupyOps
    with pytest.raises(ValueError, match="Invalid backend: bla"):
        get_ops("bla")


def test_ops_of_the_registry_are_made_by_the_name_of_their_class():
    from thinc_nb.config import registry

    class Doubling(NumpyOps):
        name = "doubling"

    class Numpy(NumpyOps):
        name = "numpy"

    try:
        registry.ops("Doubling")(Doubling)
        assert type(get_ops("doubling", use_blis=False)) is Doubling
        registry.ops("NumpyOps")(Numpy)
        assert type(get_ops("numpy")) is type(get_ops("cpu")) is Numpy
    finally:
        registry.ops("NumpyOps")(NumpyOps)
        catalogue._remove(("thinc_nb", "ops", "Doubling"))
    with pytest.raises(ValueError, match="Invalid backend: doubling"):
        get_ops("doubling")


@pytest.mark.parametrize("kind", [NumpyOps, CupyOps, MPSOps])
def test_methods_are_declared_as_those_of_ops(kind: type[Ops]):
    for name in dir(kind):
        method = getattr(kind, name)
        if not name.startswith("_") and callable(method):
            here, there = inspect.signature(method), inspect.signature(getattr(Ops, name))
            assert list(here.parameters.values()) == list(there.parameters.values()), name


def test_only_numpy_ops_hand_out_blas_functions():
    for ops in (Ops(), CupyOps()):
        with pytest.raises(NotImplementedError, match=f"{type(ops).__name__} does not provide C BLAS functions"):
            ops.cblas()


def test_cupy_ops_without_cupy_can_be_made_and_say_so_when_they_are_used(monkeypatch):
    monkeypatch.setattr(compat, "cupy", None)
    monkeypatch.setattr(compat, "has_cupy", False)
    assert CupyOps.xp is None
    ops, X = CupyOps(), np.ones((2, 2), "f")
    assert not ops.xp
    assert ops.to_numpy(X) is X
    uses = [
        lambda: ops.alloc2f(1, 1),
        lambda: ops.asarray([1.0]),
        lambda: ops.gemm(X, X),
        lambda: ops.relu(X),
        lambda: ops.scatter_add(X, np.zeros(2, "i"), X),
        lambda: ops.hash(np.zeros(2, "uint64"), 1),
    ]
    for use in uses:
        with pytest.raises(ModuleNotFoundError, match=r"CupyOps needs cupy.* is not installed: pip install") as caught:
            use()
        assert caught.value.name == "cupy"
    with use_ops("cupy"), pytest.raises(ModuleNotFoundError, match="CuPy is not installed"):
        Linear(2, 2).initialize()
    assert pickle.loads(pickle.dumps(ops)).device_id == copy.deepcopy(ops).device_id == ops.device_id


def test_apple_hardware_is_asked_for_clearly(monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    with pytest.raises(RuntimeError, match="MPSOps needs Apple hardware"):
        MPSOps()
    assert AppleOps is None


def test_a_block_restores_what_was_current_even_after_an_error():
    before = get_current_ops()
    with use_ops("numpy") as inside:
        assert get_current_ops() is inside
        assert inside is not before
    assert get_current_ops() is before
    with pytest.raises(KeyError), use_ops("numpy"):
        raise KeyError
    assert get_current_ops() is before


def test_what_is_current_is_the_thread_s_own():
    mine = NumpyOps()
    before = get_current_ops()
    set_current_ops(mine)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(get_current_ops()))
    thread.start()
    thread.join()
    assert get_current_ops() is mine
    assert seen[0] is not mine
    set_current_ops(before)


def test_arrays_know_their_ops():
    assert isinstance(get_array_ops(np.zeros(3)), NumpyOps)
    assert isinstance(get_array_ops([1]), NumpyOps)
    assert NumpyOps().xp is np
    assert (NumpyOps().name, NumpyOps().device_type, NumpyOps().device_id) == ("numpy", "cpu", -1)


def test_an_allocator_is_made_once_and_set(monkeypatch):
    made = []

    class MemoryPool:
        def __init__(self, allocator):
            made.append(allocator.__name__)
            self.malloc = allocator.__name__

    current = []
    cuda = SimpleNamespace(MemoryPool=MemoryPool, set_allocator=current.append)
    monkeypatch.setattr("thinc_nb.compat.has_cupy", True, raising=False)
    monkeypatch.setattr("thinc_nb.compat.cupy", SimpleNamespace(cuda=cuda), raising=False)
    monkeypatch.setattr("thinc_nb.compat.torch", SimpleNamespace(), raising=False)
    monkeypatch.setattr("thinc_nb.compat.has_tensorflow", True, raising=False)
    context = copy_context()
    context.run(use_pytorch_for_gpu_memory)
    context.run(use_tensorflow_for_gpu_memory)
    context.run(set_gpu_allocator, "pytorch")
    assert made == ["cupy_pytorch_allocator", "cupy_tensorflow_allocator"]
    assert current == [*made, made[0]]


def test_an_allocator_without_cupy_changes_nothing_and_an_unknown_one_is_refused(monkeypatch):
    monkeypatch.setattr("thinc_nb.compat.has_cupy", False, raising=False)
    with contextlib.nullcontext() if compat.has_torch else pytest.raises(ImportError, match="requires torch"):
        set_gpu_allocator("pytorch")
    with pytest.raises(ImportError, match="enable_tensorflow"):
        use_tensorflow_for_gpu_memory()
    with pytest.raises(ImportError, match="enable_tensorflow"):
        set_gpu_allocator("tensorflow")
    with pytest.raises(ValueError, match="Invalid 'gpu_allocator' argument: 'xx'"):
        set_gpu_allocator("xx")
