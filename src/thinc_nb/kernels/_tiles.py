"""Matrix products on the CPU, in explicit vector code: what the words `multiply`, … mean there.

LLVM's loop vectoriser does not keep a block of a result in registers over the loop of the sum, and that is all that
makes a product fast. So the innermost loop, of one tile of the result, is written in LLVM's own vectors; around it are
plain loops. On the development machine (Zen 4, 118 GFLOP/s at the most) that reaches 100 to 116 GFLOP/s, OpenBLAS 90
to 105 on large matrices and 15 to 60 on those of a few rows: it copies both sides into an order of its own first.

Every element is the same sum in the same order wherever in a tile it lies, so results do not depend on how rows are
divided among calls or threads.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from numba import types
from numba.core import cgutils, codegen, config
from numba.extending import intrinsic

from ._link import any_layout, compile_word, never_inline, once

ir: Any = import_module("llvmlite.ir")
DEPTH = 256
"""Terms that are summed before a tile is stored and begun again: the rows of b stay in the second cache meanwhile."""


def vector_bytes(features: Sequence[str]) -> int:
    """How wide the vectors of a processor with these features are."""
    return 64 if "+avx512f" in features else 32 if "+fma" in features else 16


# Those of the processor that numba compiles for: by its settings it may be another than this one, or have no features.
FEATURES = (codegen.get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES).split(",")
VECTOR_BYTES = vector_bytes(FEATURES)
IS_ARM = platform.machine() in ("aarch64", "arm64")
# Registers for the sums of a tile, and for what is multiplied: x86 has 32 of 512 bits and 16 of fewer, ARM 32.
ROOMY = VECTOR_BYTES == 64 or IS_ARM
# Where the processor cannot multiply and add at once, LLVM would call the C library for each number.
HAS_FMA = IS_ARM or "+fma" in FEATURES


class Emitter:
    """Writes vector code for arrays of one dtype: addresses, loads, stores, sums.

    lanes: numbers in a vector; if 0, as many as the vectors of the processor hold.
    """

    def __init__(self, context: Any, builder: Any, dtype: Any, lanes: int = 0) -> None:
        self.context, self.builder = context, builder
        self.real = context.get_data_type(dtype)
        self.bytes = dtype.bitwidth // 8
        self.lanes = lanes or VECTOR_BYTES // self.bytes
        self.vector = ir.VectorType(self.real, self.lanes)
        self.zero = ir.Constant(self.vector, None)
        suffix = f"v{self.lanes}f{dtype.bitwidth}"
        self._fma = self._function(f"llvm.fma.{suffix}", self.vector, *[self.vector] * 3)
        mask, place = ir.VectorType(ir.IntType(1), self.lanes), self.vector.as_pointer()
        align = ir.IntType(32)
        self._load = self._function(f"llvm.masked.load.{suffix}.p0", self.vector, place, align, mask, self.vector)
        self._store = self._function(f"llvm.masked.store.{suffix}.p0", ir.VoidType(), self.vector, place, align, mask)

    def _function(self, name: str, result: Any, *takes: Any) -> Any:
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, takes), name)

    def integer(self, value: int) -> Any:
        return ir.Constant(ir.IntType(64), value)

    def arrays(self, kinds: Any, values: Any) -> list[Any]:
        pairs = zip(kinds, values, strict=True)
        return [self.context.make_array(kind)(self.context, self.builder, value) for kind, value in pairs]

    def strides(self, array: Any) -> list[Any]:
        """In bytes."""
        return cgutils.unpack_tuple(self.builder, array.strides)

    def shape(self, array: Any) -> list[Any]:
        return cgutils.unpack_tuple(self.builder, array.shape)

    def start(self, array: Any) -> Any:
        return self.builder.bitcast(array.data, ir.IntType(8).as_pointer())

    def further(self, start: Any, stride: Any, count: Any) -> Any:
        """The address `count` strides further."""
        return self.builder.gep(start, [self.builder.mul(stride, count)])

    def first_lanes(self, count: Any) -> Any:
        """A mask of the first `count` lanes."""
        few = self.builder.select(
            self.builder.icmp_signed("<", count, self.integer(self.lanes)), count, self.integer(self.lanes)
        )
        # Numbers of 32 bits: one comparison instead of two.
        wide = ir.VectorType(ir.IntType(32), self.lanes)
        small = self._everywhere(self.builder.trunc(few, ir.IntType(32)), wide)
        return self.builder.icmp_signed("<", ir.Constant(wide, list(range(self.lanes))), small)

    def _everywhere(self, value: Any, kind: Any) -> Any:
        single = self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
        places = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None)
        return self.builder.shuffle_vector(single, single, places)

    def load(self, address: Any, mask: Any = None, otherwise: Any = None) -> Any:
        place = self.builder.bitcast(address, self.vector.as_pointer())
        if mask is not None:
            rest = self.zero if otherwise is None else otherwise
            return self.builder.call(self._load, [place, ir.Constant(ir.IntType(32), self.bytes), mask, rest])
        loaded = self.builder.load(place)
        loaded.align = self.bytes
        return loaded

    def load_everywhere(self, address: Any) -> Any:
        """One number in all lanes."""
        return self.everywhere(self.builder.load(self.builder.bitcast(address, self.real.as_pointer())))

    def everywhere(self, value: Any) -> Any:
        return self._everywhere(value, self.vector)

    def store(self, value: Any, address: Any, mask: Any = None) -> None:
        place = self.builder.bitcast(address, value.type.as_pointer())
        if mask is not None:
            self.builder.call(self._store, [value, place, ir.Constant(ir.IntType(32), self.bytes), mask])
        else:
            self.builder.store(value, place).align = self.bytes

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a * b + c, rounded once where the processor can."""
        if not HAS_FMA:
            return self.builder.fadd(self.builder.fmul(a, b), c)
        return self.builder.call(self._fma, [a, b, c])

    def shuffle(self, a: Any, b: Any, lanes: list[int]) -> Any:
        return self.builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes))

    def sums(self, vectors: list[Any], row: int) -> list[Any]:
        """The sum of the lanes of each vector: vectors of `row` sums each.

        Halves are added to halves, two vectors in one addition as long as there are two: each sum has the same order.
        """
        lanes = size = self.lanes
        while size > 1:
            pairs = [*vectors, vectors[-1]] if len(vectors) % 2 and len(vectors) > 1 else vectors
            groups = lanes // size * min(2, len(vectors))
            low = [group * size + lane for group in range(groups) for lane in range(size // 2)]
            high = [lane + size // 2 for lane in low]
            firsts, seconds = (pairs[::2], pairs[1::2]) if len(pairs) > 1 else (pairs, pairs)
            vectors = [
                self.builder.fadd(self.shuffle(a, b, low), self.shuffle(a, b, high))
                for a, b in zip(firsts, seconds, strict=True)
            ]
            size //= 2
            lanes = groups * size
        step = min(row, lanes)
        flat = [(vector, lane) for vector in vectors for lane in range(0, lanes, step)]
        return [self.shuffle(vector, vector, list(range(lane, lane + step))) for vector, lane in flat]

    def loop(
        self, first: Any, end: Any, step: int, initial: list[Any], body: Callable[[Any, list[Any]], list[Any]]
    ) -> list[Any]:
        """``for k in range(first, end, step): values = body(k, values)``."""
        builder = self.builder
        before = builder.basic_block
        inside, after = builder.append_basic_block("tile.loop"), builder.append_basic_block("tile.end")
        builder.cbranch(builder.icmp_signed("<", first, end), inside, after)
        builder.position_at_end(inside)
        k = builder.phi(ir.IntType(64))
        k.add_incoming(first, before)
        values = [builder.phi(self.vector) for _ in initial]
        changed = body(k, values)
        following = builder.add(k, self.integer(step))
        last = builder.basic_block
        k.add_incoming(following, last)
        for value, given, new in zip(values, initial, changed, strict=True):
            value.add_incoming(given, before)
            value.add_incoming(new, last)
        builder.cbranch(builder.icmp_signed("<", following, end), inside, after)
        builder.position_at_end(after)
        results = [builder.phi(self.vector) for _ in initial]
        for result, given, new in zip(results, initial, changed, strict=True):
            result.add_incoming(given, before)
            result.add_incoming(new, last)
        return results


def dot_tile(rows: int, columns: int) -> Any:
    """``tile(out, a, b, r, c)``: out[r + i, c + j] = the sum over k of a[r + i, k] * b[c + j, k]."""

    @intrinsic
    def tile(typing_context: Any, out: Any, a: Any, b: Any, r: Any, c: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = Emitter(context, builder, signature.args[0].dtype)
            target, left, right = emit.arrays(signature.args[:3], args[:3])
            r, c = args[3:]

            def lines(array: Any, first: Any, count: int) -> list[Any]:
                stride = emit.strides(array)[0]
                return [
                    emit.further(emit.start(array), stride, builder.add(first, emit.integer(i))) for i in range(count)
                ]

            outs, lefts, rights = lines(target, r, rows), lines(left, r, rows), lines(right, c, columns)
            inner = emit.shape(left)[1]
            whole = builder.and_(inner, emit.integer(-emit.lanes))

            def added(k: Any, sums: list[Any], mask: Any = None) -> list[Any]:
                at = builder.mul(k, emit.integer(emit.bytes))
                bs = [emit.load(builder.gep(line, [at]), mask) for line in rights]
                new = []
                for i, line in enumerate(lefts):
                    x = emit.load(builder.gep(line, [at]), mask)
                    new += [emit.fma(x, y, total) for y, total in zip(bs, sums[i * columns :], strict=False)]
                return new

            sums = emit.loop(emit.integer(0), whole, emit.lanes, [emit.zero] * (rows * columns), added)
            mask = emit.first_lanes(builder.sub(inner, whole))
            sums = emit.loop(whole, inner, emit.lanes, sums, lambda k, sums: added(k, sums, mask))
            results = emit.sums(sums, columns)
            each = results[0].type.count
            for i, line in enumerate(outs):
                for j in range(0, columns, each):
                    offset = builder.mul(builder.add(c, emit.integer(j)), emit.integer(emit.bytes))
                    emit.store(results[(i * columns + j) // each], builder.gep(line, [offset]))
            return context.get_dummy_value()

        return types.void(out, a, b, r, c), generate

    return tile


def outer_tile(rows: int, vectors: int) -> Any:
    """``tile(out, a, b, r, c, first, end)``: a tile of out from r and c on, of some rows and vectors of columns.

    The sum over k from `first` to `end` of a[r + i, k] * b[k, c + j] is added to it, or stored if `first` is 0. A tile
    of a single vector leaves out columns beyond the last.
    """

    @intrinsic
    def tile(typing_context: Any, out: Any, a: Any, b: Any, r: Any, c: Any, first: Any, end: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = Emitter(context, builder, signature.args[0].dtype)
            target, left, right = emit.arrays(signature.args[:3], args[:3])
            r, c, first, end = args[3:]
            mask = emit.first_lanes(builder.sub(emit.shape(target)[1], c)) if vectors == 1 else None
            across = builder.mul(c, emit.integer(emit.bytes))
            offsets = [emit.integer(j * VECTOR_BYTES) for j in range(vectors)]

            def line(array: Any, i: int) -> Any:
                return emit.further(emit.start(array), emit.strides(array)[0], builder.add(r, emit.integer(i)))

            lines = [builder.gep(line(target, i), [across]) for i in range(rows)]
            places = [builder.gep(start, [offset]) for start in lines for offset in offsets]
            before = builder.basic_block
            with builder.if_then(builder.icmp_signed(">", first, emit.integer(0))):
                found = [emit.load(place, mask) for place in places]
                inside = builder.basic_block
            sums = []
            for value in found:
                start = builder.phi(emit.vector)
                start.add_incoming(emit.zero, before)
                start.add_incoming(value, inside)
                sums.append(start)
            lefts = [line(left, i) for i in range(rows)]
            step, along = emit.strides(left)[1], emit.strides(right)[0]
            top = builder.gep(emit.start(right), [across])

            def added(k: Any, sums: list[Any]) -> list[Any]:
                row = emit.further(top, along, k)
                bs = [emit.load(builder.gep(row, [offset]), mask) for offset in offsets]
                new = []
                for i, start in enumerate(lefts):
                    x = emit.load_everywhere(emit.further(start, step, k))
                    new += [emit.fma(x, y, total) for y, total in zip(bs, sums[i * vectors :], strict=False)]
                return new

            for value, place in zip(emit.loop(first, end, 1, sums, added), places, strict=True):
                emit.store(value, place, mask)
            return context.get_dummy_value()

        return types.void(out, a, b, r, c, first, end), generate

    return tile


def turned(emit: Emitter, vectors: list[Any]) -> list[Any]:
    """A square transposed: its columns as vectors. There are as many vectors as each has lanes."""
    step = emit.lanes // 2
    while step:
        low = [lane if not lane & step else emit.lanes + lane - step for lane in range(emit.lanes)]
        high = [lane + step if not lane & step else emit.lanes + lane for lane in range(emit.lanes)]
        turned = list(vectors)
        for i in range(emit.lanes):
            if not i & step:
                a, b = vectors[i], vectors[i + step]
                turned[i], turned[i + step] = emit.shuffle(a, b, low), emit.shuffle(a, b, high)
        vectors = turned
        step //= 2
    return vectors


@intrinsic
def transposed_tile(typing_context: Any, out: Any, x: Any, r: Any, c: Any) -> Any:
    """out[r + i, c + j] = x[c + j, r + i] for as many rows and columns as a vector has lanes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit = Emitter(context, builder, signature.args[0].dtype)
        target, source = emit.arrays(signature.args[:2], args[:2])
        r, c = args[2:]

        def line(array: Any, row: Any, column: Any, i: int) -> Any:
            start = emit.further(emit.start(array), emit.strides(array)[0], builder.add(row, emit.integer(i)))
            return builder.gep(start, [builder.mul(column, emit.integer(emit.bytes))])

        rows = turned(emit, [emit.load(line(source, c, r, i)) for i in range(emit.lanes)])
        for i, row in enumerate(rows):
            emit.store(row, line(target, r, c, i))
        return context.get_dummy_value()

    return types.void(out, x, r, c), generate


HIGH = 4 if ROOMY else 2
TALL, BROAD = (8, 4) if ROOMY else (4, 2)
dot_high, dot_pair, dot_row, dot_rest = dot_tile(HIGH, 4), dot_tile(2, 4), dot_tile(1, 8), dot_tile(1, 4)
dot_one = dot_tile(1, 1)
outer_tall, outer_four, outer_row = outer_tile(TALL, 2), outer_tile(4, BROAD), outer_tile(1, 8)
outer_tall_rest, outer_four_rest, outer_row_rest = outer_tile(TALL, 1), outer_tile(4, 1), outer_tile(1, 1)


@once
def _multiply_transposed(out: Any, a: Any, b: Any) -> None:
    never_inline()
    rows, columns = out.shape
    high, paired = rows - rows % HIGH, rows - rows % 2
    fours, eights = columns - columns % 4, columns - columns % 8
    # A few rows of b stay in the nearest cache while all of a pass by.
    for c in range(0, fours, 4):
        for r in range(0, high, HIGH):
            dot_high(out, a, b, r, c)
        if paired > high:
            dot_pair(out, a, b, high, c)
    if rows > paired:
        for c in range(0, eights, 8):
            dot_row(out, a, b, paired, c)
        if fours > eights:
            dot_rest(out, a, b, paired, eights)
    for c in range(fours, columns):
        for r in range(rows):
            dot_one(out, a, b, r, c)


@once
def _multiply(out: Any, a: Any, b: Any) -> None:
    never_inline()
    rows, columns = out.shape
    inner = b.shape[0]
    lanes = VECTOR_BYTES // out.itemsize
    tall, fours = rows - rows % TALL, rows - rows % 4
    pairs, strips = columns - columns % (2 * lanes), columns - columns % (BROAD * lanes)
    eights = columns - columns % (8 * lanes)
    # At least once: a sum of no terms is 0.
    for first in range(0, max(inner, 1), DEPTH):
        end = min(first + DEPTH, inner)
        for c in range(0, pairs, 2 * lanes):
            for r in range(0, tall, TALL):
                outer_tall(out, a, b, r, c, first, end)
        for c in range(pairs, columns, lanes):
            for r in range(0, tall, TALL):
                outer_tall_rest(out, a, b, r, c, first, end)
        if fours > tall:
            for c in range(0, strips, BROAD * lanes):
                outer_four(out, a, b, tall, c, first, end)
            for c in range(strips, columns, lanes):
                outer_four_rest(out, a, b, tall, c, first, end)
        for r in range(fours, rows):
            for c in range(0, eights, 8 * lanes):
                outer_row(out, a, b, r, c, first, end)
            for c in range(eights, columns, lanes):
                outer_row_rest(out, a, b, r, c, first, end)


@once
def _copy_transposed(out: Any, x: Any) -> None:
    never_inline()
    rows, columns = out.shape
    lanes = VECTOR_BYTES // out.itemsize
    if rows < lanes or columns < lanes:
        for r in range(rows):
            for c in range(columns):
                out[r, c] = x[c, r]
        return
    # What is left of rows or columns is the end of a tile that begins among those before, and writes some again: one
    # element after another they took as long as ten times as many in tiles.
    for c in range(0, columns, lanes):
        for r in range(0, rows, lanes):
            transposed_tile(out, x, min(r, rows - lanes), min(c, columns - lanes))


@compile_word
def multiply_transposed(out: Any, a: Any, b: Any) -> None:
    _multiply_transposed(any_layout(out), any_layout(a), any_layout(b))


@compile_word
def multiply(out: Any, a: Any, b: Any) -> None:
    _multiply(any_layout(out), any_layout(a), any_layout(b))


@compile_word
def multiply_columns(out: Any, a: Any, b: Any) -> None:
    _multiply(any_layout(out), any_layout(a.T), any_layout(b))


@compile_word
def copy_transposed(out: Any, x: Any) -> None:
    _copy_transposed(any_layout(out), any_layout(x))


PRODUCTS = {
    "multiply": multiply,
    "multiply_transposed": multiply_transposed,
    "multiply_columns": multiply_columns,
    "copy_transposed": copy_transposed,
}
