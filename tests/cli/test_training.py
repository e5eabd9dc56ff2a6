"""The loop: gradient, order, interruption, divergence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from thinc_nb.cli._errors import CommandError
from thinc_nb.cli._sentences import EncodedSentence, Encoder, Sentence
from thinc_nb.cli._tagger import Tagger, TaggerSettings
from thinc_nb.cli._training import EpochRecord, Examples, Training, softmax_gradient

SETTINGS = TaggerSettings("conllu", "upos", ("A", "B"), width=8, depth=1, rows=(50, 50, 50, 50))
SENTENCES = [Sentence([f"a{i}", "b", f"c{i}"], ["A", "B", "A"]) for i in range(20)]


class Watch:
    """An observer that notes what it is told, and asks to stop after some batches."""

    def __init__(self, stop_after: int | None = None, at_batch: Callable[[], None] = lambda: None) -> None:
        self.batches: list[int] = []
        self.records: list[EpochRecord] = []
        self.stop_after = stop_after
        self.at_batch = at_batch

    def begin_epoch(self, epoch: int, sentences: int) -> None:
        pass

    def after_batch(self, sentences: int, loss: float, words_per_second: float) -> None:
        self.batches.append(sentences)
        self.at_batch()

    def end_epoch(self, record: EpochRecord) -> None:
        self.records.append(record)

    def stop_requested(self) -> bool:
        return len(self.batches) == self.stop_after


def start(watch: Watch, *, epochs: int = 2, learn_rate: float = 0.01) -> tuple[Training, bool]:
    encoder = Encoder(SETTINGS.labels)
    training = Training(Tagger.new(SETTINGS), learn_rate)
    examples = Examples(SENTENCES, encoder, len(SENTENCES), np.random.default_rng(0))
    dev = [encoder.encode(sentence) for sentence in SENTENCES[:5]]
    return training, training.run(examples, lambda: dev, watch, epochs=epochs, batch_size=8)


def parameters(tagger: Tagger) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return [node.get_param(name).copy() for node in tagger.model.walk() for name in node.param_names]


def test_gradient_is_the_one_of_the_summed_cross_entropy() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(6, 4))
    gold = np.array([0, 3, -1, 2, -2, 1])

    def softmax(z: np.ndarray) -> np.ndarray:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def loss_of(z: np.ndarray) -> float:
        probabilities = softmax(z)
        return -sum(float(np.log(probabilities[i, g])) for i, g in enumerate(gold) if g >= 0)

    gradient, loss, counted = softmax_gradient(softmax(logits), gold)
    assert counted == 4
    assert loss == pytest.approx(loss_of(logits))
    step = 1e-5
    for index in np.ndindex(*logits.shape):
        moved = np.zeros_like(logits)
        moved[index] = step
        finite = (loss_of(logits + moved) - loss_of(logits - moved)) / (2 * step)
        assert gradient[index] == pytest.approx(finite, abs=1e-8)


def test_gradient_of_a_hopeless_prediction_is_finite() -> None:
    gradient, loss, _ = softmax_gradient(np.array([[0.0, 1.0]], dtype=np.float32), np.array([0]))
    assert np.isfinite(loss)
    assert gradient.tolist() == [[-1.0, 1.0]]


def test_every_epoch_sees_every_sentence_once_in_another_order() -> None:
    encoder = Encoder(["A", "B"])
    examples = Examples(iter(SENTENCES), encoder, 99, np.random.default_rng(0))
    assert len(examples) == 99

    def epoch() -> list[list[int]]:
        return [sentence.features[:, 0].tolist() for sentence in examples.shuffled()]

    first, second, third = epoch(), epoch(), epoch()
    assert len(examples) == len(SENTENCES)
    assert sorted(first) == sorted(second) == sorted(third)
    assert first != second != third


def test_sentences_are_read_as_they_are_needed() -> None:
    read = 0

    def source() -> object:
        nonlocal read
        for sentence in SENTENCES * 1000:
            read += 1
            yield sentence

    next(iter(Examples(source(), Encoder(["A"]), 1, np.random.default_rng(0)).shuffled()))  # type: ignore[arg-type]
    assert read <= 1024


def test_training_reports_each_epoch_and_learns() -> None:
    watch = Watch()
    training, finished = start(watch, epochs=4)
    assert finished
    assert watch.batches == [8, 8, 4] * 4
    assert [record.epoch for record in watch.records] == [1, 2, 3, 4]
    assert watch.records == training.history
    assert watch.records[-1].loss < watch.records[0].loss
    assert watch.records[-1].accuracy == 1.0
    assert all(record.words == 60 and record.words_per_second > 0 for record in watch.records)


def test_same_seed_gives_the_same_parameters() -> None:
    (one, _), (two, _) = start(Watch()), start(Watch())
    for a, b in zip(parameters(one.tagger), parameters(two.tagger), strict=True):
        np.testing.assert_array_equal(a, b)


def test_stop_between_batches_leaves_the_averages_of_what_was_trained() -> None:
    training, finished = start(Watch(stop_after=2))
    assert not finished
    assert training.batches == 2
    assert training.history == []
    for node in training.tagger.model.walk():
        for name in node.param_names:
            np.testing.assert_array_equal(node.get_param(name), training.optimizer.averages[node.id, name])


def test_keyboard_interrupt_in_a_batch_ends_training_too() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    training, finished = start(Watch(at_batch=interrupt))
    assert not finished
    assert training.batches == 1
    assert all(np.isfinite(values).all() for values in parameters(training.tagger))


def test_a_loss_that_is_not_finite_is_an_error_that_says_what_to_do() -> None:
    encoder = Encoder(SETTINGS.labels)
    training = Training(Tagger.new(SETTINGS), 0.001)
    for node in training.tagger.model.walk():
        if node.has_param("W"):
            node.set_param("W", np.full_like(node.get_param("W"), np.nan))
    examples = Examples(SENTENCES, encoder, len(SENTENCES), np.random.default_rng(0))
    with pytest.raises(CommandError, match="the loss is nan after batch 1; try a smaller --learn-rate") as caught:
        training.run(examples, list[EncodedSentence], Watch(), epochs=1, batch_size=8)
    assert caught.value.status == 1


def test_data_without_a_labelled_word_is_an_error() -> None:
    encoder = Encoder(SETTINGS.labels)
    examples = Examples([Sentence(["a"], [None])], encoder, 1, np.random.default_rng(0))
    with pytest.raises(CommandError, match="no labelled words"):
        Training(Tagger.new(SETTINGS), 0.001).run(examples, list[EncodedSentence], Watch(), epochs=1, batch_size=8)
