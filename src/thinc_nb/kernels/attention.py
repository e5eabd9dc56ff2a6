"""Attention and the sum of what it weighs: the rows of a sequence are in the nearest cache for both.

Sequence k is the rows from offsets[k] to offsets[k + 1]. The arithmetic is that of the operations one by one.
"""

from __future__ import annotations

from ._compile import blockwise, rowwise
from ._words import Int64s1d, Reals1d, Reals2d, exp, lane, lanes, real, sum_lanes, sync_lanes
from .activations import clip
from .reduce import EXP_LIMIT

ZERO, ONE = 0.0, 1.0


@rowwise
def attend_sum(
    k: int, y: Reals2d, attention: Reals1d, x: Reals2d, query: Reals1d, offsets: Int64s1d, mean: int
) -> None:
    """y[k] = the sum, or mean, of the sequence's rows times attention = softmax(x · query)."""
    start, end = offsets[k], offsets[k + 1]
    row, shares = y[k], attention[start:end]
    width = row.shape[0]
    for j in range(lane(), width, lanes()):
        row[j] = ZERO
    if start == end:
        return
    for r in range(start, end):
        own = x[r]
        score = ZERO
        for j in range(lane(), width, lanes()):
            score += own[j] * query[j]
        score = sum_lanes(score)
        if lane() == 0:
            attention[r] = score
    sync_lanes()
    total = ZERO
    for i in range(lane(), shares.shape[0], lanes()):
        # Clipped, not the maximum subtracted: as softmax_sequences does.
        share = exp(clip(shares[i], -EXP_LIMIT, EXP_LIMIT))
        shares[i] = share
        total += share
    scale = ONE / sum_lanes(total)
    for i in range(lane(), shares.shape[0], lanes()):
        shares[i] *= scale
    sync_lanes()
    for r in range(start, end):
        own = x[r]
        share = attention[r]
        for j in range(lane(), width, lanes()):
            row[j] += own[j] * share
    if mean:
        part = ONE / real(end - start)
        for j in range(lane(), width, lanes()):
            row[j] *= part


# Each block adds up its own part of the query's gradient.
@blockwise(cpu=16, cuda=8)
def backprop_attend_sum(
    block: int,
    start: int,
    stop: int,
    dy: Reals2d,
    dx: Reals2d,
    d_query: Reals2d,
    d_scores: Reals1d,
    attention: Reals1d,
    x: Reals2d,
    query: Reals1d,
    offsets: Int64s1d,
    mean: int,
) -> None:
    """d_query: (blocks, width). d_scores (n,) is room."""
    width = dy.shape[1]
    own_d = d_query[block]
    for j in range(lane(), width, lanes()):
        own_d[j] = ZERO
    for k in range(start, stop):
        first, end = offsets[k], offsets[k + 1]
        d = dy[k]
        part = ONE / real(end - first) if mean and end > first else ONE
        total = ZERO
        for r in range(first, end):
            own = x[r]
            score = ZERO
            for j in range(lane(), width, lanes()):
                score += own[j] * d[j]
            score = sum_lanes(score) * part
            total += score * attention[r]
            if lane() == 0:
                d_scores[r] = score
        sync_lanes()
        for r in range(first, end):
            own, result = x[r], dx[r]
            share = attention[r] * part
            slope = attention[r] * (d_scores[r] - total)
            for j in range(lane(), width, lanes()):
                result[j] = d[j] * share + slope * query[j]
            for j in range(lane(), width, lanes()):
                own_d[j] += slope * own[j]
