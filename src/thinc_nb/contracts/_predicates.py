"""Fast checks that accept the common case before typeguard is asked.

True means that typeguard would accept the value, too. False means nothing: typeguard then decides. An array takes 0.1
µs here and 2 µs there.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, TypeVar, Union, get_args, get_origin

import numpy as np
import typing_extensions

from .._arrays import ArrayType
from ..types import Padded, Ragged
from ._annotations import unaliased
from ._types import padded_problem, ragged_problem, union_of

Predicate = Callable[[Any], bool]


def predicate_of(annotation: Any) -> Predicate | None:
    """The fast check for an annotation; None if typeguard has to be asked about every value."""
    annotation = unaliased(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, ArrayType):
        return _of_array(annotation)
    if annotation is Ragged:
        return lambda value: type(value) is Ragged and ragged_problem(value) is None
    if annotation is Padded:
        return lambda value: type(value) is Padded and padded_problem(value) is None
    if origin in (Union, types.UnionType):
        return _of_any([predicate_of(arg) for arg in args])
    if isinstance(annotation, (TypeVar, typing_extensions.TypeVar)):
        if annotation.__constraints__:
            return predicate_of(union_of(annotation.__constraints__))
        return None if annotation.__bound__ is None else predicate_of(annotation.__bound__)
    if origin is list and len(args) == 1:
        return _of_list(args[0])
    if origin is tuple and args and Ellipsis not in args:
        return _of_tuple([predicate_of(arg) for arg in args])
    return None


def _of_array(kind: ArrayType) -> Predicate:
    rank, array, float32 = kind.ndim, np.ndarray, np.dtype("float32")
    if rank is None:
        return _of_array_of_any_rank(kind)
    if kind.kind == "f":
        return lambda value: type(value) is array and value.dtype is float32 and value.ndim == rank
    if kind.kind == "i":
        return lambda value: (
            type(value) is array and value.ndim == rank and value.dtype.kind in "iu" and value.dtype.itemsize >= 4
        )
    return lambda value: type(value) is array and value.ndim == rank


def _of_array_of_any_rank(kind: ArrayType) -> Predicate:
    array = np.ndarray
    if kind.kind == "f":
        return lambda value: type(value) is array and value.dtype.char == "f"
    if kind.kind == "i":
        return lambda value: type(value) is array and value.dtype.kind in "iu" and value.dtype.itemsize >= 4
    return lambda value: type(value) is array


def _of_any(each: list[Predicate | None]) -> Predicate | None:
    known = [accepts for accepts in each if accepts is not None]
    if len(known) == 2:
        first, second = known
        return lambda value: first(value) or second(value)
    return (lambda value: any(accepts(value) for accepts in known)) if known else None


def _of_list(item: Any) -> Predicate | None:
    if item is Any:
        return lambda value: type(value) is list
    accepts = predicate_of(item)
    if accepts is None:
        return None
    return lambda value: type(value) is list and all(map(accepts, value))


def _of_tuple(each: list[Predicate | None]) -> Predicate | None:
    known = [accepts for accepts in each if accepts is not None]
    if len(known) < len(each):
        return None
    size = len(known)
    return lambda value: (
        type(value) is tuple
        and len(value) == size
        and all(accepts(item) for accepts, item in zip(known, value, strict=True))
    )
