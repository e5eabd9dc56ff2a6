"""Keras models as layers: gradients, updates, bytes, copies."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thinc_nb.api import (
    Adam,
    ArgsKwargs,
    Linear,
    Model,
    TensorFlowShim,
    TensorFlowWrapper,
    chain,
    enable_tensorflow,
    keras_model_fns,
    keras_subclass,
    tensorflow2xp,
    xp2tensorflow,
)
from thinc_nb.errors import SerializationError

# TensorFlow itself warns.
pytestmark = pytest.mark.filterwarnings("ignore")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tf = pytest.importorskip("tensorflow")
    enable_tensorflow()

X = np.random.default_rng(0).normal(size=(6, 4)).astype("f")


def dense(seed: int = 0, n_in: int = 4) -> Any:
    tf.keras.utils.set_random_seed(seed)
    layers = [tf.keras.Input((n_in,)), tf.keras.layers.Dense(5, activation="tanh"), tf.keras.layers.Dense(2)]
    return tf.keras.Sequential(layers)


def test_arrays_go_over_and_back() -> None:
    tensor = xp2tensorflow(X)
    assert np.array_equal(tensorflow2xp(tensor), X)
    variable = xp2tensorflow(X, requires_grad=True, as_variable=True)
    assert variable.trainable


def test_outputs_and_gradients_are_those_of_numpy() -> None:
    keras = dense()
    model = TensorFlowWrapper(keras)
    assert (model.num_params, model.summary().nbytes) == (4 * 5 + 5 + 5 * 2 + 2, 4 * (4 * 5 + 5 + 5 * 2 + 2))
    W, b, V, c = (value.astype("float64") for value in keras.get_weights())
    hidden = np.tanh(X @ W + b)
    Y, backprop = model.begin_update(X)
    np.testing.assert_allclose(Y, hidden @ V + c, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict(X), Y, rtol=1e-5, atol=1e-6)
    dY = np.random.default_rng(1).normal(size=Y.shape).astype("f")
    d_hidden = dY @ V.T * (1 - hidden**2)
    np.testing.assert_allclose(backprop(dY), d_hidden @ W.T, rtol=1e-4, atol=1e-5)
    _, backprop = model.begin_update(X)
    backprop(dY)
    found: list[Any] = []
    model.finish_update(lambda key, w, dw: (found.append((key, dw.copy())), (w, dw))[1])
    expected = [X.T @ d_hidden, d_hidden.sum(0), hidden.T @ dY, dY.sum(0)]
    assert [key[0] for key, _ in found] == [model.shims[0].id] * 4
    for (_, gradient), d in zip(found, expected, strict=True):
        np.testing.assert_allclose(gradient, 2 * d, rtol=1e-3, atol=1e-4)


def test_updates_are_those_of_a_layer_of_ours() -> None:
    keras = tf.keras.Sequential([tf.keras.Input((4,)), tf.keras.layers.Dense(2)])
    ours = Linear(2, 4).initialize()
    keras.set_weights([ours.get_param("W").T, ours.get_param("b")])
    model = TensorFlowWrapper(keras)
    optimizers = [Adam(0.01, grad_clip=0.0, use_averages=True) for _ in range(2)]
    for _ in range(10):
        for net, optimizer in zip((ours, model), optimizers, strict=True):
            Y, backprop = net.begin_update(X)
            backprop(Y - X[:, :2])
            net.finish_update(optimizer)
    np.testing.assert_allclose(keras.get_weights()[0], ours.get_param("W").T, rtol=1e-4, atol=1e-6)
    before = model.predict(X)
    with model.use_params(optimizers[1].averages):
        averaged = model.predict(X)
    assert not np.array_equal(averaged, before)
    assert np.array_equal(model.predict(X), before)


def test_it_is_a_layer_among_others_and_bytes_load_by_value(tmp_path: Path) -> None:
    def build(seed: int) -> Model[Any, Any]:
        return chain(Linear(4, 4), TensorFlowWrapper(dense(seed))).initialize()

    model, other = build(1), build(2)
    model.to_disk(tmp_path / "model")
    other.from_disk(tmp_path / "model")
    mine, theirs = (m.layers[1].shims[0]._model.get_weights() for m in (model, other))
    assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))
    assert np.array_equal(model.predict(X), other.predict(X))
    twin = model.copy()
    assert np.array_equal(twin.predict(X), model.predict(X))
    Y, backprop = twin.begin_update(X)
    backprop(Y)
    twin.finish_update(Adam(0.1))
    assert np.array_equal(model.predict(X), other.predict(X))
    assert not np.array_equal(twin.predict(X), model.predict(X))


def test_bytes_that_do_not_fit_change_nothing() -> None:
    shim = TensorFlowShim(dense())
    before = shim._model.get_weights()
    for data in (b"nonsense", shim.to_bytes()[:-9], TensorFlowShim(dense(n_in=3)).to_bytes()):
        with pytest.raises(SerializationError):
            shim.from_bytes(data)
    assert all(np.array_equal(a, b) for a, b in zip(before, shim._model.get_weights(), strict=True))


@keras_subclass("custom.v1", X=X, Y=X[:, :2], input_shape=(4,))
class Custom(tf.keras.Model):
    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = tf.keras.layers.Dense(width)

    def call(self, inputs: Any, factor: Any = None, training: bool = False) -> Any:
        Y = self.inner(inputs)
        return Y if factor is None else (Y * factor, {"train": tf.cast(training, "int32")})


def test_subclasses_are_copied_and_load_before_they_ran() -> None:
    assert keras_model_fns.get("custom.v1") is Custom
    model = TensorFlowWrapper(Custom(3))
    twin = model.copy()
    assert np.array_equal(twin.predict(X), model.predict(X))
    other = TensorFlowWrapper(Custom(3))
    other.from_bytes(model.to_bytes())
    assert np.array_equal(other.predict(X), model.predict(X))


def test_several_inputs_and_nested_outputs() -> None:
    model = TensorFlowWrapper(Custom(2))
    factor = np.full((6, 2), 2, dtype="f")
    for inputs in ((X, factor), ArgsKwargs((X,), {"factor": factor})):
        Y, backprop = model.begin_update(inputs)
        assert Y[1]["train"] == 1
        dX = backprop((np.ones_like(Y[0]), None))
        parts = dX.args + tuple(dX.kwargs.values()) if isinstance(dX, ArgsKwargs) else dX
        assert [part.shape for part in parts] == [X.shape, factor.shape]
        np.testing.assert_allclose(parts[1], Y[0] / 2, rtol=1e-5)
        with pytest.raises(ValueError, match="gradient"):
            backprop((np.ones((1, 2), "f"), None))


def test_bad_arguments_are_clear_errors() -> None:
    with pytest.raises(TypeError, match=r"expected a keras\.models\.Model, got a int"):
        TensorFlowWrapper(3)
    unbuilt = tf.keras.Sequential([tf.keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="has no weights yet: run it once"):
        TensorFlowShim(unbuilt).from_bytes(TensorFlowShim(dense()).to_bytes())
    shim = TensorFlowShim(dense())
    shim.to_device("cpu", -1)
    with pytest.raises(ValueError, match="Invalid device_type: tpu"):
        shim.to_device("tpu", 0)
    if not tf.config.list_physical_devices("GPU"):
        with pytest.raises(ValueError, match="finds no such device, gpu 0"):
            shim.to_device("gpu", 0)
    _, backprop = shim(ArgsKwargs((tf.constant(X),), {}), is_train=False)
    with pytest.raises(ValueError, match="run the Keras model with is_train=True"):
        backprop(None)
