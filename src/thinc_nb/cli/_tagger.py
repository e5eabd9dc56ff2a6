"""The tagger: its network, its predictions and its files. The one module of the command that imports `thinc_nb.api`."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np

from .. import __version__
from ..api import (
    Adam,
    HashEmbed,
    Maxout,
    Model,
    Optimizer,
    Softmax,
    chain,
    clone,
    concatenate,
    expand_window,
    fix_random_seed,
    residual,
    with_array,
)
from ..types import Floats2d, Ints1d, Ints2d
from ._errors import CommandError, reading
from ._features import FEATURE_NAMES, FeatureTable

__all__ = ["KERNELS", "MODEL_FILE", "SETTINGS_FILE", "Tagger", "TaggerSettings", "batches", "new_optimizer"]

MODEL_FILE: Final = "model.bin"
SETTINGS_FILE: Final = "tagger.json"
ROWS: Final = (5000, 1000, 2500, 2500)
"""Rows of the embedding table of each feature, in the order of `FEATURE_NAMES`."""
KERNELS: Final = (
    "arrays.clear",
    "dense.add_bias",
    "dense.bias_softmax",
    "dense.column_sums",
    "embed.gather_add",
    "hashed.backprop_hash_embed",
    "hashed.hash_embed",
    "hashing.hash_rows",
    "maxout.maxout_3",
    "maxout_norm.backprop_maxout_norm",
    "maxout_norm.backprop_windows",
    "maxout_norm.maxout_norm",
    "maxout_norm.maxout_norm_only",
    "maxout_norm.windows",
    "normalise.layer_norm",
    "optimise.chunk_adam_with_average",
    "optimise.chunk_squares",
    "pairs.backprop_pair_weights",
    "pairs.backprop_product_pairs",
    "pairs.backprop_window_pairs",
    "pairs.pair_strips",
    "pairs.pair_weights",
    "pairs.product_pair_columns",
    "pairs.product_pairs",
    "pairs.product_pairs_by_strip",
    "pairs.window_pairs",
    "products.product",
    "products.product_columns",
    "products.product_transposed",
    "window.seq2col",
)
"""What training a tagger runs, of which some only for a few words or for many."""
_FORMAT: Final = 1
_PIECES: Final = 3
_PREDICT_SENTENCES: Final = 256

_T = TypeVar("_T")
TaggerModel: TypeAlias = Model[list[Ints2d], list[Floats2d]]


@dataclasses.dataclass(frozen=True)
class TaggerSettings:
    """What is needed to build the network again and to read text for it."""

    kind: str
    """The source of the sentences: `pysource` or `conllu`."""
    column: str
    """What is predicted: the CoNLL-U column, or `role`."""
    labels: tuple[str, ...]
    width: int = 96
    depth: int = 4
    dropout: float = 0.1
    rows: tuple[int, ...] = ROWS


def build_model(settings: TaggerSettings) -> TaggerModel:
    """Hashed features (words, 4) uint64 of each sentence → label probabilities (words, labels) of each sentence.

    The network of Honnibal, 2016 ("Embed, encode, attend, predict"): hash embeddings of four features, mixed by a
    maxout layer, encoded by residual convolutions with a window of one word on each side.
    """
    width, drop = settings.width, settings.dropout
    embed = [HashEmbed(width, rows, column=i, seed=i + 1) for i, rows in enumerate(settings.rows)]
    form, prefix, suffix, shape = embed
    with Model.define_operators({">>": chain, "|": concatenate, "**": clone}):
        embedded = (form | prefix | suffix | shape) >> Maxout(width, nP=_PIECES, normalize=True, dropout=drop)
        layer = residual(expand_window(1) >> Maxout(width, width * 3, nP=_PIECES, normalize=True, dropout=drop))
        # The padding keeps the windows of one sentence from reaching into the next.
        model: TaggerModel = with_array(
            embedded >> layer**settings.depth >> Softmax(len(settings.labels)), pad=settings.depth
        )
    return model


def new_optimizer(learn_rate: float) -> Optimizer:
    """Adam (Kingma & Ba, 2015), which also keeps the running averages of the parameters."""
    return Adam(learn_rate)


class Tagger:
    """A network with the labels it predicts."""

    def __init__(self, settings: TaggerSettings, model: TaggerModel) -> None:
        self.settings = settings
        self.model = model

    @classmethod
    def new(cls, settings: TaggerSettings, seed: int = 0) -> Tagger:
        """A tagger with freshly drawn parameters; also fixes the seed of all that is drawn in training."""
        fix_random_seed(seed)
        model = build_model(settings)
        model.initialize(X=[np.zeros((1, len(FEATURE_NAMES)), dtype=np.uint64)])
        return cls(settings, model)

    def predict(self, sentences: Iterable[Ints2d]) -> Iterator[Ints1d]:
        """The ids of the predicted labels, sentence by sentence: (words, 4) uint64 → (words,) int64."""
        for batch in batches(sentences, _PREDICT_SENTENCES):
            for scores in self.model.predict(batch):
                yield scores.argmax(axis=1)

    def tag(self, sentences: Iterable[Sequence[str]]) -> Iterator[list[str]]:
        """The predicted labels of each sentence of words."""
        table = FeatureTable()
        for ids in self.predict(table.features(words) for words in sentences):
            yield [self.settings.labels[i] for i in ids]

    @contextlib.contextmanager
    def averaged(self, optimizer: Optimizer) -> Iterator[None]:
        """Use the running averages of the parameters inside the block: they predict better than the last step's."""
        with self.model.use_params(optimizer.averages or {}):
            yield

    def keep_averages(self, optimizer: Optimizer) -> None:
        """Replace the parameters by their running averages, for good: what is done once training has ended."""
        averages = optimizer.averages or {}
        for node in self.model.walk():
            for name in node.param_names:
                average = averages.get((node.id, name))
                if average is not None:
                    node.set_param(name, average)

    def save(self, folder: Path, training: Sequence[dict[str, Any]] = ()) -> None:
        """Write `model.bin` and `tagger.json` into an existing folder; `training` is kept in the latter for readers."""
        data = self.model.to_bytes()
        settings = {
            "format": _FORMAT,
            "thinc_nb": __version__,
            **dataclasses.asdict(self.settings),
            "weights": {"file": MODEL_FILE, "sha256": hashlib.sha256(data).hexdigest()},
            "training": list(training),
        }
        _replace(folder / MODEL_FILE, data)
        _replace(folder / SETTINGS_FILE, (json.dumps(settings, indent=1, ensure_ascii=False) + "\n").encode())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Tagger:
        """Read a saved tagger. Raises `CommandError` if its files are missing, damaged or of different trainings."""
        path = Path(folder)
        with reading(path):
            path.stat()
        if path.name == SETTINGS_FILE:
            path = path.parent
        settings, digest = _read_settings(path / SETTINGS_FILE)
        with reading(path / MODEL_FILE):
            data = (path / MODEL_FILE).read_bytes()
        if hashlib.sha256(data).hexdigest() != digest:
            raise CommandError(f"these are not the weights that {SETTINGS_FILE} describes", path=path / MODEL_FILE)
        model = build_model(settings)
        try:
            model.from_bytes(data)
        except (ValueError, KeyError, IndexError) as err:
            raise CommandError(f"the weights do not fit the model ({err})", path=path / MODEL_FILE) from err
        return cls(settings, model)


def batches(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Lists of `size` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _read_settings(path: Path) -> tuple[TaggerSettings, str]:
    with reading(path):
        raw = path.read_bytes()
    try:
        values = json.loads(raw)
        if values["format"] != _FORMAT:
            raise CommandError(f"format {values['format']!r} is of another version of thinc_nb", path=path)
        settings = TaggerSettings(
            kind=str(values["kind"]),
            column=str(values["column"]),
            labels=tuple(map(str, values["labels"])),
            width=int(values["width"]),
            depth=int(values["depth"]),
            dropout=float(values["dropout"]),
            rows=tuple(map(int, values["rows"])),
        )
        return settings, str(values["weights"]["sha256"])
    except (ValueError, KeyError, TypeError) as err:
        raise CommandError(f"not the settings of a tagger ({type(err).__name__}: {err})", path=path) from err


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that it is at every moment either the old one or the new one, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
