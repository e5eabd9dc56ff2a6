"""Binding: the same code object with other globals.

A kernel body is never changed, wrapped or generated. ``types.FunctionType(code, globals)`` gives it the globals of one
device and one precision: words get their meaning there, float constants their dtype. numba's disk caches keep working
with functions made so; they miss every time with closures and with ``exec``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from ._words import REALS, Inline, Precision, Word


class Binder:
    """Gives bodies the globals of one device and one precision.

    precision: of the float constants. A float64 constant in a float32 body makes float64 code on both devices, and a
        float32 constant costs a float64 body its accuracy (1.8e-7 against 9e-16).
    words: the device's meanings, by name.
    compile_inline: turns a bound helper function into something that the device's bodies can call.
    """

    def __init__(
        self,
        precision: Precision,
        words: Mapping[str, Any],
        compile_inline: Callable[[Callable[..., Any]], Any],
    ):
        self.real = REALS[precision]
        self.words = words
        self.compile_inline = compile_inline
        self._inlined: dict[Inline[..., Any], Any] = {}

    def bind(self, function: Callable[..., Any], *, name: str | None = None, **replaced: Any) -> FunctionType:
        """The function with its globals bound; `replaced` globals take precedence, `name` distinguishes its cache."""
        if not isinstance(function, FunctionType):
            raise TypeError(f"only plain functions can be bound, got {function!r}")
        scope: dict[str, Any] = {"__name__": function.__module__, "__builtins__": function.__globals__["__builtins__"]}
        for used in function.__code__.co_names:
            if used in replaced:
                scope[used] = replaced[used]
            elif used in function.__globals__:
                value = function.__globals__[used]
                if isinstance(value, FunctionType):
                    raise TypeError(f"{function.__name__} uses the function {used}, which a body can if it is @inline")
                scope[used] = self._meaning(value)
        bound = FunctionType(function.__code__, scope, name or function.__name__, function.__defaults__)
        bound.__module__ = function.__module__
        bound.__qualname__ = bound.__name__
        return bound

    def _meaning(self, value: Any) -> Any:
        if isinstance(value, Word):
            return self.words[value.name]
        if isinstance(value, Inline):
            if value not in self._inlined:
                self._inlined[value] = self.compile_inline(self.bind(value.function))
            return self._inlined[value]
        if type(value) is float:
            return self.real(value)
        return value
