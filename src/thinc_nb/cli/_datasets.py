"""The data sets that `thinc-nb train` knows by name. Each is a pair (training, dev) of pairs (inputs, truths).

Truths are rows of floats with a one for the class: (examples, classes), or for sequences a list of (words, classes).
Importing this module registers them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from ..config import registry
from ..types import Floats2d, Ints2d
from ..util import to_categorical
from ._corpus import Corpus, conllu_corpus, library_corpus
from ._features import FeatureTable
from ._sentences import Sentence

__all__ = ["conllu", "python_source", "spirals"]

Points: TypeAlias = tuple[Floats2d, Floats2d]
Tagged: TypeAlias = tuple[list[Ints2d], list[Floats2d]]


@registry.datasets("spirals.v1")
def spirals(examples: int = 1500, classes: int = 3, noise: float = 0.1, seed: int = 0) -> tuple[Points, Points]:
    """Points (examples, 2) on the arms of a spiral, one arm for each class; a fifth of them is the dev set."""
    rng = np.random.default_rng(seed)
    arm = rng.integers(classes, size=examples)
    radius = rng.uniform(0.1, 1.0, size=examples)
    angle = 2 * np.pi * (arm / classes + radius) + rng.normal(scale=noise, size=examples)
    X = (radius * np.stack([np.cos(angle), np.sin(angle)])).T.astype("float32")
    Y = to_categorical(arm.astype("int32"), n_classes=classes)
    dev = examples // 5
    return (X[dev:], Y[dev:]), (X[:dev], Y[:dev])


@registry.datasets("python_source.v1")
def python_source(lines: int = 10_000) -> tuple[Tagged, Tagged]:
    """Tokens of Python's standard library, tagged by their role: features (tokens, 4) uint64 of each logical line."""
    return _tagged(library_corpus(limit=lines))


@registry.datasets("conllu.v1")
def conllu(train: str, dev: str, column: str = "upos") -> tuple[Tagged, Tagged]:
    """Words of CoNLL-U files, tagged by one of their columns: features (words, 4) uint64 of each sentence."""
    return _tagged(conllu_corpus(Path(train), Path(dev), column))


def _tagged(corpus: Corpus) -> tuple[Tagged, Tagged]:
    # What has no label, a bracket in Python, is a class of its own, "".
    rows = {label: row for row, label in enumerate(["", *corpus.labels])}
    table = FeatureTable()

    def encoded(sentences: Sequence[Sentence]) -> Tagged:
        truths = []
        for sentence in sentences:
            truth = np.zeros((len(sentence.words), len(rows)), dtype="float32")
            for place, label in enumerate(sentence.labels):
                # A label that training has not is a row of zeros, which is always wrong.
                if (row := rows.get(label or "")) is not None:
                    truth[place, row] = 1.0
            truths.append(truth)
        return [table.features(sentence.words) for sentence in sentences], truths

    return encoded(list(corpus.train)), encoded(corpus.read_dev())
