"""The word `murmur3`: MurmurHash3 (x86, 32 bits; Appleby, 2011) of the 8 bytes of a key, for either device."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._words import Real, inline

ir: Any = import_module("llvmlite.ir")
WORD = ir.IntType(32)
u32 = np.uint32
C1, C2 = np.uint32(0xCC9E2D51), np.uint32(0x1B873593)
F1, F2 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
FIVE, N, BYTES = np.uint32(5), np.uint32(0xE6546B64), np.uint32(8)
S13, S15, S16, S17, S19 = np.uint32(13), np.uint32(15), np.uint32(16), np.uint32(17), np.uint32(19)
HALF, LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


@intrinsic
def murmur3(typing_context: Any, key: Any, seed: Any) -> Any:
    """On the CPU, in arithmetic of 32 bits.

    numba computes in 64 bits whatever the types are. Vectors then hold half as many numbers, and their products take
    three times as long.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        rotate = cgutils.get_or_insert_function(builder.module, ir.FunctionType(WORD, [WORD] * 3), "llvm.fshl.i32")

        def times(x: Any, factor: Any) -> Any:
            return builder.mul(x, ir.Constant(WORD, int(factor)))

        def rotated(x: Any, bits: Any) -> Any:
            return builder.call(rotate, [x, x, ir.Constant(WORD, int(bits))])

        def mixed(h: Any, half: Any) -> Any:
            h = builder.xor(h, times(rotated(times(half, C1), S15), C2))
            return builder.add(times(rotated(h, S13), FIVE), ir.Constant(WORD, int(N)))

        def folded(h: Any, bits: Any) -> Any:
            return builder.xor(h, builder.lshr(h, ir.Constant(WORD, int(bits))))

        key, h = args
        low, high = (builder.trunc(part, WORD) for part in (key, builder.lshr(key, ir.Constant(key.type, int(HALF)))))
        h = builder.xor(mixed(mixed(h, low), high), ir.Constant(WORD, int(BYTES)))
        return folded(times(folded(times(folded(h, S16), F1), S13), F2), S16)

    return types.uint32(types.uint64, types.uint32), generate


@inline
def mixed(h: Real, half: Real) -> Real:
    k = u32(half * C1)
    k = u32(u32(u32(k << S15) | u32(k >> S17)) * C2)
    h = u32(h ^ k)
    return u32(u32(u32(u32(h << S13) | u32(h >> S19)) * FIVE) + N)


def murmur3_on_cuda(key: Real, seed: Real) -> Real:
    h = mixed(mixed(seed, u32(key & LOW)), u32(key >> HALF))
    h = u32(h ^ BYTES)
    h = u32(u32(h ^ (h >> S16)) * F1)
    h = u32(u32(h ^ (h >> S13)) * F2)
    return u32(h ^ (h >> S16))
