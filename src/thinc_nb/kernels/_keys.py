"""Reals as integers in the same order, and integers as reals: the same on both devices.

A float's bits, read as an integer, order the positive floats; the negative ones run backwards until their lower bits
are flipped. NaN with a clear sign bit lies above inf, so that a maximum over keys propagates it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._words import Key, Real

f32, i32 = np.float32, np.int32
SIGN_32, LOWER_32, LOWEST_32 = np.int32(31), np.int32(0x7FFFFFFF), np.int32(-0x80000000)


def _real_f32(x: Any) -> Real:
    return f32(x)


def _order_key_f32(x: Real) -> Key:
    bits = f32(x).view(i32)
    return i32(bits ^ ((bits >> SIGN_32) & LOWER_32))


def _from_order_key_f32(key: Key) -> Real:
    return i32(key ^ ((key >> SIGN_32) & LOWER_32)).view(f32)


def _lowest_key_f32() -> Key:
    return LOWEST_32


SINGLE: dict[str, Callable[..., Any]] = {
    "real": _real_f32,
    "order_key": _order_key_f32,
    "from_order_key": _from_order_key_f32,
    "lowest_key": _lowest_key_f32,
}

f64, i64 = np.float64, np.int64
SIGN_64, LOWER_64, LOWEST_64 = np.int64(63), np.int64(0x7FFFFFFFFFFFFFFF), np.int64(-0x8000000000000000)


def _real_f64(x: Any) -> Real:
    return f64(x)


def _order_key_f64(x: Real) -> Key:
    bits = f64(x).view(i64)
    return i64(bits ^ ((bits >> SIGN_64) & LOWER_64))


def _from_order_key_f64(key: Key) -> Real:
    return i64(key ^ ((key >> SIGN_64) & LOWER_64)).view(f64)


def _lowest_key_f64() -> Key:
    return LOWEST_64


DOUBLE: dict[str, Callable[..., Any]] = {
    "real": _real_f64,
    "order_key": _order_key_f64,
    "from_order_key": _from_order_key_f64,
    "lowest_key": _lowest_key_f64,
}
