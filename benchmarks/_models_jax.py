"""The models of `models.py` in JAX, on the same batches.

Each is a function of its parameters, and a step of training one compiled function of a state, whose memory it may use
again. Where there is a choice it is what was measured to be fastest on a CPU, which is said beside it. As for PyTorch,
hashing is done beforehand and Adam neither clips gradients nor averages parameters.

XLA compiles for one shape. Here every batch has the same one, so nothing is padded: a program whose batches differ
would fill them up to one of a few sizes, and compute what it fills in as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any, TypeAlias

import jax
import numpy as np
from _models_rows import hashed_rows
from jax import numpy as jnp

from benchmarks._common import PIECES
from benchmarks._models import CLASSES, DEPTH, DROPOUT, LENGTH, TABLES, TAGS, UNITS, WIDTH, Data, data, one_hot

Params: TypeAlias = list[dict[str, Any]]
"""Those of each layer, in the order in which the layers of ours come; weights are (inputs, outputs)."""
Masks: TypeAlias = Callable[[Any], Any]
"""Dropout, another mask at each call."""


def no_dropout(X: Any) -> Any:
    """Of predictions."""
    return X


def dropout(rate: float, key: Any) -> Masks:
    """Dropout whose masks are drawn from a key."""
    keys = iter(jax.random.split(key, DEPTH + 1))

    def mask(X: Any) -> Any:
        return jnp.where(jax.random.bernoulli(next(keys), 1.0 - rate, X.shape), X / (1.0 - rate), 0.0)

    return mask if rate else no_dropout


def dense(layer: dict[str, Any], X: Any) -> Any:
    """X W + b."""
    return X @ layer["W"] + layer["b"]


def embedded(layer: dict[str, Any], rows: Any) -> Any:
    """The sum of four rows of a table for each word: a sum of four look-ups takes half the time of one and a sum."""
    return sum(layer["E"][rows[:, i]] for i in range(rows.shape[1]))


def maxout_norm(maxout: dict[str, Any], norm: dict[str, Any], X: Any, masks: Masks = no_dropout) -> Any:
    """Maxout of three pieces, layer normalisation, dropout.

    The pieces are apart, and their maximum one of pairs: the gradient of the maximum over an axis takes twice as long.
    """
    best = reduce(jnp.maximum, jnp.split(dense(maxout, X), PIECES, axis=1))
    centred = best - best.mean(1, keepdims=True)
    normal = centred * jax.lax.rsqrt((centred**2).mean(1, keepdims=True) + 1e-8)
    return masks(normal * norm["G"] + norm["b"])


def tagger(params: Params, masks: Masks, first: Any, last: Any, *features: Any) -> Any:
    """The CNN tagger on all words in one array; first and last are 0 where a word has no neighbour before or after."""
    embeds, (maxout, norm, *layers, out) = params[: len(features)], params[len(features) :]
    X = jnp.concatenate([embedded(layer, rows) for layer, rows in zip(embeds, features, strict=True)], 1)
    X = maxout_norm(maxout, norm, X, masks)
    for i in range(0, len(layers), 2):
        windows = jnp.concatenate([jnp.roll(X, 1, 0) * first, X, jnp.roll(X, -1, 0) * last], 1)
        X = X + maxout_norm(layers[i], layers[i + 1], windows, masks)
    return dense(out, X)


def total(X: Any, document: Any, counts: Any) -> Any:
    """The sum of the rows of each document."""
    return jax.ops.segment_sum(X, document, counts.shape[0], indices_are_sorted=True)


def sparse(params: Params, masks: Masks, places: Any, document: Any, counts: Any) -> Any:
    """The linear classifier of hashed words."""
    return total(params[0]["W"][places], document, counts) + params[0]["b"]


def pool(params: Params, masks: Masks, rows: Any, document: Any, counts: Any) -> Any:
    """The mean of the words' vectors."""
    embed, out = params
    return dense(out, total(embedded(embed, rows), document, counts) / counts)


def mlp(params: Params, masks: Masks, X: Any) -> Any:
    """784 → 256 → 256 → 10."""
    for layer in params[:-1]:
        X = jax.nn.relu(dense(layer, X))
    return dense(params[-1], X)


