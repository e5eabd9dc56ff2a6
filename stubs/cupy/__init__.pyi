"""What thinc_nb uses. For a type checker a cupy array is a numpy array with get():
the array aliases (Floats2d, ...) then cover both, and Ops code is checked once."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import TypeVar

from . import cuda as cuda

__version__: str

_S = TypeVar("_S", bound=tuple[Any, ...], default=tuple[Any, ...], covariant=True)
_D = TypeVar("_D", bound=np.dtype[Any], default=np.dtype[Any], covariant=True)

class ndarray(np.ndarray[_S, _D]):
    # Any: the shape is that of the array it is written to.
    def get(
        self,
        stream: cuda.Stream | None = None,
        order: Literal["C", "F", "A"] = "C",
        out: np.ndarray[Any, Any] | None = None,
        blocking: bool = True,
    ) -> np.ndarray[_S, _D]: ...

def get_array_module(*args: object) -> ModuleType: ...
def asnumpy(
    a: np.ndarray[_S, _D],
    stream: cuda.Stream | None = None,
    order: Literal["C", "F", "A"] = "C",
    out: np.ndarray[Any, Any] | None = None,
    *,
    blocking: bool = True,
) -> np.ndarray[_S, _D]: ...
@overload
def asarray(
    a: np.ndarray[_S, _D],
    dtype: None = None,
    order: Literal["C", "F", "A", "K"] | None = None,
    *,
    copy: bool | None = None,
    blocking: bool = False,
) -> ndarray[_S, _D]: ...
@overload
def asarray(
    a: object,
    dtype: npt.DTypeLike | None = None,
    order: Literal["C", "F", "A", "K"] | None = None,
    *,
    copy: bool | None = None,
    blocking: bool = False,
) -> ndarray[Any, Any]: ...
def is_available() -> bool: ...

class RawModule:
    def __init__(
        self,
        code: str | None = None,
        *,
        path: str | None = None,
        options: tuple[str, ...] = (),
        backend: Literal["nvrtc", "nvcc"] = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: Sequence[str] | None = None,
        jitify: bool | None = None,
    ) -> None: ...
    def get_function(self, name: str) -> RawKernel: ...

class RawKernel:
    def __init__(
        self,
        code: str,
        name: str,
        options: tuple[str, ...] = (),
        backend: Literal["nvrtc", "nvcc"] = "nvrtc",
        translate_cucomplex: bool = False,
        *,
        enable_cooperative_groups: bool = False,
        jitify: bool | None = None,
    ) -> None: ...
    def __call__(
        self, grid: tuple[int, ...], block: tuple[int, ...], args: Sequence[Any], *, shared_mem: int = 0
    ) -> None: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
