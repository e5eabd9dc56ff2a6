"""Products of windows, two rows at a time, on the CPU: what `multiply_pairs` and `turn_weights` mean (see pairs.py).

A tile is both rows of a few pairs in the columns of a strip, all in registers: first the sums of m1 and m2, then their
sum and difference, to which those of m0 and m3 are added.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from numba import types
from numba.extending import intrinsic

from ._link import any_layout, compile_word, never_inline, once
from ._tiles import ROOMY, VECTOR_BYTES, Emitter, turned

ir: Any = import_module("llvmlite.ir")
MANY_PAIRS = 4 if ROOMY else 2
STRIP = 2
"""Vectors in a row of a strip of weights."""
HALF = 0.5


def _multiplied(
    emit: Emitter, strip: Any, lefts: list[Any], width: Any, parts: tuple[int, int], sums: list[Any]
) -> list[Any]:
    """Add the product of one part to the first half of the sums, that of the other to the second half.

    A part is one of the four products of a pair: so many `width` in each left side, and so many rows of the strip.
    """
    builder = emit.builder
    size, row_bytes = emit.integer(STRIP * VECTOR_BYTES), builder.mul(width, emit.integer(emit.bytes))
    sides = []
    for part in parts:
        number = emit.integer(part)
        top = emit.further(strip, size, builder.mul(width, number))
        sides.append((top, [emit.further(line, row_bytes, number) for line in lefts]))

    def added(k: Any, sums: list[Any]) -> list[Any]:
        at = builder.mul(k, emit.integer(emit.bytes))
        new: list[Any] = []
        for top, lines in sides:
            row = emit.further(top, size, k)
            bs = [emit.load(builder.gep(row, [emit.integer(j * VECTOR_BYTES)])) for j in range(STRIP)]
            for line in lines:
                x = emit.load_everywhere(builder.gep(line, [at]))
                new += [emit.fma(x, y, total) for y, total in zip(bs, sums[len(new) :], strict=False)]
        return new

    return emit.loop(emit.integer(0), width, 1, sums, added)


def pair_tile(pairs: int, is_last: bool) -> Any:
    """``tile(out, t, strips, r, s)``: both rows of some pairs in the columns of one strip (see pairs.py).

    In the last strip the columns beyond the last out are not stored.
    """

    @intrinsic
    def tile(typing_context: Any, out: Any, t: Any, strips: Any, r: Any, s: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = Emitter(context, builder, signature.args[0].dtype)
            target, left, right = emit.arrays(signature.args[:3], args[:3])
            r, s = args[3:]
            width = builder.udiv(emit.shape(left)[1], emit.integer(4))
            outs = builder.udiv(emit.shape(target)[1], emit.integer(2))
            strip = emit.further(emit.start(right), emit.strides(right)[0], s)
            lefts = [
                emit.further(emit.start(left), emit.strides(left)[0], builder.add(r, emit.integer(i)))
                for i in range(pairs)
            ]

            half = pairs * STRIP
            sums = _multiplied(emit, strip, lefts, width, (1, 2), [emit.zero] * (2 * half))
            both = list(zip(sums[:half], sums[half:], strict=True))
            sums = [builder.fadd(*two) for two in both] + [builder.fsub(*two) for two in both]
            sums = _multiplied(emit, strip, lefts, width, (0, 3), sums)
            first = builder.mul(s, emit.integer(STRIP * emit.lanes))
            left_over = builder.sub(outs, first)
            masks = [
                emit.first_lanes(builder.sub(left_over, emit.integer(j * emit.lanes))) if is_last else None
                for j in range(STRIP)
            ]
            for i in range(pairs):
                line = emit.further(emit.start(target), emit.strides(target)[0], builder.add(r, emit.integer(i)))
                for odd in range(2):
                    at = builder.add(first, builder.mul(outs, emit.integer(odd)))
                    start = builder.gep(line, [builder.mul(at, emit.integer(emit.bytes))])
                    for j, mask in enumerate(masks):
                        place = builder.gep(start, [emit.integer(j * VECTOR_BYTES)])
                        emit.store(sums[odd * half + i * STRIP + j], place, mask)
            return context.get_dummy_value()

        return types.void(out, t, strips, r, s), generate

    return tile


@intrinsic
def turn_tile(typing_context: Any, strip: Any, w: Any, first: Any, column: Any, k: Any) -> Any:
    """A tile of a strip from row k and a column on, as `turn_weights` computes it. Its outs start at `first`.

    Beyond the last out that one is repeated: results in those columns are not stored.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emitter(context, builder, signature.args[0].dtype)
        target, given = emit.arrays(signature.args[:2], args[:2])
        first, column, k = args[2:]
        outs, width = emit.shape(given)[0], builder.udiv(emit.shape(given)[1], emit.integer(3))
        half = emit.everywhere(ir.Constant(emit.real, HALF))
        at = builder.add(first, column)
        parts: list[list[Any]] = [[], [], [], []]
        for i in range(emit.lanes):
            place = builder.add(at, emit.integer(i))
            place = builder.select(builder.icmp_signed("<", place, outs), place, builder.sub(outs, emit.integer(1)))
            line = emit.further(emit.start(given), emit.strides(given)[0], place)
            before, own, after = (
                emit.load(builder.gep(line, [builder.mul(there, emit.integer(emit.bytes))]))
                for there in (
                    k,
                    builder.add(k, width),
                    builder.add(k, builder.mul(width, emit.integer(2))),
                )
            )
            outer = builder.fadd(before, after)
            parts[0].append(before)
            parts[1].append(builder.fmul(builder.fadd(outer, own), half))
            parts[2].append(builder.fmul(builder.fsub(outer, own), half))
            parts[3].append(after)
        stride = emit.strides(target)[0]
        across = builder.mul(column, emit.integer(emit.bytes))
        for number, part in enumerate(parts):
            row = builder.add(k, builder.mul(width, emit.integer(number)))
            for i, vector in enumerate(turned(emit, part)):
                line = emit.further(emit.start(target), stride, builder.add(row, emit.integer(i)))
                emit.store(vector, builder.gep(line, [across]))
        return context.get_dummy_value()

    return types.void(strip, w, first, column, k), generate


