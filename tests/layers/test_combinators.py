"""chain, clone, concatenate, add, residual, tuplify, siamese, noop, uniqued, map_list."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thinc_nb import api
from thinc_nb.api import Embed, Linear, Model, NumpyOps, Padded, Ragged, Relu
from thinc_nb.contracts import contracts

LENGTHS = np.array([2, 0, 1], dtype="i")


def rows(n: int = 3, width: int = 4, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=(n, width)).astype("f")


def forms() -> list[Any]:
    sequences = [rows(2), rows(0), rows(1)]
    return [sequences, Ragged(rows(), LENGTHS)]


def data(batch: Any) -> Any:
    """All rows of a batch."""
    if isinstance(batch, Ragged):
        return batch.data
    return np.concatenate(batch) if isinstance(batch, list) else batch


def test_chain_applies_layers_in_order() -> None:
    first, second = Linear(3, 4).initialize(), Linear(2, 3).initialize()
    X = rows()
    np.testing.assert_array_equal(api.chain(first, second).predict(X), second.predict(first.predict(X)))


def test_chain_is_not_flattened() -> None:
    model = api.chain(Linear(3), api.chain(Linear(4), Linear(5)))
    assert [layer.name for layer in model.layers] == ["linear", "linear>>linear"]


def test_chain_needs_two_layers() -> None:
    with pytest.raises(TypeError):
        api.chain(Linear(3))  # type: ignore[call-overload]


def test_clones_have_parameters_of_their_own() -> None:
    original = Linear(4, 4)
    model = api.clone(original, 3).initialize()
    assert model.layers[0] is original
    weights = [layer.get_param("W") for layer in model.layers]
    assert not np.array_equal(weights[0], weights[1])
    assert len({layer.id for layer in model.layers}) == 3


def test_negative_number_of_clones_is_refused() -> None:
    with pytest.raises(ValueError, match="clone: n must not be negative, got -1"):
        api.clone(Linear(4, 4), -1)


@pytest.mark.parametrize("X", [rows(), rows(0)])
def test_concatenate_puts_arrays_side_by_side(X: Any) -> None:
    first, second = Linear(3, 4).initialize(), Linear(2, 4).initialize()
    Y = api.concatenate(first, second).predict(X)
    np.testing.assert_array_equal(Y, np.hstack([first.predict(X), second.predict(X)]))


@pytest.mark.parametrize("X", forms())
def test_concatenate_puts_sequences_side_by_side(X: Any) -> None:
    first, second = Linear(3, 4).initialize(), Linear(2, 4).initialize()
    model = api.concatenate(api.with_array(first), api.with_array(second))
    Y, backprop = model.begin_update(X)
    assert type(Y) is type(X)
    np.testing.assert_allclose(data(Y), np.hstack([first.predict(data(X)), second.predict(data(X))]), rtol=1e-6)
    dX = backprop(Y)
    assert type(dX) is type(X)
    assert data(dX).shape == data(X).shape


def test_concatenated_integers_stay_integers() -> None:
    ids = np.arange(6, dtype="uint64").reshape(3, 2)
    Y = api.concatenate(api.array_getitem((slice(0, None), [0])), api.array_getitem((slice(0, None), [1]))).predict(ids)
    assert Y.dtype == np.uint64
    np.testing.assert_array_equal(Y, ids)


@pytest.mark.parametrize("combine", [api.concatenate, api.add])
def test_nested_combination_is_extended(combine: Any) -> None:
    inner = combine(Linear(2), Linear(2))
    outer = combine(inner, Linear(2))
    assert outer is inner
    assert len(outer.layers) == 3
    right = combine(Linear(2), combine(Linear(2), Linear(2)))
    assert len(right.layers) == 2


def test_outputs_of_different_lengths_are_refused() -> None:
    shorter = Model("shorter", lambda model, X, is_train: (X[:1], lambda dY: dY))
    with pytest.raises(ValueError, match=r"'noop\|shorter'.*float32 \(3, 4\), float32 \(1, 4\)"):
        api.concatenate(api.noop(), shorter).predict(rows())
    with pytest.raises(ValueError, match=r"layer 'add': cannot add float32 \(3, 4\) and float32 \(1, 4\)"):
        api.add(api.noop(), shorter).predict(rows())


def test_mixed_outputs_are_refused() -> None:
    lists = Model("lists", lambda model, X, is_train: ([X], lambda dY: dY))
    with pytest.raises(ValueError, match=r"cannot add float32 \(3, 4\) and a list of 1"):
        api.add(api.noop(), lists).predict(rows())
    with pytest.raises(ValueError, match="must be arrays"):
        api.concatenate(api.noop(), lists).predict(rows())


@pytest.mark.parametrize("X", [rows(), rows(0), *forms()])
def test_add_adds(X: Any) -> None:
    first, second = Linear(3, 4).initialize(), Linear(3, 4).initialize()
    model = api.add(api.with_array(first), api.with_array(second))
    np.testing.assert_allclose(
        data(model.predict(X)), first.predict(data(X)) + second.predict(data(X)), rtol=1e-6, atol=1e-7
    )


def test_a_layer_without_a_gradient_for_its_inputs_leaves_that_of_the_others() -> None:
    def letters(model: Model[Any, Any], X: Any, is_train: bool) -> Any:
        return np.array([[len(x)] for x in X], dtype="f"), lambda dY: []

    def vectors(model: Model[Any, Any], X: Any, is_train: bool) -> Any:
        return rows(len(X)), lambda dY: [np.full((len(x), 4), 2) for x in X]

    words = ["ab", "c"]
    for forwards in ([letters, vectors], [vectors, letters]):
        Y, backprop = api.concatenate(*(Model(forward.__name__, forward) for forward in forwards)).begin_update(words)
        assert Y.shape == (2, 5)
        assert [dx.shape for dx in backprop(Y)] == [(2, 4), (1, 4)]


@pytest.mark.parametrize("X", [rows(), rows(0), *forms()])
def test_residual_adds_its_input(X: Any) -> None:
    layer = Relu(4, 4).initialize()
    Y, backprop = api.residual(api.with_array(layer)).begin_update(X)
    np.testing.assert_allclose(data(Y), layer.predict(data(X)) + data(X), rtol=1e-6)
    assert type(backprop(Y)) is type(X)


def test_residual_of_padded() -> None:
    X = NumpyOps().list2padded([rows(2), rows(3)])
    Y = api.residual(api.with_array2d(Relu(4, 4).initialize())).predict(X)
    assert isinstance(Y, Padded)
    np.testing.assert_array_equal(Y.lengths, X.lengths)


@pytest.mark.parametrize("build", [lambda: api.residual(api.noop()), lambda: api.add(api.noop(), api.noop())])
def test_sums_leave_their_parts_alone(build: Any) -> None:
    X = rows()
    kept = X.copy()
    Y, backprop = build().begin_update(X)
    dY = np.ones_like(X)
    np.testing.assert_array_equal(Y, 2 * kept)
    np.testing.assert_array_equal(backprop(dY), 2 * np.ones_like(X))
    np.testing.assert_array_equal(X, kept)
    np.testing.assert_array_equal(dY, 1)


def test_residual_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'residual\(linear\)': cannot add float32 \(3, 2\) and float32 \(3, 4\)"):
        api.residual(Linear(2, 4).initialize()).predict(rows())


def test_tuplify_gives_all_outputs() -> None:
    model = api.tuplify(Linear(3, 4), Linear(2, 4)).initialize()
    X = rows()
    Y, backprop = model.begin_update(X)
    assert isinstance(Y, tuple)
    expected = sum(y @ layer.get_param("W") for y, layer in zip(Y, model.layers, strict=True))
    np.testing.assert_allclose(backprop(Y), expected, rtol=1e-5)


def test_siamese_uses_one_layer_twice() -> None:
    model = api.siamese(Linear(3, 4), api.CauchySimilarity()).initialize(X=(rows(), rows()))
    X = rows()
    similarity, backprop = model.begin_update((X, X))
    np.testing.assert_array_equal(similarity, 1)
    backprop(similarity)
    # What the two inputs ask of the layer is opposite.
    np.testing.assert_allclose(model.layers[0].get_grad("W"), 0, atol=1e-6)
    with pytest.raises(TypeError, match=r"takes a pair \(X1, X2\)"):
        model.predict((X,))


def test_cauchy_similarity_is_its_formula() -> None:
    # Numbers from Thinc 9.1.1.
    model = api.CauchySimilarity(4).initialize()
    model.set_param("W", np.array([1, 2, -1, 0.5], dtype="f"))
    X1 = np.arange(12, dtype="f").reshape(3, 4) / 5
    similarity, backprop = model.begin_update((X1, X1[::-1] + np.float32(0.1)))
    np.testing.assert_allclose(similarity, [0.12158054, 0.9756098, 0.1509434], rtol=1e-5)
    dX1, dX2 = backprop(np.array([1, 2, 3], dtype="f"))
    np.testing.assert_allclose(dX1[0], [0.05025821, 0.10051642, -0.05025821, 0.02512911], rtol=1e-4)
    np.testing.assert_array_equal(dX2, -dX1)


@pytest.mark.without_contracts
def test_cauchy_similarity_needs_rows_of_one_shape() -> None:
    with pytest.raises(ValueError, match=r"got float32 \(3, 4\) and float32 \(2, 4\)"):
        api.CauchySimilarity(4).initialize().predict((rows(3), rows(2)))
    with pytest.raises(TypeError, match="takes a pair"):
        api.CauchySimilarity(4).initialize().predict(rows())


def test_noop_gives_back_the_object() -> None:
    X = object()
    Y, backprop = api.noop(Linear(3)).begin_update(X)
    assert Y is X
    assert backprop(X) is X


def test_uniqued_runs_on_distinct_rows_only() -> None:
    seen: list[Any] = []

    def forward(model: Any, X: Any, is_train: bool) -> Any:
        seen.append(X.copy())
        return X.astype("f"), lambda dY: dY

    ids = np.array([[1, 5], [2, 6], [1, 7], [1, 8]], dtype="i")
    Y, backprop = api.uniqued(Model("probe", forward), column=0).begin_update(ids)
    np.testing.assert_array_equal(seen[0], [[1, 5], [2, 6]])
    np.testing.assert_array_equal(Y, [[1, 5], [2, 6], [1, 5], [1, 5]])
    # Each value's gradient is the sum over its rows, shared evenly by them.
    dY = np.array([[1, 0], [5, 5], [3, 0], [2, 3]], dtype="f")
    np.testing.assert_allclose(backprop(dY), [[2, 1], [5, 5], [2, 1], [2, 1]])


def test_uniqued_equals_its_layer() -> None:
    layer = Embed(3, 9, column=1).initialize()
    ids = np.random.default_rng(0).integers(0, 9, size=(20, 2))
    model = api.uniqued(layer, column=1)
    np.testing.assert_array_equal(model.predict(ids), layer.predict(ids))
    assert model.predict(ids[:0]).shape == (0, 3)
    assert model.predict(ids[:1]).shape == (1, 3)


def test_uniqued_needs_its_column() -> None:
    with pytest.raises(IndexError, match=r"a column 2, got int64 \(4, 2\)"):
        api.uniqued(Embed(3, 9), column=2).predict(np.zeros((4, 2), dtype="int64"))


def test_map_list_runs_on_each_item() -> None:
    layer = Linear(3, 4).initialize()
    Xs = [rows(2), rows(0), rows(1)]
    Ys, backprop = api.map_list(layer).begin_update(Xs)
    for X, Y in zip(Xs, Ys, strict=True):
        np.testing.assert_array_equal(Y, layer.predict(X))
    assert [dX.shape for dX in backprop(Ys)] == [X.shape for X in Xs]
    assert api.map_list(layer).predict([]) == []
    with (
        contracts(enabled=False),
        pytest.raises(TypeError, match=r"'map_list' takes a list, got float32 \(4,\)"),
    ):
        api.map_list(layer).predict(rows()[0])
