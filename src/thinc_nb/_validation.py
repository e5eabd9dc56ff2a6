"""Checks that what goes into and comes out of a layer fits the annotations of its forward function.

Thinc leaves this to pydantic. The checks here know the types that such annotations are made of, describe problems in
pydantic's words, and accept what they do not know.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from ._arrays import ArrayType, Floats3d, FloatsXd, Ints1d, Ints3d, IntsXd, is_xp_array
from .types import Padded, Ragged

DATA_VALIDATION: ContextVar[bool] = ContextVar("DATA_VALIDATION", default=False)

Location = tuple[int | str, ...]
Problem = tuple[Location, str]


@contextmanager
def data_validation(validation: bool) -> Iterator[None]:
    """Switch the validation of X and Y in `Model.initialize` on or off inside the block."""
    token = DATA_VALIDATION.set(validation)
    try:
        yield
    finally:
        DATA_VALIDATION.reset(token)


class DataValidationError(ValueError):
    """The input or output of a layer does not fit the annotations of its forward function.

    `errors` are mappings with `loc`, a path such as ("X", 0), and `msg`.
    """

    def __init__(self, name: str, X: Any, Y: Any, errors: Sequence[Mapping[str, Any]] = ()) -> None:
        self.name = name
        self.errors = list(errors)
        rows = [(" -> ".join(map(str, error.get("loc", ()))), str(error.get("msg"))) for error in self.errors]
        width = max((len(place) for place, _ in rows), default=0)
        table = "\n".join(f"{place:{width}}   {message}" for place, message in rows)
        super().__init__(f"\n\nData validation error in '{name}'\nX: {_describe(X)} Y: {_describe(Y)}\n\n{table}\n")


def _describe(value: Any) -> str:
    if is_xp_array(value):
        return f"{type(value)} {value.dtype} {value.shape}"
    return str(type(value))


def validate_fwd_input_output(name: str, func: Callable[[Any, Any, bool], Any], X: Any, Y: Any) -> None:
    """Check input `X` and output `Y` of the layer `name` against the annotations of its forward function `func`.

    X and Y are not checked if they are None or not annotated. Raises DataValidationError, which lists all that is
    wrong; also if `func` does not take the three arguments model, X, is_train.
    """
    parameters = list(inspect.signature(func).parameters)
    if len(parameters) != 3:
        got = f"{len(parameters)} ({', '.join(parameters)})"
        message = f"Invalid forward function. Expected 3 arguments (model, X, is_train), got {got}"
        raise DataValidationError(name, X, Y, [{"loc": (), "msg": message}])
    hints = _annotations(func)
    problems: list[Problem] = []
    if X is not None and parameters[1] in hints:
        problems += _problems(X, hints[parameters[1]], ("X",))
    if Y is not None and "return" in hints:
        # The annotation stands for the pair of output and callback. Any function may stand for the callback.
        problems += _problems((Y, func), hints["return"], ("Y",))
    if problems:
        raise DataValidationError(name, X, Y, [{"loc": place, "msg": message} for place, message in problems])


def _annotations(func: Callable[..., Any]) -> dict[str, Any]:
    while isinstance(func, functools.partial):
        func = func.func
    if not inspect.isfunction(func) and not inspect.ismethod(func):
        func = type(func).__call__
    try:
        return typing.get_type_hints(func)
    except NameError:
        # A name that is only imported for type checkers: nothing is known.
        return {}


_SEQUENCES = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable)
_MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_NAMES = {int: "integer", float: "float", str: "str", bool: "boolean", list: "list", tuple: "tuple", dict: "dict"}


def _problems(value: Any, annotation: Any, place: Location) -> Iterator[Problem]:
    """What is wrong with `value` as an `annotation`; nothing for annotations that are not known."""
    origin, args = get_origin(annotation), get_args(annotation)
    if isinstance(annotation, typing.TypeVar):
        # A variable without constraints or bound stands for everything.
        yield from _problems_of_all(value, annotation.__constraints__ or (annotation.__bound__ or Any,), place)
    elif origin in (Union, types.UnionType):
        yield from _problems_of_all(value, args, place)
    elif isinstance(annotation, ArrayType):
        yield from _array_problems(value, annotation, place)
    elif origin is Literal:
        if value not in args:
            yield place, f"unexpected value; permitted: {', '.join(map(repr, args))}"
    elif origin is collections.abc.Callable or annotation is collections.abc.Callable:
        if not callable(value):
            yield place, f"{value!r} is not callable"
    elif origin in _SEQUENCES or annotation in _SEQUENCES:
        yield from _sequence_problems(value, origin or annotation, args, place)
    elif origin in _MAPPINGS or annotation in _MAPPINGS:
        yield from _mapping_problems(value, args, place)
    elif annotation in (int, float):
        if not isinstance(value, (int, np.integer) if annotation is int else (int, float, np.number)):
            yield place, f"value is not a valid {_NAMES[annotation]}"
    elif isinstance(origin or annotation, type) and (origin or annotation) is not object:
        yield from _instance_problems(value, origin or annotation, place)


def _problems_of_all(value: Any, alternatives: tuple[Any, ...], place: Location) -> Iterator[Problem]:
    """The problems with each alternative, or none if one of them fits."""
    found = [list(_problems(value, alternative, place)) for alternative in alternatives]
    if all(found):
        yield from dict.fromkeys(problem for problems in found for problem in problems)


def _array_problems(value: Any, annotation: ArrayType, place: Location) -> Iterator[Problem]:
    try:
        annotation._validate(value)
    except (TypeError, ValueError) as error:
        yield place, str(error)


def _sequence_problems(value: Any, kind: Any, args: tuple[Any, ...], place: Location) -> Iterator[Problem]:
    name = _NAMES.get(kind, "sequence")
    # As in pydantic, a list may be given as a tuple and the other way round, and a string is no sequence of strings.
    plain = isinstance(value, (list, tuple, set, frozenset))
    if not plain and (kind in (list, tuple) or not _is_sequence(value)):
        yield place, f"value is not a valid {name}"
        return
    items = list(value)
    if kind is tuple and args and args[-1] is not Ellipsis:
        if len(items) != len(args):
            yield place, f"wrong tuple length {len(items)}, expected {len(args)}"
            return
        each = args
    else:
        each = (args[0] if args else Any,) * len(items)
    for i, (item, annotation) in enumerate(zip(items, each, strict=True)):
        yield from _problems(item, annotation, (*place, i))


def _is_sequence(value: Any) -> bool:
    return isinstance(value, collections.abc.Sequence) and not isinstance(value, (str, bytes))


def _mapping_problems(value: Any, args: tuple[Any, ...], place: Location) -> Iterator[Problem]:
    if not isinstance(value, collections.abc.Mapping):
        yield place, "value is not a valid dict"
    elif len(args) == 2:
        for key, item in value.items():
            yield from _problems(key, args[0], (*place, "__key__"))
            yield from _problems(item, args[1], (*place, str(key)))


def _instance_problems(value: Any, kind: type, place: Location) -> Iterator[Problem]:
    if kind is type(None):
        kind_name, fits = "None", value is None
    else:
        kind_name, fits = kind.__name__, _is_instance(value, kind)
    if not fits:
        yield place, f"instance of {kind_name} expected, got {type(value).__name__}"
    elif isinstance(value, Ragged):
        yield from _problems(value.data, FloatsXd | IntsXd, (*place, "data"))
        yield from _problems(value.lengths, Ints1d, (*place, "lengths"))
    elif isinstance(value, Padded):
        yield from _problems(value.data, Floats3d | Ints3d, (*place, "data"))
        for name in ("size_at_t", "lengths", "indices"):
            yield from _problems(getattr(value, name), Ints1d, (*place, name))


def _is_instance(value: Any, kind: type) -> bool:
    try:
        return isinstance(value, kind)
    except TypeError:
        # A protocol that cannot be checked at run time.
        return True
