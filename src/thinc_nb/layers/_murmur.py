"""MurmurHash3, x86, 32 bits (Appleby, 2011), of a string."""

from __future__ import annotations

from functools import lru_cache

_C1, _C2 = 0xCC9E2D51, 0x1B873593
_F1, _F2 = 0x85EBCA6B, 0xC2B2AE35
_N = 0xE6546B64
_MASK = 0xFFFFFFFF


@lru_cache(maxsize=1 << 16)
def hash_string(text: str) -> int:
    """The hash of the text's UTF-8 with seed 0, sign-extended to 64 bits: 0 to 2⁶⁴ - 1."""
    data = text.encode("utf-8", "surrogatepass")
    end = len(data) & ~3
    h = 0
    for start in range(0, end, 4):
        h ^= _scrambled(int.from_bytes(data[start : start + 4], "little"))
        h = (_rotated(h, 13) * 5 + _N) & _MASK
    h ^= _scrambled(int.from_bytes(data[end:], "little"))
    h ^= len(data)
    h = ((h ^ (h >> 16)) * _F1) & _MASK
    h = ((h ^ (h >> 13)) * _F2) & _MASK
    h ^= h >> 16
    return h if h < 1 << 31 else h - (1 << 32) + (1 << 64)


def _scrambled(k: int) -> int:
    return (_rotated((k * _C1) & _MASK, 15) * _C2) & _MASK


def _rotated(x: int, bits: int) -> int:
    return ((x << bits) | (x >> (32 - bits))) & _MASK
