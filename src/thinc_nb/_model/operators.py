"""Operators between models, bound for the length of a ``with`` block.

The bindings are a context variable: each thread and each asyncio task has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..model import Model

__all__ = ["OPERATORS", "apply_operator", "context_operators", "define_operators"]

OPERATORS = ("+", "-", "*", "@", "/", "//", "%", "**", "<<", ">>", "&", "^", "|")
_NONE: Mapping[str, Callable[..., Any]] = {}
context_operators: ContextVar[Mapping[str, Callable[..., Any]]] = ContextVar("context_operators", default=_NONE)


class HasName(Protocol):
    """What mypy knows of the values of a dictionary of unlike functions: that they are functions."""

    @property
    def __name__(self) -> str: ...


@contextmanager
def define_operators(operators: Mapping[str, Callable[..., Any] | HasName]) -> Iterator[None]:
    """Bind `operators`, and no others, inside the block. TypeError for what cannot be called."""
    if not isinstance(operators, Mapping):
        raise TypeError(f"operators must be a dictionary, such as {{'>>': chain}}, got {operators!r}")
    functions: Mapping[str, Any] = operators
    for symbol, function in functions.items():
        if not callable(function):
            raise TypeError(f"operator {symbol} must be bound to a function, such as chain, got {function!r}")
    token = context_operators.set(dict(functions))
    try:
        yield
    finally:
        context_operators.reset(token)


def apply_operator(symbol: str, left: Model[Any, Any], right: object) -> Model[Any, Any]:
    """What `symbol` is bound to, called with both sides. TypeError if it is not bound."""
    function = context_operators.get().get(symbol)
    if function is None:
        raise TypeError(
            f"Undefined operator: {symbol}. Bind it first, for instance: "
            f'with Model.define_operators({{"{symbol}": chain}}): ...'
        )
    result: Model[Any, Any] = function(left, right)
    return result
