"""The demo's tagger as one program for any module with Thinc's API: `tagger_program.py thinc.api --train … --dev …`.

Needs NumPy and that module, nothing else. It trains one epoch for every line on standard input and answers with a line
of JSON: epoch, loss, accuracy, seconds of training, seconds of evaluation. So two of them can take turns.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import sys
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

ROWS = (5000, 1000, 2500, 2500)
UPOS = 3


def read_conllu(path: Path) -> Iterator[tuple[list[str], list[str]]]:
    """Words and UPOS tags, sentence by sentence."""
    words: list[str] = []
    tags: list[str] = []
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        for line in lines:
            fields = line.rstrip("\r\n").split("\t")
            if len(fields) > UPOS and fields[0].isdigit():
                words.append(fields[1])
                tags.append(fields[UPOS])
            elif words and not line.strip():
                yield words, tags
                words, tags = [], []
    if words:
        yield words, tags


def shape(word: str) -> str:
    """Letters as x and X, digits as d, runs cut to four."""
    result = ""
    for letter in word[:100]:
        kind = ("X" if letter.isupper() else "x") if letter.isalpha() else "d" if letter.isdigit() else letter
        if result[-4:] != kind * 4:
            result += kind
    return result


class Hashes(dict[str, list[int]]):
    """Word → the hashes of its lower-cased form, first letter, last three letters and shape."""

    def __missing__(self, word: str) -> list[int]:
        """Compute and keep them."""
        texts = (word.lower(), word[:1], word[-3:], shape(word))
        ids = [int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") for text in texts]
        self[word] = ids
        return ids


def build(api: Any, labels: int, width: int = 96, depth: int = 4, dropout: float = 0.1) -> Any:
    """The tagger's network."""
    chain, clone, concatenate, residual = api.chain, api.clone, api.concatenate, api.residual
    embed = [api.HashEmbed(width, rows, column=i, seed=i + 1) for i, rows in enumerate(ROWS)]
    with api.Model.define_operators({">>": chain, "|": concatenate, "**": clone}):
        embedded = (embed[0] | embed[1] | embed[2] | embed[3]) >> api.Maxout(width, normalize=True, dropout=dropout)
        maxout = api.Maxout(width, width * 3, normalize=True, dropout=dropout)
        layer = residual(api.expand_window(1) >> maxout)
        return api.with_array(embedded >> layer**depth >> api.Softmax(labels), pad=depth)


class Program:
    """The data, the network and its optimizer."""

    def __init__(self, api: Any, train: Path, dev: Path, batch_size: int, seed: int) -> None:
        hashes = Hashes()
        sentences = list(read_conllu(train))
        labels = sorted({tag for _, tags in sentences for tag in tags})
        ids = {label: i for i, label in enumerate(labels)}

        def encode(words: list[str], tags: list[str]) -> tuple[Any, Any]:
            return np.array([hashes[word] for word in words], dtype="uint64"), np.array([ids.get(t, -1) for t in tags])

        self.train = [encode(words, tags) for words, tags in sentences]
        self.dev = [encode(words, tags) for words, tags in read_conllu(dev)]
        api.fix_random_seed(seed)
        self.model = build(api, len(labels))
        self.model.initialize(X=[self.train[0][0]])
        self.optimizer = api.Adam(0.001)
        self.batch_size = batch_size
        self.rng = np.random.default_rng(seed)

    def epoch(self) -> dict[str, float]:
        """Train an epoch, then evaluate with the averaged parameters."""
        start = time.perf_counter()
        order = self.rng.permutation(len(self.train))
        losses = [self.step(order[i : i + self.batch_size]) for i in range(0, len(order), self.batch_size)]
        trained = time.perf_counter()
        accuracy = self.evaluate()
        return {
            "loss": sum(losses) / sum(len(gold) for _, gold in self.train),
            "accuracy": accuracy,
            "seconds": trained - start,
            "evaluation_seconds": time.perf_counter() - trained,
        }

    def step(self, indices: Any) -> float:
        """One update; the summed loss."""
        batch = [self.train[i] for i in indices]
        outputs, backprop = self.model.begin_update([features for features, _ in batch])
        gold = np.concatenate([gold for _, gold in batch])
        probabilities = np.concatenate(outputs)
        rows = np.arange(len(gold))
        loss = -float(np.log(np.maximum(probabilities[rows, gold], 1e-30)).sum())
        probabilities[rows, gold] -= 1.0
        backprop(np.split(probabilities, np.cumsum([len(gold) for _, gold in batch])[:-1]))
        self.model.finish_update(self.optimizer)
        self.optimizer.step_schedules()
        return loss

    def evaluate(self) -> float:
        """Accuracy on the dev set."""
        right = words = 0
        with self.model.use_params(self.optimizer.averages):
            for i in range(0, len(self.dev), 256):
                batch = self.dev[i : i + 256]
                outputs = self.model.predict([features for features, _ in batch])
                gold = np.concatenate([gold for _, gold in batch])
                right += int((np.concatenate(outputs).argmax(axis=1) == gold).sum())
                words += len(gold)
        return right / words


def main() -> None:
    """Answer every line of standard input with an epoch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("api", help="thinc.api or thinc_nb.api")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--dev", type=Path, required=True)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    api = importlib.import_module(options.api)
    program = Program(api, options.train, options.dev, options.batch_size, options.seed)
    print(json.dumps({"ready": options.api}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(program.epoch()), flush=True)


if __name__ == "__main__":
    main()
