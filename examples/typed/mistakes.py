"""One mistake of each kind. The README says what mypy finds."""

from __future__ import annotations

from tagger import WIDTH, encoder, tagger

from layers import Gated, followed_by
from thinc_nb.api import Model, Relu, Softmax, chain, list2ragged
from thinc_nb.types import Floats2d, Ints2d


def not_wrapped() -> None:
    """The encoder gives a list of arrays, Softmax takes one array: with_array(Softmax(2))."""
    chain(encoder(), Softmax(2))


def wrong_width() -> None:
    """Gated gives WIDTH columns."""
    chain(Gated(WIDTH, 8), Relu(64, WIDTH * 2))


def not_called() -> None:
    """Softmax is the function that makes layers."""
    chain(Relu(WIDTH), Softmax)


def not_bound() -> None:
    """Only >> means something here."""
    with Model.define_operators({">>": chain}):
        Relu(WIDTH) | Relu(WIDTH)


def own_combinator() -> None:
    """The marker in the signature of followed_by has the plugin check its arguments, too."""
    followed_by(Relu(WIDTH), list2ragged())


def no_batch(ids: Ints2d) -> list[Floats2d]:
    """The tagger takes a list of texts, not one text."""
    return tagger().predict(ids)
