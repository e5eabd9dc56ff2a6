"""The result of a call: of a combinator, of a wrapper, of a function with widths in its signature; direct or not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mypy.checker import TypeChecker
from mypy.errorcodes import CALL_ARG
from mypy.expandtype import expand_type
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import ARG_STAR, CallExpr, Expression, MemberExpr, NameExpr, RefExpr, TempNode
from mypy.subtypes import is_subtype
from mypy.types import (
    CallableType,
    Instance,
    NoneType,
    ProperType,
    TupleType,
    Type,
    TypeVarType,
    UnionType,
    get_proper_type,
)

from . import rules, sizes
from .facts import facts_of
from .layers import (
    Argument,
    Label,
    Layer,
    Report,
    as_model,
    bounded,
    is_any,
    read_layer,
    read_layers,
    type_info,
    unpacked,
)
from .messages import LAYER_CALL, LAYER_TYPE
from .names import MODEL, PARTIAL
from .signatures import bound_arguments, with_widths
from .values import int_value, source_of_name

if TYPE_CHECKING:
    from mypy.plugin import FunctionContext, MethodContext

    from .treatments import Treatment, Treatments

# The name under which a call is checked against the signature itself: one that has no hook.
_CHECKED: Final = "thinc_nb.mypy.checked"
_MAX_PARTIALS: Final = 8
_AT_LEAST_TWO: Final = frozenset({"chain", "add", "tuplify"})


def result_of(
    treatment: Treatment,
    report: Report,
    arguments: Sequence[Argument],
    default: Type,
    *,
    is_checked: bool = False,
    labels: Sequence[Label] | None = None,
) -> Type:
    """The type of what a call gives; its widths are kept beside the expression. is_checked: mypy has seen the types."""
    facts_of(report.api).note_widths(report.context, (None, None), default)
    match treatment.way:
        case "variadic":
            if treatment.is_overloaded and not is_checked and not _are_known(treatment, report, arguments):
                return report.any_model()
            return _combined(treatment, report, arguments, labels)
        case "marked":
            return _marked(treatment, report, arguments, default)
        case "residual" | "clone":
            return _fitting_itself(treatment, report, arguments, default)
        case "same":
            return _same(treatment, report, arguments, default)
        case "wrapper" if not is_checked:
            return _wrapped(treatment, report, arguments)
    return _sized(report, treatment, _item(treatment, arguments), arguments, default)


def _made(report: Report, layer: Layer | None) -> Type:
    if layer is None:
        return report.any_model()
    result = report.any_model() if layer.kind == "unknown" else report.model(layer)
    return facts_of(report.api).note_widths(report.context, (layer.nI, layer.nO), result)


def _combined(
    treatment: Treatment, report: Report, arguments: Sequence[Argument], labels: Sequence[Label] | None
) -> Type:
    layers = read_layers(report, _in_order(treatment, arguments))
    if layers is None:
        return report.any_model()
    if len(layers) < 2 and not any(layer.is_starred for layer in layers):
        if treatment.rule in _AT_LEAST_TWO:
            report.fail(f"needs at least two layers, got {len(layers)}", report.context, LAYER_CALL)
        return _made(report, layers[0] if layers else None)
    return _made(report, rules.VARIADIC[treatment.rule](report, layers, labels))


def _are_known(treatment: Treatment, report: Report, arguments: Sequence[Argument]) -> bool:
    """Whether there are such keywords, of which mypy says nothing where a signature is opened."""
    unknown = {a.name for a in arguments if a.name is not None} - set(treatment.callee.items[0].arg_names)
    for name in unknown:
        report.api.fail(f'Unexpected keyword argument "{name}" for "{report.name}"', report.context, code=CALL_ARG)
    return not unknown


def _in_order(treatment: Treatment, arguments: Sequence[Argument]) -> Sequence[Argument]:
    """Arguments as they follow each other, where a combinator gets some by keyword."""
    if not any(argument.name for argument in arguments):
        return arguments
    names = treatment.callee.items[0].arg_names
    ordered = [argument for argument in arguments if argument.name is None]
    keywords = [argument for argument in arguments if argument.name in names and argument.name is not None]
    for argument in sorted(keywords, key=lambda argument: names.index(argument.name)):
        ordered.insert(names.index(argument.name), argument)
    return ordered


def _marked(treatment: Treatment, report: Report, arguments: Sequence[Argument], default: Type) -> Type:
    callee = _item(treatment, arguments)
    among = [bound.argument for bound in bound_arguments(callee, arguments) if as_model(bound.formal) is not None]
    layers = read_layers(report, among)
    result = get_proper_type(default)
    if not layers or not isinstance(result, Instance):
        return default
    layer = rules.VARIADIC[treatment.rule](report, layers, None)
    if layer is None:
        return default
    # What the signature says of the result holds; the marker is what the plugin fills in.
    made = get_proper_type(_made(report, layer))
    declared = get_proper_type(callee.ret_type)
    if not isinstance(made, Instance) or not isinstance(declared, Instance) or declared.type is not result.type:
        return default
    marker = [i for i, arg in enumerate(map(get_proper_type, declared.args)) if _is_marker(arg)]
    gives = map_instance_to_supertype(made, type_info(report.api, MODEL)).args[1]
    return result.copy_modified(args=[gives if i in marker else arg for i, arg in enumerate(result.args)])


def _is_marker(typ: Type) -> bool:
    return isinstance(typ, TypeVarType) and typ.name in ("XY_YZ_OutT", "XY_XY_OutT")


def _fitting_itself(treatment: Treatment, report: Report, arguments: Sequence[Argument], default: Type) -> Type:
    bound = {b.name: b.argument for b in bound_arguments(_item(treatment, arguments), arguments)}
    argument = bound.get("layer") or bound.get("orig")
    if argument is None or argument.kind == ARG_STAR:
        return default
    layer = read_layer(report, argument)
    if layer is None or layer.kind == "unknown":
        return report.any_model()
    if treatment.way == "residual":
        return _made(report, rules.residual(report, layer))
    number = bound.get("n")
    if number is None:
        return report.any_model()
    if not is_any(number.typ) and not is_subtype(number.typ, report.api.named_generic_type("builtins.int", [])):
        if not isinstance(report.context, CallExpr):  # of a call mypy has said so
            report.fail(f"the number of copies is {report.type_name(number.typ)}, not int", number.expr, LAYER_CALL)
        return report.any_model()
    copies = int_value(number.expr, report.api)
    if copies is not None and copies < 0:
        report.fail(f"the number of copies is {copies}", number.where or number.expr, LAYER_CALL)
        return report.any_model()
    return _made(report, rules.clone(report, layer, copies))


def _same(treatment: Treatment, report: Report, arguments: Sequence[Argument], default: Type) -> Type:
    callee = _item(treatment, arguments)
    for argument, formal, _ in bound_arguments(callee, arguments):
        if get_proper_type(formal) == get_proper_type(callee.ret_type):
            layer = read_layer(report, argument)
            if layer is not None:
                facts_of(report.api).note_widths(report.context, (layer.nI, layer.nO), default)
    return default


def _item(treatment: Treatment, arguments: Sequence[Argument]) -> CallableType:
    """The signature, of several the first that has a place for each argument."""
    items = treatment.callee.items
    if len(items) > 1:
        for item in items:
            if len(list(bound_arguments(item, arguments))) >= len(arguments):
                return item
    return items[0]


def _sized(
    report: Report, treatment: Treatment, callee: CallableType, arguments: Sequence[Argument], result: Type
) -> Type:
    widths = sizes.widths_of_call(report, treatment.name, callee, arguments)
    return facts_of(report.api).note_widths(report.context, widths, with_widths(report, result, widths))


def _wrapped(treatment: Treatment, report: Report, arguments: Sequence[Argument]) -> Type:
    """Check a call against the signature. What is wrong with a layer is said in our words, the rest in mypy's."""
    api, callee = report.api, treatment.callee
    item = _item(treatment, arguments)
    if not _is_complete(item, arguments):
        return report.any_model()  # mypy has said so; or these are the arguments of a partial
    values: list[Expression] = [TempNode(a.typ, context=a.where or a.expr) for a in arguments]
    kinds, names = [a.kind for a in arguments], [a.name for a in arguments]
    with api.msg.filter_errors(save_filtered_errors=True) as errors:
        result, _ = api.expr_checker.check_call(callee, values, kinds, report.context, names, callable_name=_CHECKED)
    if not errors.has_new_errors():
        return _sized(report, treatment, item, arguments, result)
    for argument, formal, name in bound_arguments(item, arguments):
        wanted = as_model(formal)
        if wanted is None or (wanted is not formal and _is_none_type(argument.typ)):
            continue
        for part in unpacked(api, [argument]):
            layer = read_layer(report, part)
            if layer is None:
                return report.any_model()
            if _complain(report, wanted, layer, name):
                return report.any_model()
    api.msg.add_errors(errors.filtered_errors())
    return report.any_model()


