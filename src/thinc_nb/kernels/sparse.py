"""SparseLinear: sums of weights that hashes choose, and their gradients, without an array of all weights in between."""

from __future__ import annotations

import numpy as np

from ._compile import blockwise, rowwise
from ._words import (
    Int64s1d,
    Int64s2d,
    Real,
    Reals1d,
    Reals2d,
    UInt64s1d,
    atomic_add,
    inline,
    lane,
    lanes,
    sum_lanes,
    sync_lanes,
)

ZERO = 0.0
i64, u32, u64 = np.int64, np.uint32, np.uint64
C1, C2 = np.uint32(0xCC9E2D51), np.uint32(0x1B873593)
F1, F2 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
FIVE, N, BYTES = np.uint32(5), np.uint32(0xE6546B64), np.uint32(8)
S13, S15, S16, S17, S19 = np.uint32(13), np.uint32(15), np.uint32(16), np.uint32(17), np.uint32(19)
HALF, LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
SEED_0, SEED_1 = np.uint32(0), np.uint32(1)
# Places without a sign: else each is looked at whether it counts from the end.
ONE, TWO, THREE = np.uint64(1), np.uint64(2), np.uint64(3)


@inline
def mixed(h: Real, half: Real) -> Real:
    k = u32(half * C1)
    k = u32(u32(u32(k << S15) | u32(k >> S17)) * C2)
    h = u32(h ^ k)
    return u32(u32(u32(u32(h << S13) | u32(h >> S19)) * FIVE) + N)


@inline
def murmur3(key: Real, seed: Real) -> Real:
    """MurmurHash3 (x86, 32 bits; Appleby, 2011) of the 8 bytes of a key."""
    h = mixed(mixed(seed, u32(key & LOW)), u32(key >> HALF))
    h = u32(h ^ BYTES)
    h = u32(u32(h ^ (h >> S16)) * F1)
    h = u32(u32(h ^ (h >> S13)) * F2)
    return u32(h ^ (h >> S16))


# The features of some items at once: an item has too few for a loop over vectors.
@blockwise(cpu=32, cuda=1)
def sparse_linear(
    block: int,
    start: int,
    stop: int,
    y: Reals2d,
    table: Reals1d,
    bias: Reals1d,
    places: Int64s2d,
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
    own, one, other = keys[first:end], places[0, first:end], places[1, first:end]
    # The hashes by themselves: a loop of its own, which vectorises.
    if masked:
        mask = length - 1
        for i in range(lane(), own.shape[0], lanes()):
            one[i] = i64(murmur3(own[i], SEED_0)) & mask
            other[i] = i64(murmur3(own[i], SEED_1)) & mask
    else:
        for i in range(lane(), own.shape[0], lanes()):
            one[i] = i64(u64(murmur3(own[i], SEED_0)) % u64(length))
            other[i] = i64(u64(murmur3(own[i], SEED_1)) % u64(length))
    sync_lanes()
    width = y.shape[1]
    fours = width - width % 4
    for k in range(start, stop):
        row = y[k]
        first, end = offsets[k], offsets[k + 1]
        weight, one, other = values[first:end], places[0, first:end], places[1, first:end]
        # Four outputs at a time: their sums stay in registers, and each place is read once for them.
        for j in range(4 * lane(), fours, 4 * lanes()):
            p, q, s, t = ZERO, ZERO, ZERO, ZERO
            if step == 1:
                for i in range(weight.shape[0]):
                    v, a, b = weight[i], u64(one[i] + j), u64(other[i] + j)
                    p += v * (table[a] + table[b])
                    q += v * (table[a + ONE] + table[b + ONE])
                    s += v * (table[a + TWO] + table[b + TWO])
                    t += v * (table[a + THREE] + table[b + THREE])
            else:
                further = u64(step)
                for i in range(weight.shape[0]):
                    v, a, b = weight[i], u64(one[i] + j * step), u64(other[i] + j * step)
                    p += v * (table[a] + table[b])
                    a, b = a + further, b + further
                    q += v * (table[a] + table[b])
                    a, b = a + further, b + further
                    s += v * (table[a] + table[b])
                    a, b = a + further, b + further
                    t += v * (table[a] + table[b])
            row[j], row[j + 1] = p + bias[j], q + bias[j + 1]
            row[j + 2], row[j + 3] = s + bias[j + 2], t + bias[j + 3]
        for j in range(fours + lane(), width, lanes()):
            total = ZERO
            for i in range(weight.shape[0]):
                total += weight[i] * (table[one[i] + j * step] + table[other[i] + j * step])
            row[j] = total + bias[j]


@rowwise
def backprop_sparse_linear(
    k: int,
    dy: Reals2d,
    d_table: Reals1d,
    d_values: Reals1d,
    table: Reals1d,
    places: Int64s2d,
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
