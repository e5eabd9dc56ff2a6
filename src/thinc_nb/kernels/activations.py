"""Activations and their derivatives, on flat arrays. A backward kernel gives dX = dY * f'(X).

Each is its formula in IEEE arithmetic: no bound keeps arguments from overflowing, and a bound of the formula's own is
written as a comparison that is false for NaN, so that both devices keep it (CUDA's max and min drop it).
"""

from __future__ import annotations

from ._compile import elementwise
from ._words import Real, Reals1d, erf as erf_of, exp, inline, log_of_normal, sqrt

ZERO, HALF, ONE, TWO, FOUR = 0.0, 0.5, 1.0, 2.0, 4.0


@inline
def clip(v: Real, low: Real, high: Real) -> Real:
    """v between low and high; high where low is above it, NaN for NaN."""
    v = low if v < low else v
    return high if v > high else v


# --- piecewise linear -------------------------------------------------------------------------------------------------


@elementwise
def relu(i: int, out: Reals1d, x: Reals1d) -> None:
    v = x[i]
    out[i] = ZERO if v < ZERO else v


@elementwise
def backprop_relu(i: int, dx: Reals1d, dy: Reals1d, y: Reals1d) -> None:
    dx[i] = ZERO if y[i] <= ZERO else dy[i]


@elementwise
def clipped_linear(
    i: int, out: Reals1d, x: Reals1d, slope: float, offset: float, lowest: float, highest: float
) -> None:
    out[i] = clip(x[i] * slope + offset, lowest, highest)


@elementwise
def backprop_clipped_linear(
    i: int, dx: Reals1d, dy: Reals1d, x: Reals1d, slope: float, low: float, high: float
) -> None:
    """low and high are the arguments between which nothing is clipped."""
    v = x[i]
    slope_here = slope if v > low else ZERO
    dx[i] = dy[i] * (slope_here if v < high else ZERO)


@elementwise
def hard_swish(i: int, out: Reals1d, x: Reals1d, limit: float) -> None:
    """x times a line from 0 at -limit to 1 at limit."""
    v = x[i]
    width = limit + limit
    out[i] = v * (clip(v + limit, ZERO, width) * (ONE / width))


@elementwise
def backprop_hard_swish(i: int, dx: Reals1d, dy: Reals1d, x: Reals1d, limit: float) -> None:
    v = x[i]
    slope = v * (ONE / limit) + HALF
    slope = ZERO if v < -limit else slope
    dx[i] = dy[i] * (ONE if v > limit else slope)


# --- logistic ---------------------------------------------------------------------------------------------------------


@inline
def logistic(v: Real) -> Real:
    return ONE / (ONE + exp(-v))


@elementwise
def sigmoid(i: int, out: Reals1d, x: Reals1d) -> None:
    out[i] = logistic(x[i])


@elementwise
def dsigmoid(i: int, out: Reals1d, y: Reals1d) -> None:
    out[i] = y[i] * (ONE - y[i])


@elementwise
def backprop_sigmoid(i: int, dx: Reals1d, dy: Reals1d, y: Reals1d) -> None:
    dx[i] = dy[i] * (y[i] * (ONE - y[i]))


@elementwise
def swish(i: int, out: Reals1d, x: Reals1d) -> None:
    v = x[i]
    out[i] = v / (ONE + exp(-v))


@elementwise
def backprop_swish(i: int, dx: Reals1d, dy: Reals1d, x: Reals1d, y: Reals1d) -> None:
    s = logistic(x[i])
    # The same as y + s * (1 - y), but that loses s when y is large.
    dx[i] = dy[i] * (s + y[i] * (ONE - s))


# --- Gaussian ---------------------------------------------------------------------------------------------------------

SQRT_HALF = 0.70710678118654752
INVERSE_SQRT_TWO_PI = 0.39894228040143268
# 0.5 + 0.5 tanh(u) is logistic(2 u), with 2 u = 2 sqrt(2 / pi) (v + 0.044715 v**3).
APPROX_1 = 1.59576912160573071
APPROX_3 = 0.07135481627260025
THREE_APPROX_3 = 3 * 0.07135481627260025


