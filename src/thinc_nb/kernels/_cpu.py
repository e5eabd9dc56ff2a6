"""What the words mean on the CPU, and how a body becomes a compiled loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import _gathers, _keys, _math, _murmur, _pair_tiles, _sums, _tiles, _tiny
from ._bind import Binder
from ._cache import KernelCache
from ._contents import contents_of
from ._link import FASTMATH, compile_body, compile_loop_of, compile_word
from ._sharing import keep, make_part_from, make_share, until_line_of_first
from ._words import Precision, Real

if TYPE_CHECKING:
    from ._compile import Kernel

ir: Any = import_module("llvmlite.ir")
PLACE, FLAG, WORD = ir.IntType(8).as_pointer(), ir.IntType(32), ir.IntType(64)

# contract and nsz change no result by more than a rounding and keep NaN and inf, which nnan and ninf would not.
# reassoc lets a sum run in several lanes; only bodies over rows, where the sums are, get it.
ROW_FASTMATH = FASTMATH | {"reassoc"}


CACHE_LINE = 32
"""Items. Flat arrays are divided at multiples of this, where lines of the cache and vectors begin."""
BLOCK_ROWS = 1  # Stands in `over_blocks` for the kernel's own number.


def body(*args: Any) -> None:
    """Stands in the loops below for the bound body."""


def share(board: int, stop: int, args: tuple[Any, ...]) -> int:
    """Stands in the loops below for what `_sharing.make_share` makes."""
    return 0


def in_precision(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Stands in the loops below for what `make_in_precision` makes."""
    return args


def until_line(stop: int, values: tuple[Any, ...]) -> int:
    """Stands in the loops below for `_sharing.until_line_of_first`."""
    return stop


