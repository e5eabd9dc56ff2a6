"""Widths through signatures: what ``nO: NO | None``, ``Model[A, B, NI, NO]`` and ``-> Model[C, D, NI, NO]`` say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from mypy.argmap import map_actuals_to_formals
from mypy.checker import TypeChecker
from mypy.errorcodes import ARG_TYPE
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import ARG_NAMED, ARG_POS, ArgKind, Expression, IntExpr, NameExpr
from mypy.types import (
    AnyType,
    CallableType,
    DeletedType,
    Instance,
    LiteralType,
    NoneType,
    Type,
    TypeOfAny,
    TypeVarId,
    TypeVarType,
    UninhabitedType,
    UnionType,
    get_proper_type,
)

from .facts import facts_of
from .layers import Argument, Report, as_model, type_info, widths_of, without_none
from .messages import LAYER_DIM, source_of
from .names import MODEL
from .values import int_value
from .widths import SAME, Dim, Relative, read_width

_KEPT: Final = 4096


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


class Arguments(list[Argument]):
    """The arguments of a call; what they are for is worked out once for each signature."""

    def __init__(self, arguments: Iterable[Argument]) -> None:
        super().__init__(arguments)
        self.bound: list[tuple[CallableType, list[Bound]]] = []


def bound_arguments(callee: CallableType, arguments: Sequence[Argument]) -> list[Bound]:
    """Each argument of a call beside the parameter that it is for."""
    if not isinstance(arguments, Arguments):
        return list(_bound(callee, arguments))
    for known, bound in arguments.bound:
        if known is callee:
            return bound
    bound = list(_bound(callee, arguments))
    arguments.bound.append((callee, bound))
    return bound


def _bound(callee: CallableType, arguments: Sequence[Argument]) -> Iterator[Bound]:
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


class Sizes(NamedTuple):
    """What the signature of a layer's constructor says of widths, read once: the quick way for the usual call."""

    arity: int
    numbers: tuple[tuple[int, TypeVarId], ...]  # the parameters that are widths
    places: tuple[TypeVarId | int | None, TypeVarId | int | None]  # nI and nO of the result
    optional: tuple[tuple[int, str], ...]  # of these parameters, those that may be None: which, and its name

    def of(
        self, api: TypeChecker, args: Sequence[Sequence[Expression]], kinds: Sequence[Sequence[ArgKind]]
    ) -> tuple[Dim, Dim] | None:
        """The widths of what a call makes; None if the call is not a usual one, or wrong."""
        if len(args) != self.arity:
            return None
        given: dict[TypeVarId, int] = {}
        for i, variable in self.numbers:
            if not args[i]:
                continue
            expr, kind = args[i][0], kinds[i][0]
            if kind is not ARG_POS and kind is not ARG_NAMED:
                return None
            value = expr.value if type(expr) is IntExpr else int_value(expr, api)
            if value is not None and given.setdefault(variable, value) != value:
                return None
        nI, nO = (given.get(place) if isinstance(place, TypeVarId) else place for place in self.places)
        return (SAME, SAME) if nI is None and self.places[0] == self.places[1] is not None else (nI, nO)

    def check(
        self,
        report: Report,
        args: Sequence[Sequence[Expression]],
        types: Sequence[Sequence[Type]],
        kinds: Sequence[Sequence[ArgKind]],
    ) -> None:
        """Report what is no integer. For ``NO | None`` mypy leaves the variable open and takes anything."""
        if len(args) != self.arity:
            return
        for i, name in self.optional:
            for expr, typ, kind in zip(args[i], types[i], kinds[i], strict=True):
                if type(expr) is not IntExpr:
                    check_size(report, Argument(expr, typ, kind, name), i + 1)


def check_size(report: Report, argument: Argument, place: int) -> None:
    """Report an argument for ``NO | None`` that is no integer, in mypy's words."""
    if argument.kind.is_star() or _is_integer_or_none(argument.typ):
        return
    which = f'"{argument.name}"' if argument.kind is ARG_NAMED else place
    report.api.fail(
        f'Argument {which} to "{report.name}" has incompatible type "{report.type_name(argument.typ)}"; '
        'expected "int | None"',
        argument.expr,
        code=ARG_TYPE,
    )


