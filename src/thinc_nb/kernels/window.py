"""Windows over sequences: each row beside its neighbours, as a convolution needs them."""

from __future__ import annotations

from ._compile import rowwise
from ._words import Int32s1d, Reals2d, lane, lanes

ZERO = 0.0


@rowwise
def seq2col(r: int, out: Reals2d, x: Reals2d, starts: Int32s1d, ends: Int32s1d, window: int) -> None:
    width = x.shape[1]
    for w in range(-window, window + 1):
        source = r + w
        columns = out[r, (w + window) * width : (w + window + 1) * width]
        if starts[r] <= source < ends[r]:
            row = x[source]
            for j in range(lane(), width, lanes()):
                columns[j] = row[j]
        else:
            for j in range(lane(), width, lanes()):
                columns[j] = ZERO


@rowwise
def backprop_seq2col(r: int, dx: Reals2d, dy: Reals2d, starts: Int32s1d, ends: Int32s1d, window: int) -> None:
    width = dx.shape[1]
    row = dx[r]
    own = dy[r, window * width : (window + 1) * width]
    for j in range(lane(), width, lanes()):
        row[j] = own[j]
    for w in range(1, window + 1):
        if r - w >= starts[r]:
            columns = dy[r - w, (window + w) * width : (window + w + 1) * width]
            for j in range(lane(), width, lanes()):
                row[j] += columns[j]
        if r + w < ends[r]:
            columns = dy[r + w, (window - w) * width : (window - w + 1) * width]
            for j in range(lane(), width, lanes()):
                row[j] += columns[j]


@rowwise
def row_bounds(k: int, offsets: Int32s1d, lengths: Int32s1d, starts: Int32s1d, ends: Int32s1d) -> None:
    # offsets[k] is where sequence k begins; every row of it learns where its sequence begins and ends.
    start = offsets[k]
    end = start + lengths[k]
    for r in range(start + lane(), end, lanes()):
        starts[r] = start
        ends[r] = end
