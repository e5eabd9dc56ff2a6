"""What layers say of input that does not fit: which layer, what it takes, what came, and what to do."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import thinc_nb
from thinc_nb import api
from thinc_nb.api import Linear, Model, NumpyOps, Padded, Ragged
from thinc_nb.errors import InputError, InputIndexError, UnsetError

# What layers say themselves, contracts say before them.
pytestmark = pytest.mark.without_contracts

X = np.zeros((3, 4), dtype="f")
LENGTHS = np.array([2, 1], dtype="i")
RAGGED = Ragged(X, LENGTHS)
PADDED = NumpyOps().list2padded([X[:2], X[2:]])
LISTS = [X[:2], X[2:]]

DENSE = [
    "Linear", "Relu", "Gelu", "Mish", "Swish", "Dish", "HardSwish", "HardSwishMobilenet", "ClippedLinear", "ReluK",
    "HardTanh", "HardSigmoid", "Sigmoid", "Softmax", "Softmax_v2", "Maxout",
]  # fmt: skip


def wide(name: str) -> Model[Any, Any]:
    layer: Model[Any, Any] = getattr(api, name)(5, 4)
    return layer


# Layers with parameters, and a batch that fits.
WITH_PARAMETERS: dict[str, tuple[Any, Any]] = {
    **{name: (lambda name=name: wide(name), X) for name in DENSE},
    "MultiSoftmax": (lambda: api.MultiSoftmax((2, 3), 4), X),
    "LayerNorm": (lambda: api.LayerNorm(4), X),
    "Embed": (lambda: api.Embed(3, 9), np.arange(3)),
    "HashEmbed": (lambda: api.HashEmbed(3, 9), np.arange(3)),
    "LSTM": (lambda: api.LSTM(6, 4), PADDED),
    "ParametricAttention": (lambda: api.ParametricAttention(4), RAGGED),
    "ParametricAttention_v2": (lambda: api.ParametricAttention_v2(nO=4), RAGGED),
    "CauchySimilarity": (lambda: api.CauchySimilarity(4), (X, X)),
    "SparseLinear": (
        lambda: api.SparseLinear(2, length=8),
        (np.arange(3, dtype="uint64"), np.ones(3, dtype="f"), LENGTHS),
    ),
}


def in_chain(model: Model[Any, Any]) -> Model[Any, Any]:
    return api.chain(api.noop(), api.chain(api.noop(), model))


@pytest.mark.parametrize("name", WITH_PARAMETERS)
def test_uninitialized_layer_is_named_with_its_path(name: str) -> None:
    build, batch = WITH_PARAMETERS[name]
    layer = build()
    for run in (in_chain(layer).predict, in_chain(layer).begin_update, lambda X: in_chain(layer)(X, True)):
        with pytest.raises(UnsetError) as caught:
            run(batch)
        said = str(caught.value)
        assert f" -> layers[1] 'noop>>{layer.name}' -> layers[1] {layer.name!r}: " in said
        assert "has not been allocated yet. To do: initialize the model first" in said


@pytest.mark.parametrize(
    "name", [name for name in WITH_PARAMETERS if name not in ("Embed", "HashEmbed", "SparseLinear")]
)
def test_wrong_width_is_named_with_what_was_expected(name: str) -> None:
    build, batch = WITH_PARAMETERS[name]
    model = in_chain(build().initialize())
    with pytest.raises(InputError, match=r"layers\[1\].*: layer .* takes .*4.*got.*7") as caught:
        model.predict(widened(batch))
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


def widened(batch: Any) -> Any:
    if isinstance(batch, Ragged):
        return Ragged(np.zeros((3, 7), dtype="f"), batch.lengths)
    if isinstance(batch, Padded):
        return NumpyOps().list2padded([np.zeros((2, 7), dtype="f")])
    if isinstance(batch, tuple):
        return tuple(map(widened, batch))
    return np.zeros((3, 7), dtype="f")


TAKES_ARRAYS = [*DENSE, "LayerNorm", "MultiSoftmax"]


@pytest.mark.parametrize("name", TAKES_ARRAYS)
@pytest.mark.parametrize("batch", [LISTS, RAGGED, PADDED], ids=["list", "Ragged", "Padded"])
def test_sequences_for_a_layer_of_arrays(name: str, batch: Any) -> None:
    model = WITH_PARAMETERS[name][0]().initialize()
    with pytest.raises(InputError, match=r"takes an array \(batch, 4\), got a .*: wrap the layer, with_array\(layer\)"):
        model.predict(batch)


@pytest.mark.parametrize("name", [*DENSE, "MultiSoftmax"])
def test_other_dtypes_are_refused_with_the_way_to_convert(name: str) -> None:
    model = WITH_PARAMETERS[name][0]().initialize()
    for dtype in ("float64", "int32"):
        with pytest.raises(InputError, match=rf"got {dtype} \(3, 4\): convert it, X.astype\('float32'\)"):
            model.predict(X.astype(dtype))


WRONG_KINDS = [
    ("reduce_first", LISTS, r"takes a Ragged, got a list of 2, the first float32 \(2, 4\): put list2ragged\(\) before"),
    ("reduce_last", X, r"takes a Ragged, got float32 \(3, 4\)"),
    ("reduce_max", PADDED, "takes a Ragged, got a Padded of 2 sequences"),
    ("reduce_mean", LISTS, "takes a Ragged"),
    ("reduce_sum", LISTS, "takes a Ragged"),
    ("list2array", X[0], r"takes a list of arrays, got float32 \(4,\): put ragged2list\(\)"),
    ("list2ragged", RAGGED, "takes a list of arrays, got a Ragged"),
    ("list2padded", PADDED, "takes a list of arrays"),
    ("ragged2list", LISTS, "takes a Ragged, got a list"),
    ("padded2list", RAGGED, "takes a Padded, got a Ragged"),
    ("expand_window", LISTS, "takes an array .* or a Ragged, got a list"),
    ("softmax_activation", LISTS, "takes an array, got a list"),
    ("sigmoid_activation", RAGGED, "takes an array, got a Ragged"),
    ("Logistic", RAGGED, "takes an array, got a Ragged"),
]


@pytest.mark.parametrize(("name", "batch", "said"), WRONG_KINDS)
def test_wrong_kind_of_batch(name: str, batch: Any, said: str) -> None:
    with pytest.raises(InputError, match=rf"layers\[1\] '{name.lower()}': layer '{name.lower()}' {said}"):
        api.chain(api.noop(), getattr(api, name)()).predict(batch)


@pytest.mark.parametrize("name", ["with_array", "with_array2d", "with_list", "with_padded", "with_ragged", "map_list"])
def test_wrappers_refuse_what_is_no_batch(name: str) -> None:
    model = getattr(api, name)(api.map_list(Linear(2, 4).initialize()))
    with pytest.raises(TypeError, match="takes"):
        model.predict("abc")


def test_ids_outside_the_table() -> None:
    with pytest.raises(InputIndexError, match=r"layers\[1\] 'embed': layer 'embed' has a table of 9 rows") as caught:
        api.chain(api.noop(), api.Embed(3, 9).initialize()).predict(np.array([12]))
    assert isinstance(caught.value, IndexError)


def test_gradient_of_another_shape_or_form() -> None:
    for layer in map(wide, DENSE):
        _, backprop = layer.initialize().begin_update(X)
        with pytest.raises(InputError, match=rf"{layer.name!r} must have the shape.*expected float32 \(3, 5\), got"):
            backprop(np.zeros((3, 6), dtype="f"))
        with pytest.raises(InputError, match=r"must be an array \(3, 5\), got a list of 2"):
            backprop(LISTS)
        assert not layer.grad_names or not layer.get_grad("W").any()


class GpuArray(np.ndarray):  # type: ignore[type-arg]
    """Stands for an array of CuPy."""


def test_arrays_of_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(ndarray=GpuArray))
    model = Linear(5, 4).initialize()
    with pytest.raises(InputError, match=r"its weights on the CPU, got float32 \(3, 4\) on a GPU: bring it there"):
        model.predict(X.view(GpuArray))


def test_subclasses_of_arrays_are_taken() -> None:
    model = Linear(5, 4).initialize()
    np.testing.assert_array_equal(model.predict(X.view(GpuArray)), model.predict(X))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes came with Python 3.11")
def test_errors_of_others_get_the_path_as_a_note() -> None:
    def fail(model: Any, X: Any, is_train: bool) -> Any:
        raise ZeroDivisionError("what the function says")

    model = in_chain(Model("broken", fail))
    with pytest.raises(ZeroDivisionError, match=r"^what the function says\n") as caught:
        model.predict(X)
    assert caught.value.__notes__ == [
        "In the layer 'noop>>noop>>broken' -> layers[1] 'noop>>broken' -> layers[1] 'broken'"
    ]


def test_initialization_names_the_layer_that_lacks_a_width() -> None:
    with pytest.raises(
        UnsetError, match=r"layers\[1\] 'linear': Cannot get dimension 'nO' .*: give the layer its size"
    ):
        api.chain(Linear(3), Linear()).initialize(X=X)


def test_alone_a_layer_has_no_path() -> None:
    with pytest.raises(UnsetError, match=r"^Parameter 'W' for model 'linear'"):
        Linear(3, 4).predict(X)


COMBINATORS: dict[str, Any] = {
    "chain": lambda layer: api.chain(Linear(3), layer),
    "add": lambda layer: api.add(Linear(3), layer),
    "concatenate": lambda layer: api.concatenate(Linear(3), layer),
    "tuplify": lambda layer: api.tuplify(Linear(3), layer),
    "siamese": lambda layer: api.siamese(Linear(3), layer),
    "bidirectional": lambda layer: api.bidirectional(api.LSTM(3), layer),
    "noop": lambda layer: api.noop(Linear(3), layer),
    "resizable": lambda layer: api.resizable(layer, lambda layer, nO: layer),
    "with_getitem": lambda layer: api.with_getitem(0, layer),
    "with_cpu": lambda layer: api.with_cpu(layer, NumpyOps()),
    "clone": lambda layer: api.clone(layer, 2),
    **{
        name: getattr(api, name)
        for name in (
            "residual", "with_array", "with_array2d", "with_padded", "with_ragged", "with_list", "map_list",
            "with_reshape", "with_flatten", "uniqued", "with_debug",
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", COMBINATORS)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("relu", "got a str"),
        (3, "got an int"),
        (api.Relu, r"got a function: call it, Relu\(\.\.\.\)"),
        ([Linear(2)], "got a list of 1, .*: give the layers one by one"),
    ],
)
def test_what_is_no_layer_is_refused_with_its_place(name: str, given: object, said: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: (the layer|layer 2) must be a Model, {said}"):
        COMBINATORS[name](given)


def test_a_column_that_ids_do_not_have_is_named_with_the_layer() -> None:
    model = in_chain(api.Embed(4, 10, column=5).initialize())
    with pytest.raises(InputIndexError, match=r"'ints-getitem' takes X\[0:, 5\], got int64 \(1, 2\): index 5 is out"):
        model.predict(np.array([[1, 2]], dtype="int64"))


def test_ids_that_are_floats_are_told_to_be_converted() -> None:
    with pytest.raises(InputError, match=r"takes an array of integer ids, got float32 \(3,\): convert it, ids\.astype"):
        api.Embed(4, 10).initialize().predict(np.ones(3, dtype="f"))


def test_a_tensor_is_told_to_be_converted() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(InputError, match=r"'linear' takes an array .*, got a Tensor: convert it, torch2xp\(X\)"):
        Linear(3, 4).initialize().predict(torch.ones(2, 4))


NO_SEQUENCES = [
    (api.strings2arrays(), [1, 2], "takes lists of strings, got a list of 2, the first an int"),
    (api.strings2arrays(), [["a", 2]], "takes lists of strings"),
    (api.with_array(Linear(2, 4).initialize()), [1, 2], "takes a list of arrays, got a list of 2, the first an int"),
    (api.list2array(), [1, 2], "takes a list of arrays, got a list of 2, the first an int"),
    (api.with_flatten(api.list2array()), [1, 2], "takes a list of lists, got a list of 2, the first an int"),
]


@pytest.mark.parametrize(("layer", "batch", "said"), NO_SEQUENCES, ids=str)
def test_lists_of_what_is_no_sequence(layer: Any, batch: Any, said: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"layers\[1\] .*layers\[1\] {layer.name!r}: layer .* {said}".replace("(", ".").replace(")", "."),
    ):
        in_chain(layer).predict(batch)


def layers_in_trees() -> dict[str, tuple[Any, Any]]:
    """Trees with a layer `relu` inside, by its path, and a batch; the gradient will be too wide for it."""
    relu = api.Relu(4, 4)
    return {
        "'relu>>linear' -> layers[1] 'linear'": (api.chain(relu, Linear(4, 4)), X),
        "'linear>>relu>>linear' -> layers[1] 'relu>>linear' -> layers[1] 'linear'": (
            api.chain(Linear(4, 4), api.chain(relu, Linear(4, 4))),
            X,
        ),
        "'with_array(relu>>linear)' -> layers[0] 'relu>>linear' -> layers[1] 'linear'": (
            api.with_array(api.chain(relu, Linear(4, 4))),
            LISTS,
        ),
        "'residual(linear)' -> layers[0] 'linear'": (api.residual(Linear(4, 4)), X),
    }


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("path", layers_in_trees())
def test_a_gradient_that_does_not_fit_names_the_path_of_the_layer(path: str, fused: bool) -> None:
    model, batch = layers_in_trees()[path]
    with api.fusion(fused):
        Y, backprop = model.initialize().begin_update(batch)
        wide = [widened(y) for y in Y] if isinstance(Y, list) else widened(Y)
        with pytest.raises(InputError) as caught:
            backprop(wide)
    assert str(caught.value).startswith(f"{path}: the gradient of layer 'linear' must have the shape")
    assert not any(node.has_grad(name) for node in model.walk() for name in node.param_names)


@pytest.mark.parametrize("fused", [True, False])
def test_a_chain_that_is_called_says_it_too(fused: bool) -> None:
    model = api.chain(api.Relu(4, 4), Linear(4, 4)).initialize()
    with api.fusion(fused), pytest.raises(InputError, match=r"^'relu>>linear' -> layers\[1\] 'linear': the gradient"):
        model(X, True)[1](widened(X))


def test_in_a_list_the_first_item_of_another_kind_is_named() -> None:
    with pytest.raises(InputError, match=r"got a list of 3, the first float32 \(2, 4\), at position 1 None$"):
        api.with_array(api.noop()).predict([X[:2], None, X])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: api.expand_window(-1), "expand_window: window_size must be at least 0 and at most"),
        (lambda: api.expand_window(1.5), "expand_window: window_size must be an integer, got a float"),
        (lambda: api.Maxout(4, 4, nP=0), "Maxout: nP, the number of pieces, must be at least 1, got 0"),
    ],
)
def test_sizes_are_checked_when_a_layer_is_made(build: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        build()


@pytest.mark.parametrize(
    ("build", "path", "sizes"),
    [
        (
            lambda: api.chain(Linear(4), Linear(5, 6)),
            r"'linear>>linear' -> layers\[1\] 'linear'",
            "'nI' .* from 6 to 4",
        ),
        (lambda: api.chain(api.noop(), api.LayerNorm(5)), r".* -> layers\[1\] 'layernorm'", "'nI' .* from 5 to 4"),
        (lambda: api.chain(api.noop(), api.Maxout(3, 7)), r".* -> layers\[1\] 'maxout'", "'nI' .* from 7 to 4"),
        (lambda: api.chain(api.noop(), api.add(Linear(3, 4), Linear(3, 5))), ".* 'linear'", "'nI' .* from 5 to 4"),
    ],
)
def test_examples_of_another_width_name_the_path(build: Any, path: str, sizes: str) -> None:
    model = build()
    before = [dict(node._dims) for node in model.walk()]
    said = rf"^{path}: Attempt to change dimension {sizes}, the width of the example, float32 \(3, 4\): nI=4 fits"
    with pytest.raises(InputError, match=said):
        model.initialize(X=X)
    assert [dict(node._dims) for node in model.walk()] == before


def test_what_is_no_model_is_refused_by_what_takes_one() -> None:
    for takes in (api.as_torch_module, api.to_sklearn):
        with pytest.raises(TypeError, match=f"{takes.__name__}: the layer must be a Model, got an int"):
            takes(3)


def no_gradients() -> list[tuple[Any, Any, Any, str]]:
    """Layers, batches, what is no gradient for them, and what is said."""
    linear = Linear(4, 4)
    pairs = api.tuplify(Linear(3, 4), Linear(2, 4))
    return [
        (api.LSTM(6, 4), PADDED, None, "'lstm' must be a Padded, got None"),
        (api.LSTM(6, 4), PADDED, X, r"'lstm' must be a Padded, got float32 \(3, 4\)"),
        (api.LSTM(6, 4), PADDED, PADDED, r"'lstm' must be a Padded with data \(2, 2, 6\), got a Padded of 2"),
        (api.ParametricAttention(4), RAGGED, LISTS, "'para-attn' must be a Ragged, got a list of 2"),
        (api.list2ragged(), LISTS, LISTS, "'list2ragged' must be a Ragged, got a list of 2"),
        (api.ragged2list(), RAGGED, None, "'ragged2list' must be a list of arrays, got None"),
        (api.with_reshape(linear), np.zeros((2, 3, 4), "f"), None, r"must be an array \(2, 3, 4\), got None"),
        (api.with_getitem(1, linear), (X, X), (X,), "must be a tuple with an item 1, got a tuple of 1"),
        (
            api.with_ragged(api.ParametricAttention(4)),
            LISTS,
            None,
            "must be a Ragged, Padded or list of arrays, got None",
        ),
        (api.with_padded(api.LSTM(6, 4)), LISTS, None, "must be a Padded, Ragged or list of arrays, got None"),
        (api.bidirectional(api.LSTM(2, 4)), PADDED, None, "must be a Padded with data .*, got None"),
        (api.uniqued(api.Embed(4, 9, column=0)), np.ones((3, 1), "i"), X[:2], "must have the shape and dtype"),
        (api.concatenate(api.noop(), api.noop()), LISTS, LISTS[:1], "must be a list or tuple of 2, got a list of 1"),
        (api.concatenate(api.noop(), api.noop()), RAGGED, X, r"must be a Ragged, got float32 \(3, 4\)"),
        (api.with_array(linear), RAGGED, None, r"'with_array\(linear\)' must be a Ragged, got None"),
        (api.with_array(api.noop()), PADDED, RAGGED, r"'with_array\(noop\)' must be a Padded, got a Ragged"),
        (api.with_array2d(linear), RAGGED, PADDED, r"'with_array\(linear\)' must be a Ragged, got a Padded"),
        (api.with_array2d(linear), PADDED, X, r"'with_array\(linear\)' must be a Padded, got float32"),
        (pairs, X, None, "must be a list or tuple of 2, got None"),
        (pairs, X, (X[:, :3],), "must be a list or tuple of 2, got a tuple of 1"),
        (api.map_list(linear), LISTS, LISTS[:1], "'map_list' must be a list or tuple of 2, got a list of 1"),
    ]


@pytest.mark.parametrize(("layer", "batch", "gradient", "said"), no_gradients(), ids=str)
def test_what_is_no_gradient_is_said_and_adds_to_none(layer: Any, batch: Any, gradient: Any, said: str) -> None:
    model = in_chain(layer.initialize(X=batch))
    _, backprop = model.begin_update(batch)
    with pytest.raises(InputError, match=rf"layers\[1\] .*: the gradient of layer .*{said}"):
        backprop(gradient)
    assert not any(node.has_grad(name) for node in model.walk() for name in node.param_names)


def test_gradients_of_parts_may_be_any_iterable() -> None:
    _, backprop = api.map_list(Linear(4, 4)).initialize().begin_update(LISTS)
    assert [dX.shape for dX in backprop(iter(LISTS))] == [(2, 4), (1, 4)]


@pytest.mark.parametrize("data", [X[0], X, X[None, None], X.tolist()])
def test_a_padded_whose_data_has_another_rank(data: Any) -> None:
    batch = Padded(data, PADDED.size_at_t, PADDED.lengths, PADDED.indices)
    with pytest.raises(InputError, match=r"'lstm' takes a Padded with data \(steps, sequences, width\), got a Padded"):
        in_chain(api.LSTM(6, 4).initialize()).predict(batch)


@pytest.mark.parametrize(
    ("example", "shown"),
    [([[1.0, 2.0]], "a list of 1, the first a list of 2, the first a float"), ("text", "a str"), (3, "an int")],
)
def test_an_example_without_a_width_is_named(example: Any, shown: str) -> None:
    said = rf"layers\[1\] 'linear': cannot infer dimension 'nI' for model 'linear' from the example, {shown}: Cannot"
    with pytest.raises(InputError, match=said):
        in_chain(Linear(3)).initialize(X=example)


@pytest.mark.parametrize(("shape", "said"), [((4,), "2 dimensions$"), ((1, 3, 4), "2 dimensions, see with_reshape")])
def test_another_rank_is_not_called_a_wrong_width(shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(InputError, match=rf"takes an array \(batch, 4\), got float32 .*: there must be {said}"):
        Linear(4, 4).initialize().predict(np.zeros(shape, "f"))


WRONG_SETTINGS = [
    (lambda: api.LSTM(4, 4, dropout=2.0), ValueError, "the dropout rate must be between 0 and 1, got 2.0"),
    (lambda: api.LSTM(4, 4, dropout="a"), TypeError, "the dropout rate must be a number, got str 'a'"),
    (lambda: api.Embed(4, 4, dropout=1.5), ValueError, "the dropout rate must be between 0 and 1, got 1.5"),
    (lambda: api.HashEmbed(4, 4, dropout=float("nan")), ValueError, "the dropout rate must be between 0 and 1"),
    (lambda: api.HashEmbed(4, 4, seed="a"), TypeError, "the seed must be an integer, got str 'a'"),
    (lambda: api.Softmax_v2(4, 4, temperature="a"), TypeError, "the temperature must be a number, got str 'a'"),
    (
        lambda: api.Softmax_v2(4, 4, temperature=float("nan")),
        ValueError,
        "softmax temperature must not be zero or negative, got nan",
    ),
    (lambda: api.clone(Linear(3, 3), "a"), TypeError, "clone: n must be an integer, got str 'a'"),
    (lambda: api.MultiSoftmax(3, 4), TypeError, r"nOs must be the widths of the groups, such as \(3, 2\), got 3"),
    (lambda: api.MultiSoftmax(("a",), 4), TypeError, "nOs must be the widths of the groups"),
    (lambda: api.with_getitem("a", Linear(3)), TypeError, "with_getitem: idx must be an integer, got str 'a'"),
    (lambda: Linear(3, 3).initialize().finish_update(api.Adam(), max_norm="a"), TypeError, "max_norm must be a number"),
]


@pytest.mark.parametrize(("make", "kind", "said"), WRONG_SETTINGS)
def test_settings_that_mean_nothing_are_refused(make: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        make()


def test_negative_dropout_and_none_drop_nothing() -> None:
    for rate in (None, -1.0):
        E = api.Embed(3, 5, dropout=rate).initialize()
        np.testing.assert_array_equal(E.begin_update(np.arange(3))[0], E.predict(np.arange(3)))


@pytest.mark.parametrize(
    ("table", "items", "said"),
    [
        (None, ["a"], "the attribute 'mapping_table' must be a dict, got None"),
        ({"a": 1}, [["a"]], "takes a sequence of items that can be keys of a dict, got a list of 1, the first a list"),
    ],
)
def test_remap_ids_names_what_is_no_table_or_key(table: Any, items: Any, said: str) -> None:
    with pytest.raises(InputError, match=rf"layers\[1\] 'remap_ids': layer 'remap_ids'.*{said}"):
        in_chain(api.remap_ids(table)).predict(items)


@pytest.mark.parametrize("name", ["save_checkpoint", "load_checkpoint", "check_model", "warmup"])
def test_functions_that_take_a_model_name_themselves(name: str, tmp_path: Any) -> None:
    given = (tmp_path / "file", "model") if "checkpoint" in name else ("model", X)
    function = thinc_nb.warmup if name == "warmup" else getattr(api, name)
    with pytest.raises(TypeError, match=f"{name}: the model must be a Model, got a str"):
        function(*given[: 1 if name == "warmup" else 2])
    assert not list(tmp_path.iterdir())
