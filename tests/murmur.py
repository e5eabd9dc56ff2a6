"""MurmurHash3 (Appleby, 2011) of a key of 8 bytes in Python's integers: what the kernels' hashes are held to."""

from __future__ import annotations


def x64_128(key: int, seed: int) -> list[int]:
    """MurmurHash3_x64_128, as four 32-bit words."""
    mask = (1 << 64) - 1

    def mix(h: int) -> int:
        h ^= h >> 33
        h = h * 0xFF51AFD7ED558CCD & mask
        h ^= h >> 33
        h = h * 0xC4CEB9FE1A85EC53 & mask
        return h ^ h >> 33

    k = key * 0x87C37B91114253D5 & mask
    k = (k << 31 | k >> 33) & mask
    h1 = seed ^ (k * 0x4CF5AD432745937F & mask) ^ 8
    h2 = seed ^ 8
    h1 = (h1 + h2) & mask
    h2 = (h2 + h1) & mask
    h1, h2 = mix(h1), mix(h2)
    h1 = (h1 + h2) & mask
    h2 = (h2 + h1) & mask
    return [h1 & 0xFFFFFFFF, h1 >> 32, h2 & 0xFFFFFFFF, h2 >> 32]


def x86_32(key: int, seed: int) -> int:
    """MurmurHash3_x86_32."""
    mask = (1 << 32) - 1
    h = seed
    for k in (key & mask, key >> 32):
        k = k * 0xCC9E2D51 & mask
        k = (k << 15 | k >> 17) * 0x1B873593 & mask
        h ^= k
        h = ((h << 13 | h >> 19) * 5 + 0xE6546B64) & mask
    h ^= 8
    h = (h ^ h >> 16) * 0x85EBCA6B & mask
    h = (h ^ h >> 13) * 0xC2B2AE35 & mask
    return h ^ h >> 16
