"""Sums over a row on the CPU, in explicit vector code: what the words `sum_of`, … mean there.

LLVM adds up a row in groups of four vectors, the vectors that are left in a second loop, and the last elements one by
one: 96 columns take nearly twice the time of 64. It also asks first whether arrays overlap, and adds in another order
where they do. Here the last vector is masked, and the order is always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, TypeAlias

from numba import types
from numba.extending import intrinsic

from ._tiles import VECTOR_BYTES, Emitter

ir: Any = import_module("llvmlite.ir")
GROUP = 4
"""Vectors that are added up side by side: an addition takes three or four cycles, and others can begin meanwhile."""
ROWS, STRIPS = 4, (8, 4, 2, 1)
"""Rows that `add_rows` sums before it adds them to the total; vectors of columns for which it does so at once."""
Terms: TypeAlias = Callable[[list[Any], list[Any]], list[Any]]
"""``totals = terms(vectors, totals)``: a vector of each array, added to each of the sums."""


def _sums(emit: Emitter, arrays: Sequence[Any], rests: Sequence[Any], count: int, terms: Terms) -> list[Any]:
    """Sums over all elements of arrays of one size. rests: the values taken beyond the end of an array, None for 0."""
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


@intrinsic
def add_rows(typing_context: Any, total: Any, x: Any, first: Any, end: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emitter(context, builder, total.dtype)
        row, rows = emit.arrays([total, x], args[:2])
        first, end = args[2:]
        [width], [stride, _] = emit.shape(row), emit.strides(rows)
        fours = builder.add(first, builder.and_(builder.sub(end, first), emit.integer(-ROWS)))

        def strip(count: int, mask: Any = None) -> Callable[[Any, list[Any]], list[Any]]:
            """The code for some vectors of columns, whose sums stay in registers while rows go by."""

            def added(c: Any, nothing: list[Any]) -> list[Any]:
                at = builder.mul(c, emit.integer(emit.bytes))

                def line(start: Any) -> list[Any]:
                    return [builder.gep(start, [builder.add(at, emit.integer(i * VECTOR_BYTES))]) for i in range(count)]

                def of_row(r: Any) -> list[Any]:
                    return [emit.load(place, mask) for place in line(emit.further(emit.start(rows), stride, r))]

                def of_four(r: Any, totals: list[Any]) -> list[Any]:
                    parts = [of_row(builder.add(r, emit.integer(i))) for i in range(ROWS)]
                    return [
                        builder.fadd(sum_before, builder.fadd(builder.fadd(a, b), builder.fadd(c, d)))
                        for sum_before, a, b, c, d in zip(totals, *parts, strict=True)
                    ]

                def of_one(r: Any, totals: list[Any]) -> list[Any]:
                    return [builder.fadd(a, b) for a, b in zip(totals, of_row(r), strict=True)]

                places = line(emit.start(row))
                totals = emit.loop(first, fours, ROWS, [emit.load(place, mask) for place in places], of_four)
                totals = emit.loop(fours, end, 1, totals, of_one)
                for place, value in zip(places, totals, strict=True):
                    emit.store(value, place, mask)
                return []

            return added

        done = emit.integer(0)
        for count in STRIPS:
            until = builder.and_(width, emit.integer(-emit.lanes * count))
            emit.loop(done, until, emit.lanes * count, [], strip(count))
            done = until
        emit.loop(done, width, emit.lanes, [], strip(1, emit.first_lanes(builder.sub(width, done))))
        return context.get_dummy_value()

    return types.void(total, x, first, end), generate


SUMS: dict[str, Any] = {
    "add_rows": add_rows,
    "sum_of": sum_of,
    "sum_of_squares": sum_of_squares,
    "sums_of_products": sums_of_products,
}
