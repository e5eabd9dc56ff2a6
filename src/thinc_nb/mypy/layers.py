"""An argument of a combinator, read as a layer: what it takes and gives, how wide, and how a message names it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from mypy.checker import TypeChecker
from mypy.errorcodes import ErrorCode
from mypy.lookup import lookup_fully_qualified
from mypy.maptype import map_instance_to_supertype
from mypy.nodes import (
    ARG_POS,
    ARG_STAR,
    ARG_STAR2,
    ArgKind,
    AssignmentExpr,
    CallExpr,
    ConditionalExpr,
    Context,
    Expression,
    IndexExpr,
    ListExpr,
    MemberExpr,
    NameExpr,
    Node,
    SliceExpr,
    StarExpr,
    TupleExpr,
    TypeInfo,
)
from mypy.types import (
    AnyType,
    DeletedType,
    FunctionLike,
    Instance,
    NoneType,
    ProperType,
    TupleType,
    Type,
    TypeOfAny,
    TypeVarType,
    UninhabitedType,
    UnionType,
    UnpackType,
    get_proper_type,
)

from .facts import facts_of
from .messages import LAYER_CALL, source_of, type_name
from .names import AT_ITEM, BY_INDEX, ENDO, FROM_LIST, MODEL, OVER_SEQ, THROUGH, TORCH_MODULES
from .values import int_value, items_of_name, source_of_name
from .widths import Dim, read_width, width_type

Kind: TypeAlias = Literal["plain", "endo", "seq", "items", "unknown", "at_item", "by_index"]

_SELF_METHODS = frozenset({"initialize", "copy"})


class Argument(NamedTuple):
    """An argument of a call, with the type that mypy found for it."""

    expr: Expression
    typ: Type
    kind: ArgKind
    name: str | None = None
    where: Expression | None = None  # where to report, if not at expr
    item: int | None = None  # which item of the tuple that expr is


class Source(NamedTuple):
    """An argument as it was written; only put into words for a message."""

    expr: Expression
    is_starred: bool = False
    item: int | None = None

    def __str__(self) -> str:
        star, index = "*" if self.is_starred else "", "" if self.item is None else f"[{self.item}]"
        return f"{star}{source_of(self.expr)}{index}"


class Layer(NamedTuple):
    """A layer. An "endo" gives what it takes; "items" one of a list that it takes; a "seq" is lifted over sequences.

    "at_item" changes one item of a tuple; "by_index" gives a part of an array. `widths` says which.
    """

    node: Context
    text: Source | str
    kind: Kind
    takes: Type
    gives: Type
    rows: tuple[Type, Type] | None = None  # what a seq takes and gives of arrays, an at_item of items
    nI: Dim = None
    nO: Dim = None
    is_starred: bool = False  # any number of them


class Label(NamedTuple):
    """How messages name a layer of a call."""

    number: int
    text: Source | str

    def __str__(self) -> str:
        return f'layer {self.number} "{self.text}"'


class Report:
    """Where the messages of one call go, and the types that they need."""

    def __init__(self, api: TypeChecker, name: str, context: Context) -> None:
        self.api = api
        self.name = name
        self.context = context

    def fail(self, message: str, node: Context, code: ErrorCode, hint: str | None = None) -> None:
        """Report an error, and below it what to do."""
        self.api.fail(f"{self.name}: {message}", node, code=code)
        if hint:
            self.api.note(f"  hint: {hint}", node, code=code)

    def type_name(self, typ: Type) -> str:
        """A type as messages show it."""
        return type_name(typ, self.api.options)

    def model(self, layer: Layer) -> Type:
        """The type of a layer."""
        widths = [self.width(layer.nI), self.width(layer.nO)]
        if layer.kind == "endo":
            return Instance(type_info(self.api, ENDO), [layer.takes, *widths])
        if layer.kind == "seq" and layer.rows is not None:
            return Instance(type_info(self.api, OVER_SEQ), [*layer.rows, *widths])
        if layer.kind == "items":
            return Instance(type_info(self.api, FROM_LIST), widths)
        if layer.kind == "at_item" and layer.rows is not None:
            return Instance(type_info(self.api, AT_ITEM), list(layer.rows))
        if layer.kind == "by_index":
            return Instance(type_info(self.api, BY_INDEX), [layer.takes])
        return Instance(type_info(self.api, MODEL), [layer.takes, layer.gives, *widths])

    def width(self, dim: Dim) -> Type:
        """The type argument for a width."""
        if not isinstance(dim, int):
            return any_type()
        kept = facts_of(self.api).kept.widths
        if dim not in kept:
            kept[dim] = width_type(self.api, dim)
        return kept[dim]

    def any_model(self) -> Type:
        """A model of which nothing is known."""
        kept = facts_of(self.api).kept
        if kept.any_model is None:
            kept.any_model = Instance(type_info(self.api, MODEL), [any_type() for _ in range(4)])
        return kept.any_model


def type_info(api: TypeChecker, fullname: str) -> TypeInfo:
    """A class by its name, in whatever module; TypeChecker.lookup_typeinfo only knows what the file imports."""
    infos = facts_of(api).kept.infos
    if fullname not in infos:
        symbol = lookup_fully_qualified(fullname, api.modules)
        if symbol is None or not isinstance(symbol.node, TypeInfo):
            raise LookupError(fullname)
        infos[fullname] = symbol.node
    return infos[fullname]


_ANY: Final = AnyType(TypeOfAny.special_form)


def any_type() -> AnyType:
    """Not known, and not reported by --disallow-any-*."""
    return _ANY


def is_any(typ: Type) -> bool:
    """Whether nothing is known of a type."""
    return isinstance(get_proper_type(typ), AnyType)


def bounded(typ: Type) -> Type:
    """A type variable as what it may be; Any if that is anything."""
    t = get_proper_type(typ)
    if not isinstance(t, TypeVarType):
        return typ
    bound = get_proper_type(t.upper_bound)
    return any_type() if isinstance(bound, Instance) and bound.type.fullname == "builtins.object" else bound


def without_none(typ: Type) -> ProperType:
    """X of X | None; other types as they are."""
    t = get_proper_type(typ)
    if isinstance(t, UnionType):
        rest = [item for item in map(get_proper_type, t.items) if not isinstance(item, NoneType)]
        if len(rest) == 1:
            return rest[0]
    return t


def as_model(typ: Type) -> Instance | None:
    """The type if it is a Model's, through X | None and type variables' bounds."""
    t = without_none(typ)
    if isinstance(t, TypeVarType):
        t = get_proper_type(t.upper_bound)
    return t if isinstance(t, Instance) and t.type.has_base(MODEL) else None


def read_layers(report: Report, arguments: Sequence[Argument]) -> list[Layer] | None:
    """The layers of a call; None, and an error for each, if some are none."""
    layers = [read_layer(report, argument) for argument in unpacked(report.api, arguments)]
    known = [layer for layer in layers if layer is not None]
    return known if len(known) == len(layers) else None


def unpacked(api: TypeChecker, arguments: Sequence[Argument]) -> Iterator[Argument]:
    """The arguments, with the items of a starred tuple or list in its place, where the file says what they are."""
    for argument in arguments:
        if argument.kind == ARG_STAR:
            yield from written_items(api, argument) or [argument]
        else:
            yield argument


def written_items(api: TypeChecker, argument: Argument) -> list[Argument] | None:
    """The items of a tuple, or of a list that is written out, here or where its name got its only value."""
    expr, t = argument.expr, get_proper_type(argument.typ)
    written = _written(api, expr)
    if written is not None:
        where = None if isinstance(expr, (TupleExpr, ListExpr)) else expr
        types = [api.lookup_type_or_none(item) for item in written]
        items = [
            Argument(item, typ, ARG_POS, where=where)
            for item, typ in zip(written, types, strict=True)
            if typ is not None
        ]
        if len(items) == len(written):
            return items
    if isinstance(t, TupleType) and not any(isinstance(item, UnpackType) for item in t.items):
        return [Argument(expr, item, ARG_POS, item=i) for i, item in enumerate(t.items)]
    return None


def _written(api: TypeChecker, expr: Expression) -> Sequence[Expression] | None:
    """The items of an expression, if they are written one by one: none is starred."""
    if isinstance(expr, IndexExpr):
        items = _written(api, expr.base) if isinstance(expr.index, SliceExpr) else None
        part = _slice(api, expr.index) if isinstance(expr.index, SliceExpr) else None
        return None if items is None or part is None else items[part]
    written = items_of_name(expr, api) if isinstance(expr, (NameExpr, MemberExpr)) else expr
    if not isinstance(written, (TupleExpr, ListExpr)) or any(isinstance(item, StarExpr) for item in written.items):
        return None
    return written.items


def _slice(api: TypeChecker, node: SliceExpr) -> slice | None:
    """A slice whose bounds the file says."""
    written = (node.begin_index, node.end_index, node.stride)
    bounds = [None if part is None else int_value(part, api) for part in written]
    is_known = all(bound is not None or part is None for bound, part in zip(bounds, written, strict=True))
    return slice(*bounds) if is_known and bounds[2] != 0 else None


def read_layer(report: Report, argument: Argument) -> Layer | None:
    """One argument as a layer; None, and an error, if it is none."""
    api, expr = report.api, argument.expr
    node, typ = argument.where or expr, get_proper_type(argument.typ)
    is_starred = argument.kind.is_star()
    if argument.kind == ARG_STAR2:
        typ = any_type()
    elif is_starred:
        typ = _item_type(api, typ, expr)
    text = Source(expr, is_starred, argument.item)
    nI: Dim = None
    nO: Dim = None
    if not is_starred:  # how many copies of a starred layer there are, and so how wide they are, is not known
        nI, nO = widths_of(api, expr, typ) if argument.item is None else type_widths(typ)
    if (model := _model_type(typ)) is not None:
        return _as_layer(api, model)._replace(node=node, text=text, nI=nI, nO=nO, is_starred=is_starred)
    if isinstance(typ, UnionType) and (either := _one_of(api, typ)) is not None:
        return either._replace(node=node, text=text, nI=nI, nO=nO, is_starred=is_starred)
    problem = _problem(report, typ, str(text), is_starred=is_starred)
    if problem is None:
        return Layer(node, text, "unknown", any_type(), any_type(), nI=nI, nO=nO, is_starred=is_starred)
    hint = f"wrap it, PyTorchWrapper({text})" if _is_torch_module(typ) and not is_starred else None
    report.fail(problem, node, LAYER_CALL, hint)
    return None


def _item_type(api: TypeChecker, typ: ProperType, expr: Expression) -> ProperType:
    if isinstance(typ, AnyType):
        return typ
    item = get_proper_type(api.iterable_item_type(typ, expr)) if isinstance(typ, Instance) else any_type()
    # mypy joins the types of unlike layers in a list to object.
    is_joined = isinstance(item, Instance) and item.type.fullname in (
        "builtins.object",
        "thinc_nb._model.node.NodeData",
    )
    return any_type() if is_joined else item


def _model_type(typ: ProperType) -> Instance | None:
    """The type if it is certainly a Model's, and says what it takes."""
    if isinstance(typ, TypeVarType):
        typ = get_proper_type(typ.upper_bound)
    if not isinstance(typ, Instance) or not typ.type.has_base(MODEL):
        return None
    return None if any(isinstance(get_proper_type(arg), UninhabitedType) for arg in typ.args) else typ


