"""Widths: numbers, or known only in relation to the width of the input.

A number lives in the type of a model, as the last known value of an int: the type that mypy itself gives the expression
``64``, shown as ``Literal[64]?``. mypy drops the value where it infers the type of a variable, so that models of
different widths can be assigned to one. A relation, such as three times the width of the input, is Any in the type; the
plugin remembers it beside the expression that made the model (`facts.Facts.widths`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple, TypeAlias

from mypy.checker import TypeChecker
from mypy.types import Instance, LiteralType, Type, get_proper_type

__all__ = [
    "SAME",
    "At",
    "Axes",
    "Dim",
    "Items",
    "Relative",
    "output_width",
    "read_width",
    "solve",
    "total",
    "width_type",
    "width_words",
]


class Relative(NamedTuple):
    """factor * (width of the input) + constant."""

    factor: int
    constant: int


class Items(NamedTuple):
    """The widths of the items of a tuple."""

    dims: tuple[Dim, ...]


class At(NamedTuple):
    """The width of an item of a tuple, for a layer on that item: with_getitem."""

    item: int
    dim: Dim


class Axes(NamedTuple):
    """Not a width, but what an index does to an array: how many axes it names, how many of them are gone."""

    named: int
    dropped: int


Dim: TypeAlias = "int | Relative | Items | At | Axes | None"
"""A width; None if it is not known."""

SAME: Final = Relative(1, 0)
"""As wide as the input."""


def read_width(typ: Type, *, written: bool = False) -> int | None:
    """The width in a type argument. written: only one that somebody wrote, as ``Literal[64]``."""
    t = get_proper_type(typ)
    if isinstance(t, Instance) and not written:
        t = t.last_known_value or t
    return t.value if isinstance(t, LiteralType) and type(t.value) is int else None


def width_type(api: TypeChecker, width: int) -> Type:
    """The type argument for a known width."""
    base = api.named_generic_type("builtins.int", [])
    return base.copy_modified(last_known_value=LiteralType(width, base))


def output_width(layer: Dim, given: Dim) -> Dim:
    """The width of a layer's output, for an input of this width."""
    if isinstance(layer, Items):
        return Items(tuple(output_width(dim, given) for dim in layer.dims))
    if not isinstance(layer, Relative):
        return layer
    if isinstance(given, Relative):
        return Relative(layer.factor * given.factor, layer.factor * given.constant + layer.constant)
    if isinstance(given, int):
        return layer.factor * given + layer.constant
    return given if layer == SAME else None


def solve(width: Relative, wanted: int) -> int | None:
    """The width of the input that makes this width the wanted one; None if there is none."""
    rest = wanted - width.constant
    return rest // width.factor if width.factor and rest > 0 and rest % width.factor == 0 else None


def total(dims: Iterable[Dim]) -> Dim:
    """The sum of widths that are all beside each other; None if one is not known."""
    factor = constant = 0
    for dim in dims:
        if isinstance(dim, Relative):
            factor, constant = factor + dim.factor, constant + dim.constant
        elif isinstance(dim, int):
            constant += dim
        else:
            return None
    return Relative(factor, constant) if factor else constant


def width_words(width: int | Relative) -> str:
    """A width in words."""
    if isinstance(width, int):
        return f"width {width}"
    if width == SAME:
        return "the width of its input"
    times = f"{width.factor} times the width" if width.factor != 1 else "the width"
    return f"{times} of its input" + (f" plus {width.constant}" if width.constant else "")
