"""Hashed embeddings in one pass: from ids to the columns of a result that several tables share, and back."""

from __future__ import annotations

import numpy as np

from ._compile import blockwise, rowwise
from ._words import Int32s2d, Reals2d, UInt64s1d, apart, atomic_add, lane, lanes, prefetch, sync_lanes
from .hashing import LOW, S32, murmur3_high, murmur3_low

u64, u32 = np.uint64, np.uint32


# A few rows at once: first their hashes, then the rows of the table that these name are prefetched, then read.
@blockwise(cpu=4, cuda=1)
def hash_embed(
    block: int,
    start: int,
    stop: int,
    out: Reals2d,
    rows: Int32s2d,
    table: Reals2d,
    ids: UInt64s1d,
    columns: int,
    column: int,
    seed: int,
    at: int,
) -> None:
    """out[r, at : at + width] = the sum of the four rows that id [r, column] stands for, kept in `rows`."""
    apart()
    n, width = u32(table.shape[0]), table.shape[1]
    if lane() == 0:
        for r in range(start, stop):
            places = rows[r]
            key = ids[r * columns + column]
            low = murmur3_low(key, u64(seed))
            high = murmur3_high(key, u64(seed))
            low += high
            high += low
            places[0] = u32(low & LOW) % n
            places[1] = u32(low >> S32) % n
            places[2] = u32(high & LOW) % n
            places[3] = u32(high >> S32) % n
            for k in range(4):
                prefetch(table[places[k]])
    sync_lanes()
    for r in range(start, stop):
        places = rows[r]
        a, b, c, d = table[places[0]], table[places[1]], table[places[2]], table[places[3]]
        row = out[r, at : at + width]
        for j in range(lane(), width, lanes()):
            row[j] = (a[j] + b[j]) + (c[j] + d[j])


@rowwise
def backprop_hash_embed(r: int, rows: Int32s2d, d_out: Reals2d, d_table: Reals2d, at: int) -> None:
    """d_out[r, at : at + width] is added to each of the four rows of d_table."""
    width = d_table.shape[1]
    d = d_out[r, at : at + width]
    for k in range(4):
        entry = d_table[rows[r, k]]
        for j in range(lane(), width, lanes()):
            atomic_add(entry, j, d[j])
