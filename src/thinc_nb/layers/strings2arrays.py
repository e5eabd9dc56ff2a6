"""strings2arrays: strings to ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..model import Model
from ..types import Ints2d
from ._checks import wrong_type
from ._murmur import hash_string


def strings2arrays() -> Model[Sequence[Sequence[str]], list[Ints2d]]:
    """The hash of each string, as an id for `HashEmbed`: k lists of n_i strings → k arrays (n_i, 1) uint64.

    The hash is MurmurHash3 (x86, 32 bits; Appleby, 2011) of the UTF-8, the same on every run and platform.
    """
    return Model("strings2arrays", forward)


def forward(
    model: Model[Sequence[Sequence[str]], list[Ints2d]], Xs: Sequence[Sequence[str]], is_train: bool
) -> tuple[list[Ints2d], Callable[[list[Ints2d]], list[Sequence[str]]]]:
    """Hashes; strings have no gradient, so it is an empty list."""
    ops = model.ops

    def backprop(dYs: list[Ints2d]) -> list[Sequence[str]]:
        return []

    try:
        hashes = [list(map(hash_string, X)) for X in Xs]
    except (TypeError, AttributeError):
        raise wrong_type(model, "lists of strings", Xs) from None
    arrays: list[Ints2d] = [ops.asarray(row, dtype="uint64").reshape((-1, 1)) for row in hashes]
    return arrays, backprop
