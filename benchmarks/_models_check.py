"""That another library's models are ours: from the same parameters the same predictions and losses, step by step.

Dropout is off, whose masks differ, and so are the clipping and averages of our optimizer, which the others do without.
Words are looked up in the rows that our hashes name. The tagger's sentences go through ours one by one: in a batch they
have rows of padding between them, of which the others need none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

import thinc_nb.api
from benchmarks._models import CLASSES, LENGTH, TABLES, TAGS, UNITS, Case, case, data
from thinc_nb.backends import NumpyOps

STEPS = 3
PREDICTIONS, LOSSES = 2e-4, 1e-5
"""How far predictions may be apart, and losses as parts of the loss."""


class Ours:
    """Our model of a case, trained as the others are."""

    def __init__(self, name: str) -> None:
        made = case(name, thinc_nb.api)
        self.batch, self.kind = data(name), name.split("-", maxsplit=1)[0]
        self.model = made.model
        thinc_nb.api.set_dropout_rate(self.model, 0.0)
        self.optimizer = thinc_nb.api.Adam(0.001, grad_clip=0.0, use_averages=False)
        self.parts = [made]
        if self.kind == "tagger":
            inner, truths = self.model.layers[0], np.split(self.truths(), np.cumsum(self.batch.lengths)[:-1])
            self.parts = [
                Case(inner, X, partial(np.add, -truth)) for X, truth in zip(self.batch.documents, truths, strict=True)
            ]
        elif self.kind == "sparse":
            # A row of a table for each place, which the first version does not have.
            self.model.attrs["v1_indexing"] = False

    def truths(self) -> Any:
        """(n, classes), 1 for what is true."""
        classes = {"tagger": TAGS, "bilstm": TAGS, "mlp": 10}.get(self.kind, CLASSES)
        return np.eye(classes, dtype="float32")[self.batch.tags if classes == TAGS else self.batch.classes]

    def predict(self) -> Any:
        """One array of all documents."""
        found: list[Any] = []
        for part in self.parts:
            Y = part.predict()
            found.extend(Y if isinstance(Y, list) else [Y])
        return np.concatenate(found)

    def loss(self) -> float:
        """The sum of all cross-entropies, or of half the squares."""
        Y, truths = self.predict(), self.truths()
        return float(0.5 * ((Y - truths) ** 2).sum() if self.kind == "sparse" else -np.log(Y[truths == 1]).sum())

    def train(self) -> None:
        """One step."""
        for part in self.parts:
            Y, backprop = part.model.begin_update(part.X)
            backprop(part.gradient(Y))
        self.model.finish_update(self.optimizer)

    def parameters(self) -> list[dict[str, Any]]:
        """Those of each layer that has some: weights (inputs, outputs), the pieces of a maxout one after the other."""
        found = []
        for node in self.model.walk(order="dfs_pre"):
            held = {name: node.get_param(name) for name in node.param_names if node.has_param(name)}
            if "LSTM" in held:
                held = unpacked(held["LSTM"])
            elif self.kind == "sparse":
                held["W"] = held["W"].reshape(CLASSES, LENGTH).T
            elif "W" in held:
                inputs = held["W"].shape[-1]
                held["W"] = held["W"].T.reshape(inputs, -1)
                held["b"] = held["b"].T.reshape(-1)
            if held:
                found.append(held)
        return found


def unpacked(weights: Any) -> dict[str, Any]:
    """The weights of an LSTM of both directions; gates are forget, input, output, candidate."""
    held: dict[str, Any] = {"Wx": [], "bx": [], "Wh": [], "bh": []}
    matrix, bias = 4 * UNITS * UNITS, 4 * UNITS
    for W, b in [("Wx", "bx"), ("Wh", "bh")] * 2:
        held[W].append(weights[:matrix].reshape(4 * UNITS, UNITS).T)
        held[b].append(weights[matrix : matrix + bias])
        weights = weights[matrix + bias :]
    return held


def our_rows(kind: str) -> Callable[[Any, int], Any]:
    """The rows of a table that our hashes name for ids."""
    ops = NumpyOps()

    def rows(ids: Any, table: int) -> Any:
        if kind == "sparse":
            weights, values = np.zeros(table, "f"), np.ones(len(ids), "f")
            kept = ops._sparse_linear(
                weights, np.zeros(1, "f"), ids, values, np.array([len(ids)], "int32"), table, False
            )
            return kept[1][1].T
        # Of two tables of one size the second is the fourth feature's.
        seeds[table] = seeds.get(table, TABLES.index(table)) + 1
        return ops.hash_rows(ids, seeds[table], table)

    seeds: dict[int, int] = {}
    return rows


def differences(name: str) -> tuple[float, float]:
    """How far JAX's model of a case and ours are apart at most: in predictions, and in losses as parts of the loss."""
    ours, jax = Ours(name), import_module("jax")
    other = import_module("_models_jax").JaxCase(name, rate=0.0, rows=our_rows(ours.kind))
    other.load(jax.tree.map(jax.numpy.array, ours.parameters()))
    of_predictions, of_losses = [], []
    for _ in range(STEPS):
        of_predictions.append(np.abs(np.asarray(other.predict()) - ours.predict()).max())
        loss = ours.loss()
        of_losses.append(abs(float(other.train()) / loss - 1.0))
        ours.train()
    of_predictions.append(np.abs(np.asarray(other.predict()) - ours.predict()).max())
    return float(max(of_predictions)), max(of_losses)


def check(name: str) -> None:
    """ValueError if JAX's model of a case, with any number of documents, is not ours."""
    of_predictions, of_losses = differences(name)
    # Not less, or not a number.
    if not (of_predictions <= PREDICTIONS and of_losses <= LOSSES):
        raise ValueError(
            f"{name}: JAX's predictions are up to {of_predictions:.1e} from ours (at most {PREDICTIONS:.0e} is right), "
            f"its losses {of_losses:.1e} of the loss (at most {LOSSES:.0e})"
        )
