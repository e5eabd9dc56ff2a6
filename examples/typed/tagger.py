"""Train a tagger: is a word a number, a name, or another word? From the shape of its letters, and those beside it."""

from __future__ import annotations

from typing import Final

import numpy as np

from layers import Gated, followed_by
from thinc_nb.api import (
    Adam,
    HashEmbed,
    Model,
    SequenceCategoricalCrossentropy,
    Softmax,
    chain,
    concatenate,
    expand_window,
    fix_random_seed,
    list2ragged,
    ragged2list,
    residual,
    with_array,
)
from thinc_nb.types import Floats2d, Ints1d, Ints2d

WIDTH: Final = 32
CLASSES: Final = ("number", "name", "word")
TEXTS: Final = (
    "In 1889 Eiffel built a tower",
    "the tower has 1665 steps",
    "Ada met Charles in 1833",
    "a word and 42 more",
)


def encoder() -> Model[list[Ints2d], list[Floats2d]]:
    """Two tables of vectors, mixed with those of neighbours."""
    with Model.define_operators({">>": chain, "|": concatenate}):
        embed = HashEmbed(WIDTH, 500, column=0) | HashEmbed(WIDTH, 500, column=1)
        mixed = embed >> Gated(WIDTH, WIDTH * 2) >> residual(expand_window(1) >> Gated(WIDTH, WIDTH * 3))
        return list2ragged() >> with_array(mixed) >> ragged2list()


def tagger() -> Model[list[Ints2d], list[Floats2d]]:
    """Probabilities of the classes for each word."""
    return followed_by(encoder(), with_array(Softmax(len(CLASSES), WIDTH)))


def features(text: str) -> Ints2d:
    """(words, 2): the first letter and the kind of the last one."""
    rows: Ints2d = np.asarray([(ord(word[0]), ord(word[-1]) // 32) for word in text.split()], dtype="int32")
    return rows


def truths(text: str) -> Ints1d:
    """(words,): the class of each word."""
    classes = [0 if word.isdigit() else 1 if word.istitle() else 2 for word in text.split()]
    numbers: Ints1d = np.asarray(classes, dtype="int32")
    return numbers


def main() -> None:
    """Train, and print how many words are right."""
    fix_random_seed(0)
    X, Y = [features(text) for text in TEXTS], [truths(text) for text in TEXTS]
    model = tagger().initialize(X=X)
    loss, optimizer = SequenceCategoricalCrossentropy(), Adam(0.01)
    for _ in range(30):
        guesses, backprop = model.begin_update(X)
        backprop(loss.get_grad(guesses, Y))
        model.finish_update(optimizer)
    right = sum(int((guess.argmax(axis=1) == y).sum()) for guess, y in zip(model.predict(X), Y, strict=True))
    print(f"{right} of {sum(map(len, Y))} words")


if __name__ == "__main__":
    main()
