"""What thinc_nb uses. A kernel is launched as kernel[blocks, threads](...) and keeps its signature."""

from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, overload, type_check_only

import numpy as np

from ..core import types
from ..core.typing import Signature

_P = ParamSpec("_P")
_R = TypeVar("_R", covariant=True)
_S = TypeVar("_S", bound=tuple[Any, ...], covariant=True)
_D = TypeVar("_D", bound=np.dtype[Any], covariant=True)
_T = TypeVar("_T", bound=float | np.generic)
_Shape: TypeAlias = int | tuple[int, ...]
_Signature: TypeAlias = str | Signature | tuple[types.Type, ...]

@type_check_only
class _Launch(Protocol[_P]):
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> None: ...

@type_check_only
class _Kernel(Generic[_P, _R]):
    __name__: str
    @property
    def py_func(self) -> Callable[_P, _R]: ...
    def __getitem__(
        self, launch: tuple[_Shape, _Shape] | tuple[_Shape, _Shape, object] | tuple[_Shape, _Shape, object, int]
    ) -> _Launch[_P]: ...
    # A device function is called like a function, a kernel only through [].
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...

@type_check_only
class _Decorator(Protocol):
    def __call__(self, func: Callable[_P, _R], /) -> _Kernel[_P, _R]: ...

@overload
def jit(func_or_sig: Callable[_P, _R]) -> _Kernel[_P, _R]: ...
@overload
def jit(
    func_or_sig: _Signature | list[_Signature] | None = None,
    device: bool = False,
    inline: Literal["never", "always"] | bool = "never",
    forceinline: bool = False,
    link: Sequence[object] = (),
    debug: bool | None = None,
    opt: bool | None = None,
    lineinfo: bool = False,
    cache: bool = False,
    launch_bounds: int | tuple[int, ...] | None = None,
    lto: bool | None = None,
    shared_memory_carveout: int | str | None = None,
    *,
    fastmath: bool | set[str] = False,
    max_registers: int | None = None,
    # Any: what else the compiler of this version knows.
    **kws: Any,
) -> _Decorator: ...
def compile_ptx(
    pyfunc: Callable[..., object],
    sig: _Signature,
    debug: bool | None = None,
    lineinfo: bool = False,
    device: bool = False,
    fastmath: bool | set[str] = False,
    cc: tuple[int, int] | None = None,
    opt: bool | None = None,
    abi: str = "numba",
    abi_info: dict[str, str] | None = None,
    forceinline: bool = False,
    launch_bounds: int | tuple[int, ...] | None = None,
) -> tuple[str, types.Type]: ...
def is_available() -> bool: ...
def synchronize() -> None: ...

@type_check_only
class _DeviceArray(np.ndarray[_S, _D]):
    def copy_to_host(self, ary: np.ndarray[_S, _D] | None = None, stream: object = 0) -> np.ndarray[_S, _D]: ...
    def copy_to_device(self, ary: np.ndarray[Any, Any], stream: object = 0) -> None: ...

def to_device(
    obj: np.ndarray[_S, _D], stream: object = 0, copy: bool = True, to: _DeviceArray[_S, _D] | None = None
) -> _DeviceArray[_S, _D]: ...
def as_cuda_array(obj: object, sync: bool = True) -> _DeviceArray[Any, Any]: ...
def external_stream(ptr: int) -> object: ...

@type_check_only
class _Dim3:
    @property
    def x(self) -> int: ...
    @property
    def y(self) -> int: ...
    @property
    def z(self) -> int: ...

threadIdx: _Dim3
blockIdx: _Dim3
blockDim: _Dim3
gridDim: _Dim3
laneid: int
warpsize: int

def grid(ndim: int) -> int: ...
def gridsize(ndim: int) -> int: ...
def syncthreads() -> None: ...
def syncwarp(mask: int = ...) -> None: ...
def shfl_sync(mask: int, value: _T, src_lane: int) -> _T: ...
def shfl_xor_sync(mask: int, value: _T, lane_mask: int) -> _T: ...
def shfl_down_sync(mask: int, value: _T, delta: int) -> _T: ...
def shfl_up_sync(mask: int, value: _T, delta: int) -> _T: ...
def activemask() -> int: ...
def ballot_sync(mask: int, predicate: bool) -> int: ...
def popc(x: int) -> int: ...
def ffs(x: int) -> int: ...
def fma(a: _T, b: _T, c: _T) -> _T: ...

class atomic:
    @staticmethod
    def add(ary: np.ndarray[Any, Any], idx: int | tuple[int, ...], val: float | np.generic) -> Any: ...
    @staticmethod
    def max(ary: np.ndarray[Any, Any], idx: int | tuple[int, ...], val: float | np.generic) -> Any: ...
    @staticmethod
    def min(ary: np.ndarray[Any, Any], idx: int | tuple[int, ...], val: float | np.generic) -> Any: ...
    @staticmethod
    def cas(
        ary: np.ndarray[Any, Any], idx: int | tuple[int, ...], old: float | np.generic, val: float | np.generic
    ) -> Any: ...

class shared:
    @staticmethod
    def array(
        shape: _Shape, dtype: type[np.generic] | np.dtype[Any] | types.Type, alignment: int | None = None
    ) -> np.ndarray[Any, Any]: ...

class local:
    @staticmethod
    def array(
        shape: _Shape, dtype: type[np.generic] | np.dtype[Any] | types.Type, alignment: int | None = None
    ) -> np.ndarray[Any, Any]: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
