"""A digest of a body that is written outside this folder, and of all that it uses: compiled code is kept under it.

Bodies in this folder need none, since the name of the cache's folder stands for their version. Elsewhere a cell of a
notebook may be run again with another body under the same name, or a constant may have changed: only a digest of the
contents tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from ._words import Inline, Word

if TYPE_CHECKING:
    from ._compile import Kernel

CONSTANTS = (bool, int, float, complex, str, bytes, type(None), type(...), np.generic)
LIBRARIES = {"builtins", "math", "cmath", "numpy", "numba", "operator"}
"""Modules whose functions are told apart by the module's version, which the name of the cache's folder holds too."""


class UnknownContentsError(Exception):
    """A body uses a value that cannot be told apart from others."""


def is_ours(body: Callable[..., None]) -> bool:
    """Whether a body is written in this folder."""
    return body.__module__.startswith(f"{__package__}.")


def contents_of(kernel: Kernel[...]) -> str | None:
    """A digest of a body and all that it uses; empty for bodies in this folder, None if what it uses cannot be told."""
    if is_ours(kernel.body):
        return ""
    try:
        parts = kernel.annotations, kernel.shape, kernel.cpu_rows, kernel.cuda_rows, _parts(kernel.body, (), [])
    except UnknownContentsError:
        return None
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _parts(value: Any, names: tuple[str, ...], seen: list[object]) -> object:
    """A value as tuples and text. names: if it is a module, the attributes of it that may be looked up."""
    if isinstance(value, Word):
        return "word", value.name
    options = _options(value)
    value = value.function if isinstance(value, Inline) else getattr(value, "py_func", value)  # numba's functions
    if isinstance(value, CONSTANTS):
        return type(value).__name__, repr(value)
    if isinstance(value, tuple):
        return tuple(_parts(item, (), seen) for item in value)
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        return "array", value.dtype.str, value.shape, value.tobytes()
    module = getattr(value, "__module__", None) or ""
    if isinstance(value, (BuiltinFunctionType, np.ufunc)) or module.partition(".")[0] in LIBRARIES:
        return "named", module, getattr(value, "__qualname__", repr(value))
    if isinstance(value, ModuleType):
        if value.__name__.partition(".")[0] in LIBRARIES:
            return "module", value.__name__
        if (value, names) in seen:
            return "again", seen.index((value, names))
        seen.append((value, names))
        found = [(name, getattr(value, name)) for name in names if hasattr(value, name)]
        return "module", tuple((name, _parts(item, names, seen)) for name, item in found)
    if isinstance(value, FunctionType):
        if value in seen:
            return "again", seen.index(value), options
        seen.append(value)
        return "function", _code_parts(value.__code__, value.__globals__, seen), _held(value, seen), options
    raise UnknownContentsError


def _options(value: Any) -> list[tuple[str, str]]:
    """The options that numba compiles a function with."""
    options = getattr(value, "targetoptions", None)
    if not isinstance(options, dict):
        return []
    # The order of a set differs from process to process.
    listed = {name: sorted(kept) if isinstance(kept, (set, frozenset)) else kept for name, kept in options.items()}
    return sorted((name, repr(kept)) for name, kept in listed.items())


def _held(function: FunctionType, seen: list[object]) -> object:
    """The values that a function holds itself: defaults, and variables of the function around it."""
    try:
        around = tuple(cell.cell_contents for cell in function.__closure__ or ())
    except ValueError:  # One has no value yet.
        raise UnknownContentsError from None
    names = function.__code__.co_names
    defaults = function.__defaults__ or (), tuple(sorted((function.__kwdefaults__ or {}).items()))
    return _parts(defaults, (), seen), [_parts(value, names, seen) for value in around]


def _code_parts(code: CodeType, scope: dict[str, Any], seen: list[object]) -> object:
    used = [(name, scope[name]) for name in code.co_names if name in scope]
    return (
        code.co_code,
        code.co_names,
        code.co_varnames,
        [
            _code_parts(one, scope, seen) if isinstance(one, CodeType) else _parts(one, (), seen)
            for one in code.co_consts
        ],
        [(name, _parts(value, code.co_names, seen)) for name, value in used],
    )
