"""Layers on a part of what they are given: on an item of a tuple, on what an index takes of an array."""

from __future__ import annotations

from collections.abc import Sequence

from mypy.subtypes import is_subtype
from mypy.types import Instance, ProperType, TupleType, Type, UnpackType, get_proper_type

from .layers import Label, Layer, Report, any_type
from .messages import LAYER_DIM, LAYER_TYPE, adapter
from .widths import At, Axes, Dim, Items, output_width


def fits(report: Report, given: Type, layer: Layer, before: Label, name: Label) -> bool:
    """Whether there is such a part, and the layer takes it; what is given as a whole is not looked at."""
    if layer.kind == "at_item" and layer.rows is not None and (items := _items(given)) is not None:
        index = _index(layer)
        if index is None:
            return True
        if not -len(items) <= index < len(items):
            report.fail(
                f"{name} works on item {index}, but {before} outputs {report.type_name(given)}", layer.node, LAYER_TYPE
            )
            return False
        item, expected = items[index], layer.rows[0]
        if not is_subtype(item, expected):
            report.fail(
                f"{name} expects {report.type_name(expected)} as item {index}, "
                f"but {before} outputs {report.type_name(item)}",
                layer.node,
                LAYER_TYPE,
                adapter(item, expected),
            )
            return False
    if layer.kind == "by_index" and isinstance(layer.nI, Axes):
        rank = _rank(get_proper_type(given))
        if rank is not None and rank < layer.nI.named:
            report.fail(
                f"{name} names {layer.nI.named} axes, but {before} outputs {report.type_name(given)}",
                layer.node,
                LAYER_TYPE,
            )
            return False
    return True


def with_item(report: Report, layer: Layer, given: Type) -> Type:
    """The tuple after one of its items has been replaced."""
    items, index = _items(given), _index(layer)
    if items is None or index is None or layer.rows is None or not -len(items) <= index < len(items):
        return report.api.named_generic_type("builtins.tuple", [any_type()])
    changed = list(items)
    changed[index] = layer.rows[1]
    return TupleType(changed, report.api.named_generic_type("builtins.tuple", [any_type()]))


def indexed(report: Report, layer: Layer, given: Type) -> Type:
    """The array, or number, that an index takes of an array."""
    t = get_proper_type(given)
    rank = _rank(t)
    if not isinstance(t, Instance) or t.type.fullname != "numpy.ndarray":
        return layer.gives
    if rank is None or not isinstance(layer.nI, Axes):
        shape: Type = report.api.named_generic_type("builtins.tuple", [any_type()])
    elif rank <= layer.nI.dropped:
        return any_type()
    else:
        number = report.api.named_generic_type("builtins.int", [])
        fallback = report.api.named_generic_type("builtins.tuple", [number])
        shape = TupleType([number] * (rank - layer.nI.dropped), fallback)
    return t.copy_modified(args=[shape, *t.args[1:]])


def width(report: Report, first: Layer, second: Layer, before: Label, name: Label) -> Dim:
    """The width, or the widths of a tuple's items, after a layer on a part of what the first gives."""
    if isinstance(second.nI, Axes):
        rank = _rank(get_proper_type(first.gives))
        return first.nO if rank is not None and rank > second.nI.named else None  # the last axis is as it was
    if not isinstance(second.nI, At) or not isinstance(second.nO, At) or not isinstance(first.nO, Items):
        return None
    index, nI, dims = second.nI.item, second.nI.dim, list(first.nO.dims)
    given = dims[index]
    if isinstance(nI, int) and isinstance(given, int) and nI != given:
        report.fail(
            f"{name} expects width {nI} of item {index}, but {before} outputs width {given}", second.node, LAYER_DIM
        )
    dims[index] = output_width(second.nO.dim, nI if isinstance(nI, int) else given)
    return Items(tuple(dims))


def _items(given: Type) -> Sequence[Type] | None:
    t = get_proper_type(given)
    if not isinstance(t, TupleType) or any(isinstance(item, UnpackType) for item in t.items):
        return None
    return t.items


def _index(layer: Layer) -> int | None:
    return layer.nI.item if isinstance(layer.nI, At) else None


def _rank(t: ProperType) -> int | None:
    shape = get_proper_type(t.args[0]) if isinstance(t, Instance) and t.type.fullname == "numpy.ndarray" else None
    return len(items) if shape is not None and (items := _items(shape)) is not None else None
