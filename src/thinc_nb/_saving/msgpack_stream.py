"""Large MessagePack documents in pieces: arrays are written from where they are, and read to where they will be.

The format is that of `msgpack`. A document is written in pieces, which hold a view of an array, never a copy. It is
read as a skeleton: instead of arrays and long byte strings it has their places in the source, from where they are
fetched later.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from io import BufferedReader
from typing import TYPE_CHECKING, Any, Protocol

import msgpack
import numpy as np

from .._arrays import is_cupy_array
from ..errors import SerializationError
from .msgpack import (
    check_size,
    decode_dtype,
    decode_map,
    decode_shape,
    describe_array,
    encode_other,
    make_map,
    raw_bytes,
)

if TYPE_CHECKING:
    from ..types import ArrayXd

__all__ = ["Blob", "BytesSource", "Deferred", "FileSource", "Source", "StoredArray", "pieces", "read_skeleton"]

_PIECE = 1 << 16
# Byte strings up to this length are in the skeleton itself.
_SHORT = 256
_CHECKED_AT_ONCE = 1 << 20
_MAX_DEPTH = 32
_MAX_BIN = 2**32 - 1


# Writing


class Deferred:
    """A value that is computed when it is written, and not kept."""

    def __init__(self, make: Callable[[], object]) -> None:
        self.make = make


def pieces(document: object) -> Iterator[bytes | memoryview]:
    """What `encode` writes, in pieces. Arrays become little-endian.

    ValueError for what MessagePack has no room for: 4 GiB in one array, or one byte string.
    """
    packer = msgpack.Packer(default=encode_other, use_bin_type=True)
    small = bytearray()
    for part in _parts(document, packer):
        if len(part) < _PIECE:
            small += part
        if len(small) >= _PIECE or (small and len(part) >= _PIECE):
            yield bytes(small)
            small.clear()
        if len(part) >= _PIECE:
            yield part
    yield bytes(small)


def _parts(value: object, packer: msgpack.Packer) -> Iterator[bytes | memoryview]:
    if isinstance(value, Deferred):
        yield from _parts(value.make(), packer)
    elif isinstance(value, dict):
        yield packer.pack_map_header(len(value))
        for key, item in value.items():
            yield packer.pack(key)
            yield from _parts(item, packer)
    elif isinstance(value, (list, tuple)):
        yield packer.pack_array_header(len(value))
        for item in value:
            yield from _parts(item, packer)
    elif isinstance(value, np.ndarray) or is_cupy_array(value):
        array = little_endian(value)
        yield packer.pack_map_header(5)
        for key, item in describe_array(array).items():
            yield packer.pack(key) + packer.pack(item)
        yield packer.pack(b"data") + _bin_header(array.nbytes)
        yield raw_bytes(array)
    elif isinstance(value, bytes) and len(value) > _SHORT:
        yield _bin_header(len(value))
        yield value
    else:
        yield packer.pack(value)


def little_endian(value: Any) -> Any:
    """The array on the CPU, in little-endian order; the same one if it is that already."""
    if is_cupy_array(value):
        value = value.get()
    if isinstance(value, np.ndarray) and value.dtype.str[0] == ">":
        return value.astype(value.dtype.newbyteorder("<"))
    return value


def _bin_header(length: int) -> bytes:
    if length < 1 << 8:
        return b"\xc4" + length.to_bytes(1, "big")
    if length < 1 << 16:
        return b"\xc5" + length.to_bytes(2, "big")
    if length > _MAX_BIN:
        raise ValueError(f"cannot write {length:,} bytes in one piece: the format ends at 4 GiB")
    return b"\xc6" + length.to_bytes(4, "big")


# Reading


class Source(Protocol):
    """A source of documents."""

    size: int

    def fetch(self, start: int, length: int) -> bytes | memoryview:
        """These bytes, fewer at the end."""
        ...

    def fetch_into(self, start: int, out: memoryview) -> int:
        """Fill `out` with the bytes from `start` on; how many there were."""
        ...

    def check(self, start: int, length: int) -> None:
        """Check that these bytes can be fetched."""
        ...

    def check_unchanged(self) -> None:
        """SerializationError if somebody has written to the source since it was opened."""
        ...


class BytesSource:
    """A document in memory."""

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._view = memoryview(data).cast("B")
        self.size = len(self._view)

    def fetch(self, start: int, length: int) -> memoryview:
        """These bytes, fewer at the end."""
        return self._view[start : start + length]

    def fetch_into(self, start: int, out: memoryview) -> int:
        """Fill `out` with the bytes from `start` on; how many there were."""
        found = self.fetch(start, len(out))
        out[: len(found)] = found
        return len(found)

    def check(self, start: int, length: int) -> None:
        """Does nothing: they are in memory."""

    def check_unchanged(self) -> None:
        """Does nothing: nobody can tell whether bytes in memory have been changed."""


class FileSource:
    """A document in a file that can be sought in. OSError if reading fails."""

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._state = self._state_now()
        self.size = file.seek(0, 2)

    def _state_now(self) -> tuple[int, int]:
        found = os.fstat(self._file.fileno())
        return found.st_size, found.st_mtime_ns

    def fetch(self, start: int, length: int) -> bytes:
        """These bytes, fewer at the end."""
        self._file.seek(start)
        return self._file.read(length)

    def fetch_into(self, start: int, out: memoryview) -> int:
        """Fill `out` with the bytes from `start` on; how many there were."""
        self._file.seek(start)
        done = 0
        while done < len(out):
            count = self._file.readinto(out[done:])
            if not count:
                break
            done += count
        return done

    def check(self, start: int, length: int) -> None:
        """Read these bytes and forget them. SerializationError if there are fewer."""
        room = memoryview(bytearray(min(length, _CHECKED_AT_ONCE)))
        while length:
            count = self.fetch_into(start, room[:length])
            if not count:
                raise SerializationError(_SHORTER)
            start, length = start + count, length - count

    def check_unchanged(self) -> None:
        """SerializationError if the file has another size or time of modification than when it was opened."""
        if self._state_now() != self._state:
            raise SerializationError("cannot load: the file changed while it was read")


_SHORTER = "cannot load: the data became shorter while it was read"


class Blob:
    """Bytes in a source. Reading them is a SerializationError if the source has changed since it was opened."""

    __slots__ = ("_source", "_start", "size")

    def __init__(self, source: Source, start: int, size: int) -> None:
        self._source = source
        self._start = start
        self.size = size

    def read(self) -> bytes:
        """The bytes."""
        data = self._source.fetch(self._start, self.size)
        self._check_read(len(data))
        return bytes(data)

    def read_into(self, out: memoryview) -> None:
        """Fill `out`, which has as many bytes."""
        self._check_read(self._source.fetch_into(self._start, out))

    def check(self) -> None:
        """Read what is not in memory, and keep nothing of it."""
        self._source.check(self._start, self.size)
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """SerializationError if the source has changed since it was opened."""
        self._source.check_unchanged()

    def _check_read(self, count: int) -> None:
        if count != self.size:
            raise SerializationError(_SHORTER)
        self.check_unchanged()


class StoredArray:
    """An array in a source. Its dtype and shape are known, and fit the number of bytes."""

    __slots__ = ("_blob", "dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], blob: Blob) -> None:
        check_size(shape, dtype, blob.size)
        self.shape = shape
        self.dtype = dtype
        self._blob = blob

    def check(self) -> None:
        """Read it without keeping anything. SerializationError or OSError if that fails."""
        self._blob.check()

    def check_unchanged(self) -> None:
        """SerializationError if the source has been written to since it was opened."""
        self._blob.check_unchanged()

    def copy_to(self, out: ArrayXd) -> None:
        """Read into a C-contiguous array of this shape. SerializationError if the source has changed, OSError."""
        if out.size == 0:
            return
        if out.dtype == self.dtype and out.flags.c_contiguous:
            self._blob.read_into(out.reshape(-1).view(np.uint8).data)
        else:
            out[...] = np.frombuffer(self._blob.read(), self.dtype).reshape(self.shape)

    def read(self) -> ArrayXd:
        """The array, in memory of its own and native byte order."""
        array: ArrayXd = np.empty(self.shape, self.dtype.newbyteorder("="))
        self.copy_to(array)
        return array


def read_skeleton(source: Source) -> object:
    """The document in a source, with a `StoredArray` for each array and a `Blob` for each long byte string.

    ValueError for anything but one MessagePack document. Memory and time are bounded by the length of the source
    without the data of arrays.
    """
    reader = _Reader(source)
    found = reader.value()
    if reader.place != source.size:
        raise ValueError("there is something after the end")
    return found


_FORMATS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"} | {
    0xD0: ">b",
    0xD1: ">h",
    0xD2: ">i",
    0xD3: ">q",
}
_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


class _Reader:
    """Reads values one after the other. Any fault is a ValueError."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._window: bytes | memoryview = b""
        self._window_start = 0
        self.place = 0
        # An empty list or map takes one byte here and 64 in memory, so many of them would exhaust it. In an honest
        # document each takes more than four bytes.
        self._containers_left = 64 + source.size // 4

    def take(self, length: int) -> bytes:
        """The next bytes."""
        start = self.place - self._window_start
        if not 0 <= start <= len(self._window) - length:
            if length > self._source.size - self.place:
                raise ValueError("it ends too early")
            self._window = self._source.fetch(self.place, max(length, 4096))
            self._window_start, start = self.place, 0
        data = bytes(self._window[start : start + length])
        if len(data) != length:
            raise ValueError("it ends too early")
        self.place += length
        return data

    def value(self, depth: int = 0) -> object:
        """The next value, whatever it is."""
        code = self.take(1)[0]
        if code < 0x80:
            return code
        if code >= 0xE0:
            return code - 0x100
        if code in _CONSTANTS:
            return _CONSTANTS[code]
        if code in _FORMATS:
            layout = _FORMATS[code]
            number: object = struct.unpack(layout, self.take(struct.calcsize(layout)))[0]
            return number
        if code < 0x90 or code in (0xDE, 0xDF):
            return self._map(self._length(code, 0x0F), depth + 1)
        if code < 0xA0 or code in (0xDC, 0xDD):
            return self._list(self._length(code, 0x0F), depth + 1)
        if code < 0xC0 or code in (0xD9, 0xDA, 0xDB):
            return self.take(self._length(code, 0x1F)).decode("utf-8")
        if code in (0xC4, 0xC5, 0xC6):
            return self._bin(self._length(code, 0))
        raise ValueError(f"there is no value that starts with the byte 0x{code:02x}")

    def _length(self, code: int, mask: int) -> int:
        if code in _LENGTHS:
            length = int.from_bytes(self.take(_LENGTHS[code]), "big")
        else:
            length = code & mask
        # Each item takes a byte at the least.
        if length > self._source.size - self.place:
            raise ValueError("it ends too early")
        return length

    def _enter(self, depth: int) -> None:
        self._containers_left -= 1
        if depth > _MAX_DEPTH or self._containers_left < 0:
            raise ValueError("it holds too many lists and maps, or they are too deep")

    def _list(self, length: int, depth: int) -> list[object]:
        self._enter(depth)
        return [self.value(depth) for _ in range(length)]

    def _map(self, length: int, depth: int) -> object:
        self._enter(depth)
        found = make_map([(self._key(depth), self.value(depth)) for _ in range(length)])
        if found.get(b"nd") is True and found.keys() >= {b"type", b"shape", b"data"}:
            data = found[b"data"]
            blob = BytesBlob(data) if isinstance(data, bytes) else data
            if not isinstance(blob, Blob):
                raise ValueError(f"the data of an array must be bytes, got {type(data).__name__}")
            return StoredArray(decode_shape(found[b"shape"]), decode_dtype(found[b"type"]), blob)
        return decode_map(found)

    def _key(self, depth: int) -> object:
        key = self.value(depth)
        if not isinstance(key, (str, bytes, int, float, type(None))):
            raise ValueError(f"a {type(key).__name__} cannot be a key here")
        return key

    def _bin(self, length: int) -> bytes | Blob:
        if length <= _SHORT:
            return self.take(length)
        blob = Blob(self._source, self.place, length)
        self.place += length
        return blob


class BytesBlob(Blob):
    """Bytes that are in memory already."""

    __slots__ = ()

    def __init__(self, data: bytes) -> None:
        super().__init__(BytesSource(data), 0, len(data))
