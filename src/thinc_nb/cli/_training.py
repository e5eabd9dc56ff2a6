"""The training loop: shuffled batches, one Adam step each, the dev set after every epoch."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..types import Floats2d, Ints1d
from ._errors import FAILED, CommandError
from ._scores import Confusion
from ._sentences import EncodedSentence, Encoder, Sentence
from ._tagger import Tagger, batches, new_optimizer

if TYPE_CHECKING:
    from ..api import Optimizer

__all__ = ["EpochRecord", "Examples", "Observer", "Training", "softmax_gradient"]

_SHUFFLE_SENTENCES = 1024
"""While the first epoch reads its data, sentences are drawn from so many at a time."""
_SMALLEST_PROBABILITY = 1e-30


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """What the table shows of an epoch."""

    epoch: int
    loss: float
    """Cross-entropy per counted word, in nats, with dropout."""
    accuracy: float
    """Share of the counted dev words that are right."""
    seconds: float
    """Time in training; without the dev set."""
    words: int
    """Words that went through the network, counted or not."""

    @property
    def words_per_second(self) -> float:
        return self.words / self.seconds if self.seconds else 0.0


class Observer(Protocol):
    """What a training run reports to, and what tells it to stop."""

    def begin_epoch(self, epoch: int, sentences: int) -> None: ...

    def after_batch(self, sentences: int, loss: float, words_per_second: float) -> None: ...

    def end_epoch(self, record: EpochRecord) -> None: ...

    def stop_requested(self) -> bool: ...


class Examples:
    """The training sentences: read, encoded and kept during the first epoch, so that training starts at once."""

    def __init__(
        self, sentences: Iterable[Sentence], encoder: Encoder, expected: int, rng: np.random.Generator
    ) -> None:
        self._unread: Iterator[Sentence] | None = iter(sentences)
        self._encoder = encoder
        self._expected = expected
        self._rng = rng
        self._known: list[EncodedSentence] = []

    def __len__(self) -> int:
        """The number of sentences; while they are still being read, the number expected."""
        return len(self._known) if self._unread is None else self._expected

    def shuffled(self) -> Iterator[EncodedSentence]:
        """All sentences in a new random order. In the first epoch the order is random within a moving buffer."""
        if self._unread is None:
            yield from map(self._known.__getitem__, self._order(len(self._known)))
            return
        for group in batches(self._unread, _SHUFFLE_SENTENCES):
            for i in self._order(len(group)):
                example = self._encoder.encode(group[i])
                self._known.append(example)
                yield example
        self._unread = None

    def _order(self, size: int) -> list[int]:
        order: list[int] = self._rng.permutation(size).tolist()
        return order


def softmax_gradient(probabilities: Floats2d, gold: Ints1d) -> tuple[Floats2d, float, int]:
    """Gradient (words, labels) of the summed cross-entropy with respect to the logits, the sum itself, and its words.

    Words without a gold id (negative) have a gradient of zero and no part in the sum. The gradient is not divided by
    the number of words: Adam's steps do not depend on its scale, and dividing made no difference to the accuracy.
    """
    counted = np.flatnonzero(gold >= 0)
    labels = gold[counted]
    gradient = np.zeros_like(probabilities)
    gradient[counted] = probabilities[counted]
    right = gradient[counted, labels]
    gradient[counted, labels] -= 1.0
    loss = -float(np.log(np.maximum(right, _SMALLEST_PROBABILITY)).sum(dtype=np.float64))
    return gradient, loss, len(counted)


class Training:
    """One training run of a tagger."""

    def __init__(self, tagger: Tagger, learn_rate: float) -> None:
        self.tagger = tagger
        self.optimizer: Optimizer = new_optimizer(learn_rate)
        self.history: list[EpochRecord] = []
        self.batches = 0

    def run(
        self,
        examples: Examples,
        dev: Callable[[], Sequence[EncodedSentence]],
        observer: Observer,
        *,
        epochs: int,
        batch_size: int,
    ) -> bool:
        """Train for some epochs, then put the averaged parameters in place; False if the user stopped it.

        `dev` is called once, after the first epoch: reading it does not delay the first batch.
        Raises `CommandError` if the loss is not finite or if there is nothing to learn from.
        """
        held_out: Sequence[EncodedSentence] | None = None
        try:
            for epoch in range(1, epochs + 1):
                loss, seconds, words = self._train_epoch(epoch, examples, batch_size, observer)
                held_out = dev() if held_out is None else held_out
                with self.tagger.averaged(self.optimizer):
                    accuracy = self.confusion(held_out).accuracy
                self.history.append(EpochRecord(epoch, loss, accuracy, seconds, words))
                observer.end_epoch(self.history[-1])
            return True
        except KeyboardInterrupt:
            return False
        finally:
            self.tagger.keep_averages(self.optimizer)

    def confusion(self, sentences: Sequence[EncodedSentence]) -> Confusion:
        """Compare the tagger's predictions with the gold labels."""
        confusion = Confusion(self.tagger.settings.labels)
        return confusion.add_all((s.gold for s in sentences), self.tagger.predict(s.features for s in sentences))

    def _train_epoch(
        self, epoch: int, examples: Examples, batch_size: int, observer: Observer
    ) -> tuple[float, float, int]:
        observer.begin_epoch(epoch, len(examples))
        start = time.perf_counter()
        loss, counted, words = 0.0, 0, 0
        for batch in batches(examples.shuffled(), batch_size):
            batch_loss, batch_counted = self._step(batch)
            self.batches += 1
            loss += batch_loss
            counted += batch_counted
            words += sum(len(example.gold) for example in batch)
            if not np.isfinite(loss):
                raise CommandError(
                    f"the loss is {loss} after batch {self.batches}; try a smaller --learn-rate", status=FAILED
                )
            observer.after_batch(len(batch), loss / max(1, counted), words / (time.perf_counter() - start))
            if observer.stop_requested():
                raise KeyboardInterrupt
        if not counted:
            raise CommandError("there are no labelled words in the training data")
        return loss / counted, time.perf_counter() - start, words

    def _step(self, batch: Sequence[EncodedSentence]) -> tuple[float, int]:
        """One update: loss summed over the counted words of the batch, and their number."""
        outputs, backprop = self.tagger.model.begin_update([example.features for example in batch])
        gold = np.concatenate([example.gold for example in batch])
        gradient, loss, counted = softmax_gradient(np.concatenate(outputs), gold)
        ends = np.cumsum([len(example.gold) for example in batch])
        backprop(np.split(gradient, ends[:-1]))
        self.tagger.model.finish_update(self.optimizer)
        self.optimizer.step_schedules()
        return loss, counted
