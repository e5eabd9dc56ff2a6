"""Updating parameters: one pass over memory for each step, however many parts the step has."""

from __future__ import annotations

from ._compile import blockwise, elementwise, rowwise
from ._words import (
    Int32s1d,
    Int64s2d,
    Reals1d,
    Reals2d,
    apart,
    flush_tiny,
    lane,
    lanes,
    restore_tiny,
    sqrt,
    sum_lanes,
)

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


# --- all parameters of a model at once
#
# The arrays are whole arenas. A chunk is a part of one parameter: bounds[r] says where it lies, parameter[r] whose it
# is, and rates[parameter] holds beta1, 1 - beta1, beta2, 1 - beta2, eps, learn_rate, grad_scale, weight_decay,
# average_share and root. The differences are given because sums in kernels over rows may be reordered: computed here,
# they might become v + (1 - beta2) * (d * d - v), which cancels. A step is divided by root * sqrt(v) + eps: with root 1
# that is Adam's, with root 0 and eps 1 it is momentum alone, which is what rectified Adam does in its first steps.


@rowwise
def chunk_squares(r: int, partial: Reals1d, bounds: Int64s2d, gradient: Reals1d) -> None:
    """The sum of squares of each chunk."""
    g = gradient[bounds[r, 0] : bounds[r, 1]]
    total = ZERO
    for k in range(lane(), g.shape[0], lanes()):
        total += g[k] * g[k]
    total = sum_lanes(total)
    if lane() == 0:
        partial[r] = total


@rowwise
def chunk_adam(
    r: int,
    bounds: Int64s2d,
    parameter: Int32s1d,
    rates: Reals2d,
    weights: Reals1d,
    gradient: Reals1d,
    mom1: Reals1d,
    mom2: Reals1d,
) -> None:
    """Clipping (by grad_scale), Adam, weight decay and zeroing, in one pass. Tiny numbers become 0 (see _tiny.py)."""
    apart()
    rate = rates[parameter[r]]
    beta1, rest1, beta2, rest2, eps = rate[0], rate[1], rate[2], rate[3], rate[4]
    learn_rate, grad_scale, weight_decay, root = rate[5], rate[6], rate[7], rate[9]
    start = bounds[r, 0]
    stop = bounds[r, 1]
    w = weights[start:stop]
    g = gradient[start:stop]
    m = mom1[start:stop]
    v = mom2[start:stop]
    before = flush_tiny()
    for k in range(lane(), w.shape[0], lanes()):
        d = g[k] * grad_scale
        mk = beta1 * m[k] + rest1 * d
        vk = beta2 * v[k] + rest2 * d * d
        m[k] = mk
        v[k] = vk
        wk = w[k] - learn_rate * mk / (root * sqrt(vk) + eps)
        w[k] = wk - weight_decay * wk
        g[k] = ZERO
    restore_tiny(before)


@rowwise
def chunk_adam_with_average(
    r: int,
    bounds: Int64s2d,
    parameter: Int32s1d,
    rates: Reals2d,
    weights: Reals1d,
    gradient: Reals1d,
    mom1: Reals1d,
    mom2: Reals1d,
    average: Reals1d,
) -> None:
    """The same, and the moving average of the weights.

    In the same loop: with a loop of its own for the average, all takes 1.2 times as long.
    """
    apart()
    rate = rates[parameter[r]]
    beta1, rest1, beta2, rest2, eps = rate[0], rate[1], rate[2], rate[3], rate[4]
    learn_rate, grad_scale, weight_decay, share, root = rate[5], rate[6], rate[7], rate[8], rate[9]
    start = bounds[r, 0]
    stop = bounds[r, 1]
    w = weights[start:stop]
    g = gradient[start:stop]
    m = mom1[start:stop]
    v = mom2[start:stop]
    a = average[start:stop]
    before = flush_tiny()
    for k in range(lane(), w.shape[0], lanes()):
        d = g[k] * grad_scale
        mk = beta1 * m[k] + rest1 * d
        vk = beta2 * v[k] + rest2 * d * d
        m[k] = mk
        v[k] = vk
        wk = w[k] - learn_rate * mk / (root * sqrt(vk) + eps)
        wk -= weight_decay * wk
        w[k] = wk
        a[k] -= share * (a[k] - wk)
        g[k] = ZERO
    restore_tiny(before)


@rowwise
def chunk_sgd(
    r: int,
    bounds: Int64s2d,
    parameter: Int32s1d,
    rates: Reals2d,
    weights: Reals1d,
    gradient: Reals1d,
) -> None:
    """Clipping (by grad_scale), a step down the gradient, weight decay and zeroing, in one pass."""
    apart()
    rate = rates[parameter[r]]
    step, weight_decay = rate[5] * rate[6], rate[7]
    w = weights[bounds[r, 0] : bounds[r, 1]]
    g = gradient[bounds[r, 0] : bounds[r, 1]]
    for k in range(lane(), w.shape[0], lanes()):
        wk = w[k] - step * g[k]
        w[k] = wk - weight_decay * wk
        g[k] = ZERO


@rowwise
def chunk_sgd_with_average(
    r: int,
    bounds: Int64s2d,
    parameter: Int32s1d,
    rates: Reals2d,
    weights: Reals1d,
    gradient: Reals1d,
    average: Reals1d,
) -> None:
    """The same, and the moving average of the weights."""
    apart()
    rate = rates[parameter[r]]
    step, weight_decay, share = rate[5] * rate[6], rate[7], rate[8]
    w = weights[bounds[r, 0] : bounds[r, 1]]
    g = gradient[bounds[r, 0] : bounds[r, 1]]
    a = average[bounds[r, 0] : bounds[r, 1]]
    for k in range(lane(), w.shape[0], lanes()):
        wk = w[k] - step * g[k]
        wk -= weight_decay * wk
        w[k] = wk
        a[k] -= share * (a[k] - wk)
        g[k] = ZERO


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
