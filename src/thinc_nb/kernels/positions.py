"""Sines and cosines, in float64 whatever the precision of the arrays: positions are large, and angles not reduced."""

from __future__ import annotations

import numpy as np

from ._compile import elementwise
from ._words import Reals1d

f64, i64 = np.float64, np.int64
ONE, HALF = np.float64(1.0), np.float64(0.5)
ONCE, TWICE = np.int64(1), np.int64(2)

# x = n pi / 2 + r, n the integer nearest to x 2 / pi. Adding 1.5 * 2**52 rounds it, and leaves it in the low bits.
# pi / 2 in three parts, of which the first two have 22 bits: their products with an n below 2**31 are exact.
TWO_OVER_PI = np.float64(0.6366197723675814)
ROUNDER = np.float64(6755399441055744.0)
HALF_PI_1 = np.float64(1.570796012878418)
HALF_PI_2 = np.float64(3.139164164167596e-07)
HALF_PI_3 = np.float64(6.223372171896613e-14)
# Minimax polynomials on |r| <= pi / 4 for (sin(r) - r) / r**3 and (cos(r) - 1 + r**2 / 2) / r**4, in r**2.
S1, S2 = np.float64(-0.1666666666666663), np.float64(0.008333333333322118)
S3, S4 = np.float64(-0.00019841269829589517), np.float64(2.755731362137647e-06)
S5, S6 = np.float64(-2.505074776112264e-08), np.float64(1.589623004312004e-10)
C1, C2 = np.float64(0.041666666666666595), np.float64(-0.0013888888888873056)
C3, C4 = np.float64(2.4801587288851643e-05), np.float64(-2.7557314179279635e-07)
C5, C6 = np.float64(2.0875700839705542e-09), np.float64(-1.1358536405337451e-11)


# Over items, where no compiler reorders sums: that would undo the three parts.
@elementwise
def sines_and_cosines(i: int, angles: Reals1d, out: Reals1d) -> None:
    """out[2 i] and out[2 i + 1], of angles from 0 to 2**31: float32 rounded right, float64 to an ulp or 1e-19."""
    x = f64(angles[i])
    shifted = x * TWO_OVER_PI + ROUNDER
    n = shifted - ROUNDER
    quarter = f64(shifted).view(i64)
    r = ((x - n * HALF_PI_1) - n * HALF_PI_2) - n * HALF_PI_3
    z = r * r
    p = S6
    p = p * z + S5
    p = p * z + S4
    p = p * z + S3
    p = p * z + S2
    p = p * z + S1
    sine = r * z * p + r
    p = C6
    p = p * z + C5
    p = p * z + C4
    p = p * z + C3
    p = p * z + C2
    p = p * z + C1
    p = p * z - HALF
    cosine = p * z + ONE
    is_odd = quarter & ONCE
    s = cosine if is_odd else sine
    c = sine if is_odd else cosine
    out[2 * i] = -s if quarter & TWICE else s
    out[2 * i + 1] = -c if (quarter + ONCE) & TWICE else c
