"""Rows copied to other places, as bytes, whatever they mean: what lists of sequences and repeated columns need.

On the CPU, and no kernels: a row may come from any array of a list, and goes by its address. On a GPU CuPy copies.

Each loop is called as those of kernels are, ``loop(board, stop, ...)``: see `_cpu`. Its items may be done in any order,
by any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import _threads
from ._atomics import load
from ._cache import KernelCache
from ._link import compile_loop_of
from ._sharing import share_items

ir: Any = import_module("llvmlite.ir")
DATA = 16
"""Where an array says that its elements lie: see `_matrices`."""
VECTOR = 64
"""Bytes that are copied at once."""
LONG = 1 << 12
"""Bytes of a run that are copied by the C library: for shorter ones its call and its questions take a fifth longer."""
PART = 1 << 16
"""Bytes, about, of what is an item where sequences are long."""
ELEMENT = 4
"""Bytes of what is counted as an element of work."""


@intrinsic
def copy_run(typing_context: Any, target: Any, source: Any, size: Any) -> Any:
    """Copy so many bytes."""

    # Written out: numba takes longer to compile the same in Python than all the rest of a loop.
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, source, size = args
        kind = ir.VectorType(ir.IntType(32), VECTOR // 4).as_pointer()

        def copy_vector(first: Any) -> None:
            loaded = builder.load(builder.inttoptr(builder.add(source, first), kind))
            loaded.align = 1
            builder.store(loaded, builder.inttoptr(builder.add(target, first), kind)).align = 1

        def whole(value: int) -> Any:
            return ir.Constant(ir.IntType(64), value)

        other = builder.or_(builder.icmp_signed("<", size, whole(VECTOR)), builder.icmp_signed(">=", size, whole(LONG)))
        with builder.if_else(other) as (by_library, by_vectors):
            with by_library:
                to, by = (builder.inttoptr(address, cgutils.voidptr_t) for address in (target, source))
                cgutils.raw_memcpy(builder, to, by, size, 1)
            with by_vectors:
                before = builder.sdiv(builder.sub(size, whole(1)), whole(VECTOR))
                with cgutils.for_range(builder, before) as loop:
                    copy_vector(builder.mul(loop.index, whole(VECTOR)))
                # The last vector begins within the one before it.
                copy_vector(builder.sub(size, whole(VECTOR)))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def _clear_bytes(typing_context: Any, target: Any, size: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        cgutils.memset(builder, builder.inttoptr(args[0], cgutils.voidptr_t), args[1], 0)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def place(board: int, stop: int, out: int, found: Any, row_bytes: int, steps: int, parts: int) -> int:
    """Arrays one after the other, or each followed by zeros up to so many steps, unless that is 0.

    found: what `_matrices` knows of each array. An item is one of so many parts of what an array fills.
    """
    alone, start = 0, -board
    if board > 0:
        size = stop // parts * steps if steps else found[len(found) - 1, 2]
        alone = share_items(board, stop, size * row_bytes // ELEMENT, (out, found, row_bytes, steps, parts))
        if alone < 0:
            return 0
        start = 0
    target = load(out + DATA)
    for item in range(start, stop):
        k = item if parts == 1 else item // parts
        size = found[k, 1] * row_bytes
        room = steps * row_bytes if steps else size
        first = target + (k * room if steps else found[k, 2] * row_bytes)
        # Bytes from `begin` to `end`, of which those before `filled` are the array's.
        each = (room // parts + VECTOR) & -VECTOR
        begin = min((item - k * parts) * each, room)
        end = min(begin + each, room)
        filled = min(max(size, begin), end)
        copy_run(first + begin, found[k, 0] + begin, filled - begin)
        if end > filled:
            _clear_bytes(first + filled, end - filled)
    return alone


def cross(
    board: int, stop: int, padded: int, base: int, found: Any, indices: Any, reached: Any, row_bytes: int, into: int
) -> int:
    """Sequences into an array (steps, sequences, ...), zeros where they have ended, or out of it. An item is a step.

    base: the array in which `found` says where rows begin, 0 if these are addresses. indices: which sequence is at each
    place, the longest first. reached: how many sequences reach each step.
    """
    alone, start = 0, -board
    if board > 0:
        arguments = (padded, base, found, indices, reached, row_bytes, into)
        alone = share_items(board, stop, stop * len(indices) * row_bytes // ELEMENT, arguments)
        if alone < 0:
            return 0
        start = 0
    count, data = len(indices), load(padded + DATA)
    origin = load(base + DATA) if base else 0
    for step in range(start, stop):
        row = data + step * count * row_bytes
        for k in range(reached[step]):
            own = origin + found[indices[k], 0] + step * row_bytes
            if into:
                copy_run(row, own, row_bytes)
            else:
                copy_run(own, row, row_bytes)
            row += row_bytes
        if into:
            _clear_bytes(row, (count - reached[step]) * row_bytes)
    return alone


def repeat(board: int, stop: int, out: int, x: int, row_bytes: int, times: int) -> int:
    """Each row so many times, one after the other. An item is a row."""
    alone, start = 0, -board
    if board > 0:
        alone = share_items(board, stop, stop * times * row_bytes // ELEMENT, (out, x, row_bytes, times))
        if alone < 0:
            return 0
        start = 0
    target, source = load(out + DATA) + start * times * row_bytes, load(x + DATA)
    for row in range(start, stop):
        for _ in range(times):
            copy_run(target, source + row * row_bytes, row_bytes)
            target += row_bytes
    return alone


WORD, WORDS, PLACES = types.int64, types.Array(types.int64, 2, "C"), types.Array(types.int32, 1, "C")
KINDS: dict[Callable[..., int], tuple[Any, ...]] = {
    place: (WORD, WORDS, WORD, WORD, WORD),
    cross: (WORD, WORD, WORDS, PLACES, PLACES, WORD, WORD),
    repeat: (WORD, WORD, WORD, WORD),
}
"""What each is called with after the board and the number of items."""


@cache
def compiled(loop: Callable[..., int]) -> Any:
    """One of the loops above, compiled or loaded from disk."""
    _threads.prepare()
    dispatcher = compile_loop_of(loop, error_model="numpy", _nrt=False)
    KernelCache.attach(dispatcher, f"moves.{loop.__name__}")
    dispatcher.compile((WORD, WORD, *KINDS[loop]))
    dispatcher.disable_compile()
    return dispatcher


def run(loop: Callable[..., int], items: int, *args: Any) -> None:
    """Do all items, on as many threads as the work is worth."""
    if compiled(loop)(_threads.board, items, *args):
        _threads.start()