def _is_complete(callee: CallableType, arguments: Sequence[Argument]) -> bool:
    given = {bound.name for bound in bound_arguments(callee, arguments)}
    names = zip(callee.arg_names, callee.arg_kinds, strict=True)
    return all(name in given for name, kind in names if kind.is_required()) or any(a.kind.is_star() for a in arguments)


def _is_none_type(typ: Type) -> bool:
    return isinstance(get_proper_type(typ), NoneType)


def _complain(report: Report, wanted: Instance, layer: Layer, name: str | None) -> bool:
    """Say which layer does not fit, if that is what is wrong."""
    takes, gives = map(_without_variables, map_instance_to_supertype(wanted, type_info(report.api, MODEL)).args[:2])
    is_plain = layer.kind in ("plain", "at_item", "by_index")
    if not is_plain or (is_subtype(takes, layer.takes) and is_subtype(layer.gives, gives)):
        return False
    report.fail(
        f"the layer inside must take {report.type_name(takes)} and output {report.type_name(gives)}, "
        f'but "{layer.text}" takes {report.type_name(layer.takes)} and outputs {report.type_name(layer.gives)}',
        layer.node,
        LAYER_TYPE,
    )
    return True


def _without_variables(typ: Type) -> Type:
    """Type variables replaced by what they may be."""
    return expand_type(typ, {variable.id: bounded(variable) for variable in _variables(get_proper_type(typ))})


