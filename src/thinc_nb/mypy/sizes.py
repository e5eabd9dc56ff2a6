"""Widths that signatures cannot say: windows, several outputs, directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mypy.nodes import Expression, MemberExpr, NameExpr, TupleExpr
from mypy.types import CallableType, Instance, NoneType, TupleType, get_proper_type

from .layers import Argument, Report, widths_of
from .messages import LAYER_DIM
from .signatures import bound_arguments, check_size, is_optional_size, widths_by_signature
from .values import int_value, source_of_name
from .widths import SAME, At, Axes, Dim, Relative, total

_WINDOWS: Final = frozenset({"expand_window", "ExtractWindow"})
_INDEXES: Final = frozenset({"array_getitem", "floats_getitem", "ints_getitem"})
OWN: Final = _WINDOWS | _INDEXES | {"MultiSoftmax", "LSTM", "bidirectional", "with_getitem"}


def widths_of_call(report: Report, name: str, callee: CallableType, arguments: Sequence[Argument]) -> tuple[Dim, Dim]:
    """The widths of the model that a call of a layer's constructor, or of a wrapper, gives."""
    nI, nO = widths_by_signature(report, callee, arguments)
    if name not in OWN:
        return nI, nO
    bound = {b.name: b.argument for b in bound_arguments(callee, arguments)}
    for place, b in enumerate(bound_arguments(callee, arguments), 1):
        if is_optional_size(b.formal):
            check_size(report, b.argument, place)
    if name in _INDEXES:
        return _axes(bound.get("index")), None
    if name == "with_getitem":
        return _at_item(report, bound)
    if name in _WINDOWS:
        default = 1 if name == "expand_window" else 3
        given = bound.get("window_size")
        size = default if given is None else int_value(given.expr, report.api)
        return (SAME, Relative(2 * size + 1, 0)) if size is not None and size >= 0 else (SAME, None)
    if name == "MultiSoftmax":
        return nI, _sum_of(report, bound.get("nOs"))
    if name == "LSTM":
        _check_directions(report, bound, nO)
    if name == "bidirectional":
        return nI, _both(report, bound)
    return nI, nO


def _sum_of(report: Report, argument: Argument | None) -> Dim:
    expr: Expression | None = None if argument is None else argument.expr
    if isinstance(expr, (NameExpr, MemberExpr)):
        expr = source_of_name(expr, report.api)
    return total(int_value(item, report.api) for item in expr.items) if isinstance(expr, TupleExpr) else None


def _axes(argument: Argument | None) -> Axes | None:
    """What the type of an index says: a number takes an axis away; lists beside each other are one axis."""
    if argument is None:
        return None
    t = get_proper_type(argument.typ)
    numbers = lists = 0
    axes = [get_proper_type(item) for item in t.items] if isinstance(t, TupleType) else [t]
    for axis in axes:
        name = axis.type.fullname if isinstance(axis, Instance) else ""
        if name == "builtins.int":
            numbers += 1
        elif name == "builtins.list":
            lists += 1
        elif name != "builtins.slice":
            return None
    return Axes(len(axes), numbers + max(lists - 1, 0))


def _at_item(report: Report, bound: dict[str | None, Argument]) -> tuple[Dim, Dim]:
    idx, layer = bound.get("idx"), bound.get("layer")
    index = None if idx is None else int_value(idx.expr, report.api)
    if index is None or layer is None:
        return None, None
    nI, nO = widths_of(report.api, layer.expr, layer.typ)
    return At(index, nI), At(index, nO)


def _check_directions(report: Report, bound: dict[str | None, Argument], nO: Dim) -> None:
    both, width = bound.get("bi"), bound.get("nO")
    if both is None or width is None or not isinstance(nO, int) or nO % 2 == 0:
        return
    if isinstance(both.expr, NameExpr) and both.expr.fullname == "builtins.True":
        report.fail(f"two directions share nO, so it must be even, got {nO}", width.where or width.expr, LAYER_DIM)


def _both(report: Report, bound: dict[str | None, Argument]) -> Dim:
    """Of two layers side by side, or of a layer and its copy."""
    l2r, r2l = bound.get("l2r"), bound.get("r2l")
    if l2r is None:
        return None
    one = widths_of(report.api, l2r.expr, l2r.typ)[1]
    is_copy = r2l is None or isinstance(get_proper_type(r2l.typ), NoneType)
    other = one if r2l is None or is_copy else widths_of(report.api, r2l.expr, r2l.typ)[1]
    return one + other if isinstance(one, int) and isinstance(other, int) else None
