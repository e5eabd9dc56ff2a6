"""Layer normalisation (Ba, Kiros & Hinton, 2016)."""

from __future__ import annotations

from ._compile import blockwise, rowwise
from ._words import Reals1d, Reals2d, lane, lanes, real, sqrt, sum_lanes

ZERO, ONE = 0.0, 1.0
EPSILON = 1e-8


@rowwise
def layer_norm(r: int, out: Reals2d, x: Reals2d, gain: Reals1d, bias: Reals1d, mean: Reals1d, rstd: Reals1d) -> None:
    width = x.shape[1]
    share = ONE / real(width)
    total = ZERO
    for j in range(lane(), width, lanes()):
        total += x[r, j]
    mu = sum_lanes(total) * share
    total = ZERO
    for j in range(lane(), width, lanes()):
        d = x[r, j] - mu
        total += d * d
    scale = ONE / sqrt(sum_lanes(total) * share + EPSILON)
    if lane() == 0:
        mean[r] = mu
        rstd[r] = scale
    for j in range(lane(), width, lanes()):
        out[r, j] = (x[r, j] - mu) * scale * gain[j] + bias[j]


# The sums over the batch are one partial row for each block, in d_gain and d_bias, added up by the caller.
@blockwise(cpu=256, cuda=32)
def backprop_layer_norm(
    block: int,
    start: int,
    stop: int,
    dx: Reals2d,
    dy: Reals2d,
    x: Reals2d,
    gain: Reals1d,
    mean: Reals1d,
    rstd: Reals1d,
    d_gain: Reals2d,
    d_bias: Reals2d,
) -> None:
    width = x.shape[1]
    share = ONE / real(width)
    block_gain = d_gain[block]
    block_bias = d_bias[block]
    for j in range(lane(), width, lanes()):
        block_gain[j] = ZERO
        block_bias[j] = ZERO
    for r in range(start, stop):
        mu = mean[r]
        scale = rstd[r]
        sum_g = ZERO
        sum_gx = ZERO
        # Two loops, not one: with more than four arrays LLVM gives up on telling them apart.
        for j in range(lane(), width, lanes()):
            d = dy[r, j]
            block_gain[j] += d * ((x[r, j] - mu) * scale)
            block_bias[j] += d
        for j in range(lane(), width, lanes()):
            g = dy[r, j] * gain[j]
            sum_g += g
            sum_gx += g * (x[r, j] - mu)
        sum_g = sum_lanes(sum_g) * share
        sum_gx = sum_lanes(sum_gx) * share * scale
        for j in range(lane(), width, lanes()):
            dx[r, j] = scale * (dy[r, j] * gain[j] - sum_g - (x[r, j] - mu) * scale * sum_gx)