def _as_layer(api: TypeChecker, typ: Instance) -> Layer:
    takes, gives = map_instance_to_supertype(typ, type_info(api, MODEL)).args[:2]
    for name in (ENDO, THROUGH):
        if typ.type.has_base(name):
            return Layer(typ, "", "endo", map_instance_to_supertype(typ, type_info(api, name)).args[0], any_type())
    if typ.type.has_base(OVER_SEQ):
        rows = map_instance_to_supertype(typ, type_info(api, OVER_SEQ)).args
        return Layer(typ, "", "seq", takes, any_type(), (rows[0], rows[1]))
    if typ.type.has_base(AT_ITEM):
        parts = map_instance_to_supertype(typ, type_info(api, AT_ITEM)).args
        return Layer(typ, "", "at_item", takes, gives, (parts[0], parts[1]))
    if typ.type.has_base(BY_INDEX):
        return Layer(typ, "", "by_index", takes, gives)
    return Layer(typ, "", "items" if typ.type.has_base(FROM_LIST) else "plain", takes, gives)


def _one_of(api: TypeChecker, typ: UnionType) -> Layer | None:
    """A layer that is one of several: it takes what any of them takes."""
    layers = []
    for item in map(get_proper_type, typ.items):
        model = _model_type(item)
        layer = None if model is None else _as_layer(api, model)
        if layer is None or layer.kind != "plain":
            return None
        layers.append(layer)
    gives = {get_proper_type(layer.gives) for layer in layers}
    return layers[0]._replace(
        takes=UnionType.make_union([layer.takes for layer in layers]),
        gives=gives.pop() if len(gives) == 1 else any_type(),
    )


