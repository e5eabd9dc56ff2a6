"""What the words mean on the CPU, and how a body becomes a compiled loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from . import _keys, _math, _tiles
from ._bind import Binder
from ._cache import KernelCache
from ._words import Precision, Real

# contract and nsz change no result by more than a rounding and keep NaN and inf, which nnan and ninf would not.
# reassoc lets a sum run in several lanes; only bodies over rows, where the sums are, get it.
ITEM_FASTMATH = {"contract", "nsz"}
ROW_FASTMATH = ITEM_FASTMATH | {"reassoc"}


def body(*args: Any) -> None:
    """Stands in the loops below for the bound body."""


@intrinsic
def prefer_widest_vectors(typing_context: Any) -> Any:
    """Let LLVM use all 512 bits of a register where it would stop at 256.

    It does so out of regard for processors that slow down for it, before Ice Lake. Elsewhere gelu gains a third.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # llvmlite knows no attributes with a value, but writes what is in the set.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


def over_items(n: int, *args: Any) -> None:
    prefer_widest_vectors()
    # From 0: numba then knows that the index is never negative, and LLVM vectorises (5 times, measured).
    for i in range(n):
        body(i, *args)


def over_rows(start: int, stop: int, *args: Any) -> None:
    for r in range(start, stop):
        body(r, *args)


def over_blocks(first: int, last: int, block_rows: int, rows: int, *args: Any) -> None:
    for block in range(first, last):
        body(block, block * block_rows, min((block + 1) * block_rows, rows), *args)


LOOPS: dict[str, Callable[..., None]] = {"items": over_items, "rows": over_rows, "blocks": over_blocks}


def compile_loop(function: Callable[..., None], shape: str, precision: Precision, name: str) -> Any:
    """The dispatcher of a loop over a body, called as the loops above.

    It releases the GIL, compiles at the first call with new types and keeps what it compiled on disk.
    """
    fastmath = ITEM_FASTMATH if shape == "items" else ROW_FASTMATH
    bound = binder(precision).bind(function)
    # Without numba's reference counts: a body makes no arrays, only views, and for each of these the counts are atomic
    # additions, which took two thirds of the time of the gradient of seq2col.
    inner = njit(fastmath=fastmath, error_model="numpy", forceinline=True, _nrt=False)(bound)
    loop = binder(precision).bind(LOOPS[shape], name=name, body=inner)
    dispatcher = njit(fastmath=fastmath, error_model="numpy", nogil=True, _nrt=False)(loop)
    KernelCache.attach(dispatcher, name)
    return dispatcher


@cache
def binder(precision: Precision) -> Binder:
    """What binds bodies to the CPU in one precision."""
    meanings = COMMON | (_keys.SINGLE if precision == "f32" else _keys.DOUBLE | LIBRARY)
    words = {word: compile_inline(meaning) for word, meaning in meanings.items()} | _tiles.PRODUCTS
    bound = Binder(precision, words, compile_inline)
    if precision == "f32":
        for word, polynomial in POLYNOMIALS.items():
            words[word] = compile_inline(bound.bind(polynomial.function))
    return bound


def compile_inline(function: Callable[..., Any]) -> Any:
    return njit(fastmath=ITEM_FASTMATH, error_model="numpy", inline="always")(function)


# --- both precisions ------------------------------------------------------------------------------------------------


def _sqrt(x: Real) -> Real:
    return np.sqrt(x)


def _lane() -> int:
    return 0


def _lanes() -> int:
    # Every body over rows has this word where its loops are.
    prefer_widest_vectors()
    return 1


def _nothing() -> None:
    pass


def _own(x: Any) -> Any:
    return x


def _add(array: Any, index: Any, value: Real) -> None:
    array[index] += value


COMMON: dict[str, Callable[..., Any]] = {
    "sqrt": _sqrt,
    "lane": _lane,
    "lanes": _lanes,
    "sum_lanes": _own,
    "max_lanes": _own,
    "atomic_add": _add,
    "sync_lanes": _nothing,
}

# --- float32: polynomials that vectorise ----------------------------------------------------------------------------

POLYNOMIALS = {"exp": _math.exp_f32, "log": _math.log_f32, "tanh": _math.tanh_f32, "erf": _math.erf_f32}

# --- float64: accuracy before speed, so the C library's functions ---------------------------------------------------


def _exp_f64(x: Real) -> Real:
    return np.exp(x)


def _log_f64(x: Real) -> Real:
    return np.log(x)


def _tanh_f64(x: Real) -> Real:
    return np.tanh(x)


def _erf_f64(x: Real) -> Real:
    return math.erf(x)


LIBRARY: dict[str, Callable[..., Any]] = {"exp": _exp_f64, "log": _log_f64, "tanh": _tanh_f64, "erf": _erf_f64}
