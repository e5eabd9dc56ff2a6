"""Windows over sequences: each row beside its neighbours, as a convolution needs them."""

from __future__ import annotations

import numpy as np

from ._compile import blockwise, rowwise
from ._words import Int32s1d, Int64s1d, Int64s2d, Reals1d, Reals2d, lane, lanes

ZERO = 0.0


@rowwise
def seq2col(r: int, out: Reals2d, x_flat: Reals1d, starts: Int32s1d, ends: Int32s1d, width: int, window: int) -> None:
    # The rows of a window lie one after the other: one copy, between the zeros for what is beyond the sequence.
    first = max(r - window, starts[r])
    last = min(r + window + 1, ends[r])
    row = out[r]
    before = row[: (first - (r - window)) * width]
    rows = x_flat[first * width : last * width]
    within = row[before.shape[0] : before.shape[0] + rows.shape[0]]
    after = row[before.shape[0] + rows.shape[0] :]
    for j in range(lane(), before.shape[0], lanes()):
        before[j] = ZERO
    for j in range(lane(), rows.shape[0], lanes()):
        within[j] = rows[j]
    for j in range(lane(), after.shape[0], lanes()):
        after[j] = ZERO


# Row r of dy is read from front to back and next to row r - 1, of which only the last columns are left to read: row by
# row of dx instead, which reads from three places, takes 1.4 times as long where dy does not fit the cache. A block
# adds what it can reach: its rows are written by no other.
@blockwise(cpu=32, cuda=1)
def backprop_seq2col(
    block: int, start: int, stop: int, dx: Reals2d, dy: Reals2d, starts: Int32s1d, ends: Int32s1d, window: int
) -> None:
    width = dx.shape[1]
    for r in range(start, min(stop + window, dx.shape[0])):
        d = dy[r]
        for t in range(max(r - window, starts[r], start), min(r, stop)):
            before, columns = dx[t], d[(t - r + window) * width : (t - r + window + 1) * width]
            for j in range(lane(), width, lanes()):
                before[j] += columns[j]
        if r < stop:
            row, own = dx[r], d[window * width : (window + 1) * width]
            if window == 1 and r > starts[r]:
                # Nearly all rows of nearly all models: one pass for two.
                columns = dy[r - 1, 2 * width :]
                for j in range(lane(), width, lanes()):
                    row[j] = own[j] + columns[j]
            else:
                for j in range(lane(), width, lanes()):
                    row[j] = own[j]
                for t in range(max(r - window, starts[r]), r):
                    columns = dy[t, (r - t + window) * width : (r - t + window + 1) * width]
                    for j in range(lane(), width, lanes()):
                        row[j] += columns[j]


@rowwise
def sequence_offsets(row: int, facts: Int64s2d, offsets: Int64s1d, lengths: Int64s1d) -> None:
    """Where each sequence starts, and the end of the last; the lowest and highest length and their sum as facts[0].

    One item, since each offset needs the one before: a tenth of the time of a cumulative sum and three reductions.
    """
    if lane() == 0:
        lowest, highest = lengths[0], lengths[0]
        end = offsets[0] = 0
        for k in range(lengths.shape[0]):
            lowest = min(lowest, lengths[k])
            highest = max(highest, lengths[k])
            end += lengths[k]
            offsets[k + 1] = end
        facts[row, 0], facts[row, 1], facts[row, 2] = lowest, highest, end


@rowwise
def row_bounds(k: int, lengths: Int64s1d, offsets: Int64s1d, starts: Int32s1d, ends: Int32s1d) -> None:
    # offsets[k] is where sequence k begins; every row of it learns where its sequence begins and ends.
    start = np.int32(offsets[k])
    end = np.int32(offsets[k] + lengths[k])
    for r in range(offsets[k] + lane(), offsets[k] + lengths[k], lanes()):
        starts[r] = start
        ends[r] = end
