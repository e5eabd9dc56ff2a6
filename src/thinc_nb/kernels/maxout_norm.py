"""What follows the product in a maxout layer with layer normalisation, in one pass over its rows.

bias → largest piece → normalisation → dropout → residual. `z` is the product, (n, units * pieces), the 2 or 3 pieces of
a unit beside each other. Results are those of the separate kernels, and dropout draws the same elements under the same
key.
"""

from __future__ import annotations

import numpy as np

from ._compile import blockwise, rowwise
from ._rows import add_row, clear_row, copy_row
from ._words import (
    Real,
    Reals1d,
    Reals2d,
    UInt8s2d,
    UInt32,
    inline,
    lane,
    lanes,
    real,
    sqrt,
    sum_of,
    sum_of_squares,
    sums_of_products,
    sync_lanes,
)
from .dropout import random_bits

u32, u64 = np.uint32, np.uint64
ZERO, ONE = 0.0, 1.0
EPSILON = 1e-8
FIRST, SECOND, THIRD = np.uint8(0), np.uint8(1), np.uint8(2)
KEEP_ALL = np.uint32(0)


@inline
def kept(v: Real, key: Real, threshold: Real, place: int) -> Real:
    """v where the dropout of `key` keeps the element of this place, else 0."""
    return v if random_bits(key, u32(place)) >= threshold else ZERO


@inline
def largest_and_which(best: Real, which: Real, z: Real, bias: Real, pieces: int) -> None:
    """For each unit of a row the largest of its pieces of z + bias, and which one that is."""
    width = best.shape[0]
    if pieces == 3:
        for j in range(lane(), width, lanes()):
            a = z[3 * j] + bias[3 * j]
            b = z[3 * j + 1] + bias[3 * j + 1]
            c = z[3 * j + 2] + bias[3 * j + 2]
            place = FIRST
            if b > a:
                a = b
                place = SECOND
            if c > a:
                a = c
                place = THIRD
            best[j] = a
            which[j] = place
    else:
        for j in range(lane(), width, lanes()):
            a = z[2 * j] + bias[2 * j]
            b = z[2 * j + 1] + bias[2 * j + 1]
            second = b > a
            best[j] = b if second else a
            which[j] = SECOND if second else FIRST


@inline
def largest(best: Real, z: Real, bias: Real, pieces: int) -> None:
    """`largest_and_which` where nobody asks which."""
    width = best.shape[0]
    if pieces == 3:
        for j in range(lane(), width, lanes()):
            a = z[3 * j] + bias[3 * j]
            b = z[3 * j + 1] + bias[3 * j + 1]
            c = z[3 * j + 2] + bias[3 * j + 2]
            a = b if b > a else a
            best[j] = c if c > a else a
    else:
        for j in range(lane(), width, lanes()):
            a = z[2 * j] + bias[2 * j]
            b = z[2 * j + 1] + bias[2 * j + 1]
            best[j] = b if b > a else a


# All three kernels take a few rows through one simple loop after the other, while these rows are in the nearest cache.
# With one loop over rows around all that is done for a row, LLVM vectorises few of the inner ones (2.3 times as slow).


@blockwise(cpu=16, cuda=1)
def maxout_norm(
    block: int,
    start: int,
    stop: int,
    y: Reals2d,
    z: Reals2d,
    bias: Reals1d,
    gain: Reals1d,
    shift: Reals1d,
    x: Reals2d,
    normed: Reals2d,
    which: UInt8s2d,
    rstd: Reals1d,
    pieces: int,
    residual: int,
    key: UInt32,
    threshold: UInt32,
    scale: float,
) -> None:
    """For training: also keeps the normalised rows, the largest pieces and 1 / deviation. x is read if `residual`."""
    width = normed.shape[1]
    share = ONE / real(width)
    for r in range(start, stop):
        largest_and_which(normed[r], which[r], z[r], bias, pieces)
    for r in range(start, stop):
        h = normed[r]
        mean = sum_of(h) * share
        deviation = ONE / sqrt(sum_of_squares(h, mean) * share + EPSILON)
        if lane() == 0:
            rstd[r] = deviation
        for j in range(lane(), width, lanes()):
            h[j] = (h[j] - mean) * deviation
    for r in range(start, stop):
        h, out = normed[r], y[r]
        for j in range(lane(), width, lanes()):
            out[j] = h[j] * gain[j] + shift[j]
    if threshold > KEEP_ALL:
        for r in range(start, stop):
            out = y[r]
            for j in range(lane(), width, lanes()):
                out[j] = kept(out[j] * scale, key, threshold, r * width + j)
    if residual:
        for r in range(start, stop):
            add_row(y[r], x[r], width)


@blockwise(cpu=16, cuda=1)
def maxout_norm_only(
    block: int,
    start: int,
    stop: int,
    y: Reals2d,
    z: Reals2d,
    bias: Reals1d,
    gain: Reals1d,
    shift: Reals1d,
    x: Reals2d,
    pieces: int,
    residual: int,
) -> None:
    """For prediction: nothing is kept, nothing dropped."""
    width = y.shape[1]
    share = ONE / real(width)
    for r in range(start, stop):
        largest(y[r], z[r], bias, pieces)
    for r in range(start, stop):
        out = y[r]
        mean = sum_of(out) * share
        deviation = ONE / sqrt(sum_of_squares(out, mean) * share + EPSILON)
        for j in range(lane(), width, lanes()):
            out[j] = (out[j] - mean) * deviation * gain[j] + shift[j]
    if residual:
        for r in range(start, stop):
            add_row(y[r], x[r], width)


