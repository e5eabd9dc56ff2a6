"""Ops for each device, and which of them is current."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .. import compat
from .._environment import number
from .._interop import assert_pytorch_installed, assert_tensorflow_installed
from ..kernels import get_num_threads, set_num_threads
from ._cupy_allocators import cupy_pytorch_allocator, cupy_tensorflow_allocator
from ._memory import POOL
from ._param_server import ParamServer
from .cupy_ops import CupyOps
from .mps_ops import MPSOps
from .numpy_ops import NumpyOps
from .ops import Ops

__all__ = [
    "AppleOps",
    "CupyOps",
    "MPSOps",
    "NumpyOps",
    "Ops",
    "ParamServer",
    "context_ops",
    "context_pools",
    "contextvars_eq_thread_ops",
    "cupy_pytorch_allocator",
    "cupy_tensorflow_allocator",
    "free_memory",
    "get_array_ops",
    "get_current_ops",
    "get_num_threads",
    "get_ops",
    "has_cupy",
    "set_current_ops",
    "set_gpu_allocator",
    "set_num_threads",
    "use_ops",
    "use_pytorch_for_gpu_memory",
    "use_tensorflow_for_gpu_memory",
]

has_cupy: bool

if not TYPE_CHECKING:

    def __getattr__(name):
        # Whether CuPy works is known only after an import of it.
        if name == "has_cupy":
            return compat.has_cupy
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if number("THINC_NB_NUM_THREADS") is not None:
    set_num_threads(get_num_threads())  # BLAS does not know the variable.

AppleOps = None
"""Ops of the separate package thinc-apple-ops in Thinc; MPSOps and numpy's own BLAS take its place."""

context_ops: ContextVar[Ops | None] = ContextVar("context_ops", default=None)
context_pools: ContextVar[dict[str, Any]] = ContextVar("context_pools", default={})  # noqa: B039  # never changed
"""CuPy's memory pools on other frameworks' memory that were made here, by name."""
_ALLOCATORS: dict[str, Callable[[int], Any]] = {
    "pytorch": cupy_pytorch_allocator,
    "tensorflow": cupy_tensorflow_allocator,
}
_INSTALLED = {"pytorch": assert_pytorch_installed, "tensorflow": assert_tensorflow_installed}
_NAMES: dict[str, type[Ops]] = {"numpy": NumpyOps, "cpu": NumpyOps, "cupy": CupyOps, "mps": MPSOps}


def free_memory() -> None:
    """Give the memory that is kept for arrays to come back to the system: up to 512 MB. Arrays in use keep theirs."""
    POOL.clear()


def get_ops(name: str, **kwargs: Any) -> Ops:
    """New Ops by name: "numpy" (or "cpu"), "cupy" or "mps", or the `name` of a class that is in `registry.ops`.

    A class of a name that is taken stands for it from then on. ValueError for any other name.
    """
    names = _NAMES | _registered()
    if name == "cpu":
        name = "numpy"
    if name not in names:
        raise ValueError(f"Invalid backend: {name} (there are {', '.join(names)})")
    return names[name](**kwargs)


def _registered() -> dict[str, type[Ops]]:
    # Whoever registered something has imported the registry, which is not light.
    config = sys.modules.get("thinc_nb.config")
    return {} if config is None else {ops.name: ops for ops in config.registry.ops.get_all().values()}


def get_array_ops(arr: object) -> Ops:
    """Ops for the device of an array; for anything that is no cupy array, those of the CPU."""
    current = get_current_ops()
    wanted = CupyOps if compat.has_cupy and isinstance(arr, compat.cupy.ndarray) else NumpyOps
    return current if isinstance(current, wanted) else wanted()


def get_current_ops() -> Ops:
    """The Ops of this thread or task: what `set_current_ops` or `use_ops` said here, NumpyOps otherwise."""
    current = context_ops.get()
    if current is None:
        current = NumpyOps()
        context_ops.set(current)
    return current


def set_current_ops(ops: Ops) -> None:
    """Make Ops current in this thread or task."""
    context_ops.set(ops)


def contextvars_eq_thread_ops() -> bool:
    """Whether what is current follows the context as well as the thread; always so here."""
    return True


@contextlib.contextmanager
def use_ops(name: str, **kwargs: Any) -> Iterator[Ops]:
    """Make Ops current by name within a block; the former ones are current again after it, come what may."""
    current = get_current_ops()
    ops = get_ops(name, **kwargs)
    set_current_ops(ops)
    try:
        yield ops
    finally:
        set_current_ops(current)


def set_gpu_allocator(allocator: str) -> None:
    """Let CuPy take its memory from the pool of "pytorch" or "tensorflow". ValueError for any other name.

    Without it the two hold memory that the other one needs. ImportError if the other one is missing; does nothing where
    CuPy is.
    """
    if allocator not in _ALLOCATORS:
        raise ValueError(
            f"Invalid 'gpu_allocator' argument: '{allocator}'. Available allocators are: 'pytorch', 'tensorflow'"
        )
    _INSTALLED[allocator]()
    if not compat.has_cupy:
        return
    pools = context_pools.get()
    if allocator not in pools:
        pools = {**pools, allocator: compat.cupy.cuda.MemoryPool(allocator=_ALLOCATORS[allocator])}
        context_pools.set(pools)
    compat.cupy.cuda.set_allocator(pools[allocator].malloc)


def use_pytorch_for_gpu_memory() -> None:
    """Let CuPy take its memory from PyTorch's pool. ImportError if that is missing."""
    set_gpu_allocator("pytorch")


def use_tensorflow_for_gpu_memory() -> None:
    """Let CuPy take its memory from TensorFlow's pool. ImportError if that is missing, or not enabled."""
    set_gpu_allocator("tensorflow")
