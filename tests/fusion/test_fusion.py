"""Fused forms: equal to the layers one by one, for any tree, and only where they may stand in for them."""

from __future__ import annotations

import gc
import pickle
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from fused_models import ACTIVATIONS, WIDTH, Net, X, assert_alike, gradient_of, initialized
from thinc_nb import layers
from thinc_nb._model.plan import is_on
from thinc_nb.api import Model, NumpyOps, Ragged, contracts
from thinc_nb.fusion import fusion, hash_embeds

pytestmark = [pytest.mark.without_contracts, pytest.mark.usefixtures("fusion_on", "pairs_everywhere")]
MANY = np.random.default_rng(1).standard_normal((131, WIDTH), dtype="float32")


def ran_as(model: Net, form: str) -> bool:
    return f"{form}: fused" in model.explain()


def embeds(columns: bool) -> Net:
    made = [layers.HashEmbed(width, 11, seed=width, column=i if columns else None) for i, width in enumerate((3, 4))]
    return layers.concatenate(*made)


IDS = np.random.default_rng(0).integers(-9, 2**60, (9, 2))
SEQUENCES = [X[:3], X[3:4], X[4:4], X[4:]]
dropped = partial(layers.Maxout, WIDTH, normalize=True, dropout=0.2)


def on_rows() -> Net:
    return layers.with_array(layers.Relu(4))


def with_lstm(*args: Any, **settings: Any) -> Net:
    return layers.with_padded(layers.LSTM(*args, **settings))


def attended(reduction: Net) -> Net:
    return layers.chain(layers.list2ragged(), layers.ParametricAttention(WIDTH), reduction, layers.Linear(2))


