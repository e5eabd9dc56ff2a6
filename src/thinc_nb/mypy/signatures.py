"""Widths through signatures: what ``nO: NO | None``, ``Model[A, B, NI, NO]`` and ``-> Model[C, D, NI, NO]`` say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mypy.argmap import map_actuals_to_formals
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import Expression, NameExpr
from mypy.types import (
    AnyType,
    CallableType,
    Instance,
    LiteralType,
    Type,
    TypeOfAny,
    TypeVarId,
    TypeVarType,
    get_proper_type,
)

from .facts import int_value
from .layers import Argument, Report, as_model, type_info, widths_of, without_none
from .messages import LAYER_DIM, source_of
from .names import MODEL
from .widths import SAME, Dim, Relative, read_width, width_type


class Bound(NamedTuple):
    """An argument and the type of the parameter that it is for."""

    argument: Argument
    formal: Type
    name: str | None


class _Given(NamedTuple):
    """The width that a call gives a type variable, and where."""

    width: Dim
    argument: Argument
    place: int  # 0: it is the width of an input, 1: of an output, 2: a number


def width_variables(result: Instance) -> list[TypeVarType]:
    """The type variables of a result that stand for widths."""
    found = []
    for arg in map(get_proper_type, result.args):
        if isinstance(arg, TypeVarType):
            bound = get_proper_type(arg.upper_bound)
            if isinstance(bound, Instance) and bound.type.fullname == "builtins.int":
                found.append(arg)
    return found


def bound_arguments(callee: CallableType, arguments: Sequence[Argument]) -> Iterator[Bound]:
    """Each argument of a call beside the parameter that it is for."""
    kinds, names = [argument.kind for argument in arguments], [argument.name for argument in arguments]
    actuals = map_actuals_to_formals(
        kinds, names, callee.arg_kinds, callee.arg_names, lambda i: AnyType(TypeOfAny.special_form)
    )
    for formal, name, group in zip(callee.arg_types, callee.arg_names, actuals, strict=True):
        for i in group:
            yield Bound(arguments[i], formal, name)


def widths_by_signature(report: Report, callee: CallableType, arguments: Sequence[Argument]) -> tuple[Dim, Dim]:
    """The widths of the model that a call gives. Widths with one name that differ are reported."""
    model = _model_type(report, callee.ret_type)
    if model is None:
        return None, None
    given = _given(report, callee, arguments)
    places = [get_proper_type(arg) for arg in model.args[2:]]
    ids = Counter(place.id for place in places if isinstance(place, TypeVarType))
    widths: list[Dim] = []
    for place in places:
        if not isinstance(place, TypeVarType):
            widths.append(read_width(place, written=True))
        elif (found := given.get(place.id)) is not None and found.width is not None:
            widths.append(found.width)
        else:
            # N, N: as wide as the input, whatever that is.
            widths.append(SAME if ids[place.id] == 2 else None)
    nI, nO = widths
    if isinstance(nI, Relative) and nI != SAME:
        return None, None
    return nI, nO


def with_widths(report: Report, result: Type, widths: tuple[Dim, Dim]) -> Type:
    """The type of a model with these widths. Inference makes int of the value 64, and leaves unset widths open."""
    t = get_proper_type(result)
    if not isinstance(t, Instance) or not t.type.has_base(MODEL):
        return result
    variables = t.type.defn.type_vars
    args = list(t.args)
    own = [i for i, variable in enumerate(variables) if _is_width(variable)]
    if len(own) == 2:
        for i, width in zip(own, widths, strict=True):
            # What was written where the model goes has decided already: mypy reports an argument that differs.
            if not isinstance(get_proper_type(args[i]), LiteralType):
                args[i] = width_type(report.api, width)
    return t.copy_modified(args=args)


def _is_width(variable: object) -> bool:
    bound = get_proper_type(variable.upper_bound) if isinstance(variable, TypeVarType) else None
    return isinstance(bound, Instance) and bound.type.fullname == "builtins.int"


def _model_type(report: Report, typ: Type) -> Instance | None:
    t = as_model(typ)
    return None if t is None else map_instance_to_supertype(t, type_info(report.api, MODEL))


def _given(report: Report, callee: CallableType, arguments: Sequence[Argument]) -> dict[TypeVarId, _Given]:
    given: dict[TypeVarId, _Given] = {}
    for argument, formal, _ in bound_arguments(callee, arguments):
        if not argument.kind.is_positional() and not argument.kind.is_named():
            continue
        t = without_none(formal)
        if (model := _model_type(report, formal)) is not None and not isinstance(t, TypeVarType):
            widths = widths_of(report.api, argument.expr, argument.typ)
            for place, (variable, width) in enumerate(zip(model.args[2:], widths, strict=True)):
                _give(report, given, get_proper_type(variable), _Given(width, argument, place))
        elif isinstance(t, TypeVarType) and not _is_none(argument.expr):
            _give(report, given, t, _Given(int_value(argument.expr, report.api), argument, 2))
    return given


def _give(report: Report, given: dict[TypeVarId, _Given], variable: Type, new: _Given) -> None:
    if not isinstance(variable, TypeVarType):
        return
    known = given.get(variable.id)
    if known is None or not isinstance(known.width, int):
        given[variable.id] = new if known is None or new.width is not None else known
    elif isinstance(new.width, int) and new.width != known.width:
        report.fail(f"{_says(new)}, but {_says(known)}", new.argument.where or new.argument.expr, LAYER_DIM)


def _says(given: _Given) -> str:
    verb = ("expects width", "outputs width", "is")[given.place]
    return f'"{source_of(given.argument.expr)}" {verb} {given.width}'


def _is_none(expr: Expression) -> bool:
    return isinstance(expr, NameExpr) and expr.fullname == "builtins.None"
