"""Maxout (Goodfellow et al., 2013): the largest of a unit's pieces, and which one it was."""

from __future__ import annotations

import numpy as np

from ._compile import elementwise, rowwise
from ._words import Int32s1d, Int32s2d, Reals1d, Reals2d, Reals3d, lane, lanes

ZERO = 0.0
ONE_INDEX, TWO_INDEX = np.int32(1), np.int32(2)
NO_INDEX = np.int32(0)


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


@rowwise
def maxout(r: int, best: Reals2d, which: Int32s2d, x: Reals3d) -> None:
    # Any number of pieces. Pieces outermost: the inner loop then runs over units, and vectorises.
    pieces = x.shape[2]
    for j in range(lane(), x.shape[1], lanes()):
        best[r, j] = x[r, j, 0]
        which[r, j] = NO_INDEX
    for p in range(1, pieces):
        piece = np.int32(p)
        for j in range(lane(), x.shape[1], lanes()):
            v = x[r, j, p]
            larger = v > best[r, j]
            best[r, j] = v if larger else best[r, j]
            which[r, j] = piece if larger else which[r, j]


@rowwise
def backprop_maxout(r: int, dx: Reals3d, dy: Reals2d, which: Int32s2d) -> None:
    for j in range(lane(), dx.shape[1], lanes()):
        for p in range(dx.shape[2]):
            dx[r, j, p] = ZERO
        dx[r, j, which[r, j]] = dy[r, j]
