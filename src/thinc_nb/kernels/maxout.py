"""Maxout (Goodfellow et al., 2013): the largest of a unit's pieces, and which one it was."""

from __future__ import annotations

import numpy as np

from ._compile import blockwise, elementwise, rowwise
from ._words import Int32s1d, Int32s2d, Real, Reals1d, Reals2d, Reals3d, inline, lane, lanes, max_lanes, sync_lanes

i32, u32, u64 = np.int32, np.uint32, np.uint64
ZERO = 0.0
LOWEST, IS_OUTSIDE = np.int32(-0x80000000), np.int32(1)
NO_INDEX, ONE_INDEX, TWO_INDEX, THREE_INDEX = np.int32(0), np.int32(1), np.int32(2), np.int32(3)


@elementwise
def maxout_2(i: int, best: Reals1d, which: Int32s1d, x: Reals1d) -> None:
    a = x[2 * i]
    b = x[2 * i + 1]
    second = b > a
    best[i] = b if second else a
    which[i] = ONE_INDEX if second else NO_INDEX


@elementwise
def maxout_3(i: int, best: Reals1d, which: Int32s1d, x: Reals1d) -> None:
    a = x[3 * i]
    b = x[3 * i + 1]
    c = x[3 * i + 2]
    w = NO_INDEX
    if b > a:
        a = b
        w = ONE_INDEX
    if c > a:
        a = c
        w = TWO_INDEX
    best[i] = a
    which[i] = w


@elementwise
def maxout_4(i: int, best: Reals1d, which: Int32s1d, x: Reals1d) -> None:
    a = x[4 * i]
    b = x[4 * i + 1]
    c = x[4 * i + 2]
    d = x[4 * i + 3]
    w = NO_INDEX
    if b > a:
        a = b
        w = ONE_INDEX
    if c > a:
        a = c
        w = TWO_INDEX
    if d > a:
        a = d
        w = THREE_INDEX
    best[i] = a
    which[i] = w


@rowwise
def maxout(r: int, best: Reals2d, which: Int32s2d, x: Reals3d) -> None:
    # Any number of pieces. The place is chosen by arithmetic: chosen together with the value it becomes a branch, which
    # random pieces mispredict (10 times).
    units, largest, place = x[r], best[r], which[r]
    for j in range(lane(), units.shape[0], lanes()):
        top, w = units[j, 0], NO_INDEX
        for p in range(1, units.shape[1]):
            v = units[j, p]
            w = i32(w + i32((i32(p) - w) * i32(v > top)))
            top = v if v > top else top
        largest[j] = top
        place[j] = w


@inline
def kept(bits: Real, which: Real, piece: Real) -> Real:
    """The bits of the gradient in the piece that was largest, 0 in others: a mask, which is no branch."""
    return i32(bits & -i32(which == piece))


# dy and dx are float32 gradients seen as int32, their bits. outside[0] becomes 1 if an entry of `which` is no piece:
# the largest one, as an unsigned number, tells. A separate pass over them would take a quarter of the time.


@blockwise(cpu=4096, cuda=256)
def backprop_maxout_2(
    block: int, start: int, stop: int, dy: Int32s1d, which: Int32s1d, dx: Int32s1d, outside: Int32s1d
) -> None:
    d, places, part = dy[start:stop], which[start:stop], dx[2 * start : 2 * stop]
    top = LOWEST
    for i in range(lane(), d.shape[0], lanes()):
        bits, w = d[i], places[i]
        top = max(top, i32(w ^ LOWEST))
        part[2 * i] = kept(bits, w, NO_INDEX)
        part[2 * i + 1] = kept(bits, w, ONE_INDEX)
    top = max_lanes(top)
    if lane() == 0 and u32(top ^ LOWEST) > u32(ONE_INDEX):
        outside[0] = IS_OUTSIDE


@blockwise(cpu=4096, cuda=256)
def backprop_maxout_3(
    block: int, start: int, stop: int, dy: Int32s1d, which: Int32s1d, dx: Int32s1d, outside: Int32s1d
) -> None:
    d, places, part = dy[start:stop], which[start:stop], dx[3 * start : 3 * stop]
    top = LOWEST
    for i in range(lane(), d.shape[0], lanes()):
        bits, w = d[i], places[i]
        top = max(top, i32(w ^ LOWEST))
        part[3 * i] = kept(bits, w, NO_INDEX)
        part[3 * i + 1] = kept(bits, w, ONE_INDEX)
        part[3 * i + 2] = kept(bits, w, TWO_INDEX)
    top = max_lanes(top)
    if lane() == 0 and u32(top ^ LOWEST) > u32(TWO_INDEX):
        outside[0] = IS_OUTSIDE


@blockwise(cpu=4096, cuda=256)
def backprop_maxout_4(
    block: int, start: int, stop: int, dy: Int32s1d, which: Int32s1d, dx: Int32s1d, outside: Int32s1d
) -> None:
    d, places, part = dy[start:stop], which[start:stop], dx[4 * start : 4 * stop]
    top = LOWEST
    for i in range(lane(), d.shape[0], lanes()):
        bits, w = d[i], places[i]
        top = max(top, i32(w ^ LOWEST))
        part[4 * i] = kept(bits, w, NO_INDEX)
        part[4 * i + 1] = kept(bits, w, ONE_INDEX)
        part[4 * i + 2] = kept(bits, w, TWO_INDEX)
        part[4 * i + 3] = kept(bits, w, THREE_INDEX)
    top = max_lanes(top)
    if lane() == 0 and u32(top ^ LOWEST) > u32(THREE_INDEX):
        outside[0] = IS_OUTSIDE


# A block of units is zeroed and then written to while it is in the nearest cache. Unsigned places: for signed ones
# numba asks at each store whether they count from the end (1.7 times).
@blockwise(cpu=512, cuda=32)
def backprop_maxout(block: int, start: int, stop: int, dy: Reals1d, which: Int32s1d, dx: Reals1d, pieces: int) -> None:
    d = dy[start:stop]
    w = which[start:stop]
    part = dx[start * pieces : stop * pieces]
    for k in range(lane(), part.shape[0], lanes()):
        part[k] = ZERO
    sync_lanes()
    for i in range(lane(), d.shape[0], lanes()):
        part[u64(i) * u64(pieces) + u64(u32(w[i]))] = d[i]
