"""Hashed embeddings in one pass: from ids to the columns of a result that several tables share, and back."""

from __future__ import annotations

import numpy as np

from ._compile import rowwise
from ._words import Int32s2d, Reals2d, UInt64s1d, atomic_add, lane, lanes, sync_lanes
from .hashing import LOW, S32, murmur3_high, murmur3_low

u64, u32 = np.uint64, np.uint32


@rowwise
def hash_embed(
    r: int, out: Reals2d, rows: Int32s2d, table: Reals2d, ids: UInt64s1d, columns: int, column: int, seed: int, at: int
) -> None:
    """out[r, at : at + width] = the sum of the four rows that id [r, column] stands for, kept in `rows`."""
    places = rows[r]
    if lane() == 0:
        key = ids[r * columns + column]
        low = murmur3_low(key, u64(seed))
        high = murmur3_high(key, u64(seed))
        low += high
        high += low
        n = u32(table.shape[0])
        places[0] = u32(low & LOW) % n
        places[1] = u32(low >> S32) % n
        places[2] = u32(high & LOW) % n
        places[3] = u32(high >> S32) % n
    sync_lanes()
    width = table.shape[1]
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