def _problem(report: Report, typ: ProperType, text: str, *, is_starred: bool) -> str | None:
    """What is wrong with an argument that is no Model; None if it may be one."""
    if isinstance(typ, UnionType):
        if any(isinstance(item, NoneType) for item in map(get_proper_type, typ.items)):
            return f'"{text}" may be None'
        return None
    if isinstance(typ, (AnyType, UninhabitedType, DeletedType)) or (isinstance(typ, Instance) and _may_be_model(typ)):
        return None
    if isinstance(typ, FunctionLike) and as_model(typ.items[0].ret_type) is not None:
        return f'"{text}" is a function, not a layer: call it, "{text}()"'
    if isinstance(typ, (Instance, TupleType)) and not is_starred:
        name = typ.type.fullname if isinstance(typ, Instance) else "builtins.tuple"
        if name in ("builtins.list", "builtins.tuple"):
            return f'got a {name.rpartition(".")[2]} of layers: unpack it, "{report.name}(*{text})"'
    return f'"{text}" is {report.type_name(typ)}, not a layer'


def _is_torch_module(typ: Type) -> bool:
    """Whether this is a torch.nn.Module, of torch's own types or of a stub."""
    return isinstance(typ, Instance) and any(base.fullname in TORCH_MODULES for base in typ.type.mro)


