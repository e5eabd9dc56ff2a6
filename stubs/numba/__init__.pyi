"""What thinc_nb uses. A decorated function keeps its signature."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeAlias, TypedDict, TypeVar, overload, type_check_only

from typing_extensions import Unpack

from .core import config as config, types as types
from .core.compiler import Compiler
from .core.types import (
    boolean as boolean,
    float32 as float32,
    float64 as float64,
    int8 as int8,
    int16 as int16,
    int32 as int32,
    int64 as int64,
    intp as intp,
    uint8 as uint8,
    uint16 as uint16,
    uint32 as uint32,
    uint64 as uint64,
    void as void,
)
from .core.typing import Signature

__version__: str

_P = ParamSpec("_P")
_R = TypeVar("_R", covariant=True)

@type_check_only
class _JitOptions(TypedDict, total=False):
    nopython: bool
    forceobj: bool
    looplift: bool
    nogil: bool
    parallel: bool
    fastmath: bool | set[str]
    error_model: Literal["python", "numpy"]
    inline: Literal["never", "always"]
    forceinline: bool
    debug: bool
    no_cpython_wrapper: bool
    no_cfunc_wrapper: bool
    _nrt: bool

@type_check_only
class _Options(_JitOptions, total=False):
    pipeline_class: type[Compiler]
    cache: bool
    boundscheck: bool | None
    locals: Mapping[str, types.Type | str]

@type_check_only
class _CacheStats(Protocol):
    @property
    def cache_path(self) -> str: ...
    @property
    def cache_hits(self) -> dict[tuple[types.Type, ...], int]: ...
    @property
    def cache_misses(self) -> dict[tuple[types.Type, ...], int]: ...

@type_check_only
class _Dispatcher(Generic[_P, _R]):
    __name__: str
    __qualname__: str
    __module__: str
    __doc__: str | None
    @property
    def py_func(self) -> Callable[_P, _R]: ...
    @property
    def signatures(self) -> list[tuple[types.Type, ...]]: ...
    @property
    def nopython_signatures(self) -> list[Signature]: ...
    @property
    def stats(self) -> _CacheStats: ...
    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _R: ...
    def compile(self, sig: str | Signature | tuple[types.Type, ...]) -> object: ...
    def disable_compile(self, val: bool = True) -> None: ...
    def recompile(self) -> None: ...
    def inspect_llvm(self, signature: tuple[types.Type, ...]) -> str: ...
    def inspect_asm(self, signature: tuple[types.Type, ...]) -> str: ...

@type_check_only
class _Decorator(Protocol):
    def __call__(self, func: Callable[_P, _R], /) -> _Dispatcher[_P, _R]: ...

_Signature: TypeAlias = str | Signature | tuple[types.Type, ...]

@overload
def jit(signature_or_function: Callable[_P, _R]) -> _Dispatcher[_P, _R]: ...
@overload
def jit(
    signature_or_function: _Signature | list[_Signature] | None = None,
    locals: Mapping[str, types.Type | str] = ...,
    cache: bool = False,
    pipeline_class: type[Any] | None = None,
    boundscheck: bool | None = None,
    **options: Unpack[_JitOptions],
) -> _Decorator: ...
@overload
def njit(func: Callable[_P, _R], /) -> _Dispatcher[_P, _R]: ...
@overload
def njit(signature: _Signature | list[_Signature] | None = None, /, **options: Unpack[_Options]) -> _Decorator: ...

# A ufunc broadcasts, so the scalar signature is not kept: arrays in, array out.
@overload
def vectorize(ftylist_or_function: Callable[..., Any]) -> Callable[..., Any]: ...
@overload
def vectorize(
    ftylist_or_function: Sequence[str] = (),
    *,
    target: Literal["cpu", "parallel"] = "cpu",
    cache: bool = False,
    nopython: bool = True,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
def guvectorize(
    signatures: list[str],
    layout: str,
    /,
    *,
    target: Literal["cpu", "parallel"] = "cpu",
    cache: bool = False,
    nopython: bool = True,
) -> Callable[[Callable[..., None]], Callable[..., Any]]: ...

# Outside of compiled code it is range.
class prange:
    @overload
    def __new__(cls, stop: int, /) -> range: ...  # type: ignore[misc]
    @overload
    def __new__(cls, start: int, stop: int, step: int = 1, /) -> range: ...  # type: ignore[misc]

def typeof(val: object, purpose: object = ...) -> types.Type: ...
def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
