"""What the suites share: the library under test, its NumpyOps, and data that is the same on every run."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

LIBRARIES = ["thinc_nb", "thinc"]
ROWS, WIDTH, PIECES, WINDOW = 2000, 96, 3, 1


def api(library: str) -> Any:
    """The `api` module of a library; asv takes NotImplementedError in a setup as "n/a"."""
    if find_spec(library) is None:
        raise NotImplementedError(f"{library} is not installed")
    return import_module(f"{library}.api")


def floats(*shape: int, seed: int = 0) -> Any:
    """Standard normal float32 values."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def lengths_of_sentences(total: int, seed: int = 0) -> Any:
    """Lengths of about 25, like English sentences, that sum to `total`."""
    lengths = np.clip(np.random.default_rng(seed).normal(25, 8, total), 4, 60).astype("int32")
    ends = np.minimum(np.cumsum(lengths), total)
    return np.diff(ends[: int(np.searchsorted(ends, total)) + 1], prepend=0).astype("int32")


def documents(count: int, vocabulary: int = 20_000, seed: int = 0) -> list[Any]:
    """Sentences of word hashes (uint64), the words as frequent as Zipf's law has them."""
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.normal(25, 8, count).astype(int), 4, 60)
    frequency = 1 / np.arange(1, vocabulary + 1)
    hashes = rng.integers(1, 2**63, vocabulary).astype("uint64")
    return [hashes[rng.choice(vocabulary, length, p=frequency / frequency.sum())] for length in lengths]
