"""What one file says: which names are assigned once, and which operators are bound where.

mypy's own visitors are compiled, so an interpreted plugin cannot extend them. This walk reads the children of a node
from a table, and passes over nodes that the table does not know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeGuard

from mypy.checker import TypeChecker
from mypy.nodes import (
    ARG_STAR,
    MDEF,
    AssignmentStmt,
    CallExpr,
    Context,
    Decorator,
    DictExpr,
    Expression,
    FuncItem,
    IntExpr,
    ListExpr,
    MemberExpr,
    MypyFile,
    NameExpr,
    Node,
    OperatorAssignmentStmt,
    OpExpr,
    RefExpr,
    StarExpr,
    TempNode,
    TupleExpr,
    TypeInfo,
    Var,
    WithStmt,
)
from mypy.types import Type

from mypy import nodes

from .names import DEFINE_OPERATORS, OPERATORS, REDUCE
from .widths import Dim

_CHILDREN: Final[dict[str, tuple[str, ...]]] = {
    # Statements. Those that bind names or operators have a method of their own as well.
    "AssertStmt": ("expr", "msg"),
    "Block": ("body",),
    "ClassDef": ("decorators", "base_type_exprs", "defs"),
    "ExpressionStmt": ("expr",),
    "ForStmt": ("expr", "body", "else_body"),
    "IfStmt": ("expr", "body", "else_body"),
    "MatchStmt": ("subject", "patterns", "guards", "bodies"),
    "OverloadedFuncDef": ("items",),
    "RaiseStmt": ("expr", "from_expr"),
    "ReturnStmt": ("expr",),
    "TryStmt": ("body", "handlers", "else_body", "finally_body"),
    "WhileStmt": ("expr", "body", "else_body"),
    "AssignmentStmt": ("rvalue",),
    "OperatorAssignmentStmt": ("rvalue",),
    # Expressions
    "AssertTypeExpr": ("expr",),
    "AssignmentExpr": ("value",),
    "AwaitExpr": ("expr",),
    "CallExpr": ("callee", "args"),
    "ComparisonExpr": ("operands",),
    "ConditionalExpr": ("cond", "if_expr", "else_expr"),
    "DictExpr": ("items",),
    "DictionaryComprehension": ("key", "value", "sequences", "condlists"),
    "GeneratorExpr": ("left_expr", "sequences", "condlists"),
    "IndexExpr": ("base", "index"),
    "ListComprehension": ("generator",),
    "ListExpr": ("items",),
    "MemberExpr": ("expr",),
    "OpExpr": ("left", "right"),
    "RevealExpr": ("expr",),
    "SetComprehension": ("generator",),
    "SetExpr": ("items",),
    "StarExpr": ("expr",),
    "TupleExpr": ("items",),
    "UnaryExpr": ("expr",),
    "YieldExpr": ("expr",),
    "YieldFromExpr": ("expr",),
    # Patterns
    "AsPattern": ("pattern",),
    "ClassPattern": ("positionals", "keyword_values"),
    "MappingPattern": ("values",),
    "OrPattern": ("patterns",),
    "SequencePattern": ("patterns",),
}

_LEAVES: Final = frozenset({IntExpr, nodes.StrExpr, nodes.FloatExpr, nodes.PassStmt, str})
_SYMBOLS: Final = frozenset(OPERATORS.values())


class Scope(NamedTuple):
    """Which operators are bound around an expression."""

    operators: Expression | None = None  # the argument of define_operators; None outside of such a block
    is_certain: bool = True  # whether nobody else can have bound others


class Kept:
    """Types that are asked for at each call, kept while one file is checked."""

    def __init__(self) -> None:
        self.infos: dict[str, TypeInfo] = {}
        self.widths: dict[int, Type] = {}
        self.places: dict[TypeInfo, list[int]] = {}
        self.any_model: Type | None = None


class Known(NamedTuple):
    """The widths (nI, nO) of a model that an expression makes."""

    widths: tuple[Dim, Dim]
    typ: Type
    reading: int  # how many files had been read then


class Facts:
    """What one file says, and the widths (nI, nO) that the plugin found for the expressions in it that make models."""

    def __init__(self, tree: MypyFile) -> None:
        self.defs = tree.defs
        self.imports = tree.imports
        self.kept = Kept()
        self._prefix = f"{tree.fullname}."
        self.scopes: dict[Node, Scope] = {}
        self.widths: dict[Node, Known] = {}
        self._uses: Counter[Var] = Counter()
        self._starred_uses: Counter[Var] = Counter()
        self._table_uses: Counter[str] = Counter()
        self._named: Counter[str] = Counter()
        self._assigned: dict[Var, Expression | None] = {}
        self._attributes: dict[Var, Expression] = {}
        self._attribute_writes: Counter[str] = Counter()
        self._sets_attributes = False
        self._scope = Scope()
        self._binds_elsewhere = False
        # By the name of the class: a match statement would take most of the plugin's time.
        self._notes: dict[str, Callable[[Any], bool | None]] = {
            "AsPattern": lambda node: self._forget(node.name),
            "AssignmentExpr": lambda node: self._bind(node.target, node.value),
            "AssignmentStmt": self._note_assignment,
            "CallExpr": self._note_call,
            "Decorator": self._visit_decorated,
            "DelStmt": lambda node: self._forget(node.expr),
            "DictExpr": self._note_dictionary,
            "DictionaryComprehension": lambda node: self._forget(node.indices),
            "ForStmt": lambda node: self._forget(node.index),
            "FuncDef": self._visit_function,
            "GeneratorExpr": lambda node: self._forget(node.indices),
            "LambdaExpr": self._visit_function,
            "MappingPattern": lambda node: self._forget(node.rest),
            "MemberExpr": self._note_member,
            "NameExpr": self._note_name,
            "OpExpr": self._note_operation,
            "OperatorAssignmentStmt": self._note_operator_assignment,
            "StarredPattern": lambda node: self._forget(node.capture),
            "TryStmt": lambda node: self._forget([name for name in node.vars if name is not None]),
            "WithStmt": self._visit_with,
        }
        self._is_walked = False

    def _read(self) -> None:
        """Walk over the file, when the first question comes."""
        if not self._is_walked:
            self._is_walked = True
            try:
                self._walk(self.defs)
            except RecursionError:  # an expression of thousands of parts: what was not seen may say otherwise
                self.scopes.clear()
                self._assigned.clear()
                self._attributes.clear()

    def note_widths(self, node: Context, widths: tuple[Dim, Dim], typ: Type) -> Type:
        """Keep the widths of what an expression makes. Returns the type that is given for it."""
        if not isinstance(node, Node):
            raise TypeError(f"expected a node, got {type(node).__name__}")
        self.widths[node] = Known(widths, typ, _readings)
        return typ

    def known_widths(self, node: Node, typ: Type | None) -> tuple[Dim, Dim] | None:
        """The widths of what an expression makes, of which mypy now says that it has this type.

        The daemon checks an expression anew without asking the plugin if it calls what is no layer any more: then the
        type is not what it was.
        """
        known = self.widths.get(node)
        if known is None or (known.reading != _readings and typ is not None and typ != known.typ):
            return None
        return known.widths

    def assigned(self, node: object) -> Expression | None:
        """What is assigned to a variable of this file, if that happens in one place."""
        if not isinstance(node, Var) or ("." in node.fullname and not node.fullname.startswith(self._prefix)):
            return None
        self._read()
        return self._assigned.get(node)

    def attribute(self, node: object) -> Expression | None:
        """What is assigned to an attribute of a class in this file, if nothing else is to any attribute of that name.

        One with an annotation may hold all that this says: that is what it was annotated for.
        """
        if not isinstance(node, Var) or not node.info or not node.info.fullname.startswith(self._prefix):
            return None
        self._read()
        is_certain = self._attribute_writes[node.name] == 1 and not self._sets_attributes
        return self._attributes.get(node) if is_certain else None

    def constant_items(self, node: object) -> Expression | None:
        """The tuple that a name stands for; the list too, if only starred arguments use it: lists may be changed."""
        value = self.assigned(node) or self.attribute(node)
        if isinstance(value, ListExpr) and isinstance(node, Var):
            starred = self._starred_uses[node]  # none of an attribute, whose uses are not counted
            return value if starred and self._uses[node] == starred else None
        return value if isinstance(value, TupleExpr) else None

    def is_constant_table(self, name: str) -> bool:
        """Whether a dictionary of this name is only used where operators are defined: dictionaries may be changed."""
        self._read()
        return self._named[name] == self._table_uses[name]

    def scope(self, node: Node) -> Scope | None:
        """Which operators are bound around an operation; None if that is not known."""
        self._read()
        scope = self.scopes.get(node) or (self.scopes.get(node.right) if isinstance(node, OpExpr) else None)
        return scope._replace(is_certain=False) if scope and self._binds_elsewhere else scope

    def _walk(self, item: Any) -> None:
        if item is None:
            return
        kind = type(item)
        if kind is list or kind is tuple:
            for part in item:
                self._walk(part)
        elif kind in _LEAVES:
            return
        elif isinstance(item, Node):
            self._visit(item)

    def _visit(self, node: Node) -> None:
        kind = type(node).__name__
        note = self._notes.get(kind)
        if note is not None and note(node):
            return
        for name in _CHILDREN.get(kind, ()):
            self._walk(getattr(node, name, None))

    # What is noted of a node. Whether its children have been walked, too.

    def _note_assignment(self, node: AssignmentStmt) -> None:
        if not (isinstance(node.rvalue, TempNode) and node.rvalue.no_rhs):
            for target in node.lvalues:
                self._bind(target, node.rvalue, is_annotated=node.unanalyzed_type is not None and not node.is_final_def)

    def _note_operator_assignment(self, node: OperatorAssignmentStmt) -> None:
        # mypy checks a >>= b as an operation that is not in the tree.
        self.scopes[node.rvalue] = self._scope
        self._forget(node.lvalue)

    def _note_operation(self, node: OpExpr) -> None:
        if node.op in _SYMBOLS:
            self.scopes[node] = self._scope

    def _note_name(self, node: NameExpr) -> None:
        self._named[node.name] += 1
        if isinstance(node.node, Var):
            self._uses[node.node] += 1

    def _note_member(self, node: MemberExpr) -> None:
        self._named[node.name] += 1
        if node.name == DEFINE_OPERATORS:
            self._binds_elsewhere = True
        elif node.name == "__dict__":
            self._sets_attributes = True

    def _note_dictionary(self, node: DictExpr) -> None:
        for key, value in node.items:
            if key is None:
                self._note_table(value)

    def _note_table(self, expr: Expression) -> None:
        if isinstance(expr, (NameExpr, MemberExpr)):
            self._table_uses[expr.name] += 1

    def _note_call(self, call: CallExpr) -> None:
        if _is_define_operators(call) and call.args:
            self._note_table(call.args[0])
        if ARG_STAR not in call.arg_kinds and len(call.args) not in (2, 3):
            return
        name = call.callee.fullname if isinstance(call.callee, RefExpr) else ""
        self._sets_attributes |= name == "builtins.setattr"
        is_reduce = name in REDUCE
        for arg, kind in zip(call.args, call.arg_kinds, strict=True):
            if isinstance(arg, NameExpr) and isinstance(arg.node, Var) and (kind == ARG_STAR or is_reduce):
                self._starred_uses[arg.node] += 1

    def _visit_with(self, node: WithStmt) -> bool:
        outer = self._scope
        for item, target in zip(node.expr, node.target, strict=True):
            self._forget(target)
            self._enter(item)
        self._walk(node.body)
        self._scope = outer
        return True

    def _visit_decorated(self, node: Decorator) -> bool:
        outer = self._scope
        blocks = [d for d in node.decorators if _is_define_operators(d)]
        self._walk([d for d in node.decorators if d not in blocks])
        for block in blocks:
            self._enter(block)
        self._visit_function(node.func, is_bound=bool(blocks))
        self._scope = outer
        return True

    def _visit_function(self, function: FuncItem, *, is_bound: bool = False) -> bool:
        """What surrounds a function need not surround its call."""
        outer = self._scope
        for argument in function.arguments:
            self._walk(argument.initializer)
            self._assigned[argument.variable] = None
        if not is_bound:
            self._scope = outer._replace(is_certain=False)
        self._walk(function.body)
        self._scope = outer
        return True

    def _enter(self, item: Expression) -> None:
        """Enter the context of a with statement. One that is not known may bind operators."""
        block = self.assigned(item.node) if isinstance(item, NameExpr) else item
        if block is not None and _is_define_operators(block):
            self._note_call(block)
            self._walk(block.args)
            self._scope = Scope(block.args[0] if block.args else None)
        else:
            self._walk(item)
            self._scope = self._scope._replace(is_certain=False)

    def _bind(self, target: Expression, value: Expression, *, is_annotated: bool = False) -> None:
        if isinstance(target, NameExpr):
            if isinstance(target.node, Var):
                self._assigned[target.node] = None if target.node in self._assigned else value
                if target.kind == MDEF:
                    self._bind_attribute(target.name, target.node, None if is_annotated else value)
        elif isinstance(target, MemberExpr):
            self._walk(target.expr)
            self._bind_attribute(target.name, target.node, None if is_annotated else value)
        elif isinstance(target, (TupleExpr, ListExpr)):
            items = value.items if isinstance(value, (TupleExpr, ListExpr)) else []
            if len(items) == len(target.items) and not any(isinstance(e, StarExpr) for e in [*items, *target.items]):
                for part, item in zip(target.items, items, strict=True):
                    self._bind(part, item)
            else:
                self._forget(target)
        else:
            self._walk(target)

    def _bind_attribute(self, name: str, node: object, value: Expression | None) -> None:
        self._attribute_writes[name] += 1
        if isinstance(node, Var) and value is not None:
            self._attributes[node] = value

    def _forget(self, target: Any) -> None:
        """A name gets values that cannot be told."""
        for name in _names(target):
            if isinstance(name, MemberExpr):
                self._attribute_writes[name.name] += 2
            elif isinstance(name.node, Var):
                self._assigned[name.node] = None
                self._attribute_writes[name.name] += 2 if name.kind == MDEF else 0


def _names(target: Any) -> Iterator[NameExpr | MemberExpr]:
    if isinstance(target, (NameExpr, MemberExpr)):
        yield target
    elif isinstance(target, (TupleExpr, ListExpr)):
        for item in target.items:
            yield from _names(item)
    elif isinstance(target, (list, tuple)):
        for item in target:
            yield from _names(item)
    elif isinstance(target, StarExpr):
        yield from _names(target.expr)


def _is_define_operators(expr: Expression) -> TypeGuard[CallExpr]:
    return isinstance(expr, CallExpr) and isinstance(expr.callee, MemberExpr) and expr.callee.name == DEFINE_OPERATORS


def file_was_read() -> None:
    """What is known from now on may differ from what was kept."""
    global _readings
    _readings += 1


_readings = 0
_KEPT: Final = 1024
_facts: dict[MypyFile, Facts] = {}


def facts_of(api: TypeChecker) -> Facts:
    """The facts of the file that is being checked; anew after the daemon has changed the file's tree in place."""
    tree = api.tree
    known = _facts.get(tree)
    if known is None or known.defs is not tree.defs:
        if len(_facts) >= _KEPT:
            _facts.clear()
        new = _facts[tree] = Facts(tree)
        if known is not None and known.imports is tree.imports:
            # Not read anew: the daemon checks parts of the tree once more, and only their widths are found again.
            new.widths = known.widths
        return new
    return known
