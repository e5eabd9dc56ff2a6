"""An LSTM after the products of its input (Hochreiter & Schmidhuber, 1997; forget gate of Gers et al., 2000).

The columns of `gates` are four blocks as wide as the state: forget gate, input gate, output gate, candidate. No loop
has more than four arrays: beyond that LLVM gives up on telling them apart, and does not vectorise.

`lstm` and `backprop_lstm` walk through whole sequences, products included: for a CPU, where a step from Python takes as
long as its work does. A GPU has the work of one step after the other, `lstm_step`, so that all of it works on each.
"""

from __future__ import annotations

from ._compile import blockwise, rowwise
from ._words import (
    Int64s1d,
    Real,
    Reals1d,
    Reals2d,
    inline,
    lane,
    lanes,
    multiply,
    multiply_transposed,
    sync_lanes,
    tanh,
)
from .activations import logistic

ONE = 1.0


@inline
def enter_step(g: Real, z: Real, bias: Real, y: Real, kept: Real, cell: Real, hidden: Real, width: int) -> None:
    """A row of a step. g comes with what the input gives, z is what the hidden state adds, and g leaves as the gates.

    hidden and cell are the states before the step, and after it those after. Lanes read what other lanes wrote only if
    the width is no multiple of theirs.
    """
    for j in range(lane(), 3 * width, lanes()):
        g[j] = logistic(g[j] + (z[j] + bias[j]))
    update, z_update, b_update = g[3 * width :], z[3 * width :], bias[3 * width :]
    for j in range(lane(), width, lanes()):
        update[j] = tanh(update[j] + (z_update[j] + b_update[j]))
    sync_lanes()
    forget, enter, leave = g[:width], g[width : 2 * width], g[2 * width : 3 * width]
    for j in range(lane(), width, lanes()):
        cell[j] = forget[j] * cell[j]
    for j in range(lane(), width, lanes()):
        cell[j] += enter[j] * update[j]
    for j in range(lane(), width, lanes()):
        y[j] = leave[j] * tanh(cell[j])
    for j in range(lane(), width, lanes()):
        kept[j] = cell[j]
        hidden[j] = y[j]


@inline
def leave_step(d: Real, g: Real, dy: Real, dh: Real, dc: Real, state: Real, before: Real, width: int) -> None:
    """A row of a step backwards: d becomes the gradient of what went into the gates g.

    dh and dc come as the gradients of the states after the step. dc leaves as that of the cell before; dh is the
    caller's to compute from d.
    """
    forget, enter, leave, update = g[:width], g[width : 2 * width], g[2 * width : 3 * width], g[3 * width :]
    d_forget, d_enter, d_leave, d_update = d[:width], d[width : 2 * width], d[2 * width : 3 * width], d[3 * width :]
    # Until the loop that fills it, d_update holds tanh of the cell.
    for j in range(lane(), width, lanes()):
        dh[j] += dy[j]
        d_update[j] = tanh(state[j])
    for j in range(lane(), width, lanes()):
        d_leave[j] = dh[j] * d_update[j] * leave[j] * (ONE - leave[j])
    for j in range(lane(), width, lanes()):
        dc[j] += dh[j] * leave[j] * (ONE - d_update[j] * d_update[j])
    for j in range(lane(), width, lanes()):
        d_forget[j] = dc[j] * before[j] * forget[j] * (ONE - forget[j])
    for j in range(lane(), width, lanes()):
        d_enter[j] = dc[j] * update[j] * enter[j] * (ONE - enter[j])
    for j in range(lane(), width, lanes()):
        d_update[j] = dc[j] * enter[j] * (ONE - update[j] * update[j])
    for j in range(lane(), width, lanes()):
        dc[j] *= forget[j]


@rowwise
def lstm_step(
    r: int, y: Reals2d, c: Reals2d, gates: Reals2d, bias: Reals1d, hidden: Reals2d, cell: Reals2d, recurrent: Reals2d
) -> None:
    # A sequence that ends here leaves its states to nobody, one that starts finds the initial ones.
    enter_step(gates[r], recurrent[r], bias, y[r], c[r], cell[r], hidden[r], y.shape[1])


@rowwise
def backprop_lstm_step(
    r: int,
    d_gates: Reals2d,
    dy: Reals2d,
    d_hidden: Reals2d,
    d_cell: Reals2d,
    gates: Reals2d,
    c: Reals2d,
    c_before: Reals2d,
) -> None:
    leave_step(d_gates[r], gates[r], dy[r], d_hidden[r], d_cell[r], c[r], c_before[r], dy.shape[1])


# Items are sequences, the longest first: none needs to know of another. `starts` (steps + 1,) are the first row of each
# step and the end of the last.
@blockwise(cpu=16, cuda=1)
def lstm(
    block: int,
    start: int,
    stop: int,
    hidden: Reals2d,
    cell: Reals2d,
    recurrent: Reals2d,
    y: Reals2d,
    c: Reals2d,
    gates: Reals2d,
    bias: Reals1d,
    weights: Reals2d,
    starts: Int64s1d,
    backwards: int,
) -> None:
    """One direction. hidden and cell (sequences, width) come as the initial states; recurrent is room.

    c has a row for each row of y, or one for each sequence if nobody asks for the cells later. weights are (4 * width,
    width), or transposed, which is faster for many sequences.
    """
    width = y.shape[1]
    is_transposed = weights.shape[0] == width
    steps = starts.shape[0] - 1
    keeps = c.shape[0] == y.shape[0]
    for step in range(steps):
        t = steps - 1 - step if backwards else step
        first = starts[t]
        count = min(stop, starts[t + 1] - first) - start
        if count > 0:
            if is_transposed:
                multiply(recurrent[start : start + count], hidden[start : start + count], weights)
            else:
                multiply_transposed(recurrent[start : start + count], hidden[start : start + count], weights)
            sync_lanes()
            for i in range(start, start + count):
                r = first + i
                place = r if keeps else i
                enter_step(gates[r], recurrent[i], bias, y[r], c[place], cell[i], hidden[i], width)
            sync_lanes()


@blockwise(cpu=16, cuda=1)
def backprop_lstm(
    block: int,
    start: int,
    stop: int,
    d_hidden: Reals2d,
    d_cell: Reals2d,
    d_gates: Reals2d,
    dy: Reals2d,
    gates: Reals2d,
    c: Reals2d,
    initial: Reals1d,
    weights: Reals2d,
    starts: Int64s1d,
    column: int,
    backwards: int,
) -> None:
    """One direction. d_hidden and d_cell come as zeros; the direction's part of dy begins at `column`."""
    width = c.shape[1]
    steps = starts.shape[0] - 1
    for step in range(steps):
        t = step if backwards else steps - 1 - step
        first = starts[t]
        end = starts[t + 1]
        count = min(stop, end - first) - start
        if count > 0:
            for i in range(start, start + count):
                r = first + i
                # Where the direction comes from: a row of the step before, if the sequence has one.
                source = initial
                if backwards:
                    if end + i < starts[min(t + 2, steps)]:
                        source = c[end + i]
                elif t > 0:
                    source = c[starts[t - 1] + i]
                own = dy[r, column : column + width]
                leave_step(d_gates[r], gates[r], own, d_hidden[i], d_cell[i], c[r], source, width)
            sync_lanes()
            multiply(d_hidden[start : start + count], d_gates[first + start : first + start + count], weights)
            sync_lanes()
