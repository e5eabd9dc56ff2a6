"""MessagePack with numpy arrays, the way Thinc writes them, and without ever unpickling.

An array is the map ``b"nd": True, b"type": dtype, b"kind", b"shape", b"data"``; a numpy scalar has ``b"nd": False``,
``b"type"`` and ``b"data"``; a complex number ``b"complex": True`` and ``b"data"``. Nothing in the input is trusted:
sizes are compared with the bytes that are there before anything is allocated. Whole models go through
`msgpack_stream`, which does not hold their arrays in memory a second time.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgpack
import numpy as np

from .._described import explain, kind_of

__all__ = [
    "check_size",
    "decode",
    "decode_dtype",
    "decode_map",
    "decode_shape",
    "describe_array",
    "encode",
    "encode_other",
    "make_map",
    "raw_bytes",
]

# One plain dtype: byte order, kind, size, and the unit of dates.
_DTYPE = re.compile(r"[<>|=]?(?:[biufcmMSUV]\d{0,9}(?:\[\w{1,8}\])?|[?efdgFDGbBhHiIlLqQ])\Z")
_MAX_DTYPE_DEPTH = 8
# Maps of fewer entries are fast to build however their keys collide.
_SMALL_MAP = 256


def encode(value: object) -> bytes:
    """The value as MessagePack. TypeError for what cannot be written, OverflowError for integers beyond 64 bits."""
    return msgpack.packb(value, default=encode_other, use_bin_type=True)


def decode(data: bytes | bytearray | memoryview) -> object:
    """What `encode` wrote. ValueError for anything else, whatever it is; arrays are read-only views of `data`."""
    try:
        return msgpack.unpackb(data, object_pairs_hook=_decode_pairs, use_list=True, raw=False, strict_map_key=False)
    except ValueError:
        raise
    except (TypeError, OverflowError, RecursionError, MemoryError, msgpack.UnpackException) as error:
        raise ValueError(f"cannot be decoded: {explain(error)}") from error


def encode_other(value: object) -> object:
    """What stands for a value that MessagePack does not know. TypeError if nothing does."""
    if isinstance(value, np.ndarray):
        return _encode_array(value)
    if isinstance(value, (np.bool_, np.number)):
        return {b"nd": False, b"type": value.dtype.str, b"data": value.tobytes()}
    if isinstance(value, complex):
        return {b"complex": True, b"data": repr(value)}
    if isinstance(value, int):
        raise OverflowError(f"cannot write {value}: it has more than 64 bits")
    raise TypeError(f"cannot write {kind_of(value)}")


def _encode_array(array: np.ndarray[Any, np.dtype[Any]]) -> dict[bytes, object]:
    return {**describe_array(array), b"data": raw_bytes(array)}


def describe_array(array: np.ndarray[Any, np.dtype[Any]]) -> dict[bytes, object]:
    """The map that stands for an array, but for the last entry, its data. TypeError for an array of objects."""
    if array.dtype.hasobject:
        raise TypeError(f"cannot write an array of dtype {array.dtype}")
    is_structured = array.dtype.kind == "V"
    return {
        b"nd": True,
        b"type": array.dtype.descr if is_structured else array.dtype.str,
        b"kind": b"V" if is_structured else b"",
        b"shape": array.shape,
    }


def raw_bytes(array: np.ndarray[Any, np.dtype[Any]]) -> bytes | memoryview:
    """The bytes of an array in C order, without a copy where that is possible."""
    if array.flags.c_contiguous and array.dtype.kind in "fiubc" and array.size:
        return array.reshape(-1).view(np.uint8).data
    return array.tobytes()


def _decode_pairs(pairs: list[tuple[Any, Any]]) -> object:
    return decode_map(make_map(pairs))


def decode_map(found: dict[Any, Any]) -> object:
    """The array, scalar or complex number that a map stands for, otherwise the map itself."""
    if b"nd" in found and b"type" in found and b"data" in found:
        if found[b"nd"] is True and b"shape" in found:
            return _array(decode_shape(found[b"shape"]), decode_dtype(found[b"type"]), found[b"data"])
        if found[b"nd"] is False:
            return _array((), decode_dtype(found[b"type"]), found[b"data"])[()]
    if found.get(b"complex") is True and isinstance(found.get(b"data"), str):
        return complex(found[b"data"])
    return found


def make_map(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    """The dictionary of these entries. ValueError for keys that occur twice, or that were made to collide."""
    # A tuple that is a key was written as an array, like every tuple.
    pairs = [(tuple(key) if isinstance(key, list) else key, value) for key, value in pairs]
    # Hashes of numbers and tuples are known beforehand: a map of n keys with one hash would take n² steps to build.
    if len(pairs) > _SMALL_MAP and len({hash(key) for key, _ in pairs}) < len(pairs) // 2:
        raise ValueError(f"a map has {len(pairs)} keys, most of them with the same hash")
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a map has the same key twice")
    return found


def decode_shape(found: object) -> tuple[int, ...]:
    """The shape of an array. ValueError for what is no list of lengths."""
    if not isinstance(found, list) or not all(type(length) is int and length >= 0 for length in found):
        raise ValueError(f"the shape of an array must be a list of lengths, got {found!r:.80}")
    return tuple(found)


def check_size(shape: tuple[int, ...], dtype: np.dtype[Any], nbytes: int) -> None:
    """Raise ValueError unless an array of this shape and dtype can be made, and has this many bytes."""
    if len(shape) > 32 or dtype.itemsize == 0:
        raise ValueError(f"an array of dtype {dtype} and {len(shape)} dimensions cannot be read")
    if math.prod(shape) * dtype.itemsize != nbytes:
        raise ValueError(f"an array of dtype {dtype} and shape {shape} does not have {nbytes} bytes")


def _array(shape: tuple[int, ...], dtype: np.dtype[Any], data: object) -> Any:
    if not isinstance(data, bytes):
        raise ValueError(f"the data of an array must be bytes, got {type(data).__name__}")
    check_size(shape, dtype, len(data))
    return np.ndarray(shape, dtype, buffer=data)


def decode_dtype(found: object, depth: int = 0) -> np.dtype[Any]:
    """A dtype as it is written. ValueError for anything else, and for those that hold objects."""
    if isinstance(found, bytes):
        found = found.decode("ascii", errors="replace")
    if isinstance(found, str) and _DTYPE.match(found):
        try:
            return np.dtype(found)
        except TypeError as error:
            raise ValueError(f"{found!r} is no dtype") from error
    if isinstance(found, list) and found and depth < _MAX_DTYPE_DEPTH:
        try:
            return np.dtype([_decode_field(field, depth) for field in found])
        except (TypeError, OverflowError) as error:
            raise ValueError(f"no dtype: {error}") from error
    raise ValueError(f"{found!r:.80} is not the dtype of an array that can be read")


def _decode_field(field: object, depth: int) -> Any:
    if not isinstance(field, list) or len(field) not in (2, 3) or not isinstance(field[0], str):
        raise ValueError(f"{field!r:.80} is not the field of a dtype")
    dtype = decode_dtype(field[1], depth + 1)
    if len(field) == 2:
        return field[0], dtype
    shape = field[2]
    if not isinstance(shape, list) or not all(type(length) is int and 0 <= length < 2**31 for length in shape):
        raise ValueError(f"{shape!r:.80} is not the shape of a field")
    return field[0], dtype, tuple(shape)
