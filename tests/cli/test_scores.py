"""Scores against counts made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb.cli._scores import ClassScore, Confusion


def confusion(gold: list[int], predicted: list[int], labels: str = "ABC") -> Confusion:
    result = Confusion(list(labels))
    result.add(np.array(gold, dtype=np.int64), np.array(predicted, dtype=np.int64))
    return result


def test_scores_of_a_small_example() -> None:
    # A: 2 of 3 right, once predicted wrongly; B: 1 of 2; C never occurs and is never predicted.
    result = confusion([0, 0, 0, 1, 1], [0, 0, 1, 1, 0])
    assert result.accuracy == pytest.approx(3 / 5)
    assert result.matrix.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 0]]
    a, b = result.classes()
    assert a == ClassScore("A", pytest.approx(2 / 3), pytest.approx(2 / 3), pytest.approx(2 / 3), 3)
    assert b == ClassScore("B", 0.5, 0.5, 0.5, 2)


def test_words_without_a_label_are_not_counted_and_unknown_labels_are_wrong() -> None:
    result = confusion([0, -1, -2, 1], [0, 2, 0, 1])
    assert (result.words, result.unseen) == (3, 1)
    assert result.accuracy == pytest.approx(2 / 3)
    # The unknown one costs the precision of what was predicted in its place.
    assert result.classes()[0].precision == 0.5


def test_no_words_give_no_accuracy_and_no_classes() -> None:
    result = confusion([-1], [0])
    assert math.isnan(result.accuracy)
    assert result.classes() == []


@given(st.lists(st.tuples(st.integers(-2, 3), st.integers(0, 3)), max_size=60), st.integers(0, 60))
def test_counting_in_parts_is_counting_at_once(pairs: list[tuple[int, int]], cut: int) -> None:
    gold, predicted = [g for g, _ in pairs], [p for _, p in pairs]
    whole = confusion(gold, predicted, "ABCD")
    parts = confusion(gold[:cut], predicted[:cut], "ABCD")
    parts.add_all([np.array(gold[cut:], dtype=np.int64)], [np.array(predicted[cut:], dtype=np.int64)])
    assert whole.matrix.tolist() == parts.matrix.tolist()
    assert whole.words == parts.words == sum(g != -1 for g in gold)
    right = sum(g == p for g, p in pairs)
    assert whole.words == 0 or whole.accuracy == pytest.approx(right / whole.words)
