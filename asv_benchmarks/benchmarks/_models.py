"""Whole models and their data, built alike with thinc_nb and with Thinc.

`case(name, api)` gives a model and a batch for it. Names end in the number of documents where several are measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._common import PIECES, WINDOW

WIDTH, TAGS, CLASSES, DEPTH = 96, 50, 4, 4
TABLES = (5000, 1000, 2500, 2500)
"""Rows of the table for each of a word's four features."""
VOCABULARY = 20_000
LENGTH = 1 << 18
"""Places of the sparse classifier's weights."""
UNITS = 128
"""Of the LSTM, in each direction."""
DROPOUT = 0.1

NAMES = ("tagger-100", "tagger-20", "tagger-4", "sparse-128", "pool-128", "mlp-128", "bilstm-32", "attention-100")
"""A CNN tagger, two bag-of-words classifiers, a perceptron on digits, a BiLSTM tagger, and an attention pooler."""
SINGLE = ("tagger-1", "sparse-1", "pool-1", "mlp-1", "bilstm-1", "attention-1")
"""The same for one example: a sentence of 20 words, or one digit."""


@dataclass
class Case:
    """A model with a batch. `gradient` gives the loss's gradient of an output."""

    model: Any
    X: Any
    gradient: Callable[[Any], Any]

    def train(self, optimizer: Any) -> None:
        """One step: forward, backward, update."""
        Y, backprop = self.model.begin_update(self.X)
        backprop(self.gradient(Y))
        self.model.finish_update(optimizer)

    def predict(self) -> Any:
        """Forward only."""
        return self.model.predict(self.X)


@dataclass
class Data:
    """A batch as every library gets it: words of `lengths`, their ids (n, 4) uint64, or images; and the truths."""

    lengths: Any
    ids: Any
    images: Any
    tags: Any
    """(n,) of each word."""
    classes: Any
    """(documents,) of each document or image."""

    @property
    def documents(self) -> list[Any]:
        """The ids of each document."""
        return [part.copy() for part in np.split(self.ids, np.cumsum(self.lengths)[:-1])]


def data(name: str) -> Data:
    """The batch of a case, the same on every run."""
    kind, count = name.split("-")
    rng = np.random.default_rng(0)
    size = int(count)
    if kind == "mlp":
        images = rng.random((size, 784), dtype=np.float32)
        return Data(None, None, images, None, rng.integers(0, 10, size))
    if size == 1:
        lengths = np.array([20])
    elif kind == "bilstm":
        lengths = np.full(size, 25)
    else:
        lengths = np.clip(rng.normal(25, 8, size).astype(int), 4, 60)
    frequency = 1 / np.arange(1, VOCABULARY + 1)
    features = rng.integers(1, 2**63, (VOCABULARY, len(TABLES))).astype("uint64")
    ids = features[rng.choice(VOCABULARY, int(lengths.sum()), p=frequency / frequency.sum())]
    return Data(lengths, ids, None, rng.integers(0, TAGS, len(ids)), rng.integers(0, CLASSES, size))


def case(name: str, api: Any) -> Case:
    """The model of a case, initialized, and its batch."""
    api.set_current_ops(api.NumpyOps())
    api.fix_random_seed(0)
    batch = data(name)
    made: Case = BUILDERS[name.split("-", maxsplit=1)[0]](api, batch)
    return made


def tagger_layers(api: Any) -> Any:
    """Hashed features of a word, mixed by a maxout layer; four residual convolutions; a softmax."""
    embed = [api.HashEmbed(WIDTH, rows, column=i, seed=i + 1) for i, rows in enumerate(TABLES)]
    mix = api.Maxout(WIDTH, nP=PIECES, normalize=True, dropout=DROPOUT)
    maxout = api.Maxout(WIDTH, WIDTH * (2 * WINDOW + 1), nP=PIECES, normalize=True, dropout=DROPOUT)
    convolution = api.residual(api.chain(api.expand_window(WINDOW), maxout))
    return api.chain(api.concatenate(*embed), mix, *api.clone(convolution, DEPTH).layers, api.Softmax(TAGS))


def tagger(api: Any, batch: Data) -> Case:
    """The CNN tagger, on lists of sentences."""
    return _tags(api.with_array(tagger_layers(api), pad=DEPTH), batch.documents, batch)


def sparse(api: Any, batch: Data) -> Case:
    """A linear classifier of hashed words."""
    model = api.SparseLinear(CLASSES, LENGTH)
    keys = np.ascontiguousarray(batch.ids[:, 0])
    X = (keys, np.ones(len(keys), "f"), batch.lengths.astype("int32"))
    return _classes(model, X, batch)


def pool(api: Any, batch: Data) -> Case:
    """The mean of the words' vectors, then a softmax."""
    embed = api.with_array(api.HashEmbed(WIDTH, TABLES[0], seed=1, column=0))
    model = api.chain(embed, api.list2ragged(), api.reduce_mean(), api.Softmax(CLASSES))
    return _classes(model, batch.documents, batch)


def mlp(api: Any, batch: Data) -> Case:
    """784 → 256 → 256 → 10."""
    model = api.chain(api.Relu(256), api.Relu(256), api.Softmax(10))
    return _classes(model, batch.images, batch, classes=10)


def bilstm(api: Any, batch: Data) -> Case:
    """Hashed words, an LSTM both ways, a softmax."""
    model = api.chain(
        api.with_array(api.HashEmbed(UNITS, TABLES[0], seed=1, column=0)),
        api.with_padded(api.LSTM(2 * UNITS, UNITS, bi=True)),
        api.with_array(api.Softmax(TAGS)),
    )
    return _tags(model, batch.documents, batch)


def attention(api: Any, batch: Data) -> Case:
    """Hashed words through a dense layer, their sum weighed by attention, a residual layer, a softmax."""
    words = api.chain(api.HashEmbed(WIDTH, TABLES[0], seed=1, column=0), api.Relu(WIDTH))
    model = api.chain(
        api.with_array(words),
        api.list2ragged(),
        api.ParametricAttention(WIDTH),
        api.reduce_sum(),
        api.residual(api.Maxout(WIDTH, WIDTH, nP=PIECES, normalize=True)),
        api.Softmax(CLASSES),
    )
    return _classes(model, batch.documents, batch)


BUILDERS: dict[str, Callable[[Any, Data], Case]] = {
    function.__name__: function for function in (tagger, sparse, pool, mlp, bilstm, attention)
}


def one_hot(labels: Any, classes: int) -> Any:
    """(n,) → (n, classes) float32."""
    return np.eye(classes, dtype=np.float32)[labels]


def _tags(model: Any, documents: list[Any], batch: Data) -> Case:
    truths = np.split(one_hot(batch.tags, TAGS), np.cumsum(batch.lengths)[:-1])
    model.initialize(X=documents[:5], Y=truths[:5])
    return Case(model, documents, lambda Y: [guess - truth for guess, truth in zip(Y, truths, strict=True)])


def _classes(model: Any, X: Any, batch: Data, classes: int = CLASSES) -> Case:
    truths = one_hot(batch.classes, classes)
    model.initialize(X=X, Y=truths)
    return Case(model, X, lambda Y: Y - truths)
