"""MurmurHash3 (x86 variants of Appleby's public-domain hashes), bit for bit those of Thinc and of murmurhash."""

from __future__ import annotations

import numpy as np

from ._compile import blockwise, elementwise, rowwise
from ._words import Int32s2d, Real, UInt64s1d, inline, lane, lanes

u64, u32 = np.uint64, np.uint32
C1, C2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
F1, F2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
S31, S32, S33, S47 = np.uint64(31), np.uint64(32), np.uint64(33), np.uint64(47)
BYTES = np.uint64(8)
LOW = np.uint64(0xFFFFFFFF)
M = np.uint64(0xC6A4A7935BD1E995)


@inline
def finish(h: Real) -> Real:
    h ^= h >> S33
    h *= F1
    h ^= h >> S33
    h *= F2
    h ^= h >> S33
    return h


@inline
def murmur3_low(key: Real, seed: Real) -> Real:
    """The low 64 bits of the 128-bit hash of one 8-byte key, before the two halves are added a second time."""
    h = key * C1
    h = (h << S31) | (h >> S33)
    h = h * C2
    return finish((h ^ seed ^ BYTES) + (seed ^ BYTES))


@inline
def murmur3_high(key: Real, seed: Real) -> Real:
    h = key * C1
    h = (h << S31) | (h >> S33)
    h = h * C2
    low = (h ^ seed ^ BYTES) + (seed ^ BYTES)
    return finish((seed ^ BYTES) + low)


@elementwise
def hash_ids(i: int, ids: UInt64s1d, out: UInt64s1d, seed: int) -> None:
    """Four 32-bit hashes as two numbers of 64 bits, the lower half first, as bytes lie wherever numba runs."""
    low = murmur3_low(ids[i], u64(seed))
    high = murmur3_high(ids[i], u64(seed))
    low += high
    out[2 * i] = low
    out[2 * i + 1] = low + high


@rowwise
def hash_rows(r: int, rows: Int32s2d, ids: UInt64s1d, seed: int, table_rows: int) -> None:
    """The four rows of a hashed embedding table that an id stands for."""
    if lane() == 0:
        low = murmur3_low(ids[r], u64(seed))
        high = murmur3_high(ids[r], u64(seed))
        low += high
        high += low
        n = u32(table_rows)
        rows[r, 0] = u32(low & LOW) % n
        rows[r, 1] = u32(low >> S32) % n
        rows[r, 2] = u32(high & LOW) % n
        rows[r, 3] = u32(high >> S32) % n


# The keys outermost: the inner loops run over hashes, and vectorise.
@blockwise(cpu=512, cuda=32)
def ngrams(block: int, start: int, stop: int, out: UInt64s1d, keys: UInt64s1d, n: int) -> None:
    """MurmurHash2 (64A) of n keys in a row."""
    h = out[start:stop]
    for i in range(lane(), h.shape[0], lanes()):
        h[i] = u64(8 * n) * M
    for j in range(n):
        key = keys[start + j : stop + j]
        for i in range(lane(), h.shape[0], lanes()):
            k = key[i] * M
            k ^= k >> S47
            h[i] = (h[i] ^ (k * M)) * M
    for i in range(lane(), h.shape[0], lanes()):
        v = h[i]
        v = (v ^ (v >> S47)) * M
        h[i] = v ^ (v >> S47)