pair_many, pair_two, pair_one = (pair_tile(pairs, False) for pairs in (MANY_PAIRS, 2, 1))
pair_many_last, pair_two_last, pair_one_last = (pair_tile(pairs, True) for pairs in (MANY_PAIRS, 2, 1))


@once
def _multiply_pairs(out: Any, t: Any, strips: Any, first: Any, end: Any) -> None:
    never_inline()
    pairs, columns = out.shape[0], out.shape[1] // 2
    many, two = pairs - pairs % MANY_PAIRS, pairs - pairs % 2
    for s in range(first, end):
        if (s + 1) * strips.shape[2] <= columns:
            for r in range(0, many, MANY_PAIRS):
                pair_many(out, t, strips, r, s)
            if two > many:
                pair_two(out, t, strips, many, s)
            if pairs > two:
                pair_one(out, t, strips, two, s)
        else:
            for r in range(0, many, MANY_PAIRS):
                pair_many_last(out, t, strips, r, s)
            if two > many:
                pair_two_last(out, t, strips, many, s)
            if pairs > two:
                pair_one_last(out, t, strips, two, s)


@once
def _turn_weights(strip: Any, w: Any, first: Any) -> None:
    never_inline()
    outs, width, columns = w.shape[0], w.shape[1] // 3, strip.shape[1]
    half = w.dtype.type(HALF)
    lanes = VECTOR_BYTES // w.itemsize
    whole = width - width % lanes
    for k in range(0, whole, lanes):
        for column in range(0, columns, lanes):
            turn_tile(strip, w, first, column, k)
    for i in range(min(columns, outs - first)):
        for k in range(whole, width):
            before, own, after = w[first + i, k], w[first + i, width + k], w[first + i, 2 * width + k]
            strip[k, i] = before
            strip[width + k, i] = (before + after + own) * half
            strip[2 * width + k, i] = (before + after - own) * half
            strip[3 * width + k, i] = after


@compile_word
def multiply_pairs(out: Any, t: Any, strips: Any, first: Any, end: Any) -> None:
    _multiply_pairs(any_layout(out), any_layout(t), any_layout(strips), first, end)


@compile_word
def turn_weights(strip: Any, w: Any, first: Any) -> None:
    _turn_weights(any_layout(strip), any_layout(w), first)


PAIRS = {"multiply_pairs": multiply_pairs, "turn_weights": turn_weights}
