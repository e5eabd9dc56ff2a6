"""Sentences as the readers produce them and as the tagger eats them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from ..types import Ints1d, Ints2d
from ._features import FeatureTable

__all__ = ["NOT_COUNTED", "UNSEEN", "EncodedSentence", "Encoder", "Sentence"]

NOT_COUNTED: Final = -1
"""The gold id of a word that has no label: no loss, no part in the scores."""
UNSEEN: Final = -2
"""The gold id of a label that training does not know: no loss, always counted as wrong."""


class Sentence(NamedTuple):
    """Words and their gold labels; a label of None is not predicted (a bracket in Python source)."""

    words: list[str]
    labels: list[str | None]


class EncodedSentence(NamedTuple):
    """Features (words, 4) uint64 and gold label ids (words,) int64 of a sentence."""

    features: Ints2d
    gold: Ints1d


class Encoder:
    """Turns sentences into arrays for a fixed list of labels; the features of each distinct word are computed once."""

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = list(labels)
        self.table = FeatureTable()
        self._ids: dict[str | None, int] = {label: i for i, label in enumerate(self.labels)}
        self._ids[None] = NOT_COUNTED

    def encode(self, sentence: Sentence) -> EncodedSentence:
        ids = self._ids
        gold = np.array([ids.get(label, UNSEEN) for label in sentence.labels], dtype=np.int64)
        return EncodedSentence(self.table.features(sentence.words), gold)
