"""The data of a demo run: labels, training sentences as they are read, and the dev set."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np

from ._conllu import read_conllu
from ._errors import CommandError
from ._pysource import library_sentences, split_files, standard_library_files
from ._roles import ROLES
from ._sentences import Sentence

__all__ = ["CONLLU", "DEFAULT_LIBRARY_LINES", "PYSOURCE", "ROLE_COLUMN", "Corpus", "conllu_corpus", "library_corpus"]

CONLLU: Final = "conllu"
PYSOURCE: Final = "pysource"
ROLE_COLUMN: Final = "role"
DEFAULT_LIBRARY_LINES: Final = 40_000
_DEV_SHARE: Final = 10
_DEV_LINES_OF_A_FILE: Final = 250


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Where sentences come from. `train` can be read once; `read_dev` gives the same list at every call."""

    kind: str
    column: str
    labels: tuple[str, ...]
    train: Iterable[Sentence]
    expected: int
    """Number of training sentences, as far as it is known before they are read."""
    read_dev: Callable[[], list[Sentence]]
    description: str


def conllu_corpus(
    train: Path, dev: Path, column: str, *, limit: int | None = None, rng: np.random.Generator | None = None
) -> Corpus:
    """Two CoNLL-U files, read completely: both are checked before anything is trained. Raises `CommandError`."""
    sentences = read_conllu(train, column)[:limit]
    held_out = read_conllu(dev, column)
    order = (rng or np.random.default_rng(0)).permutation(len(sentences)).tolist()
    labels = sorted(set(itertools.chain.from_iterable(sentence.labels for sentence in sentences)) - {None}, key=str)
    return Corpus(
        kind=CONLLU,
        column=column,
        labels=tuple(str(label) for label in labels),
        train=[sentences[i] for i in order],
        expected=len(sentences),
        read_dev=lambda: held_out,
        description=f"{train.name}: {len(sentences):,} sentences, {column}; dev {dev.name}: {len(held_out):,}",
    )


def library_corpus(*, limit: int | None = None) -> Corpus:
    """The standard library's own source, read while the first epoch runs. Raises `CommandError` if there is none."""
    lines = DEFAULT_LIBRARY_LINES if limit is None else limit
    train, dev = split_files(standard_library_files())
    dev_lines = max(1, lines // _DEV_SHARE)
    return Corpus(
        kind=PYSOURCE,
        column=ROLE_COLUMN,
        labels=ROLES,
        train=library_sentences(train, lines),
        expected=lines,
        read_dev=functools.cache(lambda: _some(library_sentences(dev, dev_lines, most_of_a_file=_DEV_LINES_OF_A_FILE))),
        description=f"the standard library's source: {lines:,} logical lines; dev, from other files: {dev_lines:,}",
    )


def _some(sentences: Iterable[Sentence]) -> list[Sentence]:
    found = list(sentences)
    if not found:
        raise CommandError("no file of the standard library could be read and parsed")
    return found
