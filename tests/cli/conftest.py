"""A small treebank that can be learnt in seconds, and a model trained on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from thinc_nb.cli import main

NOUNS, VERBS, DETERMINERS = ("cat", "dog", "bird", "fish"), ("eats", "sees", "hears"), ("the", "a")


def treebank(sentences: int, seed: int) -> str:
    """CoNLL-U of sentences like `the cat eats a fish .`; the tag of a word follows from the word."""
    rng = np.random.default_rng(seed)
    lines: list[str] = []
    for _ in range(sentences):
        noun_phrase = ((DETERMINERS, "DET"), (NOUNS, "NOUN"))
        words = [(str(rng.choice(choice)), tag) for choice, tag in (*noun_phrase, (VERBS, "VERB"), *noun_phrase)]
        for i, (word, tag) in enumerate([*words[: int(rng.integers(2, 6))], (".", "PUNCT")], 1):
            lines.append(f"{i}\t{word}\t_\t{tag}\tX{tag}\t_\t0\t_\t_\t_")
        lines.append("")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train.conllu and dev.conllu."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "train.conllu").write_text(treebank(300, 1), encoding="utf-8")
    (folder / "dev.conllu").write_text(treebank(50, 2), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo run on that treebank."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    arguments = [f"--train={data / 'train.conllu'}", f"--dev={data / 'dev.conllu'}", f"--output={folder}"]
    assert main(["demo", *arguments, "--quiet", "--epochs=2", "--width=16", "--depth=1", "--batch-size=16"]) == 0
    return folder
