"""Counting what a tagger gets right: a confusion matrix and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..types import Ints1d, Ints2d
from ._sentences import UNSEEN

__all__ = ["ClassScore", "Confusion"]


class ClassScore(NamedTuple):
    """Precision, recall and F1 of one label, and how often it is the gold label."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


class Confusion:
    """How often each gold label (row) was predicted as each label (column); the last row: labels unseen in training."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self._counts: Ints1d = np.zeros((len(self.labels) + 1) * len(self.labels), dtype=np.int64)

    def add(self, gold: Ints1d, predicted: Ints1d) -> None:
        """Count a sentence; words without a label take no part."""
        rows = np.where(gold == UNSEEN, len(self.labels), gold)
        counted = rows >= 0
        cells = rows[counted] * len(self.labels) + predicted[counted]
        self._counts += np.bincount(cells, minlength=self._counts.size)

    def add_all(self, gold: Iterable[Ints1d], predicted: Iterable[Ints1d]) -> Confusion:
        """Count sentence by sentence and return self."""
        for expected, found in zip(gold, predicted, strict=True):
            self.add(expected, found)
        return self

    @property
    def matrix(self) -> Ints2d:
        """Counts (labels, labels) int64 of the labels that training knows."""
        return self._counts.reshape(-1, max(1, len(self.labels)))[: len(self.labels)]

    @property
    def words(self) -> int:
        """Words counted."""
        return int(self._counts.sum())

    @property
    def unseen(self) -> int:
        """Words whose gold label training never saw: always wrong."""
        return self.words - int(self.matrix.sum())

    @property
    def accuracy(self) -> float:
        """Share of the counted words that are right; nan if there are none."""
        return float(np.trace(self.matrix)) / self.words if self.words else float("nan")

    def classes(self) -> list[ClassScore]:
        """Scores of each label that occurs or was predicted, in the order of the labels; 0/0 counts as 0."""
        right = np.diagonal(self.matrix)
        predicted = self._counts.reshape(-1, max(1, len(self.labels))).sum(axis=0)
        support = self.matrix.sum(axis=1)
        return [
            ClassScore(label, _ratio(r, p), _ratio(r, s), _ratio(2 * r, p + s), s)
            for label, r, p, s in zip(self.labels, right.tolist(), predicted.tolist(), support.tolist(), strict=True)
            if p or s
        ]


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
