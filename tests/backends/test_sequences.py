"""Sequences to one array and back, against numpy on lists, and Thinc's results at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb.backends import NumpyOps
from thinc_nb.types import Padded

ops = NumpyOps()
DTYPES = ["float16", "float32", "float64", "int32", "int64", "uint64", "bool", "<U3"]


def sequences_of(lengths, shape=(2,), dtype="float32"):
    """Different in every entry."""
    rng = np.random.default_rng(len(lengths))
    return [rng.integers(1, 100, (length, *shape)).astype(dtype) for length in lengths]


batches = st.builds(
    sequences_of,
    st.lists(st.integers(0, 5), min_size=1, max_size=6),
    st.sampled_from([(), (1,), (3,), (2, 3), (1, 2, 3)]),
    st.sampled_from(DTYPES),
)


@given(batches, st.integers(0, 3))
def test_flatten_puts_rows_one_after_the_other_and_unflatten_takes_them_apart(sequences, pad):
    filled = [x for x in sequences if len(x)]
    blank = np.zeros((pad, *sequences[0].shape[1:]), sequences[0].dtype)
    expected = np.concatenate([blank, *(part for x in filled for part in (x, blank))] if filled else sequences)
    flat = ops.flatten(sequences, pad=pad)
    assert flat.dtype == sequences[0].dtype
    assert flat.flags.c_contiguous
    np.testing.assert_array_equal(flat, expected)
    assert not any(np.shares_memory(flat, x) for x in sequences)
    lengths = np.array([len(x) for x in sequences], "i")
    parts = ops.unflatten(flat, lengths, pad=pad)
    for part, x in zip(parts, sequences, strict=True):
        np.testing.assert_array_equal(part, x)
        assert np.shares_memory(part, flat) or not part.size


@given(batches, st.integers(1, 5))
def test_pad_fills_with_zeros_and_unpad_takes_them_off(sequences, round_to):
    longest = max(len(x) for x in sequences)
    padded = ops.pad(sequences, round_to=round_to)
    assert padded.dtype == sequences[0].dtype
    assert padded.shape[1] % round_to == 0
    assert longest <= padded.shape[1] < longest + round_to
    for row, x in zip(padded, sequences, strict=True):
        np.testing.assert_array_equal(row[: len(x)], x)
        assert not any(row[len(x) :].tobytes())
    for part, x in zip(ops.unpad(padded, [len(x) for x in sequences]), sequences, strict=True):
        np.testing.assert_array_equal(part, x)


@given(st.lists(st.integers(0, 5), max_size=7), st.integers(0, 3), st.sampled_from(["float32", "float64", "int32"]))
def test_a_padded_batch_is_sorted_by_length_with_time_outermost(lengths, width, dtype):
    sequences = sequences_of(lengths, (width,), dtype)
    padded = ops.list2padded(sequences)
    longest = max(lengths, default=0)
    assert padded.lengths.tolist() == sorted(lengths, reverse=True)
    assert padded.size_at_t.tolist() == [sum(length > t for length in lengths) for t in range(longest)]
    assert sorted(padded.indices.tolist()) == list(range(len(lengths)))
    assert {padded.size_at_t.dtype, padded.lengths.dtype, padded.indices.dtype} == {np.dtype("int32")}
    for place, index in enumerate(padded.indices.tolist()):
        np.testing.assert_array_equal(padded.data[: lengths[index], place], sequences[index])
        assert not padded.data[lengths[index] :, place].any()
    back = ops.padded2list(padded)
    assert len(back) == len(sequences)
    for x, y in zip(back, sequences, strict=True):
        np.testing.assert_array_equal(x, y)
        assert x.dtype == y.dtype
        assert not np.shares_memory(x, padded.data)


def test_of_equal_lengths_the_later_ones_come_first():
    # Thinc's order.
    assert ops.list2padded(sequences_of([2, 3, 2, 3])).indices.tolist() == [3, 1, 2, 0]


def test_part_of_a_padded_batch_is_unpadded():
    sequences = sequences_of([1, 3, 2])
    parts = ops.padded2list(ops.list2padded(sequences)[1:])
    np.testing.assert_array_equal(parts[0], sequences[0])
    np.testing.assert_array_equal(parts[1], sequences[2])


@pytest.mark.parametrize("sequences", [[], (), None, np.zeros((0, 3, 2))])
def test_nothing_flattens_to_nothing(sequences):
    assert ops.flatten(sequences).shape == (0, 0)
    assert ops.flatten(sequences).dtype == "float32"
    assert ops.flatten(sequences, dtype="i", ndim_if_empty=3).shape == (0, 0, 0)
    assert ops.flatten(sequences, dtype="i").dtype == "int32"


def test_empty_sequences_do_not_decide_shape_and_dtype_unless_all_are_empty():
    # As in Thinc: the first is of another dtype and width.
    assert ops.flatten([np.zeros((0, 3), "f"), np.ones((1, 2), "i")]).dtype == "int32"
    np.testing.assert_array_equal(ops.flatten([np.zeros((0, 3), "f"), np.ones((1, 2), "i")]), [[1, 1]])
    assert ops.flatten([np.zeros((0, 3), "f"), np.zeros((0, 2), "d")], pad=2).shape == (0, 3)
    assert ops.flatten([np.zeros((2, 0), "f"), np.zeros((3, 0), "f")]).shape == (5, 0)


def test_flatten_converts():
    assert ops.flatten([np.ones(1, "f"), np.ones(1, "d")]).dtype == "float64"
    np.testing.assert_array_equal(ops.flatten([np.array([1.7, -1.7])], dtype="int32"), [1, -1])
    objects = ops.flatten([np.array(["a", None], object), np.array([{}], object)])
    assert objects.tolist() == ["a", None, {}]
    assert ops.pad([np.array([{}], object), np.array([1, []], object)]).tolist() == [[{}, 0], [1, []]]


def test_memory_that_is_not_contiguous_is_taken():
    sequences = [np.asfortranarray(np.arange(6.0).reshape(3, 2)), np.arange(12.0).reshape(3, 4)[:, ::2]]
    np.testing.assert_array_equal(ops.flatten(sequences), np.concatenate(sequences))
    np.testing.assert_array_equal(ops.pad(sequences), np.stack(sequences))
    np.testing.assert_array_equal(ops.list2padded(sequences).data, np.stack(sequences[::-1], axis=1))


@pytest.mark.parametrize("lengths", [[2, 3], (2, 3), np.array([2, 3], "q"), np.array([2, 3], "I")])
def test_lengths_may_be_of_any_integer_type(lengths):
    assert [len(x) for x in ops.unflatten(np.zeros((5, 1)), lengths)] == [2, 3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ops.flatten([np.zeros((1, 3)), np.zeros((1, 2))]),
            r"flatten: .* float64 \(1, 3\) and float64 \(1, 2\)",
        ),
        (
            lambda: ops.flatten([[1, 2]]),
            "flatten: X must hold arrays .* got a list of 2, the first an int at position 0",
        ),
        (lambda: ops.unflatten(np.zeros((5, 2)), [2, 1]), r"unflatten: lengths add up to 3, but X is float64 \(5, 2\)"),
        (
            lambda: ops.unflatten(np.zeros((5, 2)), [6, -1]),
            "unflatten: lengths must not be negative, got -1 at position 1",
        ),
        (lambda: ops.unflatten(np.zeros((5, 2)), [2, 3], pad=1), "add up to 8 with 1 rows of padding"),
        (lambda: ops.pad([]), "pad: Cannot pad empty sequence"),
        (lambda: ops.pad([np.zeros((1, 2))], round_to=0), "pad: round_to must be at least 1 .* got 0"),
        (lambda: ops.pad([np.zeros((1, 2)), np.zeros((1, 2), "f")]), r"float64 \(1, 2\) and float32 \(1, 2\)"),
        (lambda: ops.unpad(np.zeros((2, 3, 1)), [3]), r"float64 \(2, 3, 1\), but there are 1 lengths"),
        (lambda: ops.unpad(np.zeros((2, 3, 1)), [1, 4]), "the length at position 1 is 4"),
        (lambda: ops.list2padded([np.zeros(3)]), r"must have 2 dimensions, got float64 \(3,\)"),
        (lambda: ops.list2padded([np.zeros((1, 2)), np.zeros((1, 3))]), "list2padded: .* differ in length only"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_lengths_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match=r"unflatten: lengths must be integers, got \[2.0, 3.0\]"):
        ops.unflatten(np.zeros((5, 2)), [2.0, 3.0])
    with pytest.raises(TypeError, match=r"unpad: lengths must be .* integers .* got float64 \(2,\)"):
        ops.unpad(np.zeros((2, 3, 1)), np.array([2.0, 3.0]))
    for lengths in ([2, np.array([3, 1])], [np.zeros((0, 3)), 3], [np.zeros(6), np.ones(5)]):
        with pytest.raises(TypeError, match=r"unpad: lengths must be integers, got \["):
            ops.unpad(np.zeros((2, 3, 1)), lengths)


@pytest.mark.parametrize(("lengths", "indices"), [([3, 1], [0, 1]), ([2, 1], [0, 0]), ([2, 1], [0, 5]), ([2], [0])])
def test_a_padded_batch_that_contradicts_itself_is_refused(lengths, indices):
    padded = Padded(np.zeros((2, 2, 1), "f"), np.array([2, 1]), np.array(lengths), np.array(indices))
    with pytest.raises(ValueError, match="padded2list"):
        ops.padded2list(padded)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ops.flatten(3), "flatten: X must be a list of arrays, got an int"),
        (lambda: ops.flatten([np.ones(1)], dtype="nonsense"), "flatten: dtype must be the name of a dtype"),
        (lambda: ops.flatten([np.array(["a"])], dtype="f"), "flatten: X holds <U1"),
        (lambda: ops.flatten([np.ones(1)], pad=0.5), "flatten: pad must be an integer, got a float"),
        (lambda: ops.pad([np.ones(1)], round_to=1.5), "pad: round_to must be an integer, got a float"),
        (lambda: ops.list2padded(None), "list2padded: seqs must be a list of arrays, got None"),
        (lambda: ops.padded2list([]), "padded2list: padded must be a Padded, got a list"),
    ],
)
def test_what_is_no_list_of_arrays_is_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("count", [2, 5])
@pytest.mark.parametrize("dtype", ["f", ">f4", ">i8"])
def test_what_is_taken_apart_is_a_view_whatever_its_byte_order(count, dtype):
    X = np.ones((count, 3, 2), dtype)
    for part in (*ops.unpad(X, [2] * count), *ops.unflatten(X, [1] * count)):
        assert part.dtype is X.dtype
        assert np.shares_memory(part, X)
