"""What thinc_nb uses."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Literal, TypedDict, final, type_check_only

from typing_extensions import Self

__version__: str

@type_check_only
class _Info(TypedDict, total=False):
    user_api: str
    internal_api: str
    prefix: str
    filepath: str
    version: str | None
    num_threads: int
    threading_layer: str
    architecture: str

class LibController(ABC):
    user_api: str
    internal_api: str
    prefix: str
    filepath: str
    version: str | None
    @final
    def __init__(
        self, *, filepath: str | None = None, prefix: str | None = None, parent: ThreadpoolController | None = None
    ) -> None: ...
    @property
    def num_threads(self) -> int: ...
    def info(self, debugging_info: bool = False) -> _Info: ...
    @abstractmethod
    def get_num_threads(self) -> int | None: ...
    @abstractmethod
    def set_num_threads(self, num_threads: int) -> object: ...

class threadpool_limits:
    def __init__(
        self, limits: int | dict[str, int] | None = None, user_api: Literal["blas", "openmp"] | None = None
    ) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def restore_original_limits(self) -> None: ...
    def unregister(self) -> None: ...
    def get_original_num_threads(self) -> dict[str, int | None]: ...

class ThreadpoolController:
    lib_controllers: list[LibController]
    def __init__(self) -> None: ...
    def __len__(self) -> int: ...
    def info(self, debugging_info: bool = False) -> list[_Info]: ...
    def select(self, **kwargs: str | list[str]) -> ThreadpoolController: ...
    def limit(
        self, *, limits: int | dict[str, int] | None = None, user_api: Literal["blas", "openmp"] | None = None
    ) -> threadpool_limits: ...

def threadpool_info(debugging_info: bool = False) -> list[_Info]: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
