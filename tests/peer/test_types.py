"""Containers and helper functions beside Thinc's: indexing, slicing, widths, categories, nested data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from layer_cases import LENGTHS, B
from twins import assert_alike, for_thinc, oracle, ours

INDEXES: list[Any] = [
    0, 1, -1, slice(0, 2), slice(1, None), slice(None), slice(0, 0), slice(None, None, 2), np.array([0], dtype="i"),
    np.array([2, 0], dtype="i"), np.array([1, 1], dtype="i"), np.array([], dtype="i"), 7,
]  # fmt: skip


def outcome(run: Any) -> Any:
    try:
        return run()
    except (IndexError, KeyError, ValueError, TypeError) as error:
        return error


@pytest.mark.parametrize("size", [size for size in LENGTHS if size != "none"])
@pytest.mark.parametrize("index", INDEXES, ids=str)
@pytest.mark.parametrize("form", ["ragged", "pairs"])
def test_selected_sequences(form: str, index: Any, size: str) -> None:
    batch = B.ragged(size) if form == "ragged" else ours("types").Pairs(B.rows(size), B.rows(size) * 2)
    mine, theirs = outcome(lambda: batch[index]), outcome(lambda: for_thinc(batch)[index])
    if isinstance(theirs, Exception):
        return
    if form == "ragged" and isinstance(index, int) and index < 0:
        # Here the last sequence, as of a list.
        assert len(theirs.lengths) == 0
        assert_alike(mine, batch[len(batch) - 1], "the last one")
        return
    assert not isinstance(mine, Exception), mine
    assert_alike(mine, theirs, f"{form}[{index}]")
    assert len(batch) == len(for_thinc(batch))


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("n_classes", [None, 3, 5])
@pytest.mark.parametrize("shape", [(4,), (2, 2), (0,)], ids=str)
def test_to_categorical(shape: tuple[int, ...], n_classes: int | None, label_smoothing: float) -> None:
    Y = np.array([0, 2, 1, 2], dtype="i")[: int(np.prod(shape))].reshape(shape)
    results = [
        outcome(lambda lib=lib: lib().to_categorical(Y.copy(), n_classes, label_smoothing=label_smoothing))
        for lib in (ours, oracle)
    ]
    assert isinstance(results[0], Exception) == isinstance(results[1], Exception), results
    if not isinstance(results[0], Exception):
        assert_alike(*results, "to_categorical")


@pytest.mark.parametrize("form", ["rows", "sequences", "ragged", "padded"])
def test_get_width(form: str) -> None:
    for dim in (-1, 0, 1):
        batch = getattr(B, form)("some")
        assert ours().get_width(batch, dim=dim) == oracle().get_width(for_thinc(batch), dim=dim)


def test_arguments_and_their_items() -> None:
    for library in (ours, oracle):
        args = library().ArgsKwargs((1, 2), {"a": 3})
        assert list(args.keys()) == [0, 1, "a"]
        assert list(args.values()) == [1, 2, 3]
        again = library().ArgsKwargs.from_items(list(args.items()))
        assert (again.args, again.kwargs) == ((1, 2), {"a": 3})


def test_nested_data_is_converted_and_walked_alike() -> None:
    nested = {"a": [1, (2, 3.0)], "b": {"c": 4}}
    for module in (ours("util"), oracle("util")):
        converted = module.convert_recursive(lambda item: isinstance(item, int), lambda item: -item, nested)
        assert converted == {"a": [-1, (-2, 3.0)], "b": {"c": -4}}
        assert list(module.iterate_recursive(lambda item: isinstance(item, int), nested)) == [1, 2, 4]
