"""SparseLinear: sums of weights that hashes choose, and their gradients, without an array of all weights in between."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._compile import blockwise, rowwise
from ._words import (
    Int32s1d,
    Int64s1d,
    Int64s2d,
    Reals1d,
    Reals2d,
    UInt32s2d,
    UInt64s1d,
    atomic_add,
    inline,
    lane,
    lanes,
    murmur3,
    sum_lanes,
    sync_lanes,
    weigh_pairs,
)

ZERO = 0.0
u32, u64 = np.uint32, np.uint64
SEED_0, SEED_1 = np.uint32(0), np.uint32(1)


@inline
def find_places(one: Any, other: Any, keys: Any, length: int, masked: int) -> None:
    """The two hashes of each key, by themselves: a loop that vectorises."""
    # Modulo a power of 2 is a mask, which takes no time.
    if masked or length & (length - 1) == 0:
        mask = u32(length - 1)
        for i in range(lane(), keys.shape[0], lanes()):
            one[i] = murmur3(keys[i], SEED_0) & mask
            other[i] = murmur3(keys[i], SEED_1) & mask
    else:
        for i in range(lane(), keys.shape[0], lanes()):
            one[i] = u32(u64(murmur3(keys[i], SEED_0)) % u64(length))
            other[i] = u32(u64(murmur3(keys[i], SEED_1)) % u64(length))


@inline
def weigh(row: Any, table: Any, bias: Any, one: Any, other: Any, weights: Any, step: int) -> None:
    """The sums of one item."""
    if step == 1:
        weigh_pairs(row, table, bias, one, other, weights)
    else:
        # Four outputs at a time: each place is read once for them.
        width = row.shape[0]
        fours, further = width - width % 4, u64(step)
        for j in range(4 * lane(), fours, 4 * lanes()):
            p, q, s, t = bias[j], bias[j + 1], bias[j + 2], bias[j + 3]
            for i in range(weights.shape[0]):
                # Unsigned places: for signed ones numba checks each time whether they count from the end.
                v, a, b = weights[i], u64(one[i] + j * step), u64(other[i] + j * step)
                p += v * (table[a] + table[b])
                a, b = a + further, b + further
                q += v * (table[a] + table[b])
                a, b = a + further, b + further
                s += v * (table[a] + table[b])
                a, b = a + further, b + further
                t += v * (table[a] + table[b])
            row[j], row[j + 1], row[j + 2], row[j + 3] = p, q, s, t
        for j in range(fours + lane(), width, lanes()):
            total = bias[j]
            for i in range(weights.shape[0]):
                total += weights[i] * (table[one[i] + j * step] + table[other[i] + j * step])
            row[j] = total


# Some items at once: a single item has too few features for a vectorised loop.
@blockwise(cpu=32, cuda=1)
def sparse_linear(
    block: int,
    start: int,
    stop: int,
    y: Reals2d,
    table: Reals1d,
    bias: Reals1d,
    places: UInt32s2d,
    keys: UInt64s1d,
    values: Reals1d,
    offsets: Int64s1d,
    length: int,
    masked: int,
    step: int,
) -> None:
    """y[k] = bias + the sum, over the features of item k, of value * (two weights).

    The two weights of the first output are at `places` (2, features), which this fills, those of the next `step`
    further. A hash becomes a place by `length - 1` as a mask if `masked`, else modulo `length`.
    """
    first, end = offsets[start], offsets[stop]
    find_places(places[0, first:end], places[1, first:end], keys[first:end], length, masked)
    sync_lanes()
    for k in range(start, stop):
        first, end = offsets[k], offsets[k + 1]
        weigh(y[k], table, bias, places[0, first:end], places[1, first:end], values[first:end], step)


@rowwise
def sparse_linear_few(
    row: int,
    offsets: Int64s2d,
    y: Reals2d,
    table: Reals1d,
    bias: Reals1d,
    places: UInt32s2d,
    keys: UInt64s1d,
    values: Reals1d,
    lengths: Int32s1d,
    length: int,
    masked: int,
    step: int,
) -> None:
    """`sparse_linear` of so few features that it takes longer to cut the work into parts than to do it.

    offsets: (1, items + 1), filled in. If lengths are negative, or do not add up to the number of features, the last
    is -1, and nothing else is done.
    """
    starts = offsets[row]
    end, wrong = 0, False
    for k in range(lengths.shape[0]):
        starts[k] = end
        end += lengths[k]
        wrong = wrong or lengths[k] < 0
    wrong = wrong or end != keys.shape[0]
    starts[lengths.shape[0]] = -1 if wrong else end
    if not wrong:
        find_places(places[0], places[1], keys, length, masked)
        sync_lanes()
        for k in range(lengths.shape[0]):
            first, end = starts[k], starts[k] + lengths[k]
            weigh(y[k], table, bias, places[0, first:end], places[1, first:end], values[first:end], step)


@rowwise
def backprop_sparse_linear(
    k: int,
    dy: Reals2d,
    d_table: Reals1d,
    d_values: Reals1d,
    table: Reals1d,
    places: UInt32s2d,
    values: Reals1d,
    offsets: Int64s1d,
    step: int,
) -> None:
    """Adds to d_table, and gives the gradient of the values."""
    row = dy[k]
    for i in range(offsets[k], offsets[k + 1]):
        a, b = places[0, i], places[1, i]
        value = values[i]
        total = ZERO
        for j in range(lane(), row.shape[0], lanes()):
            d = row[j]
            total += d * (table[a + j * step] + table[b + j * step])
            atomic_add(d_table, a + j * step, d * value)
            atomic_add(d_table, b + j * step, d * value)
        total = sum_lanes(total)
        if lane() == 0:
            d_values[i] = total
