"""Activations and their derivatives, on flat arrays. A backward kernel gives dX = dY * f'(X)."""

from __future__ import annotations

from ._compile import elementwise
from ._words import Real, Reals1d, erf, exp, inline

ZERO, HALF, ONE, TWO = 0.0, 0.5, 1.0, 2.0
SQRT_HALF = 0.70710678118654752
INVERSE_SQRT_TWO_PI = 0.39894228040143268


@elementwise
def relu(i: int, out: Reals1d, x: Reals1d) -> None:
    out[i] = max(x[i], ZERO)


@elementwise
def backprop_relu(i: int, dx: Reals1d, dy: Reals1d, y: Reals1d) -> None:
    dx[i] = dy[i] if y[i] > ZERO else ZERO


@elementwise
def gelu(i: int, out: Reals1d, x: Reals1d) -> None:
    v = x[i]
    out[i] = v * (HALF + HALF * erf(v * SQRT_HALF))


@elementwise
def backprop_gelu(i: int, dx: Reals1d, dy: Reals1d, x: Reals1d) -> None:
    v = x[i]
    cdf = HALF + HALF * erf(v * SQRT_HALF)
    pdf = INVERSE_SQRT_TWO_PI * exp(-HALF * v * v)
    dx[i] = dy[i] * (cdf + v * pdf)


@inline
def logistic(x: Real) -> Real:
    return ONE / (ONE + exp(-x))


@elementwise
def swish(i: int, out: Reals1d, x: Reals1d) -> None:
    v = x[i]
    out[i] = v * logistic(v)