def lstm_step(weights: Any, state: tuple[Any, Any], entering: Any) -> tuple[Any, Any]:
    """The cell and the output after a step; entering (sequences, 4 * UNITS) is what comes from the input."""
    cell, hidden = state
    gates, update = jnp.split(entering + hidden @ weights, [3 * UNITS], axis=1)
    forget, enter, leave = jnp.split(jax.nn.sigmoid(gates), 3, axis=1)
    cell = forget * cell + enter * jnp.tanh(update)
    return cell, leave * jnp.tanh(cell)


def bilstm(params: Params, masks: Masks, rows: Any, lengths: Any) -> Any:
    """The BiLSTM tagger; all sequences have one length.

    One scan does both directions, which takes less time than one for each. Unrolled, training takes longer.
    """
    embed, lstm, out = params
    X = embedded(embed, rows).reshape(lengths.shape[0], -1, UNITS).swapaxes(0, 1)
    ahead, back = (X @ W + (b + c) for W, b, c in zip(lstm["Wx"], lstm["bx"], lstm["bh"], strict=True))

    def step(states: Any, entering: Any) -> tuple[Any, Any]:
        states = tuple(map(lstm_step, lstm["Wh"], states, entering))
        return states, tuple(hidden for _, hidden in states)

    start = jnp.zeros((lengths.shape[0], UNITS))
    _, (forward, backward) = jax.lax.scan(step, ((start, start), (start, start)), (ahead, back[::-1]))
    Y = jnp.concatenate([forward, backward[::-1]], 2).swapaxes(0, 1)
    return dense(out, Y.reshape(-1, 2 * UNITS))


def attention(params: Params, masks: Masks, rows: Any, document: Any, counts: Any) -> Any:
    """The attention pooler; softmax over each document without padding."""
    embed, hidden, query, maxout, norm, out = params
    X = jax.nn.relu(dense(hidden, embedded(embed, rows)))
    scores = jnp.exp(jnp.clip(X @ query["Q"], -20, 20))
    shares = scores / total(scores, document, counts)[document]
    pooled = total(X * shares[:, None], document, counts)
    return dense(out, pooled + maxout_norm(maxout, norm, pooled))


MODELS = {function.__name__: function for function in (tagger, sparse, pool, mlp, bilstm, attention)}


def start(kind: str) -> Params:
    """The parameters of a model that has not learnt."""
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> Any:
        return jnp.asarray(rng.uniform(-0.1, 0.1, shape).astype("float32"))

    def dense_of(inputs: int, outputs: int) -> dict[str, Any]:
        return {"W": drawn(inputs, outputs), "b": jnp.zeros(outputs)}

    def maxout_norm_of(inputs: int) -> Params:
        return [dense_of(inputs, PIECES * WIDTH), {"G": jnp.ones(WIDTH), "b": jnp.zeros(WIDTH)}]

    if kind == "tagger":
        embeds: Params = [{"E": drawn(table, WIDTH)} for table in TABLES]
        layers = [each for _ in range(DEPTH) for each in maxout_norm_of(3 * WIDTH)]
        return [*embeds, *maxout_norm_of(len(TABLES) * WIDTH), *layers, dense_of(WIDTH, TAGS)]
    if kind == "sparse":
        return [{"W": jnp.zeros((LENGTH, CLASSES)), "b": jnp.zeros(CLASSES)}]
    if kind == "pool":
        return [{"E": drawn(TABLES[0], WIDTH)}, dense_of(WIDTH, CLASSES)]
    if kind == "mlp":
        return [dense_of(784, 256), dense_of(256, 256), dense_of(256, 10)]
    if kind == "bilstm":
        weights = [[drawn(UNITS, 4 * UNITS) for _ in range(2)] for _ in range(2)]
        biases = [[jnp.zeros(4 * UNITS) for _ in range(2)] for _ in range(2)]
        lstm = {"Wx": weights[0], "bx": biases[0], "Wh": weights[1], "bh": biases[1]}
        return [{"E": drawn(TABLES[0], UNITS)}, lstm, dense_of(2 * UNITS, TAGS)]
    first = [{"E": drawn(TABLES[0], WIDTH)}, dense_of(WIDTH, WIDTH), {"Q": drawn(WIDTH)}]
    return [*first, *maxout_norm_of(WIDTH), dense_of(WIDTH, CLASSES)]