def _variables(typ: ProperType) -> list[TypeVarType]:
    if isinstance(typ, TypeVarType):
        return [typ]
    parts: Sequence[Type] = ()
    if isinstance(typ, Instance):
        parts = typ.args
    elif isinstance(typ, (UnionType, TupleType)):
        parts = typ.items
    return [variable for part in parts for variable in _variables(get_proper_type(part))]


# Calls that are not written as calls


def called_reduce(api: TypeChecker, ctx: FunctionContext, treatment: Treatment) -> Type:
    """``reduce(chain, layers)``, which is ``chain(*layers)``; with an initial layer before them."""
    has_stars = any(kind.is_star() for kinds in ctx.arg_kinds for kind in kinds)
    if not treatment.is_variadic or has_stars or len(ctx.args) < 2 or len(ctx.args[1]) != 1:
        return ctx.default_return_type
    arguments = [Argument(ctx.args[1][0], ctx.arg_types[1][0], ARG_STAR)]
    if len(ctx.args) > 2 and ctx.args[2]:
        arguments.insert(0, Argument(ctx.args[2][0], ctx.arg_types[2][0], ctx.arg_kinds[2][0]))
    parts = list(unpacked(api, arguments))
    report = Report(api, treatment.name, ctx.context)
    if len(parts) == 1 and parts[0].kind != ARG_STAR:
        return _made(report, read_layer(report, parts[0]))
    return result_of(treatment, report, parts, ctx.default_return_type)


def called_unnamed(
    api: TypeChecker, arguments: Sequence[Argument], among: Sequence[Treatment], ctx: FunctionContext
) -> Type:
    """A call of what an expression gives; of several functions, by the rule of the first."""
    first, node = among[0], ctx.context
    report = Report(api, first.name, node)
    values: list[Expression] = [TempNode(a.typ, context=a.expr) for a in arguments]
    kinds, names = [a.kind for a in arguments], [a.name for a in arguments]
    with api.msg.filter_errors() as errors:
        api.expr_checker.check_call(first.callee, values, kinds, node, names, callable_name=_CHECKED)
    if errors.has_new_errors():
        return ctx.default_return_type  # mypy has said so, in its words
    result = result_of(first, report, arguments, ctx.default_return_type)
    if len(among) == 1:
        return result
    return facts_of(api).note_widths(node, (None, None), ctx.default_return_type)


def called_partial(api: TypeChecker, ctx: MethodContext, treatments: Treatments) -> Type:
    """``partial(chain, first)(second)``: where the partial is in sight."""
    call = ctx.context
    if not isinstance(call, CallExpr):
        return ctx.default_return_type
    given = list(zip(call.args, call.arg_kinds, call.arg_names, strict=True))
    callee: Expression = call.callee
    for _ in range(_MAX_PARTIALS):
        made = _partial_call(api, callee)
        if made is None:
            break
        replaced = {name for _, _, name in given if name is not None}
        before = list(zip(made.args, made.arg_kinds, made.arg_names, strict=True))[1:]
        given = [*(b for b in before if b[2] is None or b[2] not in replaced), *given]
        callee = made.args[0]
    treatment = treatments.of_expression(callee, api)
    if treatment is None or callee is call.callee:
        return ctx.default_return_type
    arguments = []
    for expr, kind, name in given:
        typ = api.lookup_type_or_none(expr)
        if typ is None:
            return ctx.default_return_type
        arguments.append(Argument(expr, typ, kind, name, where=None if expr in call.args else call))
    report = Report(api, treatment.name, call)
    return result_of(treatment, report, arguments, ctx.default_return_type, is_checked=True)


def _partial_call(api: TypeChecker, callee: Expression) -> CallExpr | None:
    value = source_of_name(callee, api) if isinstance(callee, (NameExpr, MemberExpr)) else callee
    if not isinstance(value, CallExpr) or not isinstance(value.callee, RefExpr) or not value.args:
        return None
    return value if value.callee.fullname == PARTIAL else None