def _may_be_model(typ: Instance) -> bool:
    return typ.type.fallback_to_any or typ.type.fullname == MODEL or typ.type.has_base(MODEL)


def widths_of(api: TypeChecker, node: Node, typ: Type) -> tuple[Dim, Dim]:
    """The widths of a layer, as far as they can be trusted.

    Those that were written, as ``Literal[64]``, always. Values that mypy carries along do not count: where types are
    joined, it may keep the first of several values.
    """
    known = facts_of(api).known_widths(node, None if typ is _ANY else typ)
    if known is not None:
        return known
    if isinstance(node, ConditionalExpr):
        return _common(_widths_by_lookup(api, node.if_expr), _widths_by_lookup(api, node.else_expr))
    if isinstance(node, (NameExpr, MemberExpr)) and (source := source_of_name(node, api)) is not None:
        (nI, nO), declared = _widths_by_lookup(api, source), type_widths(typ)
        return declared[0] if nI is None else nI, declared[1] if nO is None else nO
    if isinstance(node, AssignmentExpr):
        return widths_of(api, node.value, typ)
    if isinstance(node, IndexExpr) and (item := _item_at(api, node)) is not None:
        return _widths_by_lookup(api, item)
    if isinstance(node, CallExpr) and isinstance(node.callee, MemberExpr) and node.callee.name in _SELF_METHODS:
        return _widths_by_lookup(api, node.callee.expr)
    return type_widths(typ)


def _item_at(api: TypeChecker, node: IndexExpr) -> Expression | None:
    """What stands at an index of a tuple."""
    items, index = _written(api, node.base), int_value(node.index, api)
    return None if items is None or index is None or not -len(items) <= index < len(items) else items[index]


def _widths_by_lookup(api: TypeChecker, node: Expression) -> tuple[Dim, Dim]:
    return widths_of(api, node, api.lookup_type_or_none(node) or any_type())


def _common(one: tuple[Dim, Dim], other: tuple[Dim, Dim]) -> tuple[Dim, Dim]:
    return one[0] if one[0] == other[0] else None, one[1] if one[1] == other[1] else None


def type_widths(typ: Type) -> tuple[Dim, Dim]:
    """The widths that were written in a Model's type."""
    t = get_proper_type(typ)
    base = next((base for base in t.type.mro if base.fullname == MODEL), None) if isinstance(t, Instance) else None
    if not isinstance(t, Instance) or base is None:
        return None, None
    nI, nO = map_instance_to_supertype(t, base).args[2:]
    return read_width(nI, written=True), read_width(nO, written=True)
