"""Words that the mypy plugin and the run-time contracts share: what to do about a mistake. Imports nothing of ours."""

from __future__ import annotations

from typing import Final

__all__ = ["ADDED", "COPIES", "SAME_INPUT", "adapter", "fitting_width"]

SAME_INPUT: Final = "all layers get the same input"
ADDED: Final = "input and output are added, so they must be alike"
COPIES: Final = "copies of it cannot follow each other"

# What to do where one kind of batch comes and another is expected.
_ADAPTERS: Final = {
    ("list", "ragged"): "put list2ragged() between them",
    ("ragged", "list"): "put ragged2list() between them",
    ("list", "padded"): "put list2padded() between them, or wrap the layer in with_padded(...)",
    ("padded", "list"): "put padded2list() between them",
    ("ragged", "array"): "wrap the layer in with_array(...), or pool first, with a reduce_*() layer",
    ("padded", "array"): "wrap the layer in with_array(...)",
    ("list", "array"): "wrap the layer in with_array(...), or join the list with list2array()",
    ("ragged", "padded"): "wrap the layer in with_padded(...)",
    ("padded", "ragged"): "wrap the layer in with_ragged(...)",
    ("array", "ragged"): "the sequences' lengths are lost here: keep them, with with_array(...) around earlier layers",
}


def adapter(given: str, expected: str) -> str | None:
    """What to put between, or around, two layers: `given` and `expected` are "array", "list", "ragged" or "padded"."""
    return _ADAPTERS.get((given, expected))


def fitting_width(width: int, name: str = "nI") -> str:
    """What to do where a layer is given another width than it was made for."""
    return f"{name}={width} fits, and left out, initialize(X=...) infers it"
