"""The LSTM (Hochreiter & Schmidhuber, 1997; forget gate of Gers et al., 2000).

The columns of `gates` are four blocks as wide as the state: forget gate, input gate, output gate, candidate. No loop
has more than four arrays: beyond that LLVM gives up on telling them apart, and does not vectorise.

`lstm`, `lstm_few` and `backprop_lstm` walk through whole sequences, products included, both directions in one call.
They are for a CPU, where calling a step from Python takes as long as its work does. A GPU does one `lstm_step` after
the other, with all of its processors at work on each.

In a walk, items are sequences: those of the first direction, the longest first, then those of the second. Each
direction has room for a multiple of a block's rows, so that a block belongs to one direction and no block needs
another. An array with a row for each row of the batch and each direction has those of the first direction first. sizes
(steps,) says how many sequences reach each step. The row of a sequence at a step is the sum of step_rows (steps,) and
sequence_rows (sequences,): a batch may lie step by step or sequence by sequence.
"""

from __future__ import annotations

from ._compile import blockwise, rowwise
from ._rows import add_row, clear_row, copy_row
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
def enter_step(g: Real, bias: Real, y: Real, cell: Real, hidden: Real, width: int) -> None:
    """One step of one row, in place.

    g: at first what goes into the gates without the bias, then the gates. hidden, cell: at first the states before the
    step, then those after it. Lanes read what other lanes wrote only if the width is no multiple of theirs.
    """
    for j in range(lane(), 3 * width, lanes()):
        g[j] = logistic(g[j] + bias[j])
    update, b_update = g[3 * width :], bias[3 * width :]
    for j in range(lane(), width, lanes()):
        update[j] = tanh(update[j] + b_update[j])
    sync_lanes()
    forget, enter, leave = g[:width], g[width : 2 * width], g[2 * width : 3 * width]
    for j in range(lane(), width, lanes()):
        cell[j] = forget[j] * cell[j]
    for j in range(lane(), width, lanes()):
        cell[j] += enter[j] * update[j]
    for j in range(lane(), width, lanes()):
        y[j] = leave[j] * tanh(cell[j])
    for j in range(lane(), width, lanes()):
        hidden[j] = y[j]


