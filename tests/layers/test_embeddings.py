"""Embed and HashEmbed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thinc_nb import api
from thinc_nb.api import (
    Embed,
    HashEmbed,
    NumpyOps,
    Ragged,
    Softmax,
    chain,
    check_model,
    list2ragged,
    reduce_mean,
    with_array,
)
from thinc_nb.errors import InputError, UnsetError
from thinc_nb.layers.embed import _rows

IDS = np.array([[1, 5], [2, 6], [1, 7]])


def test_hash_embedding_is_the_sum_of_four_rows() -> None:
    model = HashEmbed(3, 11, seed=4).initialize()
    ids = IDS[:, 0].astype("uint64")
    rows = NumpyOps().hash(ids, 4).astype("int64") % 11
    np.testing.assert_allclose(model.predict(ids), model.get_param("E")[rows].sum(axis=1), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32", "uint64"])
@pytest.mark.parametrize("layer", [lambda: HashEmbed(3, 9, seed=1), lambda: Embed(3, 9)])
def test_any_integers_are_ids(layer: Any, dtype: str) -> None:
    model = layer().initialize()
    np.testing.assert_array_equal(model.predict(IDS[:, 0].astype(dtype)), model.predict(IDS[:, 0]))


def test_embedding_is_a_row_of_the_table() -> None:
    model = Embed(3, 9).initialize()
    E = model.get_param("E")
    np.testing.assert_array_equal(model.predict(IDS[:, 0]), E[[1, 2, 1]])
    np.testing.assert_array_equal(model.predict(IDS), E[IDS])
    np.testing.assert_array_equal(model.predict(np.array([-1])), E[[8]])


@pytest.mark.parametrize("layer", [lambda c: HashEmbed(3, 9, seed=1, column=c), lambda c: Embed(3, 9, column=c)])
def test_column(layer: Any) -> None:
    model = layer(1).initialize()
    alone = layer(None).initialize()
    alone.set_param("E", model.layers[1].get_param("E"))
    np.testing.assert_array_equal(model.predict(IDS), alone.predict(IDS[:, 1]))


@pytest.mark.parametrize("layer", [lambda c: HashEmbed(3, 9, seed=1, column=c), lambda c: Embed(3, 9, column=c)])
@pytest.mark.parametrize("is_train", [True, False])
def test_empty_batch_gives_empty_gradient(layer: Any, is_train: bool) -> None:
    for ids, column in ((np.zeros((0,), dtype="i"), None), (np.zeros((0, 2), dtype="i"), 1)):
        model = layer(column).initialize()
        Y, backprop = model(ids, is_train)
        assert Y.shape == (0, 3)
        assert backprop(Y).shape == ids.shape


@pytest.mark.parametrize("column", [None, 1])
@pytest.mark.parametrize("layer", [HashEmbed, Embed])
def test_a_batch_without_documents_goes_through_a_classifier(layer: Any, column: int | None) -> None:
    documents = [IDS if column else IDS[:, 0], IDS[:1] if column else IDS[:1, 0]]
    model: Any = chain(list2ragged(), with_array(layer(3, 9, column=column)), reduce_mean(), Softmax(2))
    model.initialize(X=documents, Y=np.zeros((2, 2), dtype="f"))
    assert model.predict([]).shape == (0, 2)
    Y, backprop = model.begin_update([])
    assert backprop(Y) == []
    assert check_model(model, documents).passed


@pytest.mark.parametrize("layer", [lambda: HashEmbed(6, 9, seed=1, dropout=0.5), lambda: Embed(6, 9, dropout=0.5)])
def test_dropout_drops_the_same_columns_in_all_rows(layer: Any) -> None:
    model = layer().initialize()
    ids = np.arange(9)
    whole = model.predict(ids)
    np.random.seed(0)
    for _ in range(5):
        mask = model.begin_update(ids)[0] / whole
        np.testing.assert_allclose(mask, np.broadcast_to(mask[0], mask.shape), rtol=1e-5)
        assert set(np.unique(mask.round(3))) <= {0.0, 2.0}
    np.testing.assert_array_equal(model.predict(ids), whole)


def test_gradients_of_one_row_add_up() -> None:
    model = Embed(2, 4).initialize()
    Y, backprop = model.begin_update(np.array([1, 1, 3]))
    backprop(np.ones_like(Y))
    backprop(np.ones_like(Y))
    np.testing.assert_array_equal(model.get_grad("E"), [[0, 0], [4, 4], [0, 0], [2, 2]])


def test_id_outside_the_table_is_named() -> None:
    model = Embed(3, 9).initialize()
    for wrong in (9, -10, 2**40):
        with pytest.raises(IndexError, match=rf"layer 'embed' has a table of 9 rows \(nV\), got the id {wrong}"):
            model.predict(np.array([0, wrong]))


@pytest.mark.without_contracts
@pytest.mark.parametrize("layer", [lambda: HashEmbed(3, 9), lambda: Embed(3, 9)])
def test_what_is_no_id_is_refused(layer: Any) -> None:
    model = layer().initialize()
    for wrong in (np.array([1, np.nan]), np.array([1e30]), np.array(["a"]), [1, 2], Ragged(IDS, np.array([3]))):
        with pytest.raises(TypeError, match=f"layer '{model.name}' takes an array of integer ids"):
            model.predict(wrong)


@pytest.mark.without_contracts
@pytest.mark.parametrize("kind", ["float16", "f", "d", "?"])
def test_hashed_ids_may_be_floats_or_truth_values(kind: str) -> None:
    ids = np.array([[0, 1], [1, 0]]) if kind == "?" else np.array([[7, -3], [2.75, 5]])
    model = HashEmbed(3, 9, column=1).initialize()
    Y, backprop = model.begin_update(ids.astype(kind))
    np.testing.assert_array_equal(Y, model.predict(ids.astype("int64")))
    dX = backprop(np.ones_like(Y))
    assert dX.shape == ids.shape
    assert not dX.any()


@pytest.mark.without_contracts
@pytest.mark.parametrize("layer", [HashEmbed(3, 9), HashEmbed(3, 9, column=0), Embed(3, 9, column=0)])
@pytest.mark.parametrize("shape", [(0,), (0, 0), (0, 1), (0, 2)])
def test_a_batch_without_ids_need_not_have_their_columns(layer: Any, shape: tuple[int, ...]) -> None:
    Y, backprop = layer.initialize().begin_update(np.zeros(shape, dtype="uint64"))
    assert Y.shape == (0, 3)
    assert backprop(Y).shape == shape


@pytest.mark.without_contracts
@pytest.mark.parametrize("dtype", ["int64", "float32", "bool"])
def test_matrix_of_ids_needs_a_column(dtype: str) -> None:
    said = rf"layer 'hashembed' takes ids of 1 dimension, got {dtype} \(3, 2\).*column"
    with pytest.raises(ValueError, match=said):
        HashEmbed(3, 9).initialize().predict(IDS.astype(dtype))


@pytest.mark.parametrize("layer", [HashEmbed, Embed])
def test_a_table_has_no_more_rows_than_32_bits_can_name(layer: Any) -> None:
    drawn = layer(1, 2**31, initializer=lambda ops, shape: np.broadcast_to(np.float32(1), shape[:0]))
    with pytest.raises(InputError, match=r"may have a table of at most 2147483647 rows.*, got 2147483648"):
        drawn.initialize()


def test_ids_in_a_table_of_too_many_rows_do_not_wrap_around() -> None:
    model = Embed(1, 2**31)
    model.set_param("E", np.broadcast_to(np.float32(1), (2**31, 1)))
    with pytest.raises(InputError, match="got 2147483648"):
        model.predict(np.array([2**31 - 1]))
    fits = Embed(1, 2**31 - 1)
    fits.set_param("E", np.broadcast_to(np.float32(1), (2**31 - 1, 1)))
    assert _rows(fits, np.array([2**31 - 2, -1]), 2**31 - 1).tolist() == [[2**31 - 2]] * 2


@pytest.mark.without_contracts
@pytest.mark.parametrize("layer", [lambda: HashEmbed(3, 9), lambda: Embed(3, 9)])
def test_gradient_of_another_shape_is_refused(layer: Any) -> None:
    model = layer().initialize()
    _, backprop = model.begin_update(IDS[:, 0])
    with pytest.raises(ValueError, match=f"gradient of layer '{model.name}' must have the shape"):
        backprop(np.zeros((3, 4), dtype="f"))
    assert not model.has_grad("E")


@pytest.mark.without_contracts
@pytest.mark.parametrize(
    "layer",
    [
        lambda: HashEmbed(3, 9),
        lambda: Embed(3, 9),
        lambda: api.concatenate(Embed(3, 9), Embed(2, 9)),
        lambda: api.concatenate(HashEmbed(3, 9), HashEmbed(2, 9)),
    ],
)
def test_a_gradient_of_another_precision_is_taken(layer: Any) -> None:
    """As in Thinc: what a loss in NumPy gives is often float64."""
    model = layer().initialize()
    Y, backprop = model.begin_update(IDS[:, 0])
    tables = [node for node in model.walk() if node.has_param("E")]
    grads = []
    for dtype in ("float32", "float64"):
        backprop(np.arange(Y.size).reshape(Y.shape).astype(dtype))
        grads.append([node.get_grad("E").copy() for node in tables])
        for node in tables:
            node.set_grad("E", None)
    for one, other in zip(*grads, strict=True):
        assert one.dtype == other.dtype == np.float32
        np.testing.assert_array_equal(one, other)


def test_unknown_table_is_named() -> None:
    with pytest.raises(UnsetError, match="'nV' for model 'embed'"):
        Embed(3).initialize()


def test_table_is_drawn_uniformly() -> None:
    np.random.seed(0)
    drawn = HashEmbed(6, 10).initialize().get_param("E")
    np.random.seed(0)
    np.testing.assert_array_equal(drawn, np.random.uniform(-0.1, 0.1, (10, 6)).astype("f"))
    zeros = HashEmbed(6, 10, initializer=api.zero_init).initialize()
    assert not zeros.get_param("E").any()