@elementwise
def gelu(i: int, out: Reals1d, x: Reals1d) -> None:
    v = x[i]
    half = HALF * v
    out[i] = half + half * erf_of(v * SQRT_HALF)


@elementwise
def backprop_gelu(i: int, dx: Reals1d, dy: Reals1d, x: Reals1d) -> None:
    v = x[i]
    cdf = HALF + HALF * erf_of(v * SQRT_HALF)
    pdf = INVERSE_SQRT_TWO_PI * exp(-HALF * v * v)
    dx[i] = dy[i] * (cdf + v * pdf)


@elementwise
def gelu_approx(i: int, out: Reals1d, x: Reals1d) -> None:
    v = x[i]
    out[i] = v / (ONE + exp(-v * (APPROX_1 + APPROX_3 * (v * v))))


@elementwise
def backprop_gelu_approx(i: int, dx: Reals1d, dy: Reals1d, x: Reals1d) -> None:
    v = x[i]
    square = v * v
    s = logistic(v * (APPROX_1 + APPROX_3 * square))
    slope = v * (APPROX_1 + THREE_APPROX_3 * square)
    dx[i] = dy[i] * (s + slope * (s * (ONE - s)))


@elementwise
def erf(i: int, out: Reals1d, x: Reals1d) -> None:
    out[i] = erf_of(x[i])


# --- mish and dish ----------------------------------------------------------------------------------------------------

# tanh(log(1 + e)) = n / (n + 2) with e = exp(v), n = e (e + 2): one exp, one division. In either precision it is 1 at
# v = 20, and n overflows later.
SATURATED = 20.0


@elementwise
def mish(i: int, out: Reals1d, x: Reals1d, threshold: float) -> None:
    v = x[i]
    e = exp(v if v < SATURATED else SATURATED)
    n = e * (e + TWO)
    out[i] = v if v >= threshold else v * (n / (n + TWO))


@elementwise
def backprop_mish(i: int, dx: Reals1d, dy: Reals1d, x: Reals1d, threshold: float) -> None:
    v = x[i]
    c = v if v < SATURATED else SATURATED
    e = exp(c)
    n = e * (e + TWO)
    r = ONE / (n + TWO)
    # The second term is c * logistic(c) * (1 - tanh(log(1 + e))**2), without its cancellation.
    slope = n * r + c * (FOUR * e * (e + ONE)) * (r * r)
    dx[i] = dy[i] * (slope if v < threshold else ONE)


@elementwise
def dish(i: int, out: Reals1d, x: Reals1d) -> None:
    v = x[i]
    half = HALF * v
    out[i] = half + half * (v / sqrt(ONE + v * v))


@elementwise
def backprop_dish(i: int, dx: Reals1d, dy: Reals1d, x: Reals1d) -> None:
    v = x[i]
    q = v / sqrt(ONE + v * v)
    dx[i] = dy[i] * (HALF + q * (ONE - HALF * (q * q)))


# --- tanh, and a loss -------------------------------------------------------------------------------------------------


@elementwise
def dtanh(i: int, out: Reals1d, y: Reals1d) -> None:
    out[i] = ONE - y[i] * y[i]


@elementwise
def sechsq(i: int, out: Reals1d, x: Reals1d) -> None:
    a = abs(x[i])
    e = exp(-(a + a))
    half = HALF + HALF * e
    out[i] = e / (half * half)


LOG_OFFSET = 1e-8
INFINITY = float("inf")
NAN = float("nan")


@elementwise
def logloss(i: int, out: Reals1d, target: Reals1d, p: Reals1d) -> None:
    t = target[i]
    # Neither is ever subnormal, whatever p is: it is 0, or no less than a last bit of the offset. Nor is b ever 0.
    a, b = p[i] + LOG_OFFSET, ONE - p[i] + LOG_OFFSET
    loss = (t - ONE) * log_of_normal(b) - t * log_of_normal(a)
    loss = loss if b > ZERO else NAN
    # What formula and IEEE arithmetic give for a = 0.
    out[i] = loss if a > ZERO else (t * INFINITY if a == ZERO else NAN)