def part_from(first: int, stop: int, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Stands in the loops below for what `_sharing.make_part_from` makes."""
    return values


def widen_vectors(builder: Any) -> None:
    """Let LLVM use all 512 bits of a register where it would stop at 256.

    It stops there because processors before Ice Lake slow down for wide vectors. On others gelu gains a third.
    """
    # llvmlite knows no attributes with a value, but writes what is in the set.
    set.add(builder.function.attributes, '"prefer-vector-width"="512"')


@intrinsic
def prefer_widest_vectors(typing_context: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        widen_vectors(builder)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def align_stack(typing_context: Any) -> Any:
    """Let the stack memory for spilled registers begin at a line of the cache.

    LLVM sees that it has too few registers when it is too late to ask for that, and then relies on the 16 bytes that
    callers align to. Whether a store of 64 bytes lay across two lines then depended on where the stack of the process
    happened to begin: logloss took 400 µs in one process and 236 in the next.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        set.add(builder.function.attributes, "alignstack(64)")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def read_before_writing(typing_context: Any) -> Any:
    """Let LLVM vectorise a loop that works in place: what the word `apart` means here.

    Otherwise the loop asks whether arrays overlap, and runs without vectors if they do: gelu took ten times as long in
    place. Here two arrays are the same or have nothing in common, and an item is read before it is written.
    `over_items` says so for all loops over items; a loop within a row is part of the body, which has to say it.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        for argument in builder.function.args:
            # The names of numba's own arguments, for results and errors, begin with a dot.
            if isinstance(argument.type, ir.PointerType) and argument.name.startswith("arg."):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.void(), generate


def make_in_precision(kernel: Kernel[...], precision: Precision) -> Any:
    """``in_precision(args)``: the arguments, with those annotated `float` in the precision of the kernel.

    They come as Python's floats. Compiled code converts them at no cost, Python would take 0.25 µs for each.
    """
    real = types.float64 if precision == "f64" else types.float32

    @intrinsic
    def in_precision(typing_context: Any, args: Any) -> Any:
        converted = tuple(real if place in kernel.scalars else kind for place, kind in enumerate(args))

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            items = [
                context.cast(builder, builder.extract_value(values[0], place), *kinds)
                for place, kinds in enumerate(zip(args, converted, strict=True))
            ]
            return context.make_tuple(builder, signature.return_type, items)

        return types.Tuple(converted)(args), generate

    return in_precision


@intrinsic
def prefetch(typing_context: Any, a: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.bitcast(context.make_array(a)(context, builder, args[0]).data, PLACE)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [PLACE, FLAG, FLAG, FLAG]), "llvm.prefetch.p0"
        )
        # The flags say: to be read, into the nearest cache, data and not instructions.
        builder.call(function, [place, ir.Constant(FLAG, 0), ir.Constant(FLAG, 3), ir.Constant(FLAG, 1)])
        return context.get_dummy_value()

    return types.void(a), generate


# The three loops that a body is compiled in. A positive `board` is the address where threads agree on who does what
# (see _board.py): all items are to be done, and the loop may have other threads do a part of them. Otherwise the loop
# itself does the items from -board to before `stop`. It returns 1 if there would have been work for other threads.


def over_items(board: int, stop: int, *args: Any) -> int:
    align_stack()
    prefer_widest_vectors()
    read_before_writing()
    alone = share(board, stop, args) if board > 0 else 0
    if alone < 0:
        return 0
    values = in_precision(args)
    # First the few items before the first array reaches a line of the cache: numpy's large arrays begin 16 bytes after
    # one, and a store across two lines takes half as long again as one within a line.
    start, end = 0, until_line(stop, values)
    while True:
        # The range starts at 0: numba then knows that the index is never negative, and LLVM vectorises (5 times as
        # fast).
        for i in range(end - start):
            body(i, *values)
        if end == stop:
            return alone
        values = part_from(end, stop, values)
        start, end = end, stop


def over_rows(board: int, stop: int, *args: Any) -> int:
    align_stack()
    prefer_widest_vectors()
    alone = share(board, stop, args) if board > 0 else 0
    if alone < 0:
        return 0
    values = in_precision(args)
    for r in range(max(-board, 0), stop):
        body(r, *values)
    return alone


def over_blocks(board: int, stop: int, *args: Any) -> int:
    align_stack()
    prefer_widest_vectors()
    alone = share(board, stop, args) if board > 0 else 0
    if alone < 0:
        return 0
    values = in_precision(args)
    for block in range(max(-board, 0) // BLOCK_ROWS, (stop + BLOCK_ROWS - 1) // BLOCK_ROWS):
        body(block, block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, stop), *values)
    return alone


LOOPS: dict[str, Callable[..., int]] = {"items": over_items, "rows": over_rows, "blocks": over_blocks}


def compile_loop(kernel: Kernel[...], precision: Precision, name: str) -> Any:
    """The dispatcher of a loop over a kernel's body, called as the loops above.

    It releases the GIL, compiles at the first call with new types and keeps what it compiled on disk.
    """
    options: dict[str, Any] = {
        "fastmath": FASTMATH if kernel.shape == "items" else ROW_FASTMATH,
        "error_model": "numpy",
        # Without numba's reference counts: a body makes no arrays, only views, and counting each with atomic additions
        # took two thirds of the time of the gradient of seq2col.
        "_nrt": False,
    }
    bind = binder(precision).bind
    inner = compile_body(bind(kernel.body), **options)
    step = CACHE_LINE if kernel.by_item else kernel.cpu_rows
    share = make_share(kernel, step) if kernel.divisible else keep
    converted = make_in_precision(kernel, precision)
    meanings = {"body": inner, "share": share, "in_precision": converted, "BLOCK_ROWS": kernel.cpu_rows}
    parts = {"until_line": until_line_of_first, "part_from": make_part_from(kernel)}
    loop = bind(LOOPS[kernel.shape], name=name, **meanings, **parts)
    dispatcher = compile_loop_of(loop, **options)
    KernelCache.attach(dispatcher, name, contents_of(kernel))
    return dispatcher


# On the CPU a row has one lane. These words are intrinsics because bodies use them so often: as functions for numba to
# inline they took a tenth of the time to compile.


@intrinsic
def lane(typing_context: Any) -> Any:
    return types.int64(), lambda context, builder, signature, args: ir.Constant(WORD, 0)


@intrinsic
def lanes(typing_context: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # Every body over rows uses this word in the function that holds its loops, where wide vectors are asked for.
        widen_vectors(builder)
        return ir.Constant(WORD, 1)

    return types.int64(), generate


@intrinsic
def own(typing_context: Any, x: Any) -> Any:
    return x(x), lambda context, builder, signature, args: args[0]


@intrinsic
def sync_lanes(typing_context: Any) -> Any:
    return types.void(), lambda context, builder, signature, args: context.get_dummy_value()


LANES = {"lane": lane, "lanes": lanes, "sum_lanes": own, "max_lanes": own, "sync_lanes": sync_lanes}
PRODUCTS = LANES | _tiles.PRODUCTS | _pair_tiles.PAIRS | _sums.SUMS | _gathers.GATHERS | _tiny.TINY
PRODUCTS |= {"prefetch": prefetch, "apart": read_before_writing, "murmur3": _murmur.murmur3}


@cache
def binder(precision: Precision) -> Binder:
    """What binds bodies to the CPU in one precision."""
    meanings = COMMON | (_keys.SINGLE if precision == "f32" else _keys.DOUBLE | LIBRARY)
    words = {word: compile_word(meaning) for word, meaning in meanings.items()} | PRODUCTS
    bound = Binder(precision, words, compile_word)
    if precision == "f32":
        for word, polynomial in POLYNOMIALS.items():
            words[word] = compile_word(bound.bind(polynomial.function))
    return bound


# --- both precisions ------------------------------------------------------------------------------------------------


def _sqrt(x: Real) -> Real:
    return np.sqrt(x)


def _add(array: Any, index: Any, value: Real) -> None:
    array[index] += value


COMMON: dict[str, Callable[..., Any]] = {
    "sqrt": _sqrt,
    "atomic_add": _add,
}

# --- float32: polynomials that vectorise ----------------------------------------------------------------------------

POLYNOMIALS = {
    "exp": _math.exp_f32,
    "log": _math.log_f32,
    "log_of_normal": _math.log_of_normal_f32,
    "tanh": _math.tanh_f32,
    "erf": _math.erf_f32,
}

# --- float64: accuracy before speed, so the C library's functions ---------------------------------------------------


def _exp_f64(x: Real) -> Real:
    return np.exp(x)


def _log_f64(x: Real) -> Real:
    return np.log(x)


def _tanh_f64(x: Real) -> Real:
    return np.tanh(x)


def _erf_f64(x: Real) -> Real:
    return math.erf(x)


LIBRARY: dict[str, Callable[..., Any]] = {
    "exp": _exp_f64,
    "log": _log_f64,
    "log_of_normal": _log_f64,
    "tanh": _tanh_f64,
    "erf": _erf_f64,
}
