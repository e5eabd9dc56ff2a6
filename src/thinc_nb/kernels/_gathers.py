"""The word `weigh_pairs` on the CPU, in explicit vector code: weighted sums of entries here and there in a table.

LLVM by itself loads four neighbours one by one, and adds and multiplies them one by one: SparseLinear's sums took three
times as long.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from numba import types
from numba.extending import intrinsic

from ._link import compile_part
from ._tiles import Emitter

ir: Any = import_module("llvmlite.ir")
GROUP = 4
"""Sums that are computed side by side: an addition takes four cycles, and others can begin meanwhile."""


def pair_tile(outputs: int) -> Any:
    """``tile(out, table, bias, one, other, weights, j)``: what `weigh_pairs` does, for a few outputs from j on."""

    @intrinsic
    def tile(typing_context: Any, out: Any, table: Any, bias: Any, one: Any, other: Any, weights: Any, j: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = Emitter(context, builder, signature.args[1].dtype, outputs)
            target, entries, start, *places, values = emit.arrays(signature.args[:6], args[:6])
            across = builder.mul(args[6], emit.integer(emit.bytes))
            first = builder.gep(emit.start(entries), [across])
            count = emit.shape(values)[0]
            whole = builder.and_(count, emit.integer(-GROUP))

            def entry(place: Any, i: Any) -> Any:
                found = builder.zext(builder.load(builder.gep(place.data, [i])), ir.IntType(64))
                return emit.load(emit.further(first, emit.integer(emit.bytes), found))

            def added(i: Any, total: Any) -> Any:
                pair = builder.fadd(*[entry(place, i) for place in places])
                return emit.fma(emit.everywhere(builder.load(builder.gep(values.data, [i]))), pair, total)

            def group(i: Any, totals: list[Any]) -> list[Any]:
                return [added(builder.add(i, emit.integer(n)), total) for n, total in enumerate(totals)]

            totals = [emit.load(builder.gep(emit.start(start), [across])), *[emit.zero] * (GROUP - 1)]
            totals = emit.loop(emit.integer(0), whole, GROUP, totals, group)
            while len(totals) > 1:
                totals = [builder.fadd(a, b) for a, b in zip(totals[::2], totals[1::2], strict=True)]
            [total] = emit.loop(whole, count, 1, totals, group)
            emit.store(total, builder.gep(emit.start(target), [across]))
            return context.get_dummy_value()

        return types.void(out, table, bias, one, other, weights, j), generate

    return tile


pair_of_four, pair_of_two, pair_of_one = pair_tile(4), pair_tile(2), pair_tile(1)


@compile_part
def weigh_pairs(out: Any, table: Any, bias: Any, one: Any, other: Any, weights: Any) -> None:
    width = out.shape[0]
    fours, pairs = width - width % 4, width - width % 2
    for j in range(0, fours, 4):
        pair_of_four(out, table, bias, one, other, weights, j)
    if pairs > fours:
        pair_of_two(out, table, bias, one, other, weights, fours)
    if width > pairs:
        pair_of_one(out, table, bias, one, other, weights, pairs)


GATHERS: dict[str, Any] = {"weigh_pairs": weigh_pairs}
