"""JAX functions as layers: gradients, updates, bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thinc_nb.api import Adam, ArgsKwargs, JaxShim, JaxWrapper, Linear, Model, chain, with_array
from thinc_nb.errors import SerializationError

jax = pytest.importorskip("jax")
jnp = jax.numpy


def dense(params: Any, X: Any) -> Any:
    hidden = jnp.tanh(X @ params["one"]["W"].T + params["one"]["b"])
    return hidden @ params["two"][0].T


def params(seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return {
        "one": {"W": rng.normal(size=(5, 4)).astype("f"), "b": rng.normal(size=5).astype("f")},
        "two": [rng.normal(size=(2, 5)).astype("f")],
    }


NAMES = ["['one']['W']", "['one']['b']", "['two'][0]"]


def reference(values: Any, X: Any) -> Any:
    """The function and its gradient in float64 of numpy."""
    W, b, V = (np.asarray(v, dtype="float64") for v in (values["one"]["W"], values["one"]["b"], values["two"][0]))
    hidden = np.tanh(X @ W.T + b)

    def backprop(dY: Any) -> Any:
        d_hidden = dY @ V * (1 - hidden**2)
        return d_hidden @ W, [d_hidden.T @ X, d_hidden.sum(0), dY.T @ hidden]

    return hidden @ V.T, backprop


@pytest.mark.parametrize("jit", [True, False])
def test_outputs_and_gradients_are_those_of_numpy(rng: np.random.Generator, jit: bool) -> None:
    model = JaxWrapper(dense, params(), jit=jit)
    X, dY = rng.normal(size=(6, 4)).astype("f"), rng.normal(size=(6, 2)).astype("f")
    expected, expected_backprop = reference(params(), X)
    dX, d_params = expected_backprop(dY)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-4, atol=1e-5)
    for _ in range(2):
        Y, backprop = model.begin_update(X)
        np.testing.assert_allclose(Y, expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(backprop(dY), dX, rtol=1e-4, atol=1e-5)
    found: dict[Any, Any] = {}
    model.finish_update(lambda key, W, dW: (found.update({key: dW.copy()}), (W, dW))[1])
    shim = model.shims[0]
    assert list(found) == [(shim.id, name) for name in NAMES]
    for gradient, d in zip(found.values(), d_params, strict=True):
        np.testing.assert_allclose(gradient, 2 * d, rtol=1e-3, atol=1e-4)
    found.clear()
    model.finish_update(lambda key, W, dW: (found.update({key: dW}), (W, dW))[1])
    assert not found


def test_updates_are_those_of_the_same_arrays_as_parameters_of_a_layer(rng: np.random.Generator) -> None:
    ours = Linear(2, 4).initialize()
    W, b = ours.get_param("W").copy(), ours.get_param("b").copy()
    model = JaxWrapper(lambda p, X: X @ p["W"].T + p["b"], {"W": W, "b": b})
    optimizers = [Adam(0.01, use_averages=True) for _ in range(2)]
    for _ in range(10):
        X, target = rng.normal(size=(6, 4)).astype("f"), rng.normal(size=(6, 2)).astype("f")
        for net, optimizer in zip((ours, model), optimizers, strict=True):
            Y, backprop = net.begin_update(X)
            backprop(Y - target)
            net.finish_update(optimizer)
    shim = model.shims[0]
    for name in ("W", "b"):
        np.testing.assert_allclose(shim.params[name], ours.get_param(name), rtol=1e-4, atol=1e-6)
        average = optimizers[1].averages[shim.id, f"['{name}']"]
        np.testing.assert_allclose(average, optimizers[0].averages[ours.id, name], rtol=1e-4, atol=1e-6)
    before = model.predict(X)
    with model.use_params(optimizers[1].averages):
        with ours.use_params(optimizers[0].averages):
            np.testing.assert_allclose(model.predict(X), ours.predict(X), rtol=1e-4, atol=1e-5)
        assert not np.array_equal(model.predict(X), before)
    assert np.array_equal(model.predict(X), before)


FORMS: list[Any] = [
    (np.ones((2, 3), "f"), np.full((2, 3), 2, "f")),
    [np.ones((2, 3), "f"), np.full((2, 3), 2, "f")],
    {"a": np.ones((2, 3), "f"), "b": np.full((2, 3), 2, "f")},
    ArgsKwargs((np.ones((2, 3), "f"),), {"b": np.full((2, 3), 2, "f")}),
]


@pytest.mark.parametrize("X", FORMS, ids=lambda X: type(X).__name__)
def test_inputs_come_in_any_form_and_outputs_may_be_nested(X: Any) -> None:
    def func(p: Any, a: Any, b: Any) -> Any:
        return a * b, {"sum": a + p, "ids": jnp.arange(3)}

    model = JaxWrapper(func, np.float32(3.0))
    Y, backprop = model.begin_update(X)
    assert Y[0].tolist() == [[2.0] * 3] * 2
    assert Y[1]["ids"].tolist() == [0, 1, 2]
    ones = np.ones((2, 3), "f")
    dX = backprop((ones, {"sum": None, "ids": None}))
    assert type(dX) is type(X)
    values = [*dX.args, *dX.kwargs.values()] if isinstance(X, ArgsKwargs) else list(getattr(dX, "values", lambda: dX)())
    assert [value.tolist() for value in values] == [[[2.0] * 3] * 2, [[1.0] * 3] * 2]
    for wrong in (ones, (ones, ones), (ones[:1], {"sum": None, "ids": None})):
        with pytest.raises(ValueError, match="gradient"):
            backprop(wrong)


def test_ids_empty_batches_and_doubles() -> None:
    table = np.arange(8, dtype="f").reshape(4, 2)
    model = JaxWrapper(lambda E, ids: E[ids], table)
    Y, backprop = model.begin_update(np.array([1, 3, 1], dtype="int32"))
    assert Y.tolist() == table[[1, 3, 1]].tolist()
    assert backprop(np.ones_like(Y)) is None
    assert model.shims[0]._grads[:, 0].tolist() == [0, 2, 0, 1]
    model = JaxWrapper(dense, params())
    Y, backprop = model.begin_update(np.zeros((0, 4), "f"))
    assert Y.shape == (0, 2)
    assert backprop(Y).shape == (0, 4)
    Y, backprop = model.begin_update(np.ones((2, 4)))
    assert backprop(Y).dtype == np.float64


def test_what_comes_out_can_be_changed_in_place(rng: np.random.Generator) -> None:
    X = rng.normal(size=(6, 4)).astype("f")
    model: Model[Any, Any] = chain(JaxWrapper(dense, params()), with_array(Linear(3, 2))).initialize()
    Y, backprop = model.begin_update(X)
    Y += 1
    assert backprop(Y).shape == X.shape
    assert model.layers[0].predict(X).flags.writeable


def test_a_function_that_asks_is_told_whether_it_trains() -> None:
    model = JaxWrapper(lambda p, X, is_train: X * (2 if is_train else 1), ())
    X = np.ones((2, 2), "f")
    assert model.predict(X).tolist() == X.tolist()
    assert model.begin_update(X)[0].tolist() == (2 * X).tolist()


def test_bytes_load_by_value(tmp_path: Path) -> None:
    model, other = JaxWrapper(dense, params(1)), JaxWrapper(dense, params(2))
    model.shims[0].cfg["a"] = 1
    model.to_disk(tmp_path / "model")
    other.from_disk(tmp_path / "model")
    for mine, theirs in zip(jax.tree_util.tree_leaves(params(1)), other.shims[0]._named().values(), strict=True):
        assert np.array_equal(mine, theirs)
    assert other.shims[0].cfg == {"a": 1}
    X = np.ones((2, 4), "f")
    assert np.array_equal(other.predict(X), model.predict(X))
    twin = model.copy()
    assert twin.shims[0].id != model.shims[0].id
    Y, backprop = twin.begin_update(X)
    backprop(Y)
    twin.finish_update(Adam(0.1))
    assert np.array_equal(other.predict(X), model.predict(X))
    assert not np.array_equal(twin.predict(X), model.predict(X))


def test_reduced_precision_is_stored_and_updated() -> None:
    def build(value: float) -> JaxShim:
        return JaxShim(lambda p, X: X * p, jnp.full(3, value, dtype="bfloat16"))

    shim = build(0.1)
    other = build(7).from_bytes(shim.to_bytes())
    assert other.params.dtype == "bfloat16"
    assert (other.params == shim.params).all()
    _, backprop = shim.begin_update(ArgsKwargs((jnp.ones(3),), {}))
    backprop(jnp.ones(3))
    shim.finish_update(lambda key, W, dW: (W - dW, dW))
    assert shim.params.dtype == "bfloat16"
    np.testing.assert_allclose(np.asarray(shim.params, dtype="f"), -0.9, rtol=1e-2)


@pytest.mark.parametrize(
    "broken",
    [
        lambda data: b"nonsense",
        lambda data: data[:-5],
        lambda data: JaxShim(dense, {**params(), "more": np.ones(1)}).to_bytes(),
        lambda data: JaxShim(dense, {"one": params()["one"]}).to_bytes(),
        lambda data: JaxShim(dense, {**params(), "two": [np.ones((3, 3), "f")]}).to_bytes(),
    ],
)
def test_bytes_that_do_not_fit_change_nothing(broken: Any) -> None:
    shim = JaxShim(dense, params())
    before = shim.params
    with pytest.raises(SerializationError):
        shim.from_bytes(broken(shim.to_bytes()))
    assert shim.params is before


def test_the_size_of_the_parameters() -> None:
    assert JaxShim(dense, params()).param_size() == (5 * 4 + 5 + 2 * 5, 4 * (5 * 4 + 5 + 2 * 5))


def test_bad_arguments_are_clear_errors() -> None:
    with pytest.raises(TypeError, match="must be a function of params and inputs"):
        JaxShim(3, params())
    shim = JaxShim(dense, params())
    with pytest.raises(ValueError, match="expected shape"), shim.use_params({(shim.id, NAMES[0]): np.ones(2)}):
        pass
    with pytest.raises(ValueError, match="Invalid device_type: tpu"):
        shim.to_device("tpu", 0)
    shim.to_device("cpu", -1)
    if not any(device.platform == "gpu" for device in jax.devices()):
        with pytest.raises(ValueError, match="finds no such device, gpu 0"):
            shim.to_device("gpu", 0)
    _, backprop = shim(ArgsKwargs((jnp.ones((1, 4)),), {}), is_train=False)
    with pytest.raises(ValueError, match="run the JAX function with is_train=True"):
        backprop(None)
