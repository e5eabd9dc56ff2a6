"""What thinc_nb uses. What is read is an `object`: the caller finds out what it got before using it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol, TypeAlias, type_check_only

from .exceptions import (
    ExtraData as ExtraData,
    FormatError as FormatError,
    OutOfData as OutOfData,
    StackError as StackError,
    UnpackException as UnpackException,
    UnpackValueError as UnpackValueError,
)

version: tuple[int, int, int]
_Buffer: TypeAlias = bytes | bytearray | memoryview

@type_check_only
class _Readable(Protocol):
    def read(self, n: int, /) -> bytes: ...

@type_check_only
class _Writable(Protocol):
    def write(self, data: bytes, /) -> object: ...

class ExtType(NamedTuple):
    code: int
    data: bytes

class Packer:
    # Any: the default of a packer gets whatever the packer does not know.
    def __init__(
        self,
        *,
        default: Callable[[Any], object] | None = None,
        use_single_float: bool = False,
        autoreset: bool = True,
        use_bin_type: bool = True,
        strict_types: bool = False,
        datetime: bool = False,
        unicode_errors: str | None = None,
        buf_size: int = ...,
    ) -> None: ...
    def pack(self, obj: object) -> bytes: ...
    def pack_array_header(self, size: int) -> bytes: ...
    def pack_map_header(self, size: int) -> bytes: ...
    def pack_ext_type(self, typecode: int, data: bytes) -> bytes: ...
    def bytes(self) -> bytes: ...
    def reset(self) -> None: ...

class Unpacker(Iterator[object]):
    def __init__(
        self,
        file_like: _Readable | None = None,
        *,
        read_size: int = 0,
        use_list: bool = True,
        raw: bool = False,
        timestamp: int = 0,
        strict_map_key: bool = True,
        object_hook: Callable[[dict[Any, Any]], object] | None = None,
        object_pairs_hook: Callable[[list[tuple[Any, Any]]], object] | None = None,
        list_hook: Callable[[list[Any]], object] | None = None,
        unicode_errors: str | None = None,
        max_buffer_size: int = ...,
        ext_hook: Callable[[int, bytes], object] = ...,
        max_str_len: int = -1,
        max_bin_len: int = -1,
        max_array_len: int = -1,
        max_map_len: int = -1,
        max_ext_len: int = -1,
    ) -> None: ...
    def feed(self, next_bytes: _Buffer) -> None: ...
    def unpack(self) -> object: ...
    def skip(self) -> None: ...
    def read_bytes(self, nbytes: int) -> bytes: ...
    def read_array_header(self) -> int: ...
    def read_map_header(self) -> int: ...
    def tell(self) -> int: ...
    def __iter__(self) -> Unpacker: ...
    def __next__(self) -> object: ...

def packb(
    o: object,
    *,
    default: Callable[[Any], object] | None = None,
    use_single_float: bool = False,
    use_bin_type: bool = True,
    strict_types: bool = False,
    datetime: bool = False,
    unicode_errors: str | None = None,
) -> bytes: ...
def pack(
    o: object,
    stream: _Writable,
    *,
    default: Callable[[Any], object] | None = None,
    use_bin_type: bool = True,
    strict_types: bool = False,
) -> None: ...
def unpackb(
    packed: _Buffer,
    *,
    use_list: bool = True,
    raw: bool = False,
    timestamp: int = 0,
    strict_map_key: bool = True,
    object_hook: Callable[[dict[Any, Any]], object] | None = None,
    object_pairs_hook: Callable[[list[tuple[Any, Any]]], object] | None = None,
    list_hook: Callable[[list[Any]], object] | None = None,
    unicode_errors: str | None = None,
    ext_hook: Callable[[int, bytes], object] = ...,
    max_str_len: int = -1,
    max_bin_len: int = -1,
    max_array_len: int = -1,
    max_map_len: int = -1,
    max_ext_len: int = -1,
) -> object: ...

loads = unpackb
dumps = packb

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
