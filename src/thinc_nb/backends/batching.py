"""Minibatches."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice, pairwise
from typing import Any, TypeAlias, TypeVar

import numpy as np

from .._arrays import get_array_module, is_xp_array
from .._described import described
from ..schedules import Schedule
from ..types import Batchable, Ints1d, Pairs, SizedGenerator
from ._base import OpsBase, check_integer

BatchT = TypeVar("BatchT", bound=Batchable)


class BatchingOps(OpsBase):
    """`minibatch` and `multibatch`."""

    def minibatch(
        self, size: int | Iterable[float], sequence: BatchT, *, shuffle: bool = False, buffer: int = 1
    ) -> SizedGenerator[BatchT]:
        """Batches of a sequence: a list, tuple, array, Ragged, Padded, Pairs of these, or what is indexed like them.

        `size` is the size of the batches, or an iterable that gives the size of each, cut to an integer; as many are
        taken from it as there are batches, at once. Batches are copies, of the sequence's kind, and new at each
        iteration. `shuffle` draws an order from numpy's global random state at each iteration; `buffer` says how many
        batches are made ahead.

        ValueError for what is no sequence, a size below 1, or sizes that end before the sequence does.
        """
        if not _is_sequence(sequence):
            raise ValueError(f"Can't minibatch data. Expected sequence, got {type(sequence).__name__}")
        return _batches("minibatch", size, sequence.__len__(), lambda rows: _select(sequence, rows), shuffle, buffer)

    def multibatch(
        self,
        size: int | Iterable[float],
        sequence: Batchable,
        *others: Batchable,
        shuffle: bool = False,
        buffer: int = 1,
    ) -> SizedGenerator[list[Any]]:
        """Batches of several sequences of one length: each is a list with a batch of every sequence, in one order.

        All else is as for `minibatch`; ValueError also if the sequences differ in length.
        """
        sequences = (sequence, *others)
        for place, each in enumerate(sequences):
            if not _is_sequence(each):
                raise ValueError(
                    f"Can't multibatch data. Expected sequences, got {type(each).__name__} at position {place}"
                )
            if len(each) != len(sequence):
                raise ValueError(
                    f"multibatch: sequences must have one length: {len(sequence)}, {len(each)} at position {place}"
                )

        def select(rows: Rows) -> list[Any]:
            return [_select(each, rows) for each in sequences]

        return _batches("multibatch", size, len(sequence), select, shuffle, buffer)


BatchOfT = TypeVar("BatchOfT")
Rows: TypeAlias = Ints1d | range
"""Positions of items: a range where they are in order, which are copied in one piece."""


def _batches(
    what: str,
    size: int | Iterable[float],
    count: int,
    select: Callable[[Rows], BatchOfT],
    shuffle: bool,
    buffer: int,
) -> SizedGenerator[BatchOfT]:
    sizes = _sizes(what, size, count)
    buffer = max(1, min(check_integer(f"{what}: buffer", buffer, -sys.maxsize, sys.maxsize), len(sizes)))
    bounds = [0, *accumulate(sizes)]
    rows: Any = np.arange(count) if shuffle else range(count)

    def iterate() -> Iterator[BatchOfT]:
        if shuffle:
            # The state that fix_random_seed seeds. What was shuffled before is shuffled again, as in Thinc, so that
            # the same seed gives the same batches in every epoch.
            np.random.shuffle(rows)
        order = rows.copy() if shuffle else rows
        batches = (select(order[start:end]) for start, end in pairwise(bounds))
        while made := list(islice(batches, buffer)):
            yield from made

    return SizedGenerator(iterate, len(sizes))


def _sizes(what: str, size: Any, count: int) -> list[int]:
    """The sizes of the batches that `count` items make."""
    if isinstance(size, Schedule):
        size = size.to_generator()
    try:
        fixed = operator.index(size)
    except TypeError:
        if isinstance(size, str) or not isinstance(size, Iterable):
            raise TypeError(f"{what}: size must be an integer or an iterable of them, got {described(size)}") from None
    else:
        if fixed < 1:
            raise ValueError(f"{what}: size must be at least 1, got {fixed}")
        return [fixed] * (count // fixed) + ([count % fixed] if count % fixed else [])
    sizes: list[int] = []
    given = iter(size)
    left = count
    while left > 0:
        try:
            next_size = int(next(given))
        except StopIteration:
            raise ValueError(
                f"{what}: the sizes ended after {len(sizes)} batches, {left} of {count} items left"
            ) from None
        if next_size < 1:
            raise ValueError(f"{what}: sizes must be at least 1, got {next_size} at position {len(sizes)}")
        sizes.append(min(next_size, left))
        left -= next_size
    return sizes


def _is_sequence(obj: Any) -> bool:
    if isinstance(obj, Pairs):
        return _is_sequence(obj.one) and _is_sequence(obj.two)
    if is_xp_array(obj):
        return obj.ndim > 0
    return hasattr(obj, "__len__") and hasattr(obj, "__getitem__") and not isinstance(obj, Mapping)


def _select(sequence: Any, rows: Rows) -> Any:
    """The items at these positions, as a sequence of the same kind."""
    if is_xp_array(sequence):
        if isinstance(rows, range):
            return sequence[rows.start : rows.stop].copy()
        return sequence[get_array_module(sequence).asarray(rows)]
    places = rows if isinstance(rows, range) else rows.tolist()
    if isinstance(sequence, tuple):
        return tuple(sequence[row] for row in places)
    if isinstance(sequence, Sequence):
        return [sequence[row] for row in places]
    if isinstance(sequence, Pairs):
        return Pairs(_select(sequence.one, rows), _select(sequence.two, rows))
    return sequence[np.asarray(rows)]
