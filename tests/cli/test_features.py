"""Features are hashes that are the same in every process, since a saved model depends on them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb.cli._features import FeatureTable, stable_hash, word_features, word_shape
from thinc_nb.cli._sentences import NOT_COUNTED, UNSEEN, Encoder, Sentence

# Any string, lone surrogates too.
words = st.text(st.characters(codec=None), min_size=1)


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("Apple", "Xxxxx"),
        ("apples", "xxxx"),
        ("USA", "XXX"),
        ("2024", "dddd"),
        ("123456", "dddd"),
        ("self.x1", "xxxx.xd"),
        ("_", "_"),
        ("don't", "xxx'x"),
        ("Ünïcode", "Xxxxx"),
        ("......", "...."),
        ("日本", "xx"),
    ],
)
def test_shape_of_a_word(word: str, shape: str) -> None:
    assert word_shape(word) == shape


def test_shape_of_a_very_long_word_stays_short() -> None:
    assert len(word_shape("aB1." * 10_000)) <= 100


def test_features_are_form_first_letter_last_three_letters_and_shape() -> None:
    assert word_features("Running") == ("running", "R", "ing", "Xxxxx")
    assert word_features("a") == ("a", "a", "a", "x")


def test_hash_is_the_start_of_a_published_digest() -> None:
    digest = hashlib.blake2b(b"word", digest_size=8).digest()
    assert stable_hash("word") == int.from_bytes(digest, "little")
    # A literal: Python's own hash() changes with every process, this one must not.
    assert stable_hash("word") == 10776770685243991114


@given(st.lists(words, max_size=30))
def test_table_gives_the_hashes_of_the_features(sentence: list[str]) -> None:
    features = FeatureTable().features(sentence)
    assert features.dtype == np.uint64
    assert features.shape == (len(sentence), 4)
    assert features.tolist() == [[stable_hash(text) for text in word_features(word)] for word in sentence]


def test_table_grows_without_changing_what_it_gave() -> None:
    table = FeatureTable()
    first = table.features(["a", "b"])
    many = [f"w{i}" for i in range(5000)]
    assert table.features(many).shape == (5000, 4)
    np.testing.assert_array_equal(table.features(["a", "b"]), first)
    np.testing.assert_array_equal(table.features(many[-2:]), FeatureTable().features(many[-2:]))


def test_gold_ids_tell_unlabelled_from_unknown_labels() -> None:
    encoded = Encoder(["A", "B"]).encode(Sentence(["x", "y", "z"], ["B", None, "C"]))
    assert encoded.gold.tolist() == [1, NOT_COUNTED, UNSEEN]
    assert encoded.features.shape == (3, 4)
