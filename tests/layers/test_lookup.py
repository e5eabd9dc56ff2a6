"""Layers that turn words and ids into other ids, and indexing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb import api

TABLE = {"a": 3, "b": 5, 7: 9}


def test_strings_are_hashed_as_in_thinc() -> None:
    # Numbers from Thinc 9.1.1.
    arrays, backprop = api.strings2arrays().begin_update([["apple", "banana"], ["x", ""], []])
    assert [a.dtype for a in arrays] == [np.uint64] * 3
    assert [a.tolist() for a in arrays] == [[[1880549520], [18446744073531435951]], [[1050319643], [0]], []]
    assert arrays[2].shape == (0, 1)
    assert backprop(arrays) == []


@pytest.mark.parametrize("text", ["ünï", "日本語", "\ud800"])
def test_any_string_has_a_hash(text: str) -> None:
    model = api.strings2arrays()
    assert model.predict([[text]])[0][0, 0] == model.predict([[text]])[0][0, 0]


def test_remap_ids_looks_up_items() -> None:
    Y, backprop = api.remap_ids(TABLE, default=1).begin_update(["a", 7, "z"])
    assert Y.dtype == np.int32
    assert Y.tolist() == [[3], [9], [1]]
    assert backprop(Y) == []
    assert api.remap_ids(TABLE, dtype="int64").predict(np.array([7, 8])).tolist() == [[9], [0]]
    assert api.remap_ids(TABLE).predict([]).shape == (0, 1)


def test_remap_ids_v2_looks_up_a_column() -> None:
    ids = np.array([[7, 8], [8, 7]], dtype="i")
    model = api.remap_ids_v2(TABLE, default=2, column=1)
    Y, backprop = model.begin_update(ids)
    assert Y.tolist() == [[2], [9]]
    assert backprop(Y).shape == ids.shape
    assert not backprop(Y).any()
    assert model.predict(ids[:0]).shape == (0, 1)
    assert api.remap_ids_v2(TABLE).predict(["b"]).tolist() == [[5]]


def test_remap_ids_v2_without_table_says_so() -> None:
    model = api.remap_ids_v2()
    with pytest.raises(ValueError, match="'mapping table' not set"):
        model.predict(["a"])
    model.attrs["mapping_table"] = TABLE
    assert model.predict(["a"]).tolist() == [[3]]


def test_defaults_of_remap_ids_are_not_shared() -> None:
    first, second = api.remap_ids(), api.remap_ids()
    first.attrs["mapping_table"]["a"] = 1
    assert second.predict(["a"]).tolist() == [[0]]


@given(table=st.dictionaries(st.integers(0, 2**64 - 1), st.integers(-5, 5)), ids=st.lists(st.integers(0, 2**64 - 1)))
def test_premapped_ids_are_the_table_s(table: dict[int, int], ids: list[int]) -> None:
    model = api.premap_ids(table, default=9)
    wanted = ids + list(table)
    Y, backprop = model.begin_update(np.array(wanted, dtype="uint64"))
    assert Y.dtype == np.int32
    assert Y.tolist() == [[table.get(key, 9)] for key in wanted]
    assert backprop(Y).shape == (len(wanted),)
    assert dict(model.attrs["mapping_table"]) == table


def test_premapped_table_is_not_saved() -> None:
    model = api.premap_ids({1: 2}, column=1)
    assert model.copy().predict(np.array([[5, 1]])).tolist() == [[2]]
    # Without a warning: the program that makes the model to load into has the table.
    assert b"mapping_table" not in model.to_bytes()


def test_premapped_table_must_map_integers() -> None:
    with pytest.raises(ValueError, match=r"has to be of type Mapping\[int, int\], but found 'a'"):
        api.premap_ids({"a": 1})  # type: ignore[dict-item]
    with pytest.raises(OverflowError, match="must not be negative, got -7"):
        api.premap_ids({-7: 1})


@pytest.mark.parametrize(
    "layer", [lambda c: api.remap_ids_v2({1: 2}, column=c), lambda c: api.premap_ids({1: 2}, column=c)]
)
def test_missing_column_is_named(layer: Any) -> None:
    with pytest.raises(IndexError, match=r"with a column 2, got int64 \(1, 2\)"):
        layer(2).predict(np.array([[1, 2]]))
    with pytest.raises(ValueError, match="choose a column"):
        layer(None).predict(np.array([[1, 2]]))


X = np.arange(12, dtype="f").reshape(3, 4)


@pytest.mark.parametrize(
    "index",
    [0, -1, slice(0, 2), [0, 2], (slice(0, None), 1), (slice(0, None), [0, 1]), (0, 1), ([0, 0], [1, 1])],
    ids=str,
)
def test_getitem_is_numpy_s(index: Any) -> None:
    Y, backprop = api.array_getitem(index).begin_update(X)
    np.testing.assert_array_equal(Y, X[index])
    expected = np.zeros_like(X)
    np.add.at(expected, index, np.asarray(Y))
    np.testing.assert_array_equal(backprop(Y), expected)


@pytest.mark.parametrize("layer", [api.array_getitem((slice(0, None), 0)), api.HashEmbed(4, 9, column=0).initialize()])
def test_rows_without_columns_have_no_column(layer: Any) -> None:
    with pytest.raises(IndexError, match=r"takes X\[0:, 0\], got u?int64 \(3, 0\)"):
        layer.predict(np.zeros((3, 0), dtype="uint64"))


@pytest.mark.without_contracts
def test_getitem_refuses_what_is_no_array() -> None:
    with pytest.raises(TypeError, match="layer 'array-getitem' takes an array, got a list of 1"):
        api.array_getitem(0).predict([X])
