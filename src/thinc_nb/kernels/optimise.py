"""Updating parameters: one pass over memory for each step, however many parts the step has."""

from __future__ import annotations

from ._compile import blockwise, elementwise
from ._words import Reals1d, lane, lanes, sqrt, sum_lanes

ZERO, ONE = 0.0, 1.0


@elementwise
def adam(
    i: int,
    weights: Reals1d,
    gradient: Reals1d,
    mom1: Reals1d,
    mom2: Reals1d,
    beta1: float,
    beta2: float,
    eps: float,
    learn_rate: float,
) -> None:
    """Adam (Kingma & Ba, 2015) without its bias correction, which is in learn_rate. The gradient is zeroed."""
    g = gradient[i]
    m = beta1 * mom1[i] + (ONE - beta1) * g
    v = beta2 * mom2[i] + (ONE - beta2) * g * g
    mom1[i] = m
    mom2[i] = v
    weights[i] -= learn_rate * m / (sqrt(v) + eps)
    gradient[i] = ZERO


@elementwise
def adam_step(
    i: int,
    weights: Reals1d,
    gradient: Reals1d,
    mom1: Reals1d,
    mom2: Reals1d,
    beta1: float,
    beta2: float,
    eps: float,
    learn_rate: float,
    grad_scale: float,
    weight_decay: float,
) -> None:
    """Clipping (by grad_scale), Adam, weight decay and zeroing, in one pass."""
    g = gradient[i] * grad_scale
    m = beta1 * mom1[i] + (ONE - beta1) * g
    v = beta2 * mom2[i] + (ONE - beta2) * g * g
    mom1[i] = m
    mom2[i] = v
    w = weights[i] - learn_rate * m / (sqrt(v) + eps)
    weights[i] = w - weight_decay * w
    gradient[i] = ZERO


@elementwise
def adam_step_with_average(
    i: int,
    weights: Reals1d,
    gradient: Reals1d,
    mom1: Reals1d,
    mom2: Reals1d,
    average: Reals1d,
    beta1: float,
    beta2: float,
    eps: float,
    learn_rate: float,
    grad_scale: float,
    weight_decay: float,
    average_share: float,
) -> None:
    """The same, and the moving average of the weights."""
    g = gradient[i] * grad_scale
    m = beta1 * mom1[i] + (ONE - beta1) * g
    v = beta2 * mom2[i] + (ONE - beta2) * g * g
    mom1[i] = m
    mom2[i] = v
    w = weights[i] - learn_rate * m / (sqrt(v) + eps)
    w -= weight_decay * w
    weights[i] = w
    average[i] -= average_share * (average[i] - w)
    gradient[i] = ZERO


@elementwise
def move_average(i: int, average: Reals1d, weights: Reals1d, share: float) -> None:
    average[i] -= share * (average[i] - weights[i])


@elementwise
def scale(i: int, x: Reals1d, factor: float) -> None:
    x[i] *= factor


@blockwise(cpu=4096, cuda=4096)
def sum_of_squares(block: int, start: int, stop: int, x: Reals1d, partial: Reals1d) -> None:
    """One sum for each block, added up by the caller in float64."""
    part = x[start:stop]
    total = ZERO
    for k in range(lane(), part.shape[0], lanes()):
        total += part[k] * part[k]
    total = sum_lanes(total)
    if lane() == 0:
        partial[block] = total