@inline
def to_largest(dz: Real, d_bias: Real, g: Real, which: Real, pieces: int) -> None:
    """A row's gradients of units, each to its largest piece. The other pieces of dz are 0 already."""
    # Zeros, then a store for each unit: 5 times as fast as three selects. Unsigned places: see maxout.py.
    for j in range(lane(), g.shape[0], lanes()):
        place = u64(j) * u64(pieces) + u64(which[j])
        dz[place] = g[j]
        d_bias[place] += g[j]


ROWS = 32
"""Rows of a block of the kernel below."""


# Each block adds up its own sums over rows: of gain, shift and bias, one after the other.
@blockwise(cpu=ROWS, cuda=ROWS)
def backprop_maxout_norm(
    block: int,
    start: int,
    stop: int,
    dz: Reals2d,
    dy: Reals2d,
    normed: Reals2d,
    which: UInt8s2d,
    rstd: Reals1d,
    gain: Reals1d,
    sums: Reals2d,
    room: Reals2d,
    pieces: int,
    paired: int,
    key: UInt32,
    threshold: UInt32,
    scale: float,
) -> None:
    """sums: (blocks, width * (2 + pieces)). room: (rows, width), scratch memory.

    If `paired`, dz holds the gradients of the four products of a pair of rows (see pairs.py), each in half a row of dz:
    two rows for a pair, also for the last one if rows are odd.
    """
    width = normed.shape[1]
    stop = min(stop, dy.shape[0])
    share = ONE / real(width)
    own = sums[block]
    d_gain, d_shift, d_bias = own[:width], own[width : 2 * width], own[2 * width :]
    clear_row(own, own.shape[0])
    sync_lanes()
    for r in range(start, stop):
        d, g = dy[r], room[r]
        if threshold > KEEP_ALL:
            for j in range(lane(), width, lanes()):
                g[j] = kept(d[j] * scale, key, threshold, r * width + j)
        else:
            copy_row(g, d, width)
    for r in range(start, stop):
        g, h = room[r], normed[r]
        for j in range(lane(), width, lanes()):
            d_gain[j] += g[j] * h[j]
            d_shift[j] += g[j]
    for r in range(start, stop):
        g, h = room[r], normed[r]
        sum_g, sum_gh = sums_of_products(g, gain, h, ZERO)
        mean_g, mean_gh = sum_g * share, sum_gh * share
        deviation = rstd[r]
        for j in range(lane(), width, lanes()):
            g[j] = deviation * (g[j] * gain[j] - mean_g - h[j] * mean_gh)
    if paired:
        outs = dz.shape[1] // 2
        for r in range(start, stop, 2):
            even, total, difference, odd = dz[r, :outs], dz[r, outs:], dz[r + 1, :outs], dz[r + 1, outs:]
            clear_row(even, outs)
            clear_row(odd, outs)
            sync_lanes()
            to_largest(even, d_bias, room[r], which[r], pieces)
            if r + 1 < stop:
                to_largest(odd, d_bias, room[r + 1], which[r + 1], pieces)
            sync_lanes()
            for j in range(lane(), outs, lanes()):
                total[j] = even[j] + odd[j]
                difference[j] = even[j] - odd[j]
    else:
        for r in range(start, stop):
            clear_row(dz[r], dz.shape[1])
        sync_lanes()
        for r in range(start, stop):
            to_largest(dz[r], d_bias, room[r], which[r], pieces)


@rowwise
def windows(r: int, out: Reals2d, x: Reals1d, width: int, window: int) -> None:
    """`seq2col` of one sequence, x flat: its rows lie beside each other already."""
    rows = out.shape[0]
    first = max(r - window, 0)
    last = min(r + window + 1, rows)
    row = out[r]
    before = (first - (r - window)) * width
    found = x[first * width : last * width]
    within = row[before : before + found.shape[0]]
    copy_row(within, found, found.shape[0])
    if before > 0:
        clear_row(row, before)
    after = row[before + found.shape[0] :]
    clear_row(after, after.shape[0])


@rowwise
def backprop_windows(r: int, dx: Reals2d, dy: Reals2d, d_columns: Reals2d, window: int, residual: int) -> None:
    """Its gradient; with `residual`, that of the residual connection around it too, which is dy."""
    rows, width = dx.shape[0], dx.shape[1]
    row = dx[r]
    own = d_columns[r, window * width : (window + 1) * width]
    if window == 1 and 0 < r < rows - 1:
        # Nearly all rows of nearly all models: one pass.
        before = d_columns[r - 1, 2 * width : 3 * width]
        after = d_columns[r + 1, :width]
        for j in range(lane(), width, lanes()):
            row[j] = own[j] + before[j] + after[j]
    else:
        copy_row(row, own, width)
        for k in range(1, window + 1):
            if r - k >= 0:
                add_row(row, d_columns[r - k, (window + k) * width :], width)
            if r + k < rows:
                add_row(row, d_columns[r + k, (window - k) * width :], width)
    if residual:
        add_row(row, dy[r], width)
