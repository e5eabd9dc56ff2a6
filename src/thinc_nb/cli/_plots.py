"""The two pictures of a training run. Figures are drawn without pyplot: no window system, no global state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ._scores import Confusion

if TYPE_CHECKING:
    from ._training import EpochRecord

__all__ = ["plot_confusion", "plot_learning_curve"]

_MOST_LABELS = 40


def plot_learning_curve(history: Sequence[EpochRecord], path: Path) -> None:
    """Loss and dev accuracy by epoch, as a PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [record.epoch for record in history]
    figure = Figure(figsize=(7, 4), layout="constrained")
    losses = figure.add_subplot()
    losses.plot(epochs, [record.loss for record in history], "o-", color="tab:red")
    losses.set_xlabel("epoch")
    losses.set_ylabel("training loss per word (nats)", color="tab:red")
    losses.set_ylim(bottom=0)
    losses.xaxis.set_major_locator(MaxNLocator(integer=True))
    accuracies = losses.twinx()
    accuracies.plot(epochs, [record.accuracy for record in history], "s-", color="tab:blue")
    accuracies.set_ylabel("dev accuracy", color="tab:blue")
    figure.savefig(path, dpi=120, format="png")


def plot_confusion(confusion: Confusion, path: Path) -> None:
    """Which gold label (row) was predicted as which (column): shares of the row, the most frequent labels, as a PNG."""
    from matplotlib.figure import Figure

    support = confusion.matrix.sum(axis=1) + confusion.matrix.sum(axis=0)
    shown = [i for i in np.argsort(-support, kind="stable")[:_MOST_LABELS].tolist() if support[i]]
    counts = confusion.matrix[np.ix_(shown, shown)]
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    labels = [confusion.labels[i] for i in shown]
    size = max(5.0, 0.45 * len(labels) + 2)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.add_subplot()
    # A square root, since what matters is in the small shares beside a diagonal near one.
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(labels)), labels, rotation=90, parse_math=False)
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")
    for row, column in np.argwhere(shares >= 0.005).tolist():
        share = shares[row, column]
        colour = "white" if share > 0.3 else "black"
        axes.text(column, row, f"{share:.0%}", ha="center", va="center", fontsize=7, color=colour)
    figure.savefig(path, dpi=120, format="png")
