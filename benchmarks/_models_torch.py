"""The models of `models.py` in PyTorch, on the same batches.

Hashing is done beforehand, and sequences are flat arrays or full rectangles: PyTorch is measured on its own ground.
The optimizer is its fused Adam, which neither clips gradients nor averages parameters, as Thinc's and ours do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from _models_rows import hashed_rows
from torch import nn
from torch.nn import functional as F  # noqa: N812  # its name in PyTorch's own documentation

from benchmarks._models import CLASSES, DEPTH, DROPOUT, LENGTH, TABLES, TAGS, UNITS, WIDTH, Data, data


def rows(ids: Any, table: int) -> Any:
    """Four rows of a table for each id."""
    return torch.from_numpy(hashed_rows(ids, table))


def bag(table: int, width: int) -> Any:
    """A hashed embedding."""
    return nn.EmbeddingBag(table, width, mode="sum")


class MaxoutNorm(nn.Module):
    """Maxout of three pieces, layer normalisation, dropout."""

    def __init__(self, inputs: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.norm, self.dropout = nn.Linear(inputs, 3 * WIDTH), nn.LayerNorm(WIDTH, eps=1e-8), dropout

    def forward(self, X: Any) -> Any:
        best = self.linear(X).view(-1, WIDTH, 3).max(-1).values
        return F.dropout(self.norm(best), self.dropout, self.training)


class Tagger(nn.Module):
    """The CNN tagger."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.ModuleList(bag(table, WIDTH) for table in TABLES)
        self.mix = MaxoutNorm(len(TABLES) * WIDTH, DROPOUT)
        self.layers = nn.ModuleList(MaxoutNorm(3 * WIDTH, DROPOUT) for _ in range(DEPTH))
        self.out = nn.Linear(WIDTH, TAGS)

    def forward(self, first: Any, last: Any, *features: Any) -> Any:
        X = self.mix(torch.cat([embed(ids) for embed, ids in zip(self.embed, features, strict=True)], 1))
        for layer in self.layers:
            left, right = torch.roll(X, 1, 0) * first, torch.roll(X, -1, 0) * last
            X = X + layer(torch.cat([left, X, right], 1))
        return self.out(X)


class Sparse(nn.Module):
    """The linear classifier of hashed words."""

    def __init__(self) -> None:
        super().__init__()
        self.weights, self.bias = bag(LENGTH, CLASSES), nn.Parameter(torch.zeros(CLASSES))

    def forward(self, places: Any, starts: Any) -> Any:
        return self.weights(places, starts) + self.bias


class Pool(nn.Module):
    """The mean of the words' vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.out = bag(TABLES[0], WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, ids: Any, document: Any, counts: Any) -> Any:
        total = torch.zeros(len(counts), WIDTH).index_add(0, document, self.embed(ids))
        return self.out(total / counts)


class BiLSTM(nn.Module):
    """The BiLSTM tagger; all sequences have one length."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = bag(TABLES[0], UNITS)
        self.lstm = nn.LSTM(UNITS, UNITS, bidirectional=True, batch_first=True)
        self.out = nn.Linear(2 * UNITS, TAGS)

    def forward(self, ids: Any, sequences: Any) -> Any:
        X = self.embed(ids).view(len(sequences), -1, UNITS)
        return self.out(self.lstm(X)[0].reshape(-1, 2 * UNITS))


class Attention(nn.Module):
    """The attention pooler; softmax over each document without padding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.dense = bag(TABLES[0], WIDTH), nn.Linear(WIDTH, WIDTH)
        self.query = nn.Parameter(torch.empty(WIDTH).uniform_(-0.1, 0.1))
        self.mix, self.out = MaxoutNorm(WIDTH, 0.0), nn.Linear(WIDTH, CLASSES)

    def forward(self, ids: Any, document: Any, counts: Any) -> Any:
        X = torch.relu(self.dense(self.embed(ids)))
        scores = torch.exp(torch.clamp(X @ self.query, -20, 20))
        totals = torch.zeros(len(counts)).index_add(0, document, scores)
        weighed = X * (scores / totals[document]).unsqueeze(1)
        pooled = torch.zeros(len(counts), WIDTH).index_add(0, document, weighed)
        return self.out(pooled + self.mix(pooled))


def mlp() -> Any:
    """784 → 256 → 256 → 10."""
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


def inputs(kind: str, batch: Data) -> tuple[Any, ...]:
    """What the model of a case is called with."""
    if kind == "mlp":
        return (torch.from_numpy(batch.images),)
    lengths = torch.from_numpy(np.asarray(batch.lengths, "int64"))
    ends = torch.cumsum(lengths, 0)
    if kind == "tagger":
        first, last = torch.ones(len(batch.ids), 1), torch.ones(len(batch.ids), 1)
        first[ends - lengths], last[ends - 1] = 0.0, 0.0
        return first, last, *(rows(batch.ids[:, i].copy(), table) for i, table in enumerate(TABLES))
    if kind == "sparse":
        return rows(batch.ids[:, 0].copy(), LENGTH)[:, :2].reshape(-1), 2 * (ends - lengths)
    ids = rows(batch.ids[:, 0].copy(), TABLES[0])
    if kind == "bilstm":
        return ids, lengths
    document = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    return ids, document, lengths.float().unsqueeze(1)


BUILDERS: dict[str, Any] = {
    "tagger": Tagger,
    "sparse": Sparse,
    "pool": Pool,
    "mlp": mlp,
    "bilstm": BiLSTM,
    "attention": Attention,
}


class TorchCase:
    """A model with a batch, trained and used as `Case` is."""

    def __init__(self, name: str, compiled: bool) -> None:
        torch.manual_seed(0)
        batch, kind = data(name), name.split("-", maxsplit=1)[0]
        self.inputs = inputs(kind, batch)
        self.truths = torch.from_numpy(batch.tags if kind in {"tagger", "bilstm"} else batch.classes).long()
        self.model = BUILDERS[kind]()
        self.sparse = kind == "sparse"
        self.targets = F.one_hot(self.truths, CLASSES).float() if self.sparse else None
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.001, fused=True)
        self.call = torch.compile(self.model) if compiled else self.model

    def train(self) -> None:
        """One step: forward, backward, update."""
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        scores = self.call(*self.inputs)
        if self.sparse:
            loss = 0.5 * F.mse_loss(scores, self.targets, reduction="sum")
        else:
            loss = F.cross_entropy(scores, self.truths, reduction="sum")
        loss.backward()
        self.optimizer.step()

    def predict(self) -> Any:
        """Forward only."""
        self.model.eval()
        with torch.inference_mode():
            scores = self.call(*self.inputs)
            return scores if self.sparse else torch.softmax(scores, -1)
