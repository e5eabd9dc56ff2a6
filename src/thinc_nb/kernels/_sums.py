"""Sums over a row on the CPU, in explicit vector code: what the words `sum_of`, … mean there.

LLVM adds up a row in groups of four vectors, what is left in a second loop with a sum across lanes of its own, and the
last elements one by one: 96 columns take nearly twice the time of 64. It also asks first whether arrays overlap, and
adds in another order where they do. Here the last vector is a masked one, and the order is always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeAlias

from numba import types
from numba.extending import intrinsic

from ._tiles import Emitter

ir: Any = import_module("llvmlite.ir")
GROUP = 4
"""Vectors that are added up beside each other: an addition takes three or four cycles, and others begin meanwhile."""
Terms: TypeAlias = Callable[[list[Any], list[Any]], list[Any]]
"""``totals = terms(vectors, totals)``: a vector of each array, added to each of the sums."""


def _sums(emit: Emitter, arrays: Sequence[Any], rests: Sequence[Any], count: int, terms: Terms) -> list[Any]:
    """Sums over all elements of arrays of one size. `rests` stand for what is beyond the end of each array."""
    builder = emit.builder
    starts, size = [emit.start(array) for array in arrays], emit.shape(arrays[0])[0]
    grouped = builder.and_(size, emit.integer(-emit.lanes * GROUP))
    whole = builder.and_(size, emit.integer(-emit.lanes))

    def added(k: Any, totals: list[Any], mask: Any = None) -> list[Any]:
        at = builder.mul(k, emit.integer(emit.bytes))
        places = [builder.gep(start, [at]) for start in starts]
        return terms([emit.load(place, mask, rest) for place, rest in zip(places, rests, strict=True)], totals)

    def group(k: Any, totals: list[Any]) -> list[Any]:
        parts = [totals[i : i + count] for i in range(0, len(totals), count)]
        places = [builder.add(k, emit.integer(i * emit.lanes)) for i in range(GROUP)]
        return [new for place, part in zip(places, parts, strict=True) for new in added(place, part)]

    totals = emit.loop(emit.integer(0), grouped, emit.lanes * GROUP, [emit.zero] * GROUP * count, group)
    while len(totals) > count:
        half = len(totals) // 2
        totals = [builder.fadd(a, b) for a, b in zip(totals[:half], totals[half:], strict=True)]
    totals = emit.loop(grouped, whole, emit.lanes, totals, added)
    mask = emit.first_lanes(builder.sub(size, whole))
    totals = emit.loop(whole, size, emit.lanes, totals, lambda k, totals: added(k, totals, mask))
    [together] = emit.sums(totals, count)
    return [builder.extract_element(together, ir.Constant(ir.IntType(32), i)) for i in range(count)]


@intrinsic
def sum_of(typing_context: Any, a: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emitter(context, builder, a.dtype)

        def terms(vectors: list[Any], totals: list[Any]) -> list[Any]:
            return [builder.fadd(totals[0], vectors[0])]

        [total] = _sums(emit, emit.arrays([a], args), [None], 1, terms)
        return total

    return a.dtype(a), generate


@intrinsic
def sum_of_squares(typing_context: Any, a: Any, center: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emitter(context, builder, a.dtype)
        middle = emit.everywhere(args[1])

        def terms(vectors: list[Any], totals: list[Any]) -> list[Any]:
            d = builder.fsub(vectors[0], middle)
            return [emit.fma(d, d, totals[0])]

        [total] = _sums(emit, emit.arrays([a], args[:1]), [middle], 1, terms)
        return total

    return a.dtype(a, a.dtype), generate


@intrinsic
def sums_of_products(typing_context: Any, a: Any, b: Any, c: Any, center: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emitter(context, builder, a.dtype)
        middle = emit.everywhere(args[3])

        def terms(vectors: list[Any], totals: list[Any]) -> list[Any]:
            product = builder.fmul(vectors[0], vectors[1])
            return [
                builder.fadd(totals[0], product),
                emit.fma(product, builder.fsub(vectors[2], middle), totals[1]),
            ]

        totals = _sums(emit, emit.arrays([a, b, c], args[:3]), [None, None, middle], 2, terms)
        return context.make_tuple(builder, signature.return_type, totals)

    return types.UniTuple(a.dtype, 2)(a, b, c, a.dtype), generate


SUMS: dict[str, Any] = {
    "sum_of": sum_of,
    "sum_of_squares": sum_of_squares,
    "sums_of_products": sums_of_products,
}
