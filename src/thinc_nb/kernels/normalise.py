"""Layer normalisation (Ba, Kiros & Hinton, 2016)."""

from __future__ import annotations

from ._compile import blockwise, rowwise
from ._words import Reals1d, Reals2d, apart, lane, lanes, real, sqrt, sum_of, sum_of_squares, sums_of_products

ZERO, ONE = 0.0, 1.0
EPSILON = 1e-8


@rowwise
def layer_norm(r: int, out: Reals2d, x: Reals2d, gain: Reals1d, bias: Reals1d, mean: Reals1d, rstd: Reals1d) -> None:
    apart()
    row, y = x[r], out[r]
    width = row.shape[0]
    share = ONE / real(width)
    mu = sum_of(row) * share
    scale = ONE / sqrt(sum_of_squares(row, mu) * share + EPSILON)
    if lane() == 0:
        mean[r] = mu
        rstd[r] = scale
    for j in range(lane(), width, lanes()):
        y[j] = (row[j] - mu) * scale * gain[j] + bias[j]


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
    apart()
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
        row, d, dx_row = x[r], dy[r], dx[r]
        sum_g, sum_gx = sums_of_products(d, gain, row, mu)
        part_g = sum_g * share * scale
        part_gx = sum_gx * share * scale * scale
        for j in range(lane(), width, lanes()):
            v = d[j]
            normed = (row[j] - mu) * scale
            dx_row[j] = v * gain[j] * scale - part_g - normed * part_gx
            block_gain[j] += v * normed
            block_bias[j] += v
