"""Word features as 64-bit ids: lower-cased form, prefix, suffix and shape.

The ids are hashes, equal in every process and on every platform, so a saved model reads new text with the tables it
was trained on and needs no vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import numpy as np

from ..types import Ints2d

__all__ = ["FEATURE_NAMES", "FeatureTable", "stable_hash", "word_features", "word_shape"]

FEATURE_NAMES: Final = ("form", "prefix", "suffix", "shape")
_PREFIX_LETTERS: Final = 1
_SUFFIX_LETTERS: Final = 3
_LONGEST_RUN: Final = 4
_SHAPE_LETTERS: Final = 100


def stable_hash(text: str) -> int:
    """The first 64 bits of the text's BLAKE2b digest (Aumasson et al., 2013), as an unsigned integer."""
    # A lone surrogate cannot be encoded as UTF-8; it is rare, and no reason to stop.
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def word_shape(word: str) -> str:
    """Letters become x and X, digits d, the rest stays; runs are cut to four: `Numba2024` is `Xxxxxdddd`."""
    shape: list[str] = []
    previous, run = "", 0
    for letter in word[:_SHAPE_LETTERS]:
        if letter.isalpha():
            kind = "X" if letter.isupper() else "x"
        else:
            kind = "d" if letter.isdigit() else letter
        run = run + 1 if kind == previous else 1
        previous = kind
        if run <= _LONGEST_RUN:
            shape.append(kind)
    return "".join(shape)


def word_features(word: str) -> tuple[str, str, str, str]:
    """The four strings whose hashes are the word's features, in the order of `FEATURE_NAMES`."""
    return word.lower(), word[:_PREFIX_LETTERS], word[-_SUFFIX_LETTERS:], word_shape(word)


class FeatureTable(dict[str, int]):
    """The ids of every word seen so far, one row a word: the dict maps a word to its row and computes missing ones.

    Gathering rows of one growing array is what makes reading cheap: a corpus repeats its words some ten times.
    """

    def __init__(self) -> None:
        super().__init__()
        self._rows = np.zeros((1024, len(FEATURE_NAMES)), dtype=np.uint64)

    def __missing__(self, word: str) -> int:
        row = len(self)
        if row == self._rows.shape[0]:
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[row] = [stable_hash(feature) for feature in word_features(word)]
        self[word] = row
        return row

    def features(self, words: Sequence[str]) -> Ints2d:
        """Feature ids of the words: (len(words), 4) uint64."""
        # The rows are looked up first: doing so may replace the array they are taken from.
        rows = np.array([self[word] for word in words], dtype=np.int64)
        return self._rows[rows]
