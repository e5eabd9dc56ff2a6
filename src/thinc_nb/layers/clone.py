"""clone: copies of a layer, one after the other."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypeVar

from ..model import Model
from ..types import NI, NO
from ._checks import check_layers
from .chain import chain_no_types
from .noop import noop

A = TypeVar("A", default=Any)
B = TypeVar("B", default=Any)


def clone(orig: Model[A, B, NI, NO], n: int) -> Model[A, B, NI, NO]:
    """A chain of the layer and n - 1 copies of it, each with parameters of its own.

    1 gives the layer itself, 0 a layer that does nothing. ValueError if n is negative.
    """
    check_layers("clone", orig)
    if not hasattr(n, "__index__"):
        raise TypeError(f"clone: n must be an integer, got {type(n).__name__} {n!r}")
    if n < 0:
        raise ValueError(f"clone: n must not be negative, got {n}")
    if n == 0:
        nothing: Any = noop()
        unchanged: Model[A, B, NI, NO] = nothing
        return unchanged
    if n == 1:
        return orig
    layers = [orig, *(orig.copy() for _ in range(n - 1))]
    return chain_no_types(*layers)
