"""Windows of three rows and their product with weights, for two rows at a time: four products do the work of six.

That is F(2, 3) of Winograd's minimal filters (1980; Lavin & Gray, 2016). The rows 2t and 2t + 1 of a result see x0 to
x3, the rows 2t - 1 to 2t + 2, through the weights g0, g1, g2 of the row before, the row itself and the row after:

    m0 = (x0 - x2) g0    m1 = (x1 + x2) (g0 + g1 + g2) / 2    m2 = (x2 - x1) (g0 - g1 + g2) / 2    m3 = (x3 - x1) g2
    y[2t] = m0 + m1 + m2                                      y[2t + 1] = m1 - m2 + m3

Each row of a result depends on the rows of its own window and on no others. The factors are small, and so are the
errors: those of a row are no larger than the plain sum's, those of the gradient of the weights 1.4 times as large
(measured, 2917 rows of width 96).

A pair of rows is an item. `t` (pairs, 4 * width) holds the four left sides of each pair, `w` (outs, 3 * width) the
weights, `h` (outs, 2 * width) those of m1 and m2, and `dm` (pairs, 4 * outs) the gradients of m0 to m3, which
`backprop_maxout_norm` writes. Where rows are odd, a row of zeros makes up the last pair.
"""

from __future__ import annotations

from ._compile import blockwise, rowwise
from ._rows import add_row
from ._words import Reals2d, Reals3d, lane, lanes, multiply, multiply_columns, multiply_pairs, sync_lanes, turn_weights

ZERO, HALF = 0.0, 0.5
PAIRS, OUTS = 16, 16
"""Pairs, and outs, in a block: see products.py."""


@rowwise
def window_pairs(p: int, t: Reals2d, x: Reals2d) -> None:
    """The left sides of the four products of each pair."""
    rows, width = x.shape
    at = 2 * p
    row = t[p]
    t0, t1, t2, t3 = row[:width], row[width : 2 * width], row[2 * width : 3 * width], row[3 * width :]
    x1 = x[at]
    if at + 1 < rows:
        x2 = x[at + 1]
        for j in range(lane(), width, lanes()):
            t1[j] = x1[j] + x2[j]
            t2[j] = x2[j] - x1[j]
        if at > 0:
            x0 = x[at - 1]
            for j in range(lane(), width, lanes()):
                t0[j] = x0[j] - x2[j]
        else:
            for j in range(lane(), width, lanes()):
                t0[j] = -x2[j]
    else:
        for j in range(lane(), width, lanes()):
            t1[j] = x1[j]
            t2[j] = -x1[j]
        if at > 0:
            x0 = x[at - 1]
            for j in range(lane(), width, lanes()):
                t0[j] = x0[j]
        else:
            for j in range(lane(), width, lanes()):
                t0[j] = ZERO
    if at + 2 < rows:
        x3 = x[at + 2]
        for j in range(lane(), width, lanes()):
            t3[j] = x3[j] - x1[j]
    else:
        for j in range(lane(), width, lanes()):
            t3[j] = -x1[j]


@rowwise
def pair_weights(o: int, h: Reals2d, w: Reals2d) -> None:
    """The right sides of m1 and m2; those of the others are the weights themselves."""
    width = h.shape[1] // 2
    first, second = h[o, :width], h[o, width:]
    g0, g1, g2 = w[o, :width], w[o, width : 2 * width], w[o, 2 * width :]
    for j in range(lane(), width, lanes()):
        outer = g0[j] + g2[j]
        first[j] = (outer + g1[j]) * HALF
        second[j] = (outer - g1[j]) * HALF


@rowwise
def pair_strips(s: int, strips: Reals3d, w: Reals2d) -> None:
    """All right sides, transposed, in strips of as many outs as a tile takes: (strips, 4 * width, outs)."""
    turn_weights(strips[s], w, s * strips.shape[2])


@blockwise(cpu=PAIRS, cuda=1)
def product_pairs(block: int, start: int, stop: int, z: Reals2d, t: Reals2d, strips: Reals3d) -> None:
    """z (pairs, 2 * outs): both rows of each pair."""
    multiply_pairs(z[start:stop], t[start:stop], strips, 0, strips.shape[0])


@rowwise
def product_pairs_by_strip(s: int, strips: Reals3d, z: Reals2d, t: Reals2d, w: Reals2d) -> None:
    """The same for few rows: the thread that transposes a strip multiplies with it too, and waits for no other."""
    turn_weights(strips[s], w, s * strips.shape[2])
    sync_lanes()
    multiply_pairs(z, t, strips, s, s + 1)


@blockwise(cpu=PAIRS, cuda=1)
def backprop_product_pairs(block: int, start: int, stop: int, dt: Reals2d, dm: Reals2d, w: Reals2d, h: Reals2d) -> None:
    """The gradients of the left sides."""
    outs, width = h.shape[0], h.shape[1] // 2
    own, given = dt[start:stop], dm[start:stop]
    multiply(own[:, :width], given[:, :outs], w[:, :width])
    multiply(own[:, width : 2 * width], given[:, outs : 2 * outs], h[:, :width])
    multiply(own[:, 2 * width : 3 * width], given[:, 2 * outs : 3 * outs], h[:, width:])
    multiply(own[:, 3 * width :], given[:, 3 * outs :], w[:, 2 * width :])


@rowwise
def backprop_window_pairs(r: int, dx: Reals2d, dy: Reals2d, dt: Reals2d, residual: int) -> None:
    """The gradient of x; with `residual`, that of the residual connection around it too, which is dy."""
    width = dx.shape[1]
    p = r // 2
    row, own = dx[r], dt[p]
    d0, d1, d2, d3 = own[:width], own[width : 2 * width], own[2 * width : 3 * width], own[3 * width :]
    if r % 2 == 0:
        for j in range(lane(), width, lanes()):
            row[j] = d1[j] - d2[j] - d3[j]
        if p > 0:
            add_row(row, dt[p - 1, 3 * width :], width)
    else:
        for j in range(lane(), width, lanes()):
            row[j] = d1[j] + d2[j] - d0[j]
        if p + 1 < dt.shape[0]:
            add_row(row, dt[p + 1, :width], width)
    if residual:
        add_row(row, dy[r], width)


@blockwise(cpu=OUTS, cuda=1)
def product_pair_columns(block: int, start: int, stop: int, d: Reals2d, dm: Reals2d, t: Reals2d) -> None:
    """d (outs, 4 * width): the gradients of the four right sides."""
    outs, width = d.shape[0], t.shape[1] // 4
    own = d[start:stop]
    for k in range(4):
        left, right = dm[:, k * outs + start : k * outs + stop], t[:, k * width : (k + 1) * width]
        multiply_columns(own[:, k * width : (k + 1) * width], left, right)


@rowwise
def backprop_pair_weights(o: int, dw: Reals2d, d: Reals2d) -> None:
    """The gradient of the weights."""
    width = d.shape[1] // 4
    d0, d1, d2, d3 = d[o, :width], d[o, width : 2 * width], d[o, 2 * width : 3 * width], d[o, 3 * width :]
    g0, g1, g2 = dw[o, :width], dw[o, width : 2 * width], dw[o, 2 * width :]
    for j in range(lane(), width, lanes()):
        g1[j] = (d1[j] - d2[j]) * HALF
    for j in range(lane(), width, lanes()):
        g0[j] = (d1[j] + d2[j]) * HALF + d0[j]
    for j in range(lane(), width, lanes()):
        g2[j] = (d1[j] + d2[j]) * HALF + d3[j]
