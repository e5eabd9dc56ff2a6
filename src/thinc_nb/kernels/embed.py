"""Rows of a table: gathered and summed, and gradients scattered back."""

from __future__ import annotations

from ._compile import rowwise
from ._words import Int32s1d, Int32s2d, Int64s1d, Reals2d, atomic_add, lane, lanes, prefetch

ZERO = 0.0
NARROW = 64
# Rows of a table lie here and there, and whoever waits for one waits for all after it. So they are asked for before
# they are read, by so many rows of the result, which takes 0.8 to 0.95 of the time. Narrow ones are as soon read.
GATHER_AHEAD, SCATTER_AHEAD, SCATTER_ROWS_AHEAD = 2, 4, 1


@rowwise
def gather_add(r: int, out: Reals2d, table: Reals2d, indices: Int32s2d) -> None:
    width = table.shape[1]
    row = out[r]
    if width >= NARROW and r + GATHER_AHEAD < indices.shape[0]:
        for k in range(indices.shape[1]):
            prefetch(table[indices[r + GATHER_AHEAD, k]])
    if indices.shape[1] == 4:
        # The four of a hashed embedding at once: each is read, and the sum written, a single time.
        a = table[indices[r, 0]]
        b = table[indices[r, 1]]
        c = table[indices[r, 2]]
        d = table[indices[r, 3]]
        for j in range(lane(), width, lanes()):
            row[j] = (a[j] + b[j]) + (c[j] + d[j])
    else:
        for j in range(lane(), width, lanes()):
            row[j] = ZERO
        for k in range(indices.shape[1]):
            entry = table[indices[r, k]]
            for j in range(lane(), width, lanes()):
                row[j] += entry[j]


@rowwise
def scatter_add(r: int, indices: Int32s1d, values: Reals2d, table: Reals2d) -> None:
    if table.shape[1] >= NARROW and r + SCATTER_AHEAD < indices.shape[0]:
        prefetch(table[indices[r + SCATTER_AHEAD]])
    entry = table[indices[r]]
    for j in range(lane(), table.shape[1], lanes()):
        atomic_add(entry, j, values[r, j])


@rowwise
def scatter_add_rows(r: int, indices: Int32s2d, values: Reals2d, table: Reals2d) -> None:
    """The gradient of gather_add: each row of values is added to every row of the table that it was summed from."""
    if table.shape[1] >= NARROW and r + SCATTER_ROWS_AHEAD < indices.shape[0]:
        for k in range(indices.shape[1]):
            prefetch(table[indices[r + SCATTER_ROWS_AHEAD, k]])
    for k in range(indices.shape[1]):
        entry = table[indices[r, k]]
        for j in range(lane(), table.shape[1], lanes()):
            atomic_add(entry, j, values[r, j])


@rowwise
def scatter_add_sorted(
    s: int,
    starts: Int64s1d,
    ends: Int64s1d,
    order: Int64s1d,
    indices: Int32s1d,
    values: Reals2d,
    table: Reals2d,
    copies: int,
) -> None:
    """Both scatters without atomics, so with the same bits every time: indices are sorted, a segment is one row's.

    order[p] is where the p-th index came from, and values[order[p] // copies] what is added for it.
    """
    entry = table[indices[starts[s]]]
    for p in range(starts[s], ends[s]):
        added = values[order[p] // copies]
        for j in range(lane(), table.shape[1], lanes()):
            entry[j] += added[j]