def is_optional_size(formal: Type) -> bool:
    """Whether this is the type of a parameter that is a width, or None."""
    t = without_none(formal)
    return t is not get_proper_type(formal) and _is_width(t)


def _is_integer_or_none(typ: Type) -> bool:
    # What counts as an integer; also what is not known.
    t = get_proper_type(typ)
    if isinstance(t, UnionType):
        return all(_is_integer_or_none(item) for item in t.items)
    if isinstance(t, TypeVarType):
        return _is_integer_or_none(t.upper_bound)
    if isinstance(t, LiteralType):
        return _is_integer_or_none(t.fallback)
    if isinstance(t, Instance):
        return t.type.get("__index__") is not None or t.type.fallback_to_any
    return isinstance(t, (AnyType, NoneType, UninhabitedType, DeletedType))


def sizes_of(callee: CallableType) -> Sizes | None:
    """What a signature says of widths; None if arguments that are models have a part in it."""
    result = get_proper_type(callee.ret_type)
    if not isinstance(result, Instance) or result.type.fullname != MODEL:
        return None
    places = [
        place.id if isinstance(place, TypeVarType) else read_width(place, written=True)
        for place in map(get_proper_type, result.args[2:])
    ]
    numbers: list[tuple[int, TypeVarId]] = []
    optional: list[tuple[int, str]] = []
    for i, (formal, name) in enumerate(zip(callee.arg_types, callee.arg_names, strict=True)):
        t = without_none(formal)
        if as_model(t) is not None or callee.arg_kinds[i].is_star():
            return None
        if isinstance(t, TypeVarType):
            numbers.append((i, t.id))
            if is_optional_size(formal):
                optional.append((i, name or ""))
    return Sizes(len(callee.arg_types), tuple(numbers), (places[0], places[1]), tuple(optional))


def with_widths(report: Report, result: Type, widths: tuple[Dim, Dim]) -> Type:
    """The type of a model with these widths. Inference makes int of the value 64, and leaves unset widths open."""
    t = get_proper_type(result)
    if not isinstance(t, Instance):
        return result
    places = facts_of(report.api).kept.places
    own = places.get(t.type)
    if own is None:
        variables = t.type.defn.type_vars if t.type.has_base(MODEL) else []
        own = places[t.type] = [i for i, variable in enumerate(variables) if _is_width(variable)]
    if len(own) != 2:
        return result
    args = list(t.args)
    for i, width in zip(own, widths, strict=True):
        # What was written where the model goes has decided already: mypy reports an argument that differs.
        if not isinstance(get_proper_type(args[i]), LiteralType):
            args[i] = report.width(width)
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
        role = _role(report, formal)
        if role is None:
            continue
        if role.variable is None:
            widths = widths_of(report.api, argument.expr, argument.typ)
            for place, (variable, width) in enumerate(zip(role.places, widths, strict=True)):
                _give(report, given, variable, _Given(width, argument, place))
        elif not _is_none(argument.expr):
            _give(report, given, role.variable, _Given(int_value(argument.expr, report.api), argument, 2))
    return given


class _Role(NamedTuple):
    """What a parameter says of widths: it is one, or those of the model that it takes are."""

    variable: TypeVarType | None
    places: tuple[Type, ...] = ()


_roles: dict[int, tuple[Type, _Role | None]] = {}


def _role(report: Report, formal: Type) -> _Role | None:
    """The role of a parameter's type, kept: signatures are asked for at each call."""
    known = _roles.get(id(formal))
    if known is not None and known[0] is formal:
        return known[1]
    role: _Role | None = None
    t = without_none(formal)
    if isinstance(t, TypeVarType) and as_model(t) is None:
        role = _Role(t)
    elif not isinstance(t, TypeVarType) and (model := _model_type(report, formal)) is not None:
        places = tuple(get_proper_type(arg) for arg in model.args[2:])
        role = _Role(None, places) if any(isinstance(place, TypeVarType) for place in places) else None
    if len(_roles) >= _KEPT:
        _roles.clear()
    _roles[id(formal)] = formal, role
    return role


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