def inputs(kind: str, batch: Data, rows: Callable[[Any, int], Any]) -> tuple[Any, ...]:
    """What the model of a case is called with. rows: of a table, for ids (`hashed_rows`)."""
    if kind == "mlp":
        return (jnp.asarray(batch.images),)
    ends = np.cumsum(batch.lengths)
    if kind == "tagger":
        first, last = np.ones((len(batch.ids), 1), "float32"), np.ones((len(batch.ids), 1), "float32")
        first[ends - batch.lengths], last[ends - 1] = 0.0, 0.0
        features = [rows(batch.ids[:, i].copy(), table).astype("int32") for i, table in enumerate(TABLES)]
        return tuple(map(jnp.asarray, (first, last, *features)))
    words = batch.ids[:, 0].copy()
    document = np.repeat(np.arange(len(batch.lengths), dtype="int32"), batch.lengths)
    counts = batch.lengths[:, None].astype("float32")
    if kind == "sparse":
        places = rows(words, LENGTH)[:, :2].astype("int32")
        return tuple(map(jnp.asarray, (places.reshape(-1), document.repeat(2), counts)))
    found = jnp.asarray(rows(words, TABLES[0]).astype("int32"))
    if kind == "bilstm":
        return found, jnp.asarray(batch.lengths)
    return found, jnp.asarray(document), jnp.asarray(counts)


def adam(learn_rate: Any, params: Params, gradient: Params, first: Params, second: Params) -> tuple[Any, Any, Any]:
    """The parameters and the moments after a step (Kingma & Ba, 2015)."""
    first = jax.tree.map(lambda m, d: 0.9 * m + 0.1 * d, first, gradient)
    second = jax.tree.map(lambda v, d: 0.999 * v + 0.001 * d * d, second, gradient)
    params = jax.tree.map(lambda p, m, v: p - learn_rate * m / (jnp.sqrt(v) + 1e-8), params, first, second)
    return params, first, second


class JaxCase:
    """A model with a batch, trained and used as `Case` is."""

    def __init__(self, name: str, rate: float = DROPOUT, rows: Callable[[Any, int], Any] = hashed_rows) -> None:
        batch, kind = data(name), name.split("-", maxsplit=1)[0]
        scores = MODELS[kind]
        linear = kind == "sparse"
        classes = {"tagger": TAGS, "bilstm": TAGS, "mlp": 10}.get(kind, CLASSES)
        self.batch = inputs(kind, batch, rows)
        self.truths = jnp.asarray(one_hot(batch.tags if classes == TAGS else batch.classes, classes))
        self.load(start(kind))

        def loss(params: Params, masks: Masks, truths: Any, batch: Any) -> Any:
            Y = scores(params, masks, *batch)
            return 0.5 * ((Y - truths) ** 2).sum() if linear else -(truths * jax.nn.log_softmax(Y)).sum()

        # The state's memory is used again for the new one.
        @partial(jax.jit, donate_argnums=0)
        def update(state: Any, truths: Any, batch: Any) -> tuple[Any, Any]:
            params, first, second, steps, key = state
            key, drawn = jax.random.split(key)
            took, gradient = jax.value_and_grad(loss)(params, dropout(rate, drawn), truths, batch)
            steps = steps + 1
            learn_rate = 0.001 * jnp.sqrt(1.0 - 0.999**steps) / (1.0 - 0.9**steps)
            return (*adam(learn_rate, params, gradient, first, second), steps, key), took

        @jax.jit
        def guess(params: Params, batch: Any) -> Any:
            Y = scores(params, no_dropout, *batch)
            return Y if linear else jax.nn.softmax(Y)

        self.update, self.guess = update, guess

    def load(self, params: Params) -> None:
        """Go on from these parameters, with an optimizer that has seen nothing."""
        zeros = [jax.tree.map(jnp.zeros_like, params) for _ in range(2)]
        self.state = (params, *zeros, jnp.zeros((), "float32"), jax.random.key(0))

    def train(self) -> Any:
        """One step: forward, backward, update. The loss, when all is done."""
        self.state, loss = self.update(self.state, self.truths, self.batch)
        return loss.block_until_ready()

    def predict(self) -> Any:
        """Forward only."""
        return self.guess(self.state[0], self.batch).block_until_ready()
