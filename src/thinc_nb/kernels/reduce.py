"""Sums and maxima over each sequence of a batch, their gradients, and softmax over sequences.

Sequence k is the rows from offsets[k] to offsets[k + 1]. Where the item is a sequence but the result has rows, the
result does not come first.
"""

from __future__ import annotations

import numpy as np

from ._compile import elementwise, rowwise
from ._words import (
    Int32s1d,
    Int32s2d,
    Int64s1d,
    Reals1d,
    Reals2d,
    add_rows,
    apart,
    exp,
    lane,
    lanes,
    real,
    sum_lanes,
    sum_of,
    sync_lanes,
)
from .activations import clip

ZERO, ONE = 0.0, 1.0
u32, u64 = np.uint32, np.uint64
FIRST, IS_OUTSIDE = np.int32(0), np.int32(1)
EXP_LIMIT = 20.0
WIDE = 256
ONCE, TWICE, THRICE = np.int32(1), np.int32(2), np.int32(3)


@rowwise
def reduce_sum(k: int, out: Reals2d, x: Reals2d, offsets: Int64s1d, mean: int) -> None:
    apart()
    start, end = offsets[k], offsets[k + 1]
    total = out[k]
    width = total.shape[0]
    for j in range(lane(), width, lanes()):
        total[j] = ZERO
    # Eight of wide rows at once: memory gives more from more places (1.1 times).
    eights = start + (end - start) // 8 * 8 if width >= WIDE else start
    for r in range(start, eights, 8):
        a, b, c, d = x[r], x[r + 1], x[r + 2], x[r + 3]
        e, f, g, h = x[r + 4], x[r + 5], x[r + 6], x[r + 7]
        for j in range(lane(), width, lanes()):
            total[j] += ((a[j] + b[j]) + (c[j] + d[j])) + ((e[j] + f[j]) + (g[j] + h[j]))
    add_rows(total, x, eights, end)
    if mean and end > start:
        scale = ONE / real(end - start)
        for j in range(lane(), width, lanes()):
            total[j] *= scale


@rowwise
def backprop_reduce_sum(k: int, dy: Reals2d, dx: Reals2d, offsets: Int64s1d, mean: int) -> None:
    # Row after row: four at once, as above, take large arrays 1.6 times as long.
    apart()
    start, end = offsets[k], offsets[k + 1]
    scale = ONE / real(end - start) if mean and end > start else ONE
    total = dy[k]
    width = total.shape[0]
    for r in range(start, end):
        row = dx[r]
        for j in range(lane(), width, lanes()):
            row[j] = total[j] * scale


@rowwise
def reduce_max(k: int, out: Reals2d, which: Int32s2d, x: Reals2d, offsets: Int64s1d) -> None:
    apart()
    start, end = offsets[k], offsets[k + 1]
    best, place = out[k], which[k]
    first = x[start]
    width = best.shape[0]
    for j in range(lane(), width, lanes()):
        best[j] = first[j]
        place[j] = FIRST
    # Four rows at once, as for sums: 1.8 times as fast.
    rest = start + 1 + (end - start - 1) // 4 * 4
    for r in range(start + 1, rest, 4):
        one, two, three, four = x[r], x[r + 1], x[r + 2], x[r + 3]
        step = np.int32(r - start)
        second, third, fourth = np.int32(step + ONCE), np.int32(step + TWICE), np.int32(step + THRICE)
        for j in range(lane(), width, lanes()):
            a, b, c, d, top, w = one[j], two[j], three[j], four[j], best[j], place[j]
            larger = a > top
            top = a if larger else top
            w = step if larger else w
            larger = b > top
            top = b if larger else top
            w = second if larger else w
            larger = c > top
            top = c if larger else top
            w = third if larger else w
            larger = d > top
            best[j] = d if larger else top
            place[j] = fourth if larger else w
    for r in range(rest, end):
        row = x[r]
        step = np.int32(r - start)
        for j in range(lane(), width, lanes()):
            v, top, w = row[j], best[j], place[j]
            larger = v > top
            best[j] = v if larger else top
            place[j] = step if larger else w


# The gradients below are zeros but for a few elements. A sequence's rows are zeroed in one go, which is memset, and
# written to while they are in the cache: comparing each row with `which` takes 1.2 times as long.


