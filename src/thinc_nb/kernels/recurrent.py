"""The LSTM (Hochreiter & Schmidhuber, 1997; forget gate of Gers et al., 2000).

The columns of `gates` are four blocks as wide as the state: forget gate, input gate, output gate, candidate. No loop
has more than four arrays: beyond that LLVM gives up on telling them apart, and does not vectorise.

`lstm`, `lstm_few` and `backprop_lstm` walk through whole sequences, products included, both directions in one call: for
a CPU, where a step from Python takes as long as its work does. A GPU has the work of one step after the other,
`lstm_step`, so that all of it works on each.

In a walk, items are the sequences of the first direction, the longest first, then those of the second, for each with
room up to a multiple of a block's rows, so that a block is of one direction: none needs to know of another. What there
is for each row of the batch and of a direction, is there for the rows of the first direction, then of the second. sizes
(steps,) says how many sequences are at each step. The row of a sequence's step is the sum of step_rows (steps,) and
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
    """A row of a step. g comes as what goes into the gates, but for the bias, and leaves as the gates.

    hidden and cell are the states before the step, and after it those after. Lanes read what other lanes wrote only if
    the width is no multiple of theirs.
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
    operands (items, inner), cell (items, width) and z (items, 4 * width) are room: a step's input beside the hidden
    state, whose product is one then; the cells; what goes into the gates.
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
    """The same for no more sequences than a block has, with the weights as they are: those of the two directions.

    With one or two rows at a time nothing is gained by copies of the weights, and much by the input's product at once.
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

    d_bias are the sums of each block, before the hidden states that the rows found. d (items, 4 * width), d_hidden and
    d_cell (items, width) are room. The product for the gradient of the input is faster afterwards, with its weights
    alone in the cache.
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
        # Where the direction comes from.
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
