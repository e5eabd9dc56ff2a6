"""Operators between models: what ``Model.define_operators`` binds around them, and what that makes of both sides."""

from __future__ import annotations

from mypy.checker import TypeChecker
from mypy.nodes import ARG_POS, DictExpr, Expression, LambdaExpr, MemberExpr, NameExpr, Node, OpExpr, StrExpr, TempNode
from mypy.plugin import MethodContext
from mypy.types import FunctionLike, Type, get_proper_type

from .calls import result_of
from .facts import Scope, facts_of
from .layers import Argument, Label, Report, Source
from .messages import LAYER_OPERATOR
from .treatments import Treatment, Treatments
from .values import source_of_name


def operation(api: TypeChecker, ctx: MethodContext, symbol: str, treatments: Treatments) -> Type:
    """The type of ``left symbol right``."""
    node = ctx.context
    scope = facts_of(api).scope(node) if isinstance(node, Node) else None
    if scope is None:
        return ctx.default_return_type
    if scope.operators is None:
        if scope.is_certain:
            api.fail(
                f'operator "{symbol}" is not bound here: use "with Model.define_operators({{{symbol!r}: chain}}):"',
                node,
                code=LAYER_OPERATOR,
            )
        return ctx.default_return_type
    table = _table(api, scope.operators)
    if table is None:
        return ctx.default_return_type
    if symbol not in table:
        if scope.is_certain:
            bound = ", ".join(f'"{key}"' for key in table)
            api.fail(f'operator "{symbol}" is not bound here (bound: {bound})', node, code=LAYER_OPERATOR)
        return ctx.default_return_type
    return _applied(api, ctx, table[symbol], scope, treatments)


def _table(api: TypeChecker, operators: Expression, depth: int = 0) -> dict[str, Expression] | None:
    """What each operator is bound to; None if that is not written where we can see it."""
    if isinstance(operators, (NameExpr, MemberExpr)) and depth < 8:
        is_constant = facts_of(api).is_constant_table(operators.name)
        value = source_of_name(operators, api) if is_constant else None
        return None if value is None else _table(api, value, depth + 1)
    if not isinstance(operators, DictExpr):
        return None
    table: dict[str, Expression] = {}
    for key, value in operators.items:
        if key is None:
            more = _table(api, value, depth + 1)
            if more is None:
                return None
            table |= more
        elif isinstance(key, StrExpr):
            table[key.value] = value
        else:
            return None
    return table


def _applied(api: TypeChecker, ctx: MethodContext, target: Expression, scope: Scope, treatments: Treatments) -> Type:
    node = ctx.context
    left = node.left if isinstance(node, OpExpr) else TempNode(ctx.type)
    right, right_type = ctx.args[0][0], ctx.arg_types[0][0]
    arguments = [Argument(left, ctx.type, ARG_POS), Argument(right, right_type, ARG_POS)]
    treatment = treatments.of_expression(target, api)
    if treatment is not None and treatment.way != "widths":
        report = Report(api, treatment.name, node)
        labels = _labels(api, node, scope, treatment) if treatment.rule == "chain" else None
        return result_of(treatment, report, arguments, ctx.default_return_type, labels=labels)
    if isinstance(target, LambdaExpr):
        return ctx.default_return_type
    callee = get_proper_type(api.lookup_type_or_none(target))
    if not isinstance(callee, FunctionLike):
        return ctx.default_return_type
    sides: list[Expression] = [TempNode(ctx.type, context=left), TempNode(right_type, context=right)]
    result, _ = api.expr_checker.check_call(callee, sides, [ARG_POS, ARG_POS], node)
    return result


def _labels(api: TypeChecker, node: object, scope: Scope, treatment: Treatment) -> list[Label] | None:
    """In ``a >> b >> c`` the layers are numbered 1 to 3, though the operator sees two: ``a >> b`` and ``c``."""
    parts: list[Expression] = []
    here = node
    while isinstance(here, OpExpr) and isinstance(node, OpExpr) and here.op == node.op:
        around = facts_of(api).scope(here)
        if around is None or around.operators is not scope.operators:
            break
        parts.insert(0, here.right)
        here = here.left
    if len(parts) < 2 or not isinstance(here, Expression):
        return None
    return [Label(len(parts), Source(parts[-2])), Label(len(parts) + 1, Source(parts[-1]))]
