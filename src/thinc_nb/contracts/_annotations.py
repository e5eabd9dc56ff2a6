"""What the annotations of a forward function promise, as far as they can be known at run time.

Nothing here raises: what cannot be resolved is `Any`, and what is `Any` is not checked.
"""

from __future__ import annotations

import builtins
import collections.abc
import functools
import inspect
import re
import typing
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, SimpleNamespace
from typing import Any, get_args, get_origin

from .. import types as our_types

# Well-known names of Thinc: where they are imported for type checkers only, ours are taken for them.
_OURS = re.compile(r"((Floats|Ints|Array)([1-4]|X)d|List([1-4]|X)d)$")


class _UnknownType(type):
    """Makes whatever is done with an unresolved annotation give an unresolved annotation."""

    def __getitem__(cls, item: object) -> _UnknownType:
        return cls

    def __getattr__(cls, name: str) -> _UnknownType:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls

    def __or__(cls, other: object) -> Any:
        return Any

    def __ror__(cls, other: object) -> Any:
        return Any


class Unknown(metaclass=_UnknownType):
    """Stands for a name in an annotation that does not exist at run time."""


@dataclass(frozen=True)
class Promises:
    """The annotations of what a layer takes and gives, forwards (X, Y) and backwards (dY, dX)."""

    X: Any = Any
    Y: Any = Any
    dY: Any = Any
    dX: Any = Any


def promises_of(forward: Callable[..., Any]) -> Promises:
    """Read ``forward(model, X: ..., is_train) -> tuple[Y, Callable[[dY], dX]]``."""
    with suppress(Exception):
        signature = inspect.signature(forward)
        names = _Names(forward)
        positional = [
            p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        X = resolve(positional[1].annotation, names) if len(positional) > 1 else Any
        pair = unaliased(resolve(signature.return_annotation, names))
        args = get_args(pair)
        if get_origin(pair) is not tuple or len(args) != 2 or args[1] is Ellipsis:
            return Promises(X)
        dY, dX = _callback(unaliased(args[1]))
        return Promises(X, args[0], dY, dX)
    return Promises()


def _callback(annotation: Any) -> tuple[Any, Any]:
    args = get_args(annotation)
    if get_origin(annotation) is collections.abc.Callable and len(args) == 2:
        takes, gives = args
        return (takes[0] if isinstance(takes, list) and len(takes) == 1 else Any), gives
    return Any, Any


def resolve(annotation: Any, names: _Names) -> Any:
    """An annotation with its strings evaluated."""
    if annotation is inspect.Parameter.empty:
        return Any
    holder: Any = SimpleNamespace(__annotations__={"it": annotation})
    with suppress(Exception):
        return typing.get_type_hints(holder, names.globals, names, include_extras=True)["it"]
    return Any


def unaliased(annotation: Any) -> Any:
    """The type that a name made by a ``type`` statement stands for, or that `Annotated` annotates."""
    while True:
        if get_origin(annotation) is typing.Annotated:
            annotation = annotation.__origin__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


class _Names(dict[str, Any]):
    """The meanings of names in the annotations of a function. A look-up never raises KeyError."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        function = _innermost(function)
        self.globals: dict[str, Any] = getattr(function, "__globals__", {})
        code: CodeType | None = getattr(function, "__code__", None)
        for name, cell in zip(
            getattr(code, "co_freevars", ()), getattr(function, "__closure__", None) or (), strict=False
        ):
            with suppress(ValueError):  # a variable that has no value yet
                self[name] = cell.cell_contents
        for parameter in getattr(function, "__type_params__", ()):
            self[parameter.__name__] = parameter
        for name in _names_around(function, self.globals):
            self.setdefault(name, Unknown)

    def __missing__(self, name: str) -> Any:
        if name in self.globals:
            return self.globals[name]
        if hasattr(builtins, name):
            return getattr(builtins, name)
        return getattr(our_types, name) if _OURS.match(name) else Unknown


def _innermost(function: Any) -> Any:
    """The function inside partials, decorators, methods and callable objects."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    if inspect.ismethod(function):
        return function.__func__
    if inspect.isfunction(function):
        return function
    return getattr(type(function), "__call__", function)  # noqa: B004  # the function is wanted, not whether there is one


def _names_around(function: Any, names: dict[str, Any]) -> Iterator[str]:
    """Names of variables of the functions around this one: such a name does not mean the global one."""
    outermost, is_nested, _ = getattr(function, "__qualname__", "").partition(".<locals>.")
    if is_nested:
        around: Any = names.get(outermost.partition(".")[0])
        for name in outermost.split(".")[1:]:
            around = getattr(around, name, None)
        waiting = [getattr(inspect.unwrap(around), "__code__", None)] if around is not None else []
        while waiting:
            code = waiting.pop()
            if isinstance(code, CodeType) and code is not function.__code__:
                yield from (*code.co_varnames, *code.co_cellvars)
                waiting.extend(code.co_consts)
