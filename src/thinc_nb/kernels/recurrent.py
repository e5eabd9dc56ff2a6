"""One time step of an LSTM (Hochreiter & Schmidhuber, 1997; forget gate of Gers et al., 2000), after its products.

The columns of `gates` are four blocks as wide as the state: forget gate, input gate, output gate, candidate. No loop
has more than four arrays: beyond that LLVM gives up on telling them apart, and does not vectorise.
"""

from __future__ import annotations

from ._compile import rowwise
from ._words import Reals2d, lane, lanes, sync_lanes, tanh
from .activations import logistic

ONE = 1.0


@rowwise
def lstm_step(
    r: int, y: Reals2d, c: Reals2d, gates: Reals2d, hidden: Reals2d, cell: Reals2d, recurrent: Reals2d
) -> None:
    # gates come with what the input gives, recurrent is what the hidden state adds. hidden and cell are the states
    # before the step, and after it those after: a sequence that ends here leaves them to nobody, one that starts finds
    # the initial ones.
    width = y.shape[1]
    g, z = gates[r], recurrent[r]
    for j in range(lane(), 3 * width, lanes()):
        g[j] = logistic(g[j] + z[j])
    update, z_update = g[3 * width :], z[3 * width :]
    for j in range(lane(), width, lanes()):
        update[j] = tanh(update[j] + z_update[j])
    # Lanes read below what other lanes wrote above only if the width is no multiple of theirs.
    sync_lanes()
    forget, enter, leave = g[:width], g[width : 2 * width], g[2 * width : 3 * width]
    state, kept = cell[r], c[r]
    for j in range(lane(), width, lanes()):
        state[j] = forget[j] * state[j]
    for j in range(lane(), width, lanes()):
        state[j] += enter[j] * update[j]
    result, carried = y[r], hidden[r]
    for j in range(lane(), width, lanes()):
        result[j] = leave[j] * tanh(state[j])
    for j in range(lane(), width, lanes()):
        kept[j] = state[j]
        carried[j] = result[j]


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
    # d_hidden and d_cell come as the gradients of the states after the step. d_cell leaves as that of the cell before;
    # d_hidden is the caller's to compute from d_gates.
    width = dy.shape[1]
    forget, enter = gates[r, :width], gates[r, width : 2 * width]
    leave, update = gates[r, 2 * width : 3 * width], gates[r, 3 * width :]
    d_forget, d_enter = d_gates[r, :width], d_gates[r, width : 2 * width]
    d_leave, d_update = d_gates[r, 2 * width : 3 * width], d_gates[r, 3 * width :]
    own, dh, dc = dy[r], d_hidden[r], d_cell[r]
    state, before = c[r], c_before[r]
    # Until the loop that fills it, d_update holds tanh of the cell.
    for j in range(lane(), width, lanes()):
        dh[j] += own[j]
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
