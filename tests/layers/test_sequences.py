"""Layers between the forms of sequences, over them, and from them to vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb import api
from thinc_nb.api import Linear, Model, NumpyOps, Padded, Ragged, Relu
from thinc_nb.types import Pairs

lengths_lists = st.lists(st.integers(0, 4), min_size=0, max_size=5)


def sequences(lengths: Any, width: int = 4) -> list[Any]:
    rng = np.random.default_rng(len(lengths))
    return [rng.normal(size=(n, width)).astype("f") for n in lengths]


def ragged(lengths: Any, width: int = 4) -> Ragged:
    data = np.concatenate([np.zeros((0, width), dtype="f"), *sequences(lengths, width)])
    return Ragged(data, np.array(lengths, dtype="i"))


def padded(lengths: Any, width: int = 4) -> Padded:
    return NumpyOps().list2padded(sequences(lengths, width))


def assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, Ragged):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-6)
        np.testing.assert_array_equal(a.lengths, b.lengths)
    elif isinstance(a, Padded):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-6)
        for name in ("size_at_t", "lengths", "indices"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    else:
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize(
    ("there", "back"),
    [(api.list2ragged, api.ragged2list), (api.list2padded, api.padded2list)],
    ids=["ragged", "padded"],
)
@given(lengths=lengths_lists)
def test_there_and_back(there: Any, back: Any, lengths: list[int]) -> None:
    Xs = sequences(lengths)
    Y, backprop = api.chain(there(), back()).begin_update(Xs)
    assert_same(Y, Xs)
    assert_same(backprop(Y), Xs)


@given(lengths=lengths_lists)
def test_list2array_flattens(lengths: list[int]) -> None:
    Xs = sequences(lengths)
    Y, backprop = api.list2array().begin_update(Xs)
    assert Y.shape[0] == sum(lengths)
    assert_same(backprop(Y), Xs)


def test_gradient_of_an_empty_ragged_keeps_its_width() -> None:
    X = ragged([])
    Ys, backprop = api.ragged2list().begin_update(X)
    assert Ys == []
    assert backprop([]).data.shape == (0, 4)


@pytest.mark.without_contracts
@pytest.mark.parametrize(
    ("layer", "bad"),
    [
        (api.list2array, ragged([1])),
        (api.list2ragged, np.zeros(4)),
        (api.list2padded, ragged([1])),
        (api.ragged2list, [np.zeros((2, 4))]),
        (api.padded2list, ragged([1])),
        (api.reduce_sum, [np.zeros((2, 4))]),
        (api.expand_window, [np.zeros((2, 4))]),
        (lambda: api.with_padded(Linear(2, 4)), np.zeros(4, dtype="f")),
        (lambda: api.with_ragged(Linear(2, 4)), np.zeros(4, dtype="f")),
        (lambda: api.bidirectional(Linear(2, 4)), ragged([1])),
        (lambda: api.LSTM(2, 4).initialize(), ragged([1])),
        (lambda: api.ParametricAttention(4).initialize(), [np.zeros((2, 4), dtype="f")]),
    ],
)
def test_wrong_form_is_named(layer: Any, bad: Any) -> None:
    model = layer()
    with pytest.raises(TypeError, match=f"layer '{model.name.replace('(', '.').replace(')', '.')}' takes"):
        model.predict(bad)


REDUCED = {
    api.reduce_first: lambda x: x[0],
    api.reduce_last: lambda x: x[-1],
    api.reduce_max: lambda x: x.max(axis=0),
    api.reduce_mean: lambda x: x.mean(axis=0),
    api.reduce_sum: lambda x: x.sum(axis=0),
}


@pytest.mark.parametrize("layer", REDUCED)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_reduction_of_each_sequence(layer: Any, lengths: list[int]) -> None:
    Y, backprop = layer().begin_update(ragged(lengths))
    expected = np.stack([REDUCED[layer](x.astype("float64")) for x in sequences(lengths)])
    np.testing.assert_allclose(Y, expected, rtol=1e-5, atol=1e-6)
    assert backprop(Y).data.shape == (sum(lengths), 4)


@pytest.mark.parametrize("layer", REDUCED)
def test_reduction_of_no_sequences(layer: Any) -> None:
    Y, backprop = layer().begin_update(ragged([]))
    assert Y.shape == (0, 4)
    assert backprop(Y).data.shape == (0, 4)


@pytest.mark.parametrize("layer", [api.reduce_mean, api.reduce_sum])
def test_empty_sequence_is_zero(layer: Any) -> None:
    Y = layer().predict(ragged([2, 0]))
    np.testing.assert_array_equal(Y[1], 0)


@pytest.mark.parametrize("layer", [api.reduce_first, api.reduce_last, api.reduce_max])
def test_empty_sequence_has_no_row_to_take(layer: Any) -> None:
    with pytest.raises(ValueError, match="must be > 0, was: 0 at position 1"):
        layer().predict(ragged([2, 0]))


@pytest.mark.without_contracts
@pytest.mark.parametrize("layer", REDUCED)
def test_gradient_of_a_reduction_has_the_input_s_shape(layer: Any) -> None:
    X = Ragged(np.zeros((3, 2, 2), dtype="f"), np.array([2, 1], dtype="i"))
    Y, backprop = layer().begin_update(X)
    assert Y.shape == (2, 4)
    assert backprop(Y).dataXd.shape == (3, 2, 2)
    with pytest.raises(ValueError, match=rf"gradient of layer '{layer.__name__}' must have the shape"):
        backprop(np.zeros((3, 4), dtype="f"))


@given(lengths=lengths_lists, window=st.integers(0, 3))
def test_window_stops_at_the_ends_of_sequences(lengths: list[int], window: int) -> None:
    Y = api.expand_window(window).predict(ragged(lengths))
    alone = [api.expand_window(window).predict(x) for x in sequences(lengths)]
    np.testing.assert_array_equal(Y.data, np.concatenate([np.zeros((0, 4 * (2 * window + 1)), dtype="f"), *alone]))


def test_window_of_one_row_is_between_zeros() -> None:
    Y = api.expand_window(1).predict(np.ones((1, 2), dtype="f"))
    np.testing.assert_array_equal(Y, [[0, 0, 1, 1, 0, 0]])


@pytest.mark.parametrize("pad", [0, 1, 3])
@given(lengths=lengths_lists)
def test_with_array_runs_on_all_rows(pad: int, lengths: list[int]) -> None:
    layer = Relu(3, 4).initialize()
    Xs = sequences(lengths)
    Ys, backprop = api.with_array(layer, pad=pad).begin_update(Xs)
    assert_same(Ys, [layer.predict(X) for X in Xs])
    assert [dX.shape for dX in backprop(Ys)] == [X.shape for X in Xs]
    assert_same(api.with_array(layer).predict(ragged(lengths)).data, layer.predict(ragged(lengths).data))


@given(lengths=lengths_lists)
def test_padding_keeps_windows_apart(lengths: list[int]) -> None:
    Xs = sequences(lengths)
    Ys = api.with_array(api.expand_window(2), pad=2).predict(Xs)
    assert_same(Ys, [api.expand_window(2).predict(X) for X in Xs])


def test_with_array_takes_an_array_as_it_is() -> None:
    X = sequences([3])[0]
    np.testing.assert_array_equal(api.with_array(api.noop()).predict(X), X)


@given(lengths=st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_with_array2d_of_a_padded(lengths: list[int]) -> None:
    layer = Linear(3, 4).initialize()
    X = padded(lengths)
    Y, backprop = api.with_array2d(layer).begin_update(X)
    assert Y.data.shape == (*X.data.shape[:2], 3)
    np.testing.assert_allclose(Y.data, X.data @ layer.get_param("W").T, rtol=1e-5, atol=1e-6)
    assert backprop(Y).data.shape == X.data.shape


def scaled() -> Model[Any, Any]:
    """Doubles each sequence, whatever the form."""

    def twice(X: Any) -> Any:
        if isinstance(X, Ragged):
            return Ragged(2 * X.data, X.lengths)
        if isinstance(X, Padded):
            return Padded(2 * X.data, X.size_at_t, X.lengths, X.indices)
        return [2 * x for x in X]

    return Model("scaled", lambda model, X, is_train: (twice(X), twice))


@pytest.mark.parametrize("wrapper", [api.with_list, api.with_padded, api.with_ragged])
@given(lengths=st.lists(st.integers(0, 4), min_size=1, max_size=5))
def test_wrapper_keeps_the_form(wrapper: Any, lengths: list[int]) -> None:
    for X, doubled in (
        (sequences(lengths), [2 * x for x in sequences(lengths)]),
        (ragged(lengths), Ragged(2 * ragged(lengths).data, ragged(lengths).lengths)),
        (
            padded(lengths),
            Padded(
                2 * padded(lengths).data, *[getattr(padded(lengths), n) for n in ("size_at_t", "lengths", "indices")]
            ),
        ),
    ):
        Y, backprop = wrapper(scaled()).begin_update(X)
        assert_same(Y, doubled)
        assert_same(backprop(X), doubled)


def test_with_padded_takes_an_array_and_a_tuple() -> None:
    X = np.ones((3, 2, 4), dtype="f")
    Y, backprop = api.with_padded(scaled()).begin_update(X)
    np.testing.assert_array_equal(Y, 2 * X)
    np.testing.assert_array_equal(backprop(X), 2 * X)
    batch = padded([1, 3])
    parts = (batch.data, batch.size_at_t, batch.lengths, batch.indices)
    assert_same(api.with_padded(scaled()).predict(parts), (2 * batch.data, *parts[1:]))


def test_with_ragged_takes_data_and_lengths() -> None:
    batch = ragged([1, 3])
    Y = api.with_ragged(scaled()).predict((batch.data, batch.lengths))
    assert_same(Y, (2 * batch.data, batch.lengths))


def test_with_list_passes_on_what_it_does_not_know() -> None:
    X = np.ones((3, 4), dtype="f")
    assert api.with_list(api.noop()).predict(X) is X


@given(lengths=st.lists(lengths_lists, max_size=3))
def test_with_flatten_v2_nests_again(lengths: list[list[int]]) -> None:
    nested = [sequences(part) for part in lengths]
    Y, backprop = api.with_flatten_v2(scaled()).begin_update(nested)
    assert_same(Y, [[2 * x for x in part] for part in nested])
    assert_same(backprop(Y), [[4 * x for x in part] for part in nested])


def test_with_flatten_cuts_the_array() -> None:
    count = Model("count", lambda model, X, is_train: (np.array([[len(x)] for x in X], dtype="f"), lambda dY: dY * 2))
    Y, backprop = api.with_flatten(count).begin_update([["a", "bcd"], [], ["ef"]])
    assert_same(Y, [np.array([[1], [3]], dtype="f"), np.zeros((0, 1), dtype="f"), np.array([[2]], dtype="f")])
    assert_same(backprop(Y), [2 * y for y in Y])


def test_with_reshape_keeps_leading_dimensions() -> None:
    layer = Linear(3, 4).initialize()
    X = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("f")
    Y, backprop = api.with_reshape(layer).begin_update(X)
    np.testing.assert_allclose(Y, X @ layer.get_param("W").T, rtol=1e-5, atol=1e-6)
    assert backprop(Y).shape == X.shape
    empty, backprop = api.with_reshape(layer).begin_update(X[:0])
    assert backprop(empty).shape == (0, 5, 4)


def test_with_getitem_changes_one_item() -> None:
    X = np.ones((2, 4), dtype="f")
    items = (object(), X)
    Y, backprop = api.with_getitem(-1, scaled_array()).begin_update(items)
    assert Y[0] is items[0]
    np.testing.assert_array_equal(Y[1], 2 * X)
    assert backprop(Y)[0] is items[0]
    with pytest.raises(IndexError, match="takes a tuple with an item 1"):
        api.with_getitem(1, scaled_array()).predict((X,))


def scaled_array() -> Model[Any, Any]:
    return Model("scaled", lambda model, X, is_train: (2 * X, lambda dY: 2 * dY))


def test_bidirectional_gives_both_layers_the_sequences_as_they_are() -> None:
    X = padded([3, 1], width=2)
    doubled = Model("doubled", lambda model, X, is_train: (_scaled(X, 2), lambda dY: _scaled(dY, 2)))
    tripled = Model("tripled", lambda model, X, is_train: (_scaled(X, 3), lambda dY: _scaled(dY, 3)))
    Y, backprop = api.bidirectional(doubled, tripled).begin_update(X)
    np.testing.assert_array_equal(Y.data, np.concatenate([2 * X.data, 3 * X.data], axis=2))
    np.testing.assert_array_equal(backprop(Y).data, 4 * X.data + 9 * X.data)


def _scaled(X: Padded, factor: int) -> Padded:
    return Padded(factor * X.data, X.size_at_t, X.lengths, X.indices)


def test_lstm_runs_on_empty_batches() -> None:
    model = api.LSTM(4, 3).initialize()
    for lengths in ([], [0], [0, 0]):
        X = padded(lengths, 3)
        for is_train in (True, False):
            Y, backprop = model(X, is_train)
            assert Y.data.shape[:2] == X.data.shape[:2]
            assert backprop(Y).data.shape[:2] == X.data.shape[:2]


def test_lstm_without_training_is_the_same() -> None:
    model = api.LSTM(4, 3, bi=True, depth=2, dropout=0.5).initialize()
    X = padded([2, 4, 0, 1], 3)
    Y = model.predict(X)
    model.attrs["dropout_rate"] = 0.0
    assert_same(model.begin_update(X)[0], Y)
    # Padding stays zero.
    inside = np.arange(4) < X.size_at_t[:, None]
    assert not Y.data[~inside].any()


@pytest.mark.parametrize("lengths", [[3, 3], [3, 2]])
def test_lstm_gives_each_sequence_what_it_gives_it_alone(lengths: list[int]) -> None:
    model = api.LSTM(4, 3, bi=True, init_b=api.normal_init).initialize()
    X = padded(lengths, 3)
    Y, backprop = model.begin_update(X)
    dX = backprop(Y)
    for place, length in enumerate(X.lengths.tolist()):
        sizes, one = np.ones(length, "i"), np.array([length], "i")
        alone = Padded(X.data[:length, place : place + 1].copy(), sizes, one, np.zeros(1, "i"))
        own, own_backprop = model.begin_update(alone)
        np.testing.assert_allclose(Y.data[:length, place], own.data[:, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(dX.data[:length, place], own_backprop(own).data[:, 0], rtol=1e-5, atol=1e-6)
        assert not Y.data[length:, place].any()
        assert not dX.data[length:, place].any()


def test_lstm_dropout_drops_weights() -> None:
    model = api.LSTM(4, 3, dropout=0.5).initialize()
    X = padded([2], 3)
    np.random.seed(0)
    first = model.begin_update(X)[0].data
    second = model.begin_update(X)[0].data
    assert not np.array_equal(first, second)


@pytest.mark.without_contracts
def test_lstm_names_a_wrong_width() -> None:
    with pytest.raises(ValueError, match="layer 'lstm' takes sequences of width 3"):
        api.LSTM(4, 3).initialize().predict(padded([2], 5))


def test_attention_weighs_rows_within_sequences() -> None:
    # Numbers from Thinc 9.1.1.
    model = api.ParametricAttention(4).initialize()
    model.set_param("Q", np.array([0.1, 0.2, -0.1, 0.3], dtype="f"))
    X = Ragged(np.arange(12, dtype="f").reshape(3, 4), np.array([2, 1], dtype="i"))
    Y, backprop = model.begin_update(X)
    np.testing.assert_allclose(
        Y.data, [[0, 0.11920292, 0.23840584, 0.35760877], [3.5231884, 4.4039855, 5.2847824, 6.16558], [8, 9, 10, 11]],
        rtol=1e-5,
    )  # fmt: skip
    dX = backprop(Ragged(np.arange(12, dtype="f").reshape(3, 4) / 7, X.lengths))
    np.testing.assert_allclose(dX.data[0], [-0.16798973, -0.31895047, 0.2020477, -0.45288223], rtol=1e-4)
    np.testing.assert_allclose(model.get_grad("Q"), [6.719589] * 4, rtol=1e-4)


@pytest.mark.parametrize("lengths", [[], [0], [0, 3, 0]])
def test_attention_of_empty_sequences(lengths: list[int]) -> None:
    for model in (api.ParametricAttention(4).initialize(), api.ParametricAttention_v2(nO=4).initialize()):
        X = ragged(lengths)
        Y, backprop = model.begin_update(X)
        assert_same(backprop(Y).lengths, X.lengths)
        assert Y.data.shape == X.data.shape


EMPTY_BATCHES = [
    (lambda: api.with_padded(api.with_array2d(Linear(2, 4))), []),
    (lambda: api.with_padded(api.with_array2d(Linear(2, 4))), ragged([])),
    (lambda: api.with_array2d(Linear(2, 4)), padded([])),
    (lambda: api.with_ragged(api.ParametricAttention(4)), []),
    (lambda: api.with_list(api.map_list(Linear(2, 4))), ragged([])),
    (lambda: api.residual(api.with_array2d(Linear(4, 4))), padded([])),
    (lambda: api.bidirectional(api.with_array2d(Linear(2, 4))), padded([])),
    (lambda: api.with_flatten(api.chain(api.list2array(), Linear(2, 4))), []),
    (lambda: api.chain(api.list2array(), api.Maxout(2, 4, normalize=True)), []),
]


@pytest.mark.parametrize(("build", "X"), EMPTY_BATCHES)
def test_batches_without_sequences_run_both_ways(build: Any, X: Any) -> None:
    model = build().initialize()
    Y, backprop = model.begin_update(X)
    assert len(Y) == 0
    assert len(backprop(Y)) == 0
    assert not any(node.get_grad(name).any() for node in model.walk() for name in node.grad_names)


@pytest.mark.without_contracts
@pytest.mark.parametrize("layer", [api.with_array, api.with_array2d])
def test_with_array_passes_on_what_it_does_not_know(layer: Any) -> None:
    seen = []
    inner: Any = api.Model("inner", lambda model, X, is_train: (seen.append(X), lambda dY: dY))
    for X in ("text", {"a": 1}, None, 3):
        layer(inner).initialize(X=X).predict(X)
    assert seen == ["text", {"a": 1}, None, 3]
    with pytest.raises(TypeError, match=r"layers\[0\] 'linear': layer 'linear' takes an array \(batch, 4\), got a str"):
        layer(Linear(2, 4).initialize()).predict("text")


@pytest.mark.without_contracts
def test_an_array_of_sequences_of_one_length_is_a_list_of_them() -> None:
    X = np.random.default_rng(0).normal(size=(3, 2, 4)).astype("f")
    dense = Linear(5, 4).initialize()
    layers: list[Any] = [api.list2array(), api.list2ragged(), api.map_list(dense), api.with_ragged(api.noop())]
    for model in layers:
        Y, backprop = model(X, True)
        expected, expected_backprop = model(list(X), True)
        assert type(Y) is type(expected)
        for got, wanted in zip(backprop(Y), expected_backprop(expected), strict=True):
            np.testing.assert_array_equal(got, wanted)
        model.initialize(X=X)
    with pytest.raises(TypeError, match=r"layer 'list2array' takes a list of arrays, got float32 \(4,\)"):
        api.list2array().predict(X[0, 0])


@pytest.mark.without_contracts
def test_lstm_works_in_the_dtype_of_its_weights() -> None:
    """So a layer of float32 weights may follow, whatever the batch is made of."""
    model = api.chain(api.with_padded(api.LSTM(3, 4)), api.with_array(api.Softmax(2, 3))).initialize()
    sequences = [np.random.default_rng(0).normal(size=(n, 4)) for n in (3, 1)]
    Ys, backprop = model.begin_update(sequences)
    assert [Y.dtype for Y in Ys] == [dX.dtype for dX in backprop(Ys)] == [np.float32, np.float32]
    expected = model.predict([X.astype("f") for X in sequences])
    for Y, wanted in zip(Ys, expected, strict=True):
        np.testing.assert_array_equal(Y, wanted)


@pytest.mark.without_contracts
@pytest.mark.parametrize(
    "layer", [api.list2array, api.list2ragged, lambda: api.map_list(api.noop()), lambda: api.with_ragged(api.noop())]
)
def test_a_matrix_is_a_list_of_sequences_of_one_length(layer: Any) -> None:
    for X in (np.array([[3, 1, 4], [1, 5, 9]]), np.array([[0.5, 1.0]]), np.zeros((0, 3), dtype="f")):
        assert_same(layer().initialize(X=X).predict(X), layer().predict(list(X)))


@pytest.mark.without_contracts
def test_a_batch_in_the_form_of_the_layer_goes_through_as_it_is() -> None:
    """So the layer may give something else."""
    batch = ragged([2, 1])
    Y, backprop = api.with_ragged(api.reduce_sum()).begin_update(batch)
    np.testing.assert_array_equal(Y, api.reduce_sum().predict(batch))
    assert backprop(Y).lengths.tolist() == [2, 1]
    steps: Any = api.Model("steps", lambda model, X, is_train: (X.size_at_t, lambda dY: X))
    assert api.with_padded(steps).predict(padded([2, 1])).tolist() == [2, 1]


@pytest.mark.without_contracts
def test_map_list_takes_the_items_of_other_batches() -> None:
    Ys, backprop = api.map_list(api.reduce_sum()).begin_update(ragged([2, 1]))
    assert [Y.shape for Y in Ys] == [(1, 4), (1, 4)]
    assert [dX.lengths.tolist() for dX in backprop(Ys)] == [[2], [1]]
    assert api.map_list(api.noop()).predict(Pairs([1, 2], [3, 4])) == [Pairs(1, 3), Pairs(2, 4)]
    assert api.map_list(api.noop()).predict(x for x in "ab") == ["a", "b"]
    with pytest.raises(TypeError, match=r"layer 'map_list' takes a list, got an? int"):
        api.map_list(api.noop()).predict(3)


@pytest.mark.without_contracts
def test_with_padded_hands_on_arrays_of_any_rank_but_one() -> None:
    seen: list[Any] = []
    inner: Any = api.Model("inner", lambda model, X, is_train: (seen.append(X) or X, lambda dY: dY))
    for shape in ((3, 4), (3, 4, 2), (3, 4, 2, 2)):
        X = np.zeros(shape, dtype="f")
        Y, backprop = api.with_padded(inner)(X, True)
        assert Y is X
        assert backprop(X) is X
        assert_same(seen.pop(), Padded(X, np.full(3, 4), np.full(4, 3), np.arange(4)))
