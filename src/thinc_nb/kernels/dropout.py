"""Dropout (Srivastava et al., 2014) from a counter: the mask is a function of a key and of the place of the element.

No generator is advanced and nothing has to be stored: the backward pass draws the same mask again, any range of
elements can be drawn by itself, and the CPU and CUDA draw alike. The mixing function is the 32-bit finaliser
``lowbias32`` (Wellons, 2018) with other published constants (0x21f0aaad, 0x735a2d97), of which two rounds with the key
between them pass the tests of uniformity in this project.
"""

from __future__ import annotations

import numpy as np

from ._compile import elementwise
from ._words import Real, Reals1d, Start, UInt32, inline

ZERO = 0.0
u32 = np.uint32
WEYL, MIX_1, MIX_2 = np.uint32(0x9E3779B9), np.uint32(0x21F0AAAD), np.uint32(0x735A2D97)
S15, S16 = np.uint32(15), np.uint32(16)


@inline
def random_bits(key: Real, counter: Real) -> Real:
    """32 random bits for a counter under a key."""
    x = u32(u32(counter * WEYL) ^ key)
    x = u32(x ^ (x >> S16))
    x = u32(x * MIX_1)
    x = u32(x ^ (x >> S15))
    x = u32(x * MIX_2)
    return u32(x ^ (x >> S15))


@elementwise
def dropout_mask(i: int, out: Reals1d, key: UInt32, threshold: UInt32, scale: float, first: Start) -> None:
    """0 with a chance of threshold in 2**32, otherwise scale."""
    bits = random_bits(key, u32(u32(i) + first))
    out[i] = scale if bits >= threshold else ZERO


@elementwise
def dropout(i: int, out: Reals1d, x: Reals1d, key: UInt32, threshold: UInt32, scale: float, first: Start) -> None:
    """x times the mask; also its gradient, with dY for x."""
    v = x[i] * scale
    out[i] = v if random_bits(key, u32(u32(i) + first)) >= threshold else ZERO
