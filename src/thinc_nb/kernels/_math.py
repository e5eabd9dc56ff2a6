"""exp, log, tanh and erf for float32 without branches or calls, so that LLVM vectorises the loop around them.

A call of libm stops vectorisation: tanh costs 18.6 ns an element through it and 0.24 ns here. The error bounds are
tested over the float32 range against float64: exp and log 1 ulp, tanh and erf 6 ulp. float64 kernels and CUDA use
their own libraries instead.
"""

from __future__ import annotations

import numpy as np

from ._words import Real, inline

f32 = np.float32
i32 = np.int32
INFINITY = float("inf")
ZERO = 0.0
HALF = 0.5
ONE = 1.0

# exp: reduction to [-ln2/2, ln2/2] and Cephes' polynomial (Moshier, 1989).
EXP_LOW = -104.0
EXP_HIGH = 88.72284
LOG2_E = 1.44269504088896341
LN2_HIGH = 0.693359375
LN2_LOW = -2.12194440e-4
E0, E1, E2 = 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3
E3, E4, E5 = 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1
BIAS = np.int32(127)
FRACTION_BITS = np.int32(23)
ONE_BIT = np.int32(1)


@inline
def clamp(x: Real, low: Real, high: Real) -> Real:
    """x between low and high; low for NaN, so that what follows may turn it into an integer."""
    x = x if x > low else low
    return x if x < high else high


@inline
def exp_f32(x: Real) -> Real:
    c = clamp(x, EXP_LOW, EXP_HIGH)
    n = np.floor(c * LOG2_E + HALF)
    r = c - n * LN2_HIGH
    r = r - n * LN2_LOW
    p = E0
    p = p * r + E1
    p = p * r + E2
    p = p * r + E3
    p = p * r + E4
    p = p * r + E5
    p = p * (r * r) + r + ONE
    # 2**n in two factors: n reaches 128, and -150 for subnormal results.
    exponent = i32(n)
    half = exponent >> ONE_BIT
    first = i32((half + BIAS) << FRACTION_BITS).view(f32)
    second = i32((exponent - half + BIAS) << FRACTION_BITS).view(f32)
    y = p * first * second
    y = INFINITY if x > EXP_HIGH else y
    y = ZERO if x < EXP_LOW else y
    return x if x != x else y  # noqa: PLR0124


# log: Cephes' polynomial on [sqrt(1/2), sqrt(2)] (Moshier, 1989).
SMALLEST_NORMAL = 1.17549435e-38
TWO_TO_23 = 8388608.0
SQRT_HALF = 0.70710678118654752
EXPONENT_OF_HALF = np.int32(126)
FRACTION_MASK = np.int32(0x007FFFFF)
HALF_BITS = np.int32(0x3F000000)
NAN = float("nan")
L0, L1, L2 = 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1
L3, L4, L5 = -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1
L6, L7, L8 = 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1
TWENTY_THREE = 23.0


@inline
def log_f32(x: Real) -> Real:
    subnormal = x < SMALLEST_NORMAL
    v = x * TWO_TO_23 if subnormal else x
    bits = f32(v).view(i32)
    e = f32((bits >> FRACTION_BITS) - EXPONENT_OF_HALF)
    e = e - TWENTY_THREE if subnormal else e
    m = i32((bits & FRACTION_MASK) | HALF_BITS).view(f32)
    below = m < SQRT_HALF
    e = e - ONE if below else e
    z = m + m - ONE if below else m - ONE
    p = L0
    p = p * z + L1
    p = p * z + L2
    p = p * z + L3
    p = p * z + L4
    p = p * z + L5
    p = p * z + L6
    p = p * z + L7
    p = p * z + L8
    zz = z * z
    y = p * z * zz + e * LN2_LOW - HALF * zz
    y = z + y + e * LN2_HIGH
    y = INFINITY if x == INFINITY else y
    y = -INFINITY if x == ZERO else y
    y = NAN if x < ZERO else y
    return x if x != x else y  # noqa: PLR0124


# tanh and erf: odd rational approximations with Eigen's published coefficients.
TANH_LIMIT = 7.90531110763549805
T0, T1, T2 = -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11
T3, T4, T5 = 5.12229709037114e-08, 1.48572235717979e-05, 6.37261928875436e-04
T6 = 4.89352455891786e-03
U0, U1, U2 = 1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03
U3 = 4.89352518554385e-03


@inline
def tanh_f32(x: Real) -> Real:
    c = clamp(x, -TANH_LIMIT, TANH_LIMIT)
    s = c * c
    p = T0
    p = p * s + T1
    p = p * s + T2
    p = p * s + T3
    p = p * s + T4
    p = p * s + T5
    p = p * s + T6
    q = U0
    q = q * s + U1
    q = q * s + U2
    q = q * s + U3
    y = c * p / q
    return x if x != x else y  # noqa: PLR0124


ERF_LIMIT = 4.0
F0, F1, F2 = -2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06
F3, F4, F5 = -5.69250639462346e-05, -7.34990630326855e-04, -2.95459980854025e-03
F6 = -1.60960333262415e-02
G0, G1, G2 = -1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03
G3, G4 = -7.37332916720468e-03, -1.42647390514189e-02


@inline
def erf_f32(x: Real) -> Real:
    c = clamp(x, -ERF_LIMIT, ERF_LIMIT)
    s = c * c
    p = F0
    p = p * s + F1
    p = p * s + F2
    p = p * s + F3
    p = p * s + F4
    p = p * s + F5
    p = p * s + F6
    q = G0
    q = q * s + G1
    q = q * s + G2
    q = q * s + G3
    q = q * s + G4
    y = c * p / q
    return x if x != x else y  # noqa: PLR0124
