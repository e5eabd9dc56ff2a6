"""The words of the messages: error codes, expressions as they were written, types by the names that readers know."""

from __future__ import annotations

from typing import Final

from mypy.errorcodes import ErrorCode
from mypy.messages import format_type_bare
from mypy.nodes import (
    ARG_STAR,
    ARG_STAR2,
    AssignmentExpr,
    CallExpr,
    ConditionalExpr,
    DictExpr,
    FloatExpr,
    IndexExpr,
    IntExpr,
    LambdaExpr,
    ListExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    Node,
    OpExpr,
    RefExpr,
    SliceExpr,
    StarExpr,
    StrExpr,
    TupleExpr,
    UnaryExpr,
)
from mypy.options import Options
from mypy.types import AnyType, Instance, TupleType, Type, TypeAliasType, UnionType, get_proper_type

from .. import _wording
from .names import PADDED, RAGGED

CATEGORY: Final = "thinc_nb"
LAYER_TYPE: Final = ErrorCode("layer-type", "Layers that cannot be combined: their types differ", CATEGORY)
LAYER_DIM: Final = ErrorCode("layer-dim", "Layers that cannot be combined: their widths differ", CATEGORY)
LAYER_CALL: Final = ErrorCode("layer-call", "A combinator is given something that is not a layer", CATEGORY)
LAYER_OPERATOR: Final = ErrorCode("layer-operator", "An operator that is not bound to a combinator", CATEGORY)

MAX_SOURCE: Final = 48
"""Longer source text is cut in messages."""


def source_of(node: Node | None) -> str:
    """An expression as it was written, roughly, and short enough for a message."""
    text = _source(node)
    return text if len(text) <= MAX_SOURCE else text[: MAX_SOURCE - 1].rstrip(" ,(") + "…"


def _source(node: Node | None) -> str:  # noqa: C901  # a line for each kind of node
    match node:
        case NameExpr():
            return node.name
        case MemberExpr():
            return f"{_source(node.expr)}.{node.name}" if isinstance(node.expr, RefExpr) else node.name
        case IntExpr() | StrExpr() | FloatExpr():
            return repr(node.value)
        case CallExpr():
            return f"{_callee(node.callee)}({', '.join(_argument(node, i) for i in range(len(node.args)))})"
        case OpExpr():
            return f"{_operand(node.left, node)} {node.op} {_operand(node.right, node)}"
        case AssignmentExpr():
            return f"{_source(node.target)} := {_source(node.value)}"
        case UnaryExpr():
            return f"{node.op}{_source(node.expr)}"
        case ConditionalExpr():
            return f"{_source(node.if_expr)} if … else {_source(node.else_expr)}"
        case IndexExpr():
            return f"{_source(node.base)}[{_source(node.index)}]"
        case SliceExpr():
            parts = (node.begin_index, node.end_index, node.stride)
            return ":".join("" if part is None else _source(part) for part in parts[: 3 if node.stride else 2])
        case StarExpr():
            return f"*{_source(node.expr)}"
        case TupleExpr():
            return f"({', '.join(map(_source, node.items))})"
        case ListExpr():
            return "[…]"
        case DictExpr():
            return "{…}"
        case LambdaExpr():
            return "lambda …"
        case _:
            return "…"


def _callee(node: Node) -> str:
    """Without the module that the function was taken from: api.Relu is Relu."""
    if not isinstance(node, MemberExpr) or (isinstance(node.expr, RefExpr) and isinstance(node.expr.node, MypyFile)):
        text = node.name if isinstance(node, MemberExpr) else _source(node)
        return f"({text})" if isinstance(node, (ConditionalExpr, LambdaExpr, OpExpr)) else text
    return f"{_source(node.expr)}.{node.name}"


def _argument(call: CallExpr, i: int) -> str:
    name, kind = call.arg_names[i], call.arg_kinds[i]
    before = f"{name}=" if name else {ARG_STAR: "*", ARG_STAR2: "**"}.get(kind, "")
    return before + _source(call.args[i])


def _operand(node: Node, parent: OpExpr) -> str:
    text = _source(node)
    return f"({text})" if isinstance(node, OpExpr) and node.op != parent.op else text


def type_name(typ: Type, options: Options) -> str:
    """A type by the name that a reader knows: Floats2d, list[Ints2d], Ragged."""
    if isinstance(typ, TypeAliasType) and typ.is_recursive and typ.alias is not None:
        return typ.alias.name
    t = get_proper_type(typ)
    if isinstance(t, UnionType):
        return " | ".join(dict.fromkeys(type_name(item, options) for item in t.items))
    if isinstance(t, TupleType) and t.partial_fallback.type.fullname == "builtins.tuple":
        return f"tuple[{', '.join(type_name(item, options) for item in t.items)}]"
    if isinstance(t, Instance):
        if t.type.fullname == "numpy.ndarray" and len(t.args) == 2:
            return _array_name(get_proper_type(t.args[0]), get_proper_type(t.args[1]))
        if t.type.fullname in ("builtins.list", "typing.Sequence", "builtins.tuple") and t.args:
            more = ", ..." if t.type.name == "tuple" else ""
            return f"{t.type.name}[{type_name(t.args[0], options)}{more}]"
        if t.type.fullname in (RAGGED, PADDED):
            return t.type.name
    return format_type_bare(t, options)


def _array_name(shape: Type, dtype: Type) -> str:
    rank = str(len(shape.items)) if isinstance(shape, TupleType) else "X"
    scalar = get_proper_type(dtype.args[0]) if isinstance(dtype, Instance) and dtype.args else None
    if not isinstance(scalar, Instance):
        return f"Array{rank}d"
    if scalar.type.has_base("numpy.integer"):
        return f"Ints{rank}d"
    bits = get_proper_type(scalar.args[0]) if scalar.args else None
    if scalar.type.fullname == "numpy.floating" and (isinstance(bits, AnyType) or _name(bits) == "_32Bit"):
        return f"Floats{rank}d"
    return f"Array{rank}d of {scalar.type.name}"


def _name(typ: Type | None) -> str:
    return typ.type.name if isinstance(typ, Instance) else ""


def family(typ: Type) -> str:
    """The kind of batch: array, list, ragged, padded; any; union of several; other."""
    t = get_proper_type(typ)
    if isinstance(t, UnionType):
        kinds = {family(item) for item in t.items}
        return kinds.pop() if len(kinds) == 1 else "union"
    if isinstance(t, AnyType):
        return "any"
    names = {
        "numpy.ndarray": "array",
        "builtins.list": "list",
        "typing.Sequence": "list",
        RAGGED: "ragged",
        PADDED: "padded",
    }
    return names.get(t.type.fullname, "other") if isinstance(t, Instance) else "other"


def adapter(given: Type, expected: Type) -> str | None:
    """What could be put between, or around, two layers whose types differ."""
    return _wording.adapter(family(given), family(expected))
