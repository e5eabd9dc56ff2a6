"""The array types: for a type checker numpy generics, at run time light classes that know rank and kind of dtype.

``isinstance(X, Floats2d)`` asks for a numpy or cupy array of two dimensions with a floating dtype (16, 32 or 64 bits);
`Ints` are integers of 32 or 64 bits, `Array` is anything. As pydantic fields and in `validate_array` the types are
stricter, as in Thinc: floats must be float32. CuPy is never imported here: an object can only be one of its arrays if
somebody else has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from typing_extensions import TypeIs, TypeVar

from ._pydantic import function_schema

_ShapeT = TypeVar("_ShapeT", bound=tuple[Any, ...])
_DTypeT = TypeVar("_DTypeT", bound=np.dtype[Any])

if TYPE_CHECKING:
    # The rank is the length of the shape tuple; the dtype is float32 or some integer.
    Floats1d: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float32]]
    Floats2d: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.float32]]
    Floats3d: TypeAlias = np.ndarray[tuple[int, int, int], np.dtype[np.float32]]
    Floats4d: TypeAlias = np.ndarray[tuple[int, int, int, int], np.dtype[np.float32]]
    FloatsXd: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.float32]]
    Ints1d: TypeAlias = np.ndarray[tuple[int], np.dtype[np.integer[Any]]]
    Ints2d: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.integer[Any]]]
    Ints3d: TypeAlias = np.ndarray[tuple[int, int, int], np.dtype[np.integer[Any]]]
    Ints4d: TypeAlias = np.ndarray[tuple[int, int, int, int], np.dtype[np.integer[Any]]]
    IntsXd: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.integer[Any]]]
    Array1d: TypeAlias = np.ndarray[tuple[int], np.dtype[Any]]
    Array2d: TypeAlias = np.ndarray[tuple[int, int], np.dtype[Any]]
    Array3d: TypeAlias = np.ndarray[tuple[int, int, int], np.dtype[Any]]
    Array4d: TypeAlias = np.ndarray[tuple[int, int, int, int], np.dtype[Any]]
    ArrayXd: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[Any]]


def is_cupy_array(obj: object) -> bool:
    """Whether `obj` is a cupy array. Does not import cupy."""
    cupy = sys.modules.get("cupy")
    return cupy is not None and isinstance(obj, cupy.ndarray)


def is_xp_array(obj: object) -> TypeIs[ArrayXd]:
    """Whether `obj` is a numpy or cupy array."""
    return isinstance(obj, np.ndarray) or is_cupy_array(obj)


def get_array_module(arr: object) -> ModuleType:
    """The module, numpy or cupy, whose array `arr` is. ValueError for anything else."""
    if isinstance(arr, np.ndarray):
        return np
    if is_cupy_array(arr):
        return sys.modules["cupy"]
    raise ValueError(f"Only numpy and cupy arrays are supported, but found {type(arr)} instead.")


def to_cpu(array: np.ndarray[_ShapeT, _DTypeT]) -> np.ndarray[_ShapeT, _DTypeT]:
    """A numpy array as it is, a cupy array copied from its device."""
    return _cpu_copy(array) if is_cupy_array(array) else array


def _cpu_copy(array: Any) -> Any:
    return array.get()


_EXPECTED_DTYPES = {"f": ("float32",), "i": ("int32", "int64", "uint32", "uint64")}


def validate_array(obj: Any, ndim: int | None = None, dtype: str | None = None) -> Any:
    """Return `obj` if it is a numpy or cupy array with this rank and dtype.

    `dtype` is "f" (float32), "i" (int32, int64, uint32 or uint64), the name of a dtype, or None for any.
    TypeError if it is no array, ValueError if rank or dtype differ; the message names all that is wrong.
    """
    if not is_xp_array(obj):
        raise TypeError("not a valid numpy or cupy array")
    errors = []
    if ndim is not None and obj.ndim != ndim:
        errors.append(f"wrong array dimensions (expected {ndim}, got {obj.ndim})")
    if dtype is not None:
        expected = _EXPECTED_DTYPES.get(dtype, (dtype,))
        if obj.dtype.name not in expected:
            errors.append(f"wrong array data type (expected {'/'.join(expected)}, got {obj.dtype.name})")
    if errors:
        raise ValueError(", ".join(errors))
    return obj


class ArrayType(type):
    """The class of `Floats2d` and its like: answers `isinstance` and pydantic, makes no instances."""

    ndim: int | None
    kind: str | None

    def __instancecheck__(cls, obj: Any) -> bool:
        if not is_xp_array(obj):
            return False
        if cls.ndim is not None and obj.ndim != cls.ndim:
            return False
        # Not dtype.name, a string that numpy builds on every access.
        dtype = obj.dtype
        if cls.kind == "f":
            return dtype.char in "fde"
        if cls.kind == "i":
            return dtype.kind in "iu" and dtype.itemsize >= 4
        return True

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"{cls.__name__} is a type for annotations and isinstance; arrays are made by numpy, cupy or Ops"
        )

    def _validate(cls, value: Any) -> Any:
        return validate_array(value, cls.ndim, cls.kind)

    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
        return function_schema(cls._validate)

    def __get_validators__(cls) -> Iterator[Callable[[Any], Any]]:
        yield cls._validate


def _array_type(name: str, ndim: int | None, kind: str | None) -> ArrayType:
    return ArrayType(name, (), {"ndim": ndim, "kind": kind, "__module__": "thinc_nb.types"})


if not TYPE_CHECKING:
    Floats1d = _array_type("Floats1d", 1, "f")
    Floats2d = _array_type("Floats2d", 2, "f")
    Floats3d = _array_type("Floats3d", 3, "f")
    Floats4d = _array_type("Floats4d", 4, "f")
    FloatsXd = _array_type("FloatsXd", None, "f")
    Ints1d = _array_type("Ints1d", 1, "i")
    Ints2d = _array_type("Ints2d", 2, "i")
    Ints3d = _array_type("Ints3d", 3, "i")
    Ints4d = _array_type("Ints4d", 4, "i")
    IntsXd = _array_type("IntsXd", None, "i")
    Array1d = _array_type("Array1d", 1, None)
    Array2d = _array_type("Array2d", 2, None)
    Array3d = _array_type("Array3d", 3, None)
    Array4d = _array_type("Array4d", 4, None)
    ArrayXd = _array_type("ArrayXd", None, None)
