"""Inference of widths, and the order of random draws.

Draws come from numpy's global generator in Thinc's order, so one seed gives the parameters that it gives there; the
numbers below were printed by Thinc 9.1.1 after `numpy.random.seed(0)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thinc_nb import api
from thinc_nb.api import Linear, Model, Padded, Ragged
from thinc_nb.errors import InputError, UnsetError

X = np.zeros((3, 4), dtype="f")
Y = np.zeros((3, 5), dtype="f")
LENGTHS = np.array([2, 1], dtype="i")


def sums(model: Model[Any, Any], **examples: Any) -> list[float]:
    np.random.seed(0)
    model.initialize(**examples)
    weights = [node.get_param("W") for node in model.walk() if node.has_param("W")]
    return [float(np.abs(W).sum()) for W in weights]


@pytest.mark.parametrize(
    ("model", "examples", "expected"),
    [
        (lambda: api.chain(Linear(3, 4), Linear(2, 3)), {}, [5.87922, 2.67465]),
        (lambda: api.chain(Linear(3, 4), Linear(2, 3)), {"X": X}, [3.68276, 4.70576]),
        (lambda: api.concatenate(Linear(3, 4), Linear(2, 4)), {}, [3.68276, 5.59209]),
        (lambda: api.tuplify(Linear(3, 4), Linear(2, 4)), {}, [5.62279, 3.13145]),
        (lambda: api.tuplify(Linear(3, 4), Linear(2, 4)), {"X": X}, [3.68276, 5.59209]),
        (lambda: api.clone(Linear(4, 4), 3), {}, [6.76622, 8.43864, 6.22259]),
        (lambda: api.clone(Linear(4, 4), 3), {"X": X}, [5.75802, 7.78942, 5.89709]),
        (lambda: api.with_reshape(Linear(4, 4)), {}, [7.78942]),
    ],
)
def test_one_seed_gives_thinc_s_parameters(model: Any, examples: dict[str, Any], expected: list[float]) -> None:
    np.testing.assert_allclose(sums(model(), **examples), expected, rtol=2e-5)


@pytest.mark.parametrize(
    ("layer", "first"),
    [
        (api.Linear, 0.07971212), (api.Relu, 0.07971212), (api.Mish, 0.07971212), (api.ClippedLinear, 0.07971212),
        (api.Gelu, 1.2473733), (api.Swish, 1.2473733), (api.Dish, 1.2473733), (api.HardSwish, 1.2473733),
        (api.HardSwishMobilenet, 1.2473733), (api.Maxout, 0.08454747), (api.Softmax, 0.0), (api.Sigmoid, 0.0),
    ],
)  # fmt: skip
def test_default_initializers_are_thinc_s(layer: Any, first: float) -> None:
    np.random.seed(0)
    model = layer(5, 4).initialize()
    assert model.get_param("W").flat[0] == pytest.approx(first, rel=1e-6)
    assert not model.get_param("b").any()


def test_lstm_draws_gate_by_gate() -> None:
    drawn: list[tuple[str, tuple[int, ...]]] = []

    def init_W(ops: Any, shape: tuple[int, ...]) -> Any:
        drawn.append(("W", shape))
        return ops.alloc_f(shape) + len(drawn)

    def init_b(ops: Any, shape: tuple[int, ...]) -> Any:
        drawn.append(("b", shape))
        return ops.alloc_f(shape) + len(drawn)

    model = api.LSTM(2, 3, init_W=init_W, init_b=init_b).initialize()
    assert drawn == [("W", (2, 3))] * 4 + [("b", (2,))] * 4 + [("W", (2, 2))] * 4 + [("b", (2,))] * 4
    sizes = [6] * 4 + [2] * 4 + [4] * 4 + [2] * 4
    np.testing.assert_array_equal(model.get_param("LSTM"), np.repeat(np.arange(1, 17), sizes))
    assert model.get_param("HC0").shape == (2, 1, 1, 2)


@pytest.mark.parametrize("batch", [X, [X, X[:1]], Ragged(X, LENGTHS)])
def test_width_of_any_batch(batch: Any) -> None:
    assert Linear(2).initialize(X=batch).get_dim("nI") == 4


def test_class_numbers_give_their_count() -> None:
    model = api.chain(Linear(3), api.Softmax()).initialize(X=X, Y=np.array([0, 2, 1], dtype="i"))
    assert model.layers[1].get_dim("nO") == 3


def test_widths_pass_along_a_chain() -> None:
    model = api.chain(Linear(3), api.Dropout(), Linear(2)).initialize(X=X)
    assert [layer.maybe_get_dim("nI") for layer in model.layers] == [4, None, 3]
    assert (model.get_dim("nI"), model.get_dim("nO")) == (4, 2)


def test_chain_takes_its_output_width_from_the_output() -> None:
    model = api.chain(Linear(3), api.Dropout()).initialize(X=X)
    assert model.get_dim("nO") == 3


def test_concatenate_adds_widths_and_does_not_pass_on_the_sum() -> None:
    model = api.concatenate(Linear(2), Linear(3)).initialize(X=X, Y=Y)
    assert (model.get_dim("nO"), model.get_dim("nI")) == (5, 4)


def test_add_gives_all_layers_the_output_width() -> None:
    model = api.add(Linear(), Linear()).initialize(X=X, Y=Y)
    assert [layer.get_dim("nO") for layer in model.layers] == [5, 5]
    assert (model.get_dim("nO"), model.get_dim("nI")) == (5, 4)


def test_sequences_give_widths() -> None:
    model = api.with_array(Linear()).initialize(X=[X, X], Y=[Y, Y])
    assert (model.get_dim("nO"), model.get_dim("nI")) == (5, 4)
    ragged = api.chain(api.list2ragged(), api.with_array(Linear(3)), api.reduce_mean(), Linear()).initialize(X=[X], Y=Y)
    assert (ragged.layers[3].get_dim("nI"), ragged.get_dim("nO")) == (3, 5)


def test_padded_examples() -> None:
    data = np.zeros((2, 1, 4), dtype="f")
    batch = Padded(data, np.array([1, 1]), np.array([2]), np.array([0]))
    assert api.LSTM(4, bi=True).initialize(X=batch).get_dim("nI") == 4
    assert api.with_array2d(Linear(2)).initialize(X=batch).get_dim("nI") == 4


def test_siamese_initializes_its_layer_without_examples() -> None:
    model = api.siamese(Linear(3, 4), api.CauchySimilarity(3)).initialize()
    assert model.predict((X, X)).shape == (3,)


def test_wrapped_layers_get_their_part_of_the_examples() -> None:
    assert api.with_getitem(1, Linear(2)).initialize(X=(Y, X)).layers[0].get_dim("nI") == 4
    assert api.map_list(Linear(2)).initialize(X=[X], Y=None).layers[0].get_dim("nI") == 4
    assert api.with_flatten_v2(api.map_list(Linear(2))).initialize(X=[[X]]).layers[0].layers[0].get_dim("nI") == 4
    assert api.with_reshape(Linear()).initialize(X=X[None], Y=Y[None]).get_dim("nO") == 5


@pytest.mark.parametrize("layer", [Linear, api.Relu, api.Maxout, api.LayerNorm, api.Softmax, api.LSTM])
def test_unknown_width_is_named(layer: Any) -> None:
    with pytest.raises(UnsetError, match=r"Cannot get dimension 'n[IO]' for model"):
        layer().initialize()


def test_contradicting_example_is_refused() -> None:
    with pytest.raises(ValueError, match="change dimension 'nI' for model 'linear' from 5 to 4"):
        Linear(3, 5).initialize(X=X)


def test_odd_width_of_two_directions_is_refused() -> None:
    with pytest.raises(ValueError, match="nO must be even"):
        api.LSTM(3, 4, bi=True).initialize()


@pytest.mark.parametrize("layer", [api.Softmax, api.Softmax_v2, api.Sigmoid])
def test_known_widths_of_an_output_layer_stand(layer: Any) -> None:
    """As in Thinc: the truths of an example may be class numbers, which are not of all classes."""
    classes = np.array([0, 1, 1], dtype="i")
    model = api.chain(Linear(3), layer(7)).initialize(X=X, Y=classes)
    assert model.predict(X).shape == (3, 7)
    tagger = api.with_array(layer(7)).initialize(X=[X], Y=[classes])
    assert (tagger.get_dim("nO"), tagger.layers[0].get_dim("nI")) == (7, 4)
    assert layer(7, 4).initialize(X="no array", Y=3).get_param("W").shape == (7, 4)
    assert layer().initialize(X=X, Y=classes).get_param("W").shape == (2, 4)


def told(dims: dict[str, int | None], seen: list[Any]) -> Model[Any, Any]:
    """A layer that notes the examples that it is initialized with."""
    return Model(
        "told", lambda model, X, is_train: (X, lambda dY: dY), init=lambda model, X, Y: seen.append(Y), dims=dims
    )


KINDS: list[dict[str, int | None]] = [{}, {"nO": None}, {"nO": 3}]


@pytest.mark.parametrize("dims", KINDS)
def test_tuplify_tells_a_layer_its_output_if_the_width_is_not_known(dims: dict[str, int | None]) -> None:
    seen: list[Any] = []
    for outputs in ((X, Y), (X, Y, X), [X, Y]):
        api.tuplify(told(dims, seen), told({"nO": None}, seen)).initialize(X=X, Y=outputs)
        assert seen[1] is Y
        assert seen[0] is (X if dims == {"nO": None} else None)
        seen.clear()


def test_concatenate_tells_layers_the_output_unless_all_widths_are_known() -> None:
    seen: list[Any] = []
    for first in KINDS:
        for second in KINDS:
            api.concatenate(told(first, seen), told(second, seen)).initialize(X=X, Y=Y)
            for dims, example in zip((first, second), seen, strict=True):
                assert example is (None if dims == {"nO": 3} else Y)
            seen.clear()


@pytest.mark.parametrize("layer", [api.with_array, api.with_array2d])
def test_padding_between_sequences_is_no_example(layer: Any) -> None:
    seen: list[Any] = []
    layer(told({}, seen), pad=2).initialize(X=[X, X], Y=[Y, Y])
    np.testing.assert_array_equal(seen[0], np.concatenate([Y, Y]))


@pytest.mark.parametrize("layer", [api.with_flatten, api.with_flatten_v2])
@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([[1, 2], [3]], [1, 2, 3]),
        ([0.5, 2], [0.5, 2]),
        ([np.array([1, 2]), np.array([3])], [1, 2, 3]),
        ([Y, Y[:1]], np.zeros((4, 5))),
        ([[Y[0]], [Y[0], Y[1]]], np.zeros((3, 5))),
    ],
)
def test_a_layer_in_with_flatten_is_told_all_outputs_as_one_array(layer: Any, outputs: Any, expected: Any) -> None:
    seen: list[Any] = []
    layer(told({}, seen)).initialize(Y=outputs)
    np.testing.assert_array_equal(seen[0], expected)
    assert isinstance(seen[0], np.ndarray)


@pytest.mark.parametrize("layer", [api.with_flatten, api.with_flatten_v2])
@pytest.mark.parametrize(("outputs", "shown"), [([], "a list"), (3, "an int"), ([Y, Y[0]], r"a list of 2, the first")])
def test_what_is_no_list_of_outputs_is_named_by_with_flatten(layer: Any, outputs: Any, shown: str) -> None:
    said = rf"layer 'with_flatten\(noop\)' takes .* one array or more as the example Y, got {shown}.*leave Y out"
    with pytest.raises(InputError, match=said):
        layer(api.noop()).initialize(Y=outputs)


def test_tensors_have_a_width() -> None:
    torch = pytest.importorskip("torch")
    assert Linear(2).initialize(X=torch.ones(3, 4)).get_dim("nI") == 4
    assert api.Softmax().initialize(X=torch.ones(3, 4), Y=torch.tensor([0, 6])).get_dim("nO") == 7


def test_examples_that_are_no_sequences_are_named() -> None:
    with pytest.raises(InputError, match=r"layer 'bilinear' gives a Padded, so Y must be one, got float32 \(3, 5\)"):
        api.bidirectional(Linear(2, 4)).initialize(Y=Y)
    with pytest.raises(InputError, match=r"layer 'para-attn' takes a Ragged, got float32 \(3, 4\)"):
        api.ParametricAttention_v2(key_transform=api.Gelu()).initialize(X=X)
