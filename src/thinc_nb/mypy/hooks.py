"""The plugin itself: which calls it looks at, and what it does when something unexpected comes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from mypy.checker import TypeChecker
from mypy.nodes import ARG_NAMED, ARG_OPT, ARG_POS, ARG_STAR, ARG_STAR2, CallExpr, Expression, MypyFile, RefExpr
from mypy.options import Options
from mypy.plugin import (
    CheckerPluginInterface,
    FunctionContext,
    FunctionSigContext,
    MethodContext,
    MethodSigContext,
    Plugin,
    ReportConfigContext,
)
from mypy.types import FunctionLike, Type

from .calls import called_partial, called_reduce, called_unnamed, result_of
from .facts import facts_of, file_was_read
from .layers import Argument, Report, as_model
from .names import MODEL, OPERATORS, PARTIAL, PARTIAL_CALL, REDUCE
from .operators import operation
from .signatures import Arguments, with_widths
from .treatments import Treatment, Treatments

_KEPT: Final = 4096
_NOBODY: Final = "_"
_PASSED_OVER: Final = suppress(Exception)
_ContextT = TypeVar("_ContextT", FunctionSigContext, MethodSigContext, FunctionContext, MethodContext)
_ResultT = TypeVar("_ResultT")
_HookT = TypeVar("_HookT")


class ThincNbPlugin(Plugin):
    """What mypy asks about each call. Anything unexpected falls back to mypy's own answer."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._treatments = Treatments(self.lookup_fully_qualified)
        # mypy asks several times at each call: answers are kept until it reads a file.
        self._hooks: dict[str, Callable[[FunctionContext], Type] | None] = {}
        self._method_hooks: dict[str, Callable[[MethodContext], Type] | None] = {}
        self._signature_hooks: dict[str, Callable[[FunctionSigContext], FunctionLike] | None] = {}
        self._method_signature_hooks: dict[str, Callable[[MethodSigContext], FunctionLike] | None] = {}
        self._opened: dict[int, tuple[FunctionLike, FunctionLike]] = {}

    def report_config_data(self, ctx: ReportConfigContext) -> Any:
        """What cached results depend on: mypy itself only looks at the first file of a plugin."""
        return {"thinc_nb.mypy": _FINGERPRINT}

    def get_additional_deps(self, file: MypyFile) -> list[tuple[int, str, int]]:
        """No more dependencies; but mypy has read a file, so what was kept may be old."""
        file_was_read()
        self._treatments.forget()
        hooks = (self._hooks, self._method_hooks, self._signature_hooks, self._method_signature_hooks)
        for kept in (*hooks, self._opened):
            kept.clear()
        return []

    def get_function_signature_hook(self, fullname: str) -> Callable[[FunctionSigContext], FunctionLike] | None:
        """Combinators take anything here: their rules report what does not fit, once and readably."""
        return self._found(fullname, self._signature_hooks, self._signature_hook)

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """The result of a call."""
        return self._found(fullname, self._hooks, self._function_hook)

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Combinators that are attributes, as after ``self.combine = chain``."""
        return self._found(fullname, self._method_signature_hooks, self._method_signature_hook)

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        """The result of an operator between models, of calling a partial, and of a method that makes a model."""
        return self._found(fullname, self._method_hooks, self._method_hook)

    def _found(
        self, fullname: str, kept: dict[str, _HookT | None], find: Callable[[str], _HookT | None]
    ) -> _HookT | None:
        if fullname in kept:
            return kept[fullname]
        hook: _HookT | None = None
        with nullcontext() if _shows_errors(self.options) else _PASSED_OVER:
            hook = find(fullname)
            if "." not in fullname or self._treatments.is_settled(fullname):
                kept[fullname] = hook
        return hook

    def _signature_hook(self, fullname: str) -> Callable[[FunctionSigContext], FunctionLike] | None:
        if fullname in REDUCE:
            return _guarded(self._reduce_signature, _default_signature)
        if "." not in fullname:  # a name inside a function
            return _guarded(self._local_signature, _default_signature)
        treatment = self._treatments.of(fullname)
        if treatment is None or not treatment.is_open:
            return None
        return _guarded(partial(self._open, treatment), _default_signature)

    def _function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        if fullname in REDUCE:
            return _guarded(self._reduce, _default_result)
        if "." not in fullname:
            return _guarded(partial(self._local, fullname), _default_result)
        treatment = self._treatments.of(fullname)
        return None if treatment is None else _guarded(partial(_call, treatment), _default_result)

    def _method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        treatment = self._treatments.of_attribute(fullname)
        return None if treatment is None else _guarded(partial(self._open, treatment), _default_signature)

    def _method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        if fullname == PARTIAL_CALL:
            return _guarded(self._partial, _default_result)
        name, _, method = fullname.rpartition(".")
        if name == MODEL and (symbol := OPERATORS.get(method)) is not None:
            return _guarded(partial(self._operation, symbol), _default_result)
        treatment = self._treatments.of_attribute(fullname)
        if treatment is None:
            treatment = self._treatments.of(fullname)
            if treatment is None or treatment.way not in ("marked", "widths"):
                return None
        return _guarded(partial(_call, treatment), _default_result)

    def _operation(self, symbol: str, ctx: MethodContext) -> Type:
        return operation(_checker(ctx), ctx, symbol, self._treatments)

    def _local_signature(self, ctx: FunctionSigContext) -> FunctionLike:
        treatment = self._treatments.of_type(ctx.default_signature)
        if treatment is None or not treatment.is_open:
            return ctx.default_signature
        return self._open(treatment, ctx)

    def _open(self, treatment: Treatment, ctx: FunctionSigContext | MethodSigContext) -> FunctionLike:
        given = ctx.default_signature
        known = self._opened.get(id(given))
        if known is None or known[0] is not given:
            if len(self._opened) >= _KEPT:
                self._opened.clear()
            known = self._opened[id(given)] = given, _opened(ctx, treatment)
        return known[1]

    def _local(self, name: str, ctx: FunctionContext) -> Type:
        api, callee = _checker(ctx), getattr(ctx.context, "callee", None)
        treatment = self._treatments.of_expression(callee, api)
        if treatment is not None:
            return _call(treatment, ctx)
        # One function of several, as in (add if deep else concatenate)(...), or an item of a list.
        among = self._treatments.among(api.lookup_type_or_none(callee) if isinstance(callee, Expression) else None)
        if not among or among[0].name != name:
            return ctx.default_return_type
        return called_unnamed(api, _arguments(ctx), among, ctx)

    def _reduce_signature(self, ctx: FunctionSigContext) -> FunctionLike:
        function = ctx.args[0][0] if ctx.args and ctx.args[0] else None
        if not isinstance(function, RefExpr) or not self._combines(function, ctx.api):
            return ctx.default_signature
        types: list[Type] = [_anything(ctx.api) for _ in ctx.default_signature.arg_types]
        return ctx.default_signature.copy_modified(arg_types=types, variables=[], ret_type=_any_model(ctx.api))

    def _reduce(self, ctx: FunctionContext) -> Type:
        api = _checker(ctx)
        function = ctx.args[0][0] if ctx.args and ctx.args[0] else None
        treatment = self._treatments.of_expression(function, api)
        return ctx.default_return_type if treatment is None else called_reduce(api, ctx, treatment)

    def _partial(self, ctx: MethodContext) -> Type:
        return called_partial(_checker(ctx), ctx, self._treatments)

    def _combines(self, function: RefExpr, api: CheckerPluginInterface) -> bool:
        treatment = self._treatments.of_expression(function, _checker_of(api))
        return treatment is not None and treatment.is_variadic


def _call(treatment: Treatment, ctx: FunctionContext | MethodContext) -> Type:
    if isinstance(ctx.context, CallExpr) and _is_partial(ctx.context.callee):
        return ctx.default_return_type  # mypy checks the arguments of a partial as a call
    api = _checker(ctx)
    report = Report(api, treatment.name, ctx.context)
    if treatment.sizes is not None and isinstance(ctx.context, CallExpr):
        treatment.sizes.check(report, ctx.args, ctx.arg_types, ctx.arg_kinds)
        widths = treatment.sizes.of(api, ctx.args, ctx.arg_kinds)
        if widths is not None:
            result = with_widths(report, ctx.default_return_type, widths)
            return facts_of(api).note_widths(ctx.context, widths, result)
    return result_of(treatment, report, _arguments(ctx), ctx.default_return_type)


def _arguments(ctx: FunctionContext | MethodContext) -> Arguments:
    arguments = Arguments(())
    for exprs, types, kinds, names in zip(ctx.args, ctx.arg_types, ctx.arg_kinds, ctx.arg_names, strict=True):
        for expr, typ, kind, name in zip(exprs, types, kinds, names, strict=True):
            # mypy gives a starred tuple once for each of its items.
            if kind != ARG_STAR or not arguments or arguments[-1].expr is not expr:
                arguments.append(Argument(expr, typ, kind, name))
    return arguments


def _is_partial(callee: Expression) -> bool:
    return isinstance(callee, RefExpr) and callee.fullname == PARTIAL


def _opened(ctx: FunctionSigContext | MethodSigContext, treatment: Treatment) -> FunctionLike:
    signature = ctx.default_signature
    if treatment.is_variadic:
        first = treatment.callee.items[0]
        if treatment.is_overloaded and signature.arg_names != first.arg_names:
            # The first stands for all: a call that fits several is worked out as many times.
            return signature.copy_modified(
                arg_types=[_anything(ctx.api)], arg_kinds=[ARG_NAMED], arg_names=[_NOBODY], variables=[]
            )
        kinds = zip(first.arg_names, first.arg_kinds, strict=True)
        names = [name for name, kind in kinds if name is not None and kind is ARG_POS]
        # Unknown keywords are reported with the result: of several signatures mypy would list all.
        stars = [ARG_STAR, ARG_STAR2] if treatment.is_overloaded else [ARG_STAR]
        return signature.copy_modified(
            arg_types=[_anything(ctx.api)] * (len(names) + len(stars)),
            arg_kinds=[*[ARG_OPT] * len(names), *stars],
            arg_names=[*names, *[None] * len(stars)],
            variables=[],
            ret_type=_any_model(ctx.api),
        )
    types = [_anything(ctx.api) if as_model(typ) is not None else typ for typ in signature.arg_types]
    return signature.copy_modified(arg_types=types, variables=[], ret_type=_any_model(ctx.api))


def _anything(api: CheckerPluginInterface) -> Type:
    # Not Any: calls of generic functions inside would be inferred as Any.
    return api.named_generic_type("builtins.object", [])


def _any_model(api: CheckerPluginInterface) -> Type:
    checker = _checker_of(api)
    return Report(checker, "", checker.tree).any_model()


def _shows_errors(options: Options) -> bool:
    # The daemon sets show_traceback for itself, and would end with the first error.
    return options.show_traceback and not options.fine_grained_incremental


def _guarded(
    hook: Callable[[_ContextT], _ResultT], fallback: Callable[[_ContextT], _ResultT]
) -> Callable[[_ContextT], _ResultT]:
    """A hook that falls back to mypy's answer after an error of its own; --show-traceback shows the error."""

    def guarded(ctx: _ContextT) -> _ResultT:
        if _shows_errors(ctx.api.options):
            return hook(ctx)
        with _PASSED_OVER:
            return hook(ctx)
        return fallback(ctx)

    return guarded


def _default_signature(ctx: FunctionSigContext | MethodSigContext) -> FunctionLike:
    return ctx.default_signature


def _default_result(ctx: FunctionContext | MethodContext) -> Type:
    return ctx.default_return_type


def _checker(ctx: FunctionContext | MethodContext) -> TypeChecker:
    return _checker_of(ctx.api)


def _checker_of(api: CheckerPluginInterface) -> TypeChecker:
    if not isinstance(api, TypeChecker):
        raise TypeError(f"expected mypy's TypeChecker, got {type(api).__name__}")
    return api


def _fingerprint() -> int:
    total = 0
    for path in sorted(Path(__file__).parent.glob("*.py")):
        total = zlib.crc32(path.read_bytes(), total)
    return total


_FINGERPRINT: Final = _fingerprint()
