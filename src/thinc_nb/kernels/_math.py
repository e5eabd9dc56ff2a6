"""exp, log, tanh and erf for float32 without branches or calls, so that LLVM vectorises the loop around them.

A call of libm stops vectorisation: tanh costs 18.6 ns an element through it and 0.24 ns here. float64 kernels and CUDA
use their own libraries instead. Errors against float64, over all float32 numbers:

| word | error, ulp | at inf, -inf | what else |
|---|---|---|---|
| exp | 1 | inf, 0 | exp(0) is 1; 0 below x = -87.68, where results are less than 8.4e-39, subnormal |
| log | 1, over rows 2 | inf, NaN | -inf for 0 and -0, NaN below 0; subnormal arguments are as good as others |
| log_of_normal | 1, over rows 2 | no meaning | none of what is not positive and normal; half the time of log |
| tanh | 6 | 1, -1 | never beyond ±1; tiny arguments come back as they are |
| erf | 6 | 1, -1 | never beyond ±1 |

Over rows: in kernels whose sums the compiler may reorder. NaN gives NaN, at no cost: ``max(x, low)`` is one instruction
and keeps the NaN of its first argument, and gelu takes 6% less time than with ``low if x < low else x``, which starts
out as a branch. No NaN is converted to an integer, which LLVM leaves undefined.
"""

from __future__ import annotations

import numpy as np

from ._words import Real, inline

f32 = np.float32
i32 = np.int32
INFINITY = float("inf")
NAN = float("nan")
ZERO = 0.0
HALF = 0.5
ONE = 1.0
FRACTION_BITS = np.int32(23)
# ln 2 in two parts, the first so short that its product with an exponent is exact (Cody & Waite, 1980).
LN2_HIGH = 0.693359375
LN2_LOW = -2.12194440e-4

# exp(x) = 2**n exp(r), n the integer nearest to x / ln 2. Adding 1.5 * 2**23 to x / ln 2 rounds it and leaves it in the
# low bits of the sum; 127 more make these bits the exponent of 2**n. n ends at 127, where r grows to 0.694 and then
# exp(r) overflows to inf by itself, and at -127, for which the bits are those of 0. Both bounds are of integers, which
# more units of the processor compare than floats: sigmoid takes 5% less time.
BELOW_ANY_R = -1.0
LOG2_E = 1.44269504088896341
ROUNDER = 12583039.0
ROUNDER_BITS = np.int32(0x4B40007F)
LOWEST_BITS = np.int32(0x4B40007F - 127)
HIGHEST_BITS = np.int32(0x4B40007F + 127)
# Minimax polynomial for (exp(r) - 1 - r) / r**2 on [-0.347, 0.694].
E2, E3, E4 = 4.999999404e-1, 1.666669697e-1, 4.166818410e-2
E5, E6, E7 = 8.326933719e-3, 1.383343944e-3, 2.328084666e-4


@inline
def exp_f32(x: Real) -> Real:
    bits = i32(min(f32(x * LOG2_E + ROUNDER).view(i32), HIGHEST_BITS))
    bits = i32(max(bits, LOWEST_BITS))
    n = f32(i32(bits - ROUNDER_BITS))
    # Where n has ended at -127, r must not fall: 0 times inf. Elsewhere the max changes nothing, but keeps the two sums
    # apart in kernels over rows, where sums may be reordered: 4 ulp.
    r = max(x - n * LN2_HIGH, BELOW_ANY_R)
    r = r - n * LN2_LOW
    p = E7
    p = p * r + E6
    p = p * r + E5
    p = p * r + E4
    p = p * r + E3
    p = p * r + E2
    p = p * r + ONE
    p = p * r + ONE
    return p * i32(bits << FRACTION_BITS).view(f32)


# log(x) = e ln 2 + log(m), m between sqrt(1/2) and sqrt(2). Less the bits of sqrt(1/2), the bits of x begin with e, and
# nothing has to be compared. ln 2 in one part: as a float32 it happens to be right to a twentieth of an ulp.
SMALLEST_NORMAL = 1.17549435e-38
TWO_TO_23 = 8388608.0
TWENTY_THREE = 23.0
LN2 = 0.69314718055994531
SQRT_HALF_BITS = np.int32(0x3F3504F3)
EXPONENT_MASK = np.int32(-0x00800000)
# Minimax polynomial for (log(1 + r) - r) / r**2, in relative error of log(1 + r).
L2, L3, L4 = -4.999998835e-1, 3.333332569e-1, -2.500158296e-1
L5, L6, L7 = 2.000197385e-1, -1.660908251e-1, 1.418182609e-1
L8, L9, L10 = -1.324298955e-1, 1.290443018e-1, -7.621770962e-2


@inline
def log_of_normal_f32(x: Real) -> Real:
    return log_of_scaled(x, ZERO)


@inline
def log_of_scaled(x: Real, scaled: Real) -> Real:
    """The logarithm of a positive normal number that was multiplied by 2 to the power of `scaled`."""
    bits = f32(x).view(i32)
    above = i32(bits - SQRT_HALF_BITS)
    e: Real = f32(i32(above >> FRACTION_BITS)) - scaled
    r: Real = i32(bits - i32(above & EXPONENT_MASK)).view(f32) - ONE
    p = L10
    p = p * r + L9
    p = p * r + L8
    p = p * r + L7
    p = p * r + L6
    p = p * r + L5
    p = p * r + L4
    p = p * r + L3
    p = p * r + L2
    return e * LN2 + (r * r * p + r)


@inline
def log_f32(x: Real) -> Real:
    subnormal = x < SMALLEST_NORMAL
    y = log_of_scaled(x * TWO_TO_23 if subnormal else x, TWENTY_THREE if subnormal else ZERO)
    y = y if x < INFINITY else x
    return y if x > ZERO else (-INFINITY if x == ZERO else NAN)


# tanh and erf: x P(x²) / Q(x²), minimax in relative error, x² bounded so that P / Q stays at what it is where the
# function has reached 1; there x P / Q goes on to grow, and the bound of the result makes it 1. P / Q is taken first:
# x P is subnormal for x that are not.
TANH_SQUARE_HIGHEST = 77.0884018
T0, T1, T2 = -1.27836309e-11, 3.1362223e-08, 2.8329554e-05
T3, T4 = 3.88427079e-03, 1.36926353e-01
U0, U1, U2 = 1.30990168e-06, 3.96675285e-04, 2.73041762e-02
U3 = 4.70259666e-01


@inline
def within_one(y: Real) -> Real:
    """y between -1 and 1; NaN for NaN."""
    return min(max(y, -ONE), ONE)


@inline
def tanh_f32(x: Real) -> Real:
    s = min(x * x, TANH_SQUARE_HIGHEST)
    p = T0
    p = p * s + T1
    p = p * s + T2
    p = p * s + T3
    p = p * s + T4
    p = p * s + ONE
    q = U0
    q = q * s + U1
    q = q * s + U2
    q = q * s + U3
    q = q * s + ONE
    return within_one(p / q * x)


ERF_SQUARE_HIGHEST = 15.2881002
F0, F1, F2 = 2.00841246e-08, -1.93958203e-06, 1.36615883e-04
F3, F4, F5 = 3.48586729e-03, 4.99005765e-02, 1.94886893e-01
F6 = 1.12837923
G0, G1, G2 = 9.03447683e-04, 1.39190583e-02, 1.12909853e-01
G3 = 5.0604707e-01


@inline
def erf_f32(x: Real) -> Real:
    s = min(x * x, ERF_SQUARE_HIGHEST)
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
    q = q * s + ONE
    return within_one(p / q * x)
