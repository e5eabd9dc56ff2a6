"""What follows the product of a dense layer: bias and activation in one pass, and their gradients in one."""

from __future__ import annotations

from ._compile import blockwise
from ._words import Reals1d, Reals2d, apart, from_order_key, lane, lanes, lowest_key, max_lanes, order_key
from .softmax import to_shares

ZERO = 0.0


@blockwise(cpu=16, cuda=1)
def add_bias(block: int, start: int, stop: int, z: Reals2d, bias: Reals1d) -> None:
    for r in range(start, stop):
        row = z[r]
        for j in range(lane(), row.shape[0], lanes()):
            row[j] += bias[j]


@blockwise(cpu=64, cuda=32)
def column_sums(block: int, start: int, stop: int, x: Reals2d, sums: Reals2d) -> None:
    """sums: (blocks, width), of each block."""
    total = sums[block]
    for j in range(lane(), total.shape[0], lanes()):
        total[j] = ZERO
    for r in range(start, stop):
        row = x[r]
        for j in range(lane(), row.shape[0], lanes()):
            total[j] += row[j]


@blockwise(cpu=16, cuda=1)
def bias_relu(block: int, start: int, stop: int, z: Reals2d, bias: Reals1d) -> None:
    for r in range(start, stop):
        row = z[r]
        for j in range(lane(), row.shape[0], lanes()):
            v = row[j] + bias[j]
            row[j] = ZERO if v < ZERO else v


@blockwise(cpu=64, cuda=32)
def backprop_bias_relu(
    block: int, start: int, stop: int, dz: Reals2d, dy: Reals2d, y: Reals2d, d_bias: Reals2d
) -> None:
    """d_bias: (blocks, width), the sums of each block."""
    width = y.shape[1]
    total = d_bias[block]
    for j in range(lane(), width, lanes()):
        total[j] = ZERO
    for r in range(start, stop):
        own, d, result = y[r], dy[r], dz[r]
        for j in range(lane(), width, lanes()):
            result[j] = ZERO if own[j] <= ZERO else d[j]
        for j in range(lane(), width, lanes()):
            total[j] += result[j]


@blockwise(cpu=16, cuda=1)
def bias_softmax(block: int, start: int, stop: int, z: Reals2d, z_flat: Reals1d, bias: Reals1d) -> None:
    """z_flat is the memory of z as one row; z itself only says how many rows there are."""
    apart()
    width = z.shape[1]
    for r in range(start, stop):
        row = z_flat[r * width : (r + 1) * width]
        for j in range(lane(), width, lanes()):
            row[j] += bias[j]
        best = lowest_key()
        for j in range(lane(), width, lanes()):
            best = max(best, order_key(row[j]))
        top = from_order_key(max_lanes(best))
        for j in range(lane(), width, lanes()):
            row[j] -= top
    to_shares(z_flat, start, stop, width)
