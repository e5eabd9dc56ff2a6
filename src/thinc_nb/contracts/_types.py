"""How typeguard checks types for us: arrays, containers of arrays, and what people pass for lists and numbers.

An annotation is rewritten once: parts that we can check better than typeguard get a checker of ours, by `Annotated`.
All other annotations typeguard checks as ever, so other users of it in the process see no difference.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Final, Literal, NewType, TypeVar, Union, get_args, get_origin

import numpy as np
import typing_extensions
from typeguard import (
    CollectionCheckStrategy,
    ForwardRefPolicy,
    TypeCheckConfiguration,
    TypeCheckError,
    TypeCheckMemo,
    check_type_internal,
    checker_lookup_functions,
)

from .._arrays import ArrayType, is_xp_array
from .._described import described
from ..types import Generator, Padded, Ragged
from ._annotations import Unknown, unaliased

# Up to so many lengths are added up as a list, in under 2 µs; numpy takes 4 µs for any number.
FEW: Final = 64

_CONFIG = TypeCheckConfiguration(
    forward_ref_policy=ForwardRefPolicy.IGNORE, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS
)
_SEQUENCES = (list, collections.abc.Sequence, collections.abc.MutableSequence)
_NO_SEQUENCES = (Ragged, Padded, collections.abc.Mapping, collections.abc.Set)
_ITERABLES = (collections.abc.Iterable, collections.abc.Iterator, collections.abc.Generator, Generator)
_COLLECTIONS = (dict, set, frozenset, collections.abc.Mapping, collections.abc.MutableMapping, collections.abc.Set)
_UNPACK = (typing_extensions.Unpack, getattr(typing, "Unpack", typing_extensions.Unpack))
_NUMBERS = {
    int: (int, np.integer),
    float: (int, float, np.integer, np.floating),
    complex: (int, float, complex, np.number),
    bool: (bool, np.bool_),
    str: (str,),
}


class Memo(TypeCheckMemo):
    """What typeguard passes to checkers, with the floating dtypes that arrays of floats may have."""

    floats: str

    def __init__(self, floats: str) -> None:
        super().__init__({}, {}, config=_CONFIG)
        self.floats = floats


class _Checker:
    """A part of an annotation: `check` checks the value, called as typeguard calls its own checkers."""

    def __init__(self, check: Callable[[Any, Any, tuple[Any, ...], TypeCheckMemo], None]) -> None:
        self.check = check


def _lookup(origin: Any, args: tuple[Any, ...], extras: tuple[Any, ...]) -> Any:
    for extra in extras:
        if isinstance(extra, _Checker):
            return extra.check
    return None


checker_lookup_functions.insert(0, _lookup)


def complaint(value: Any, checked: Any, floats: str) -> str | None:
    """What is wrong with a value, None if nothing is. checked: the result of `prepared`.

    floats: the characters of the floating dtypes that are taken where an annotation asks for floats.
    """
    problem: str | None = None
    # An error of typeguard about the annotation itself says nothing about the value.
    with suppress(Exception):
        try:
            check_type_internal(value, checked, Memo(floats))
        except TypeCheckError as error:
            problem = str(error).partition("\n")[0].rstrip(":")
    return problem


def prepared(annotation: Any) -> Any:
    """The annotation with our checkers in it; Any where nothing can be said."""
    annotation = unaliased(annotation)
    if annotation is Any:  # `Any` is a class since Python 3.11
        return Any
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        each = [prepared(arg) for arg in args]
        return Any if Any in each else union_of(each)
    if isinstance(annotation, (TypeVar, typing_extensions.TypeVar)):
        return _of_variable(annotation)
    if isinstance(annotation, NewType):
        return prepared(annotation.__supertype__)
    if annotation in (None, types.NoneType) or origin is Literal:
        return annotation
    kind = origin or annotation
    if kind is collections.abc.Callable or kind is Callable:
        return Annotated[object, _CALLABLE]
    if not isinstance(kind, type) or kind in (object, Unknown):
        return Any
    return _of_class(kind, args)


def union_of(members: Iterable[Any]) -> Any:
    """``a | b | ...``, also for members that do not support the operator."""
    union: Any = Union
    return union[tuple(members)]


def _of_variable(variable: Any) -> Any:
    if variable.__constraints__:
        return prepared(union_of(variable.__constraints__))
    return Any if variable.__bound__ is None else prepared(variable.__bound__)


def _of_class(kind: type, args: tuple[Any, ...]) -> Any:
    if isinstance(kind, ArrayType):
        return Annotated[kind, _ARRAY]
    if kind is Ragged:
        return Annotated[kind, _RAGGED]
    if kind is Padded:
        return Annotated[kind, _PADDED]
    if kind in _SEQUENCES:
        return Annotated[_sized(kind, [prepared(arg) for arg in args]), _SEQUENCE]
    if kind is tuple:
        if any(_is_unpacked(arg) for arg in args):
            args = ()
        return Annotated[_sized(kind, [arg if arg is Ellipsis else prepared(arg) for arg in args]), _TUPLE]
    if kind in _ITERABLES:
        return Annotated[object, _ITERABLE]
    if kind in _NUMBERS:
        return Annotated[kind, _NUMBER]
    if issubclass(kind, np.ndarray):
        return Annotated[object, _NUMPY] if kind is np.ndarray else kind
    if getattr(kind, "_is_protocol", False):
        return Annotated[kind, _PROTOCOL]
    if typing_extensions.is_typeddict(kind):
        return dict
    if issubclass(kind, tuple) and (fields := _fields(kind)):
        return Annotated[kind, _Checker(partial(_check_fields, fields))]
    if kind in _COLLECTIONS:
        return _sized(kind, [prepared(arg) for arg in args])
    return Annotated[kind, _INSTANCE]


def _fields(kind: type) -> dict[str, Any]:
    """The fields of a NamedTuple, as far as their annotations say anything."""
    hints: dict[str, Any] = {}
    with suppress(Exception):  # of names that are only there for a type checker
        hints = typing_extensions.get_type_hints(kind, include_extras=True)
    checked = {name: prepared(hints[name]) for name in getattr(kind, "_fields", ()) if name in hints}
    return {name: annotation for name, annotation in checked.items() if annotation is not Any}


def _is_unpacked(arg: Any) -> bool:
    """Whether an argument stands for any number of types: ``*Ts``, ``*tuple[int, ...]``."""
    return getattr(arg, "__unpacked__", False) or get_origin(arg) in _UNPACK or type(arg).__name__ == "TypeVarTuple"


def _sized(kind: Any, args: list[Any]) -> Any:
    return kind[tuple(args)] if args else kind


# Checkers. Their messages continue "it ..." or "item 3 ...".


def _check_array(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    if not is_xp_array(value):
        raise TypeCheckError("is not an array")
    if value.shape == (0, 0):
        return  # made from an empty list, which had no rank or dtype to pass on
    if kind.ndim is not None and value.ndim != kind.ndim:
        raise TypeCheckError(f"has {value.ndim} dimension{'s' * (value.ndim != 1)}, not {kind.ndim}")
    if kind.kind == "i" and (value.dtype.kind not in "iu" or value.dtype.itemsize < 4):
        raise TypeCheckError(f"is {value.dtype}, not integers of 32 or 64 bits")
    if kind.kind == "f":
        floats = memo.floats if isinstance(memo, Memo) else "fde"
        if value.dtype.char not in floats:
            names = " or ".join(str(np.dtype(char)) for char in floats)
            raise TypeCheckError(f"is {value.dtype}, not {'floats' if floats == 'fde' else names}")


def _check_ragged(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    if not isinstance(value, Ragged):
        raise TypeCheckError("is not a Ragged")
    problem = ragged_problem(value)
    if problem:
        raise TypeCheckError(problem)


def ragged_problem(value: Ragged) -> str | None:
    """What does not fit together in a Ragged."""
    data: object = value.data
    lengths: object = value.lengths
    if type(data) is np.ndarray and type(lengths) is np.ndarray and _is_few(lengths):
        each = lengths.tolist()
        if sum(each) == len(data) and min(each, default=0) >= 0:
            return None
    if not is_xp_array(data):
        return f"has data that is {described(data)}, not an array"
    if problem := _lengths_problem(value, "lengths"):
        return problem
    if value.lengths.size and int(value.lengths.min()) < 0:
        return f"has a negative length, {int(value.lengths.min())}"
    total = int(value.lengths.sum())
    if total != value.data.shape[0]:
        return f"has lengths that add up to {total}, but {value.data.shape[0]} rows of data"
    return None


def _is_few(lengths: np.ndarray[Any, Any]) -> bool:
    return lengths.ndim == 1 and lengths.size < FEW and lengths.dtype.kind in "iu"


def _lengths_problem(value: Ragged | Padded, name: str) -> str | None:
    part: object = getattr(value, name)
    if is_xp_array(part) and part.ndim == 1 and part.dtype.kind in "iu":
        return None
    return f"has {name} that are {described(part)}, not integers of 1 dimension"


def _check_padded(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    if not isinstance(value, Padded):
        raise TypeCheckError("is not a Padded")
    problem = padded_problem(value)
    if problem:
        raise TypeCheckError(problem)


def padded_problem(value: Padded) -> str | None:
    """What does not fit together in a Padded."""
    data: object = value.data
    if not is_xp_array(data) or data.ndim < 3:
        return f"has data that is {described(data)}, not an array (steps, sequences, width)"
    for name in ("size_at_t", "lengths", "indices"):
        if problem := _lengths_problem(value, name):
            return problem
    steps, sequences = value.data.shape[:2]
    for name, size in (("size_at_t", steps), ("lengths", sequences), ("indices", sequences)):
        if getattr(value, name).shape[0] != size:
            return f"has data of {steps} steps and {sequences} sequences, but {getattr(value, name).shape[0]} {name}"
    total = int(value.lengths.sum())
    if total != int(value.size_at_t.sum()):
        return f"has lengths that add up to {total}, but size_at_t to {int(value.size_at_t.sum())}"
    return None


def _check_sequence(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    """Tuples pass for lists; for a Sequence passes any value with a length and items, but no array."""
    is_plain = isinstance(value, (list, tuple))
    is_like = hasattr(value, "__len__") and (hasattr(value, "__getitem__") or hasattr(value, "__iter__"))
    if not is_plain and (kind is list or not is_like or isinstance(value, _NO_SEQUENCES) or is_xp_array(value)):
        raise TypeCheckError(f"is not a {'list' if kind is list else 'sequence'}")
    if args and is_plain:
        for i, item in enumerate(value):
            _check_item(f"item {i}", item, args[0], memo)


def _check_tuple(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    if not isinstance(value, (tuple, list)):
        raise TypeCheckError("is not a tuple")
    if not args:
        return
    if args[-1] is Ellipsis:
        args = args[:1] * len(value)
    if len(value) != len(args):
        raise TypeCheckError(f"has {len(value)} items, not {len(args)}")
    for i, (item, annotation) in enumerate(zip(value, args, strict=True)):
        _check_item(f"item {i}", item, annotation, memo)


def _check_fields(fields: dict[str, Any], value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    _check_instance(value, kind, args, memo)
    for name, annotation in fields.items():
        _check_item(f"field {name!r}", getattr(value, name), annotation, memo)


def _check_item(place: str, item: Any, annotation: Any, memo: TypeCheckMemo) -> None:
    try:
        check_type_internal(item, annotation, memo)
    except TypeCheckError as error:
        error.append_path_element(place)
        raise


def _check_iterable(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    if not hasattr(value, "__iter__") and not hasattr(value, "__getitem__"):
        raise TypeCheckError("cannot be iterated")


def _check_number(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    if not isinstance(value, _NUMBERS[kind]) and not (kind is not str and is_xp_array(value) and value.ndim == 0):
        raise TypeCheckError(f"is not {'a str' if kind is str else f'of type {kind.__name__}'}")


def _check_callable(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    if not callable(value):
        raise TypeCheckError("cannot be called")


def _check_numpy(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    if not is_xp_array(value):  # CuPy's too: the static types of both are numpy's
        raise TypeCheckError("is not an array")


def _check_instance(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    if not isinstance(value, kind):
        raise TypeCheckError(f"is not of type {kind.__name__}")


def _check_protocol(value: Any, kind: Any, args: tuple[Any, ...], memo: TypeCheckMemo) -> None:
    """Check that the members of a protocol exist. Their signatures are left to type checkers."""
    missing = sorted(name for name in typing_extensions.get_protocol_members(kind) if not hasattr(value, name))
    if missing:
        raise TypeCheckError(f"has no {', '.join(missing)}, which protocol {kind.__name__} asks for")


_ARRAY, _RAGGED, _PADDED = _Checker(_check_array), _Checker(_check_ragged), _Checker(_check_padded)
_SEQUENCE, _TUPLE, _ITERABLE = _Checker(_check_sequence), _Checker(_check_tuple), _Checker(_check_iterable)
_NUMBER, _CALLABLE = _Checker(_check_number), _Checker(_check_callable)
_NUMPY, _PROTOCOL, _INSTANCE = _Checker(_check_numpy), _Checker(_check_protocol), _Checker(_check_instance)