FORMS: dict[str, tuple[str, Callable[[], Net], Any]] = {
    "maxout": ("maxout_norm", lambda: layers.Maxout(WIDTH, normalize=True), X),
    "two pieces": ("maxout_norm", lambda: dropped(nP=2), X),
    "residual": ("maxout_norm", lambda: layers.residual(dropped()), X),
    "window": ("maxout_norm", lambda: layers.residual(layers.chain(layers.expand_window(1), dropped())), X),
    "pairs": ("maxout_norm", lambda: layers.residual(layers.chain(layers.expand_window(1), dropped())), MANY),
    "pairs of two pieces": ("maxout_norm", lambda: layers.chain(layers.expand_window(1), dropped(nP=2)), MANY[:60]),
    "wide window": ("maxout_norm", lambda: layers.chain(layers.expand_window(9), dropped()), X),
    "float64": ("maxout_norm", lambda: layers.residual(dropped()), X.astype("float64")),
    "relu": ("dense", lambda: layers.chain(layers.Relu(5), layers.Softmax(3)), X),
    "linear": ("dense", lambda: layers.chain(layers.Linear(5), layers.Linear(3)), X),
    **{
        layer.__name__: ("dense", partial(lambda layer: layers.chain(layer(5), layer(3)), layer), X)
        for layer in ACTIVATIONS
    },
    **{
        f"{layer.__name__} by itself": ("dense", partial(layer, 5), X)
        for layer in (layers.Linear, layers.Relu, layers.Softmax, *ACTIVATIONS)
    },
    "columns": ("hash_embeds", lambda: embeds(columns=True), IDS),
    "unsigned": ("hash_embeds", lambda: embeds(columns=True), IDS.astype("uint64")),
    "one column": ("hash_embeds", lambda: layers.HashEmbed(4, 7, column=1), IDS),
    "no columns": ("hash_embeds", lambda: embeds(columns=False), IDS[:, 0].copy()),
    "pooled": ("sequences", lambda: layers.chain(on_rows(), layers.list2ragged(), layers.reduce_sum()), SEQUENCES),
    "attention": ("attention_pool", lambda: attended(layers.reduce_sum()), SEQUENCES),
    "mean attention": ("attention_pool", lambda: attended(layers.reduce_mean()), SEQUENCES),
    "lstm": ("sequences", lambda: layers.chain(on_rows(), with_lstm(6, bi=True, dropout=0.2), on_rows()), SEQUENCES),
    "lstm of equals": ("sequences", lambda: layers.chain(with_lstm(3, depth=2), layers.noop()), [X[:3], X[3:6]]),
    "wrappers": ("sequences", lambda: layers.chain(on_rows(), layers.with_array(layers.Relu(2))), SEQUENCES),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("is_train", [True, False])
def test_each_form_is_used_and_gives_what_its_layers_give(name: str, is_train: bool) -> None:
    form, build, batch = FORMS[name]
    model = build()
    model.initialize(X=X if name == "float64" else batch)
    if name == "float64":
        for node in model.walk():
            for param in node.param_names:
                node.set_param(param, node.get_param(param).astype("float64"))
    assert_alike(model, batch, is_train)
    assert ran_as(model, form)


@pytest.mark.parametrize("is_shared", [False, True], ids=["own gradients", "one gradient"])
def test_tables_are_shared_by_threads_if_their_gradients_are_their_own(
    is_shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges: list[Any] = []

    def run(call: Callable[[int, int], None], parts: list[Any]) -> None:
        ranges.extend(parts)
        for part in reversed(parts):
            call(*part)

    monkeypatch.setattr(hash_embeds._threads, "run", run)
    model = layers.concatenate(*(layers.HashEmbed(2, 11, seed=i, column=i) for i in range(2))).initialize(X=IDS)
    tables = [node for node in model.walk() if node.has_param("E")]
    ids = np.random.default_rng(1).integers(0, 99, (hash_embeds.MIN_SHARED // 4, 2))
    found = []
    for on in (True, False):
        zeros = np.zeros((2, 11, 2), "float32")
        for table, grad in zip(tables, zeros, strict=True):
            table.set_grad("E", zeros[0] if is_shared else grad)
        with fusion(on):
            Y, backprop = model(ids, True)
            backprop(gradient_of(Y))
        found.append(zeros)
    assert bool(ranges) is not is_shared
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-3)


def test_gradients_add_up_over_batches() -> None:
    model = initialized(layers.residual(layers.Maxout(WIDTH, normalize=True)), X)
    for on in (True, False):
        with fusion(on):
            for node in model.walk():
                for name in node.param_names:
                    node.set_grad(name, np.zeros_like(node.get_param(name)))
            for batch in (X, X[:2]):
                Y, backprop = model(batch, True)
                backprop(gradient_of(Y))
            found = [node.get_grad(name).copy() for node in model.walk() for name in node.param_names]
        if on:
            fused = found
    for expected, got in zip(found, fused, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_the_callback_can_be_called_twice() -> None:
    model = initialized(layers.residual(layers.Maxout(WIDTH, normalize=True, dropout=0.5)), X)
    for is_train in (True, False):
        Y, backprop = model(X, is_train)
        kept = Y.copy()
        dY = gradient_of(Y)
        first = backprop(dY).copy()
        Y[...] = 0
        np.testing.assert_array_equal(backprop(dY), first)
        np.testing.assert_array_equal(dY, gradient_of(kept))
        assert not Y.any()


def test_changes_of_the_tree_are_noticed() -> None:
    model = initialized(layers.chain(layers.Relu(WIDTH), layers.Maxout(WIDTH, normalize=True)), X)
    model.predict(X)
    assert ran_as(model, "maxout_norm")
    model.layers.append(initialized(layers.Softmax(2), X))
    assert_alike(model, X)
    assert model.predict(X).shape == (7, 2)
    inner = model.layers[1]
    inner.layers.pop()
    assert_alike(model, X)
    assert not ran_as(model, "maxout_norm")


def test_replaced_callbacks_are_called() -> None:
    model = initialized(layers.chain(layers.Relu(WIDTH), layers.Maxout(WIDTH, normalize=True)), X)
    model.predict(X)
    calls: list[int] = []
    norm = model.layers[1].layers[1]
    layers.with_debug(norm, on_forward=lambda *_: calls.append(1))
    model.predict(X)
    assert calls == [1]
    norm.replace_callbacks(lambda model, X, is_train: (X + 1, lambda dY: dY))
    relu, chained = model.layers
    np.testing.assert_allclose(model.predict(X), chained.layers[0].predict(relu.predict(X)) + 1, rtol=1e-6)


def test_other_operations_are_asked() -> None:
    class Counting(NumpyOps):
        calls = 0

        def relu(self, X: Any, inplace: bool = False) -> Any:
            Counting.calls += 1
            return super().relu(X, inplace)

    model = initialized(layers.chain(layers.Relu(4), layers.Relu(3)), X)
    model.predict(X)
    for node in model.walk():
        node.ops = Counting()
    model.predict(X)
    assert Counting.calls == 2


def test_settings_and_parameters_are_read_when_it_runs() -> None:
    model = initialized(layers.residual(layers.Maxout(WIDTH, normalize=True, dropout=0.0)), X)
    before = model.predict(X)
    dropout = model.layers[0].layers[1]
    dropout.attrs["dropout_rate"] = 0.9
    assert_alike(model, X)
    maxout = model.layers[0].layers[0].layers[0]
    with model.use_params({(maxout.id, "W"): np.zeros_like(maxout.get_param("W"))}):
        assert not np.allclose(model.predict(X), before)
        assert_alike(model, X)
    np.testing.assert_array_equal(model.predict(X), before)


def test_another_column_is_noticed() -> None:
    model = initialized(layers.chain(layers.HashEmbed(4, 7, seed=1, column=1), layers.Linear(3)), IDS)
    getter = model.layers[0].layers[0]
    before = model.predict(IDS)
    getter.attrs["index"] = (slice(0, None), 0)
    assert_alike(model, IDS)
    assert not np.allclose(model.predict(IDS), before)
    getter.attrs["index"] = (slice(0, 2), 0)
    assert model.predict(IDS).shape == (2, 3)


def test_other_arrays_of_weights_are_looked_at_anew() -> None:
    model = initialized(layers.chain(layers.Relu(WIDTH), layers.Maxout(WIDTH, normalize=True)), X)
    relu = model.layers[0]
    model.predict(X)
    W = relu.get_param("W")
    strided = np.zeros((WIDTH, 2 * WIDTH), "float32")[:, ::2]
    strided[...] = 2 * W
    for other in (3 * W, strided, W):
        relu.set_param("W", other)
        assert_alike(model, X)
    relu.set_param("W", W.astype("float64"))
    with pytest.raises(ValueError, match="float64 weights"):
        model.predict(X)
    relu.set_param("W", None)
    with pytest.raises(ValueError, match="'W'"):
        model.predict(X)


def test_a_plan_keeps_no_weights_that_the_model_has_no_more() -> None:
    model = initialized(layers.chain(layers.Relu(WIDTH), layers.Relu(WIDTH)), X)
    model.predict(X)
    relu = model.layers[0]
    before = weakref.ref(relu.get_param("W"))
    relu.set_param("W", np.zeros((WIDTH, WIDTH), "float32"))
    gc.collect()
    assert before() is None


def test_lengths_that_do_not_fit_get_the_layers_errors() -> None:
    model = layers.chain(layers.ParametricAttention(WIDTH), layers.reduce_sum())
    initialized(model, Ragged(X, np.array([3, 4], "int32")))
    for wrong in ([3, 3], [-1, 8], [2**62, 2**62]):
        messages = []
        for on in (True, False):
            with fusion(on), pytest.raises(ValueError, match="lengths") as caught:
                model.predict(Ragged(X, np.array(wrong)))
            messages.append(str(caught.value))
        assert messages[0] == messages[1]


def test_errors_are_those_of_the_layers() -> None:
    model = initialized(layers.chain(layers.Relu(4), layers.Maxout(WIDTH, normalize=True)), X)
    for wrong in (X[:, :3], X.astype("float64"), list(X), X[0]):
        messages = []
        for on in (True, False):
            with fusion(on), pytest.raises(Exception) as caught:  # noqa: PT011  # which one is what is compared
                model.predict(wrong)
            messages.append((type(caught.value), str(caught.value)))
        assert messages[0] == messages[1]
    Y, backprop = model(X, True)
    with pytest.raises(ValueError, match="layernorm"):
        backprop(Y[:, :2])


def test_the_switch_is_put_back() -> None:
    with fusion(False):
        assert not is_on()
        with fusion(True):
            assert is_on()
        assert not is_on()
    assert is_on()
    fusion(False)
    assert not is_on()
    fusion(True)


def test_a_plan_is_neither_copied_nor_pickled() -> None:
    model = initialized(layers.chain(layers.Relu(4), layers.Maxout(WIDTH, normalize=True)), X)
    Y = model.predict(X)
    copy = model.copy()
    for node in copy.walk():
        for name in node.param_names:
            node.set_param(name, 2 * node.get_param(name))
    assert not np.allclose(copy.predict(X), Y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), Y)
    np.testing.assert_array_equal(model.predict(X), Y)


def test_explain_names_forms_and_kernels() -> None:
    model = initialized(layers.chain(layers.Relu(4), layers.with_array2d(layers.Maxout(WIDTH, normalize=True))), X)
    assert "fused" not in model.copy().explain()
    model.predict(X)
    lines = model.explain().splitlines()
    assert lines[0] == "fusion is on"
    assert "dense: fused; dense.bias_relu" in lines[2]
    assert "maxout_norm: fused; " in lines[5]
    model.predict(X[:0])
    with fusion(False):
        assert model.explain().splitlines()[0] == "fusion is off"


def test_nothing_is_fused_while_contracts_look_between_the_layers() -> None:
    model = initialized(layers.chain(layers.Relu(4), layers.Maxout(WIDTH, normalize=True)), X).copy()
    with contracts():
        Y = model.predict(X)
    assert "fused" not in model.explain()
    np.testing.assert_allclose(model.predict(X), Y, rtol=1e-5, atol=1e-6)
    assert ran_as(model, "maxout_norm")


@pytest.mark.parametrize("name", FORMS)
def test_a_model_that_ran_is_gone_with_its_last_reference(name: str) -> None:
    _, build, batch = FORMS[name]
    model = build().initialize(X=X if name == "float64" else batch)
    model.predict(X if name == "float64" else batch)
    gone = [weakref.ref(node) for node in model.walk()]
    gc.disable()
    try:
        del model
        assert [node() for node in gone] == [None] * len(gone)
    finally:
        gc.enable()


def test_a_forward_function_may_be_an_object_without_a_hash() -> None:
    @dataclass
    class Scaled:
        factor: float

        def __call__(self, model: Any, X: Any, is_train: bool) -> Any:
            return X * self.factor, lambda dY: dY * self.factor

    X = np.ones((2, 3), dtype="f")
    model: Net = layers.chain(Model("scaled", Scaled(2.0)), Model("scaled", Scaled(3.0)))
    assert model.predict(X).tolist() == (X * 6).tolist()


@pytest.mark.parametrize("value", [1e30, 1e37, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("pieces", [2, 3])
def test_what_is_not_finite_spreads_as_far_as_from_layer_to_layer(value: float, pieces: int) -> None:
    # Of windows multiplied two rows at a time (kernels/pairs.py), too, where sums and differences of rows are made.
    model: Net = layers.residual(
        layers.chain(layers.expand_window(1), layers.Maxout(16, 48, nP=pieces, normalize=True))
    )
    model.initialize()
    rng = np.random.default_rng(0)
    rows, dY = rng.standard_normal((2, 61, 16)).astype("float32")
    rows[20:22, 3] = value
    results = []
    for switch in (True, False):
        with fusion(switch), np.errstate(all="ignore"):
            Y, backprop = model(rows, is_train=True)
            results.append((Y, backprop(dY)))
    for fused, plain in zip(*results, strict=True):
        np.testing.assert_array_equal(np.isfinite(fused), np.isfinite(plain))
        np.testing.assert_allclose(fused, plain, rtol=1e-4, atol=1e-4)


def test_a_forward_function_that_is_called_for_another_node_runs_itself() -> None:
    """Layers of users call the functions of ours."""
    names = ("linear", "relu", "sigmoid", "gelu", "mish")
    forwards = [sys.modules[f"thinc_nb.layers.{name}"].forward for name in names]
    for make in (layers.Linear, layers.Relu, layers.Swish):
        node = initialized(make(5), X)
        for forward in forwards:
            with fusion(False):
                expected = forward(node, X, True)[0]
            np.testing.assert_allclose(forward(node, X, True)[0], expected, rtol=1e-5, atol=1e-6)
            node.predict(X)


def test_functions_that_are_called_for_one_node_keep_plans_of_their_own() -> None:
    linear, chained = (sys.modules[f"thinc_nb.layers.{name}"].forward for name in ("linear", "chain"))

    def forward(model: Any, X: Any, is_train: bool) -> Any:
        Y = linear(model, X, is_train)[0]
        return chained(model, Y, is_train)[0] + linear(model, X, is_train)[0], None

    inner = [initialized(layers.Relu(WIDTH), X), initialized(layers.Linear(WIDTH), X)]
    params = {name: inner[1].get_param(name) for name in ("W", "b")}
    for function in (forward, linear, sys.modules["thinc_nb.layers.residual"].forward):
        model: Net = Model("mine", function, layers=inner, params=params)
        model.predict(X)
        with fusion(False):
            expected = forward(model, X, False)[0]
        for _ in range(2):
            np.testing.assert_allclose(forward(model, X, False)[0], expected, rtol=1e-5, atol=1e-6)
            model.predict(X)