@inline
def leave_step(d: Real, g: Real, dy: Real, dh: Real, dc: Real, state: Real, before: Real, width: int) -> None:
    """One step of one row backwards, in place.

    d becomes the gradient of what went into the gates g. dh, dc: at first the gradients of the states after the step;
    dc becomes that of the cell before it. That of the hidden state before it is the caller's to compute, from d.
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
    # Nobody reads the states of a sequence that has ended, and one that starts finds the initial states.
    width = y.shape[1]
    add_row(gates[r], recurrent[r], 4 * width)
    sync_lanes()
    enter_step(gates[r], bias, y[r], cell[r], hidden[r], width)
    copy_row(c[r], cell[r], width)


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


@blockwise(cpu=8, cuda=1)
def lstm(
    block: int,
    start: int,
    stop: int,
    operands: Reals2d,
    y: Reals2d,
    c: Reals2d,
    gates: Reals2d,
    cell: Reals2d,
    z: Reals2d,
    x: Reals2d,
    weights: Reals2d,
    bias: Reals2d,
    initial_hidden: Reals2d,
    initial_cell: Reals2d,
    sizes: Int64s1d,
    step_rows: Int64s1d,
    sequence_rows: Int64s1d,
    keeps: int,
) -> None:
    """y (rows, directions * width); if `keeps`, gates (directions * rows, 4 * width) and c (directions * rows, width).

    weights (directions * inner, 4 * width): those of the input above those of the output before, transposed.
    operands (items, inner), cell (items, width) and z (items, 4 * width) are scratch memory: a step's input beside the
    hidden state, so that one product does for both; the cells; what goes into the gates.
    """
    width, inner = cell.shape[1], operands.shape[1]
    inputs = inner - width
    room = cell.shape[0] // bias.shape[0]
    way = start // room
    first, end = start - way * room, stop - way * room
    own = weights[way * inner : (way + 1) * inner]
    for i in range(start, stop):
        copy_row(cell[i], initial_cell[way], width)
        copy_row(operands[i, inputs:], initial_hidden[way], width)
    steps = sizes.shape[0]
    for step in range(steps):
        t = steps - 1 - step if way else step
        count = min(end, sizes[t]) - first
        if count > 0:
            for i in range(count):
                copy_row(operands[start + i], x[step_rows[t] + sequence_rows[first + i]], inputs)
            sync_lanes()
            multiply(z[start : start + count], operands[start : start + count], own)
            sync_lanes()
            for i in range(count):
                r = step_rows[t] + sequence_rows[first + i]
                g, hidden = z[start + i], operands[start + i, inputs:]
                enter_step(g, bias[way], y[r, way * width : (way + 1) * width], cell[start + i], hidden, width)
                if keeps:
                    place = way * x.shape[0] + r
                    copy_row(gates[place], g, 4 * width)
                    copy_row(c[place], cell[start + i], width)
            sync_lanes()


@blockwise(cpu=8, cuda=1)
def lstm_few(
    block: int,
    start: int,
    stop: int,
    hidden: Reals2d,
    gates: Reals2d,
    c: Reals2d,
    y: Reals2d,
    cell: Reals2d,
    z: Reals2d,
    x: Reals2d,
    W_in: Reals2d,
    W_rec: Reals2d,
    W_in_back: Reals2d,
    W_rec_back: Reals2d,
    bias: Reals2d,
    initial_hidden: Reals2d,
    initial_cell: Reals2d,
    sizes: Int64s1d,
    step_rows: Int64s1d,
    sequence_rows: Int64s1d,
    keeps: int,
) -> None:
    """`lstm` for no more sequences than a block has, with the weights of both directions as they are.

    With one or two rows at a time, transposed copies of the weights gain nothing, but one product for all the input
    does.
    """
    width, rows = cell.shape[1], x.shape[0]
    way = start // (cell.shape[0] // bias.shape[0])
    of_input, of_hidden = W_in_back if way else W_in, W_rec_back if way else W_rec
    own = gates[way * rows : (way + 1) * rows]
    multiply_transposed(own, x, of_input)
    for i in range(start, stop):
        copy_row(cell[i], initial_cell[way], width)
        copy_row(hidden[i], initial_hidden[way], width)
    sync_lanes()
    steps = sizes.shape[0]
    for step in range(steps):
        t = steps - 1 - step if way else step
        count = sizes[t]
        multiply_transposed(z[start : start + count], hidden[start : start + count], of_hidden)
        sync_lanes()
        for i in range(count):
            r = step_rows[t] + sequence_rows[i]
            add_row(own[r], z[start + i], 4 * width)
            sync_lanes()
            part = y[r, way * width : (way + 1) * width]
            enter_step(own[r], bias[way], part, cell[start + i], hidden[start + i], width)
            if keeps:
                copy_row(c[way * rows + r], cell[start + i], width)
        sync_lanes()


@blockwise(cpu=8, cuda=1)
def backprop_lstm(
    block: int,
    start: int,
    stop: int,
    d: Reals2d,
    d_gates: Reals2d,
    d_bias: Reals2d,
    before: Reals2d,
    d_hidden: Reals2d,
    d_cell: Reals2d,
    dy: Reals2d,
    y: Reals2d,
    gates: Reals2d,
    c: Reals2d,
    initial_hidden: Reals2d,
    initial_cell: Reals2d,
    W_rec: Reals2d,
    W_rec_back: Reals2d,
    sizes: Int64s1d,
    step_rows: Int64s1d,
    sequence_rows: Int64s1d,
) -> None:
    """d_gates (directions * rows, 4 * width), d_bias (blocks, 4 * width), before (directions * rows, width).

    d_bias: the sums of each block. before: the hidden state before each row. d (items, 4 * width), d_hidden and d_cell
    (items, width) are scratch memory. The gradient of the input is left to a product afterwards, which is faster with
    only its own weights in the cache.
    """
    width, rows = d_cell.shape[1], y.shape[0]
    room = d_cell.shape[0] // initial_cell.shape[0]
    way = start // room
    first, end = start - way * room, stop - way * room
    left, right = way * width, (way + 1) * width
    weights = W_rec_back if way else W_rec
    clear_row(d_bias[block], 4 * width)
    for i in range(start, stop):
        clear_row(d_hidden[i], width)
        clear_row(d_cell[i], width)
    sync_lanes()
    steps = sizes.shape[0]
    for step in range(steps):
        t = step if way else steps - 1 - step
        # The step before this one in its direction.
        earlier = t + 1 if way else t - 1
        found = 0 if earlier < 0 or earlier >= steps else sizes[earlier]
        count = min(end, sizes[t]) - first
        if count > 0:
            for i in range(count):
                r = step_rows[t] + sequence_rows[first + i]
                place, item = way * rows + r, start + i
                c_before, y_before = initial_cell[way], initial_hidden[way]
                if first + i < found:
                    other = step_rows[earlier] + sequence_rows[first + i]
                    c_before, y_before = c[way * rows + other], y[other, left:right]
                copy_row(before[place], y_before, width)
                own = dy[r, left:right]
                leave_step(d[item], gates[place], own, d_hidden[item], d_cell[item], c[place], c_before, width)
                sync_lanes()
                copy_row(d_gates[place], d[item], 4 * width)
                add_row(d_bias[block], d[item], 4 * width)
            sync_lanes()
            multiply(d_hidden[start : start + count], d[start : start + count], weights)
            sync_lanes()
