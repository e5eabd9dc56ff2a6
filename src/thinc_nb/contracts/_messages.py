"""The words of a ContractError: what was expected, what came, and what to do about it."""

from __future__ import annotations

import collections.abc
import types
from typing import Any, TypeVar, Union, get_args, get_origin

import typing_extensions

from .._arrays import ArrayType, is_xp_array
from .._described import described
from .._wording import adapter
from ..errors import ContractError
from ..model import Model
from ..types import Padded, Ragged
from ._annotations import unaliased
from ._types import union_of

_LISTS = (list, collections.abc.Sequence)


def contract_error(
    model: Model[Any, Any], what: str, expected: str, value: object, reason: str | None = None, hint: str | None = None
) -> ContractError:
    """The error. what: X, Y, dY or dX. expected: "width 3 of", "Floats2d as". reason: what is wrong with the value."""
    verb = "expects" if what in ("X", "dY") else "promises"
    message = f"layer {model.name!r} {verb} {expected} {_KINDS[what]} {what}, got {described(value)}"
    if reason:
        message += f": {reason if reason.startswith(('item ', 'field ')) else f'it {reason}'}"
    return ContractError(f"{message}\n  hint: {hint}" if hint else message)


_KINDS = {"X": "input", "Y": "output", "dY": "gradient", "dX": "gradient"}


def type_name(annotation: Any) -> str:
    """A type as an error shows it: Floats2d, list[Floats2d], Ragged | Padded."""
    annotation = unaliased(annotation)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " | ".join(dict.fromkeys(type_name(arg) for arg in args))
    if isinstance(annotation, (TypeVar, typing_extensions.TypeVar)):
        bound = _bound_of(annotation)
        return annotation.__name__ if bound is None else type_name(bound)
    if annotation in (None, types.NoneType):
        return "None"
    if annotation is Ellipsis:
        return "..."
    name = str(getattr(origin or annotation, "__name__", annotation))
    return f"{name}[{', '.join(type_name(arg) for arg in args)}]" if args and isinstance(origin, type) else name


def likely_member(annotation: Any, value: object) -> Any:
    """The member of a union that a value was probably meant to be: the one of its kind, if there is just one."""
    annotation = unaliased(annotation)
    if isinstance(annotation, (TypeVar, typing_extensions.TypeVar)):
        return likely_member(_bound_of(annotation), value)
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation
    members = [unaliased(arg) for arg in get_args(annotation)]
    alike = [member for member in members if family(member) == family_of(value)]
    if is_xp_array(value) and len(alike) > 1:
        kind = "f" if value.dtype.kind == "f" else "i"
        alike = [member for member in alike if member.kind == kind and member.ndim == value.ndim] or alike
    return alike[0] if len(alike) == 1 and family_of(value) else annotation


def _bound_of(variable: Any) -> Any:
    return union_of(variable.__constraints__) if variable.__constraints__ else variable.__bound__


def family(annotation: Any) -> str | None:
    """array, list, ragged or padded, if a type is one of these."""
    annotation = unaliased(annotation)
    if isinstance(annotation, ArrayType):
        return "array"
    if annotation is Ragged:
        return "ragged"
    if annotation is Padded:
        return "padded"
    return "list" if (get_origin(annotation) or annotation) in _LISTS else None


def family_of(value: object) -> str | None:
    """array, list, ragged or padded, if a value is one of these."""
    if isinstance(value, Ragged):
        return "ragged"
    if isinstance(value, Padded):
        return "padded"
    if isinstance(value, (list, tuple)):
        return "list"
    return "array" if is_xp_array(value) else None


def hint_for(annotation: Any, value: object, floats: str, what: str) -> str | None:
    """What to do about a value of another type than the annotation says."""
    if isinstance(value, tuple) and len(value) == 2 and callable(value[1]):
        return "this is the pair of output and callback that begin_update returns: unpack it, Y, backprop = ..."
    annotation = unaliased(annotation)
    given, expected = family_of(value), family(annotation)
    if given and expected and given != expected:
        return adapter(given, expected)
    if isinstance(annotation, ArrayType) and is_xp_array(value):
        return _array_hint(annotation, value, floats, what)
    return None


def _array_hint(annotation: ArrayType, value: Any, floats: str, what: str) -> str | None:
    kind = value.dtype.kind
    if annotation.kind == "f" and kind in "iub":
        return "integers are ids to a layer: put Embed(...) or HashEmbed(...) before it, or convert them to floats"
    if annotation.kind == "f" and kind == "f" and value.dtype.char not in floats:
        return f"convert it, {what}.astype('float32')"
    if annotation.kind == "i" and kind == "f":
        return "the layer looks up ids: give it integers"
    if annotation.kind == "i" and (kind == "b" or value.dtype.itemsize < 4):
        return f"convert it, {what}.astype('int32')"
    if annotation.ndim == 2 and value.ndim == 1:
        return (
            f"give it a second dimension, {what}.reshape((1, -1)) for one row, {what}.reshape((-1, 1)) for one column"
        )
    if annotation.ndim == 2 and value.ndim == 3:
        return "wrap the layer in with_reshape(...)"
    return None
