"""Which functions the plugin looks at, and how: by their names for our combinators, by their signatures for others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from mypy.checker import TypeChecker
from mypy.nodes import Decorator, FuncDef, OverloadedFuncDef, RefExpr, SymbolTableNode, TypeInfo, Var
from mypy.types import (
    CallableType,
    FunctionLike,
    Instance,
    Overloaded,
    ProperType,
    Type,
    TypeVarType,
    UnionType,
    get_proper_type,
)

from .layers import as_model
from .names import LAYERS, XY_XY, XY_YZ
from .signatures import Sizes, sizes_of, width_variables
from .sizes import OWN

Way: TypeAlias = Literal["variadic", "marked", "residual", "clone", "wrapper", "same", "widths"]

_VARIADIC: Final = {
    "chain": "chain",
    "chain_no_types": "chain",
    "add": "add",
    "concatenate": "concatenate",
    "tuplify": "tuplify",
}


class Treatment(NamedTuple):
    """How the calls of a function are checked.

    variadic: by the rule of that name, on all arguments. marked: the same, on the arguments that are layers, of a
    function that says so by the marker in its result. residual, clone: by their own rules. wrapper: against the
    signature, with our words for what is wrong. same: gives the layer that it gets. widths: only widths are followed.
    """

    way: Way
    name: str
    rule: str
    callee: FunctionLike
    sizes: Sizes | None = None  # where only the numbers in a call decide

    @property
    def is_variadic(self) -> bool:
        """Whether each argument is a layer."""
        return self.way == "variadic"

    @property
    def is_overloaded(self) -> bool:
        """Whether there are several signatures."""
        return len(self.callee.items) > 1

    @property
    def is_open(self) -> bool:
        """Whether the plugin checks the layers among the arguments itself."""
        return self.way in ("variadic", "residual", "clone", "wrapper")


class Treatments:
    """The treatment of each function, worked out once, and again when the daemon has read its file anew."""

    def __init__(self, lookup: Callable[[str], SymbolTableNode | None]) -> None:
        self._lookup = lookup
        self._known: dict[str, Treatment | None] = {}
        self._methods: set[str] = set()

    def forget(self) -> None:
        """A file was read anew."""
        self._known.clear()
        self._methods.clear()

    def of(self, fullname: str) -> Treatment | None:
        """How to treat calls of what has this name; None for what does not concern us."""
        if fullname in self._known:
            return self._known[fullname]
        symbol = self._lookup(fullname)
        node = None if symbol is None else symbol.node
        if isinstance(node, Var):
            # Not kept: the type of a variable may not be known yet.
            return self.of_type(node.type)
        if isinstance(node, TypeInfo):
            self._known[fullname] = None
        if not isinstance(node, (FuncDef, Decorator, OverloadedFuncDef)) or node.type is None:
            return None
        treatment = self._known[fullname] = _treatment(fullname, _without_self(node, get_proper_type(node.type)))
        return treatment

    def of_attribute(self, fullname: str) -> Treatment | None:
        """How to treat calls of a combinator or wrapper that was assigned to an attribute of an object."""
        if fullname in self._methods:
            return None
        symbol = self._lookup(fullname)
        node = None if symbol is None else symbol.node
        if isinstance(node, (FuncDef, Decorator, OverloadedFuncDef)):
            self._methods.add(fullname)
        if not isinstance(node, Var) or node.is_initialized_in_class:  # as a method, it would get the object itself
            return None
        treatment = self.of_type(node.type)
        return treatment if treatment is not None and treatment.is_open else None

    def is_settled(self, fullname: str) -> bool:
        """Whether the treatment stays what it is until a file is read anew."""
        return fullname in self._known

    def of_type(self, typ: Type | None) -> Treatment | None:
        """How to treat calls of a function that goes by another name."""
        callee = get_proper_type(typ)
        if isinstance(callee, Overloaded):
            callee = callee.items[0]
        if not isinstance(callee, CallableType):
            return None
        if callee.definition is not None:
            is_function = isinstance(callee.definition, (FuncDef, Decorator))
            return self.of(callee.definition.fullname) if is_function else None
        # In mypy's cache types have lost their definition. What is left is whose type variables they have.
        owners = {variable.id.namespace.partition("#")[0] for variable in callee.variables}
        treatment = self.of(owners.pop()) if len(owners) == 1 else None
        return treatment if treatment is not None and _have_one_form(treatment.callee.items[0], callee) else None

    def among(self, typ: Type | None) -> list[Treatment]:
        """How to treat calls of what is one of several functions, where it is known how to treat each."""
        t = get_proper_type(typ)
        found = [self.of_type(item) for item in (t.items if isinstance(t, UnionType) else [typ])]
        return [treatment for treatment in found if treatment is not None] if None not in found else []

    def of_expression(self, expr: object, api: TypeChecker) -> Treatment | None:
        """How to treat calls of the function that an expression names."""
        if not isinstance(expr, RefExpr):
            return None
        if "." in expr.fullname and (treatment := self.of(expr.fullname)) is not None:
            return treatment
        return self.of_type(api.lookup_type_or_none(expr))


def _have_one_form(one: CallableType, other: CallableType) -> bool:
    return one.arg_names == other.arg_names and one.arg_kinds == other.arg_kinds


def _without_self(node: FuncDef | Decorator | OverloadedFuncDef, typ: ProperType) -> ProperType:
    """The type of a method as its callers see it."""
    function = node.func if isinstance(node, Decorator) else node
    is_method = bool(function.info) and not function.is_static
    if not is_method or not isinstance(typ, CallableType) or not typ.arg_types or typ.arg_kinds[0].is_star():
        return typ
    return typ.copy_modified(arg_types=typ.arg_types[1:], arg_kinds=typ.arg_kinds[1:], arg_names=typ.arg_names[1:])


def _treatment(fullname: str, callee: Type) -> Treatment | None:
    if not isinstance(callee, (CallableType, Overloaded)):
        return None
    name = fullname.rpartition(".")[2]
    is_ours = fullname.startswith(LAYERS)
    if is_ours and name in _VARIADIC:
        return Treatment("variadic", name, _VARIADIC[name], callee)
    if is_ours and name == "residual":
        return Treatment("residual", name, name, callee)
    if is_ours and name == "clone":
        return Treatment("clone", name, name, callee)
    way = _way_by_signature(callee.items[0], is_ours=is_ours)
    if way is None:
        return Treatment("widths", name, name, callee) if is_ours and name in OWN else None
    if way == "widths" and isinstance(callee, CallableType) and not (is_ours and name in OWN):
        return Treatment(way, name, name, callee, sizes_of(callee))
    rule = {XY_YZ: "chain", XY_XY: "alike"}[marker] if (marker := _marker(callee.items[0])) else name
    return Treatment(way, name, rule, callee)


def _way_by_signature(callee: CallableType, *, is_ours: bool) -> Way | None:
    result = get_proper_type(callee.ret_type)
    takes_layers = any(as_model(typ) is not None for typ in callee.arg_types)
    if isinstance(result, TypeVarType) and is_ours and as_model(result) is not None and takes_layers:
        return "same"
    if not isinstance(result, Instance) or as_model(result) is None:
        return None
    if _marker(callee) is not None:
        return "marked"
    if is_ours and takes_layers:
        return "wrapper"
    return "widths" if width_variables(result) else None


def _marker(callee: CallableType) -> str | None:
    return next((name for name in _type_variables(callee.ret_type) if name in (XY_YZ, XY_XY)), None)


def _type_variables(typ: Type) -> Iterator[str]:
    t = get_proper_type(typ)
    if isinstance(t, Instance):
        for arg in map(get_proper_type, t.args):
            if isinstance(arg, TypeVarType):
                yield arg.fullname
