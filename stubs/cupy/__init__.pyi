"""Only what thinc_nb uses. For a type checker a cupy array is a numpy array with get():
the array aliases (Floats2d, ...) then cover both, and Ops code is checked once."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
from typing_extensions import TypeVar

from . import cuda as cuda

__version__: str

_S = TypeVar("_S", bound=tuple[Any, ...], default=tuple[Any, ...], covariant=True)
_D = TypeVar("_D", bound=np.dtype[Any], default=np.dtype[Any], covariant=True)

class ndarray(np.ndarray[_S, _D]):
    def get(self) -> np.ndarray[_S, _D]: ...

def get_array_module(*args: object) -> ModuleType: ...
def asnumpy(a: np.ndarray[_S, _D]) -> np.ndarray[_S, _D]: ...
def asarray(a: np.ndarray[_S, _D]) -> ndarray[_S, _D]: ...
def is_available() -> bool: ...

class RawModule:
    def __init__(self, *, code: str | None = None, path: str | None = None) -> None: ...
    def get_function(self, name: str) -> RawKernel: ...

class RawKernel:
    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any], *, shared_mem: int = 0
    ) -> None: ...