@rowwise
def backprop_reduce_max(
    k: int, dy: Reals2d, dx: Reals1d, which: Int32s2d, offsets: Int64s1d, outside: Int32s1d
) -> None:
    """outside[0] becomes 1 if an entry of `which` is no row of its sequence."""
    d, places = dy[k], which[k]
    width = d.shape[0]
    rows = u32(offsets[k + 1] - offsets[k])
    part = dx[offsets[k] * width : offsets[k + 1] * width]
    for i in range(lane(), part.shape[0], lanes()):
        part[i] = ZERO
    sync_lanes()
    for j in range(lane(), width, lanes()):
        place = u32(places[j])
        if place < rows:
            part[u64(place) * u64(width) + u64(j)] = d[j]
        else:
            outside[0] = IS_OUTSIDE


@rowwise
def spread_rows(k: int, values: Reals2d, out: Reals1d, places: Int64s1d, outside: Int32s1d, rows: int) -> None:
    """values[k] in row places[k], zeros in the others. outside[0] becomes 1 if places do not rise within the rows."""
    row = values[k]
    width = row.shape[0]
    first = places[k - 1] + 1 if k > 0 else 0
    # Each for itself: so nothing is written that is not there, whatever the places are.
    if (k > 0 and first <= 0) or places[k] < first or places[k] >= rows:
        outside[0] = IS_OUTSIDE
        return
    before = out[first * width : places[k] * width]
    for i in range(lane(), before.shape[0], lanes()):
        before[i] = ZERO
    own = out[places[k] * width : (places[k] + 1) * width]
    for j in range(lane(), width, lanes()):
        own[j] = row[j]
    if k == values.shape[0] - 1:
        after = out[(places[k] + 1) * width :]
        for i in range(lane(), after.shape[0], lanes()):
            after[i] = ZERO


@elementwise
def exp_clipped(i: int, out: Reals1d, x: Reals1d) -> None:
    # Not the maximum subtracted, as in other softmaxes: Thinc's results are those of clipping.
    out[i] = exp(clip(x[i], -EXP_LIMIT, EXP_LIMIT))


# Arrays of rows are flat below, and rows as wide as those of totals. Where they have one column, as the weights of
# attention, a sequence is one vector: 2 µs for 80 sequences of 25 rows, and 9 row by row.


@rowwise
def normalise_sequences(k: int, totals: Reals2d, out: Reals1d, offsets: Int64s1d) -> None:
    apart()
    total = totals[k]
    width = total.shape[0]
    rows = offsets[k + 1] - offsets[k]
    if rows == 0:
        return
    part = out[offsets[k] * width : offsets[k + 1] * width]
    if width == 1:
        scale = ONE / sum_of(part)
        for i in range(lane(), part.shape[0], lanes()):
            part[i] *= scale
        return
    for j in range(lane(), width, lanes()):
        total[j] = ZERO
    for r in range(rows):
        row = part[r * width : (r + 1) * width]
        for j in range(lane(), width, lanes()):
            total[j] += row[j]
    for j in range(lane(), width, lanes()):
        total[j] = ONE / total[j]
    for r in range(rows):
        row = part[r * width : (r + 1) * width]
        for j in range(lane(), width, lanes()):
            row[j] *= total[j]


@rowwise
def backprop_softmax_sequences(
    k: int, totals: Reals2d, dx: Reals1d, dy: Reals1d, y: Reals1d, offsets: Int64s1d
) -> None:
    apart()
    total = totals[k]
    width = total.shape[0]
    rows, start, end = offsets[k + 1] - offsets[k], offsets[k] * width, offsets[k + 1] * width
    part, d_part, y_part = dx[start:end], dy[start:end], y[start:end]
    if width == 1:
        one = ZERO
        for i in range(lane(), part.shape[0], lanes()):
            one += y_part[i] * d_part[i]
        one = sum_lanes(one)
        for i in range(lane(), part.shape[0], lanes()):
            part[i] = y_part[i] * (d_part[i] - one)
        return
    for j in range(lane(), width, lanes()):
        total[j] = ZERO
    for r in range(rows):
        d, row = d_part[r * width : (r + 1) * width], y_part[r * width : (r + 1) * width]
        for j in range(lane(), width, lanes()):
            total[j] += row[j] * d[j]
    for r in range(rows):
        result, d = part[r * width : (r + 1) * width], d_part[r * width : (r + 1) * width]
        row = y_part[r * width : (r + 1) * width]
        for j in range(lane(), width, lanes()):
            result[j] = row[j] * (d[j] - total[j])
