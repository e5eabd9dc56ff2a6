"""What an expression stands for: the number, the layer, the items of a tuple that a name got in one place."""

from __future__ import annotations

from typing import Final

from mypy.checker import TypeChecker
from mypy.nodes import (
    AssignmentExpr,
    CallExpr,
    Expression,
    IntExpr,
    MemberExpr,
    NameExpr,
    OpExpr,
    RefExpr,
    TypeInfo,
    UnaryExpr,
    Var,
)
from mypy.types import CallableType, Instance, LiteralType, TypeType, TypeVarType, get_proper_type

from .facts import facts_of

_MAX_DEPTH: Final = 16
"""How many names and operations are followed to find a number."""


def int_value(expr: Expression | None, api: TypeChecker, depth: int = 0) -> int | None:
    """The value of an integer expression, if the file says it: literals, arithmetic, Final, names assigned once."""
    if expr is None or depth > _MAX_DEPTH:
        return None
    match expr:
        case IntExpr():
            return expr.value
        case AssignmentExpr():
            return int_value(expr.value, api, depth + 1)
        case UnaryExpr() if expr.op == "-":
            value = int_value(expr.expr, api, depth + 1)
            return None if value is None else -value
        case OpExpr():
            return _calculated(expr.op, int_value(expr.left, api, depth + 1), int_value(expr.right, api, depth + 1))
        case RefExpr():
            return _named_value(expr, api, depth)
        case CallExpr() if len(expr.args) == 1 and _keeps_numbers(expr.callee):
            return int_value(expr.args[0], api, depth + 1)
    typ = get_proper_type(api.lookup_type_or_none(expr))
    return typ.value if isinstance(typ, LiteralType) and type(typ.value) is int else None


def _keeps_numbers(callee: Expression) -> bool:
    """Whether this is int, or a NewType: called with a number, it gives that number."""
    node = callee.node if isinstance(callee, RefExpr) else None
    return isinstance(node, TypeInfo) and (node.fullname == "builtins.int" or node.is_newtype)


def _named_value(expr: RefExpr, api: TypeChecker, depth: int) -> int | None:
    node = _attribute(expr, api) if isinstance(expr, MemberExpr) and expr.node is None else expr.node
    if isinstance(node, Var) and node.is_final and type(node.final_value) is int:
        return node.final_value
    typ = get_proper_type(api.lookup_type_or_none(expr))
    if isinstance(typ, Instance):
        # Of a Final, or a member of an Enum; mypy forgets the value of other variables.
        is_final = isinstance(node, Var) and node.is_final
        typ = typ.last_known_value if is_final or _is_value_of_member(expr, api) else None
    if isinstance(typ, LiteralType) and type(typ.value) is int:
        return typ.value
    return int_value(source_of_name(expr, api), api, depth + 1)


def _is_value_of_member(expr: RefExpr, api: TypeChecker) -> bool:
    """Whether this is Width.SMALL.value."""
    if not isinstance(expr, MemberExpr) or expr.name != "value":
        return False
    owner = get_proper_type(api.lookup_type_or_none(expr.expr))
    return isinstance(owner, Instance) and owner.type.is_enum


def source_of_name(expr: Expression, api: TypeChecker) -> Expression | None:
    """What is assigned to a name, or to an attribute, if that happens in one place."""
    if isinstance(expr, NameExpr):
        return facts_of(api).assigned(expr.node)
    if isinstance(expr, MemberExpr):
        return facts_of(api).attribute(_attribute(expr, api))
    return None


def items_of_name(expr: Expression, api: TypeChecker) -> Expression | None:
    """The tuple or list that a name or an attribute stands for, if it is certain to."""
    if isinstance(expr, NameExpr):
        return facts_of(api).constant_items(expr.node)
    if isinstance(expr, MemberExpr):
        return facts_of(api).constant_items(_attribute(expr, api))
    return None


def _attribute(expr: MemberExpr, api: TypeChecker) -> object:
    """What an attribute of an object, or of a class, is."""
    owner = get_proper_type(api.lookup_type_or_none(expr.expr))
    if isinstance(owner, CallableType) and owner.is_type_obj():
        owner = get_proper_type(owner.ret_type)
    if isinstance(owner, TypeType):
        owner = owner.item
    if isinstance(owner, TypeVarType):
        owner = get_proper_type(owner.upper_bound)
    symbol = owner.type.get(expr.name) if isinstance(owner, Instance) else None
    return None if symbol is None else symbol.node


def _calculated(op: str, left: int | None, right: int | None) -> int | None:
    if left is None or right is None:
        return None
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "//" if right:
            return left // right
        case "%" if right:
            return left % right
        case "**" if 0 <= right <= 64:
            return int(left**right)
    return None
