"""Minibatches of every kind of sequence."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb.backends import NumpyOps
from thinc_nb.types import Pairs, Ragged, SizedGenerator

ops = NumpyOps()
KINDS = {
    "list": lambda n: list(range(n)),
    "tuple": lambda n: tuple(range(n)),
    "range": range,
    "array": lambda n: np.arange(n),
    "Ragged": lambda n: Ragged(np.arange(2 * n)[:, None] // 2, np.full(n, 2)),
    "Padded": lambda n: ops.list2padded([np.full((1, 1), n - 1 - i) for i in range(n)]),
    "Pairs": lambda n: Pairs(list(range(n)), np.arange(n)),
}


def items(batch):
    """The numbers in a batch of one of KINDS."""
    if isinstance(batch, Ragged):
        return batch.data[::2, 0].tolist()
    if isinstance(batch, Pairs):
        assert batch.one == batch.two.tolist()
        return batch.one
    return batch.data.reshape(-1).tolist() if hasattr(batch, "size_at_t") else list(batch)


@given(st.sampled_from(sorted(KINDS)), st.integers(0, 20), st.integers(1, 7), st.booleans(), st.integers(0, 4))
def test_every_item_is_in_one_batch(kind, n, size, shuffle, buffer):
    sequence = KINDS[kind](n)
    batches = ops.minibatch(size, sequence, shuffle=shuffle, buffer=buffer)
    assert isinstance(batches, SizedGenerator)
    for _ in range(2):
        batched = [items(batch) for batch in batches]
        assert len(batched) == len(batches) == -(-n // size)
        assert all(len(batch) == size for batch in batched[:-1])
        together = list(itertools.chain(*batched))
        assert (sorted(together) if shuffle else together) == list(range(n))


@pytest.mark.parametrize("kind", ["list", "tuple", "array", "Ragged", "Padded", "Pairs"])
def test_batches_are_of_the_sequences_kind(kind):
    sequence = KINDS[kind](3)
    assert {type(batch) for batch in ops.minibatch(2, sequence)} == {type(sequence)}


def test_batches_of_arrays_are_copies():
    X = np.zeros((4, 2))
    for batch in ops.minibatch(2, X):
        batch += 1
    assert not X.any()


def test_a_seed_gives_thincs_batches_in_every_epoch():
    np.random.seed(0)
    batches = ops.minibatch(3, list(range(8)), shuffle=True)
    assert list(batches) == [[6, 2, 1], [7, 3, 0], [5, 4]]
    assert list(batches) == [[2, 5, 7], [4, 6, 3], [1, 0]]
    np.random.seed(0)
    several = ops.multibatch(3, list(range(8)), np.arange(8), shuffle=True, buffer=2)
    assert [batch[0] for batch in several] == [[6, 2, 1], [7, 3, 0], [5, 4]]
    assert [batch[1].tolist() for batch in several] == [[2, 5, 7], [4, 6, 3], [1, 0]]


def test_an_epoch_that_is_under_way_is_not_shuffled_again():
    batches = ops.minibatch(2, list(range(40)), shuffle=True)
    first = iter(batches)
    seen = next(first)
    list(batches)
    seen += itertools.chain(*first)
    assert sorted(seen) == list(range(40))


def test_sizes_may_change():
    sizes = itertools.cycle([1, 2])
    assert list(ops.minibatch(sizes, list(range(5)))) == [[0], [1, 2], [3], [4]]
    assert next(sizes) == 1  # as many were taken as there are batches
    assert list(ops.minibatch(iter([1.5, 2.9, 100]), "abcd")) == [["a"], ["b", "c"], ["d"]]
    assert [len(batch[0]) for batch in ops.multibatch([1, 2], [0, 1, 2], "xyz")] == [1, 2]


def test_several_sequences_are_batched_alike():
    X = np.arange(5)[:, None]
    batches = list(ops.multibatch(3, X, "abcde", Pairs([1, 2, 3, 4, 5], (6, 7, 8, 9, 10))))
    assert [type(batch) for batch in batches] == [list, list]
    np.testing.assert_array_equal(batches[1][0], [[3], [4]])
    assert batches[1][1:] == [["d", "e"], Pairs([4, 5], (9, 10))]
    assert list(ops.multibatch(2, [1, 2, 3])) == [[[1, 2]], [[3]]]
    assert list(ops.multibatch(2, [], X[:0])) == []


@pytest.mark.parametrize("sequence", [iter([1, 2]), {1: 2}, {1, 2}, 3, None])
def test_what_is_no_sequence_is_refused(sequence):
    with pytest.raises(ValueError, match=r"Can't minibatch data. Expected sequence, got"):
        ops.minibatch(2, sequence)
    with pytest.raises(ValueError, match=r"Can't multibatch data. Expected sequences, got .* at position 1"):
        ops.multibatch(2, [1, 2], sequence)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (0, "size must be at least 1, got 0"),
        (-1, "size must be at least 1, got -1"),
        ([2, 0], "sizes must be at least 1, got 0 at position 1"),
        ([1, 1], "sizes ended after 2 batches, 2 of 4 items left"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(size, message):
    # Thinc never returns from the first two.
    with pytest.raises(ValueError, match=f"minibatch: .*{message}"):
        ops.minibatch(size, [1, 2, 3, 4])


@pytest.mark.parametrize("size", [2.0, None, "2"])
def test_a_size_that_is_no_integer_is_refused(size):
    with pytest.raises(TypeError, match="minibatch: size must be an integer"):
        ops.minibatch(size, [1, 2, 3])


def test_sequences_of_different_length_are_refused():
    with pytest.raises(ValueError, match="multibatch: sequences must have one length: 3, 2 at position 1"):
        ops.multibatch(2, [1, 2, 3], [1, 2])
