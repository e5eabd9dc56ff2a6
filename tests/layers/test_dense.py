"""Dense layers against their formulas in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb import api
from thinc_nb.api import Linear, Model, Padded, Ragged
from thinc_nb.errors import InputError, UnsetError


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


FORMULAS = {
    api.Linear: lambda z: z,
    api.Relu: lambda z: np.maximum(z, 0),
    api.Mish: lambda z: z * np.tanh(np.log1p(np.exp(z))),
    api.Gelu: lambda z: z * (1 + np.vectorize(math.erf)(z / np.sqrt(2))) / 2 if z.size else z,
    api.Swish: lambda z: z * sigmoid(z),
    api.Dish: lambda z: z * (z / np.sqrt(1 + z * z) + 1) / 2,
    api.HardSwish: lambda z: z * np.clip(z * 0.2 + 0.5, 0, 1),
    api.HardSwishMobilenet: lambda z: z * np.clip(z + 3, 0, 6) / 6,
    api.ClippedLinear: lambda z: np.clip(z, 0, 1),
    api.ReluK: lambda z: np.clip(z, 0, 6),
    api.HardTanh: lambda z: np.clip(z, -1, 1),
    api.HardSigmoid: lambda z: np.clip(z * 0.2 + 0.5, 0, 1),
    api.Sigmoid: sigmoid,
    api.Softmax: lambda z: np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
}


def random_weights(model: Model[Any, Any], seed: int = 2) -> Model[Any, Any]:
    rng = np.random.default_rng(seed)
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, rng.normal(size=node.get_param(name).shape).astype("f"))
    return model


@pytest.mark.parametrize("layer", FORMULAS)
@given(batch=st.integers(0, 9), nI=st.integers(1, 7), nO=st.integers(1, 7), is_train=st.booleans())
def test_output_is_the_formula(layer: Any, batch: int, nI: int, nO: int, is_train: bool) -> None:
    model = random_weights(layer(nO, nI).initialize())
    X = np.random.default_rng(batch).normal(size=(batch, nI)).astype("f")
    Y, _ = model(X, is_train)
    Z = X.astype("float64") @ model.get_param("W").T.astype("float64") + model.get_param("b")
    assert Y.dtype == np.float32
    np.testing.assert_allclose(Y, FORMULAS[layer](Z), rtol=2e-5, atol=2e-5)


@given(batch=st.integers(0, 6), nI=st.integers(1, 5), nO=st.integers(1, 5), nP=st.integers(1, 4))
def test_maxout_is_the_largest_piece(batch: int, nI: int, nO: int, nP: int) -> None:
    model = random_weights(api.Maxout(nO, nI, nP=nP).initialize())
    X = np.random.default_rng(batch).normal(size=(batch, nI)).astype("f")
    pieces = np.einsum("bi,opi->bop", X.astype("float64"), model.get_param("W")) + model.get_param("b")
    np.testing.assert_allclose(model.predict(X), pieces.max(axis=2), rtol=2e-5, atol=2e-5)


def test_settings_of_clipped_linear() -> None:
    model = api.ClippedLinear(4, 4, slope=2.0, offset=1.0, min_val=-1.0, max_val=3.0).initialize()
    X = np.linspace(-3, 3, 12, dtype="f").reshape(3, 4)
    Z = X @ model.get_param("W").T
    np.testing.assert_allclose(model.predict(X), np.clip(2 * Z + 1, -1, 3), rtol=1e-5, atol=1e-6)


def test_layer_norm_is_its_formula() -> None:
    model = random_weights(api.LayerNorm(6).initialize())
    X = np.random.default_rng(0).normal(3, 2, size=(5, 6)).astype("f")
    x = X.astype("float64")
    expected = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(
        model.predict(X), expected * model.get_param("G") + model.get_param("b"), rtol=1e-4, atol=1e-5
    )


LAYERS = [*FORMULAS, api.Maxout]


@pytest.mark.parametrize("layer", LAYERS)
def test_empty_batch_gives_empty_gradient(layer: Any) -> None:
    model = layer(3, 4).initialize()
    Y, backprop = model.begin_update(np.zeros((0, 4), dtype="f"))
    assert Y.shape == (0, 3)
    dX = backprop(Y)
    assert (dX.shape, dX.dtype) == ((0, 4), np.float32)
    assert not model.get_grad("W").any()


@pytest.mark.parametrize("layer", LAYERS)
def test_gradients_add_up_over_batches(layer: Any) -> None:
    model = random_weights(layer(3, 4).initialize())
    X = np.random.default_rng(0).normal(size=(6, 4)).astype("f")
    Y, backprop = model.begin_update(X)
    backprop(np.ones_like(Y))
    whole = {name: model.get_grad(name).copy() for name in model.param_names}
    for name in model.param_names:
        model.get_grad(name).fill(0)
    for part in (X[:2], X[2:]):
        Y, backprop = model.begin_update(part)
        backprop(np.ones_like(Y))
    for name, expected in whole.items():
        np.testing.assert_allclose(model.get_grad(name), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", LAYERS)
def test_input_and_gradient_are_not_changed(layer: Any) -> None:
    model = random_weights(layer(3, 4).initialize())
    X = np.random.default_rng(0).normal(size=(6, 4)).astype("f")
    X.flags.writeable = False
    Y, backprop = model.begin_update(X)
    dY = np.ones_like(Y)
    dY.flags.writeable = False
    kept = Y.copy()
    backprop(dY)
    backprop(dY)
    np.testing.assert_array_equal(Y, kept)


@pytest.mark.without_contracts
@pytest.mark.parametrize("layer", LAYERS)
def test_bad_input_names_layer_and_shapes(layer: Any) -> None:
    model = layer(3, 4).initialize()
    with pytest.raises(ValueError, match=rf"layer '{model.name}' takes an array \(batch, 4\), got float32 \(2, 5\)"):
        model.predict(np.zeros((2, 5), dtype="f"))
    with pytest.raises(ValueError, match=r"takes an array \(batch, 4\), got float32 \(1, 2, 4\)"):
        model.predict(np.zeros((1, 2, 4), dtype="f"))
    with pytest.raises(ValueError, match=r"has float32 weights and takes float32 input, got float64 \(2, 4\)"):
        model.predict(np.zeros((2, 4)))
    with pytest.raises(TypeError, match=r"got a list of 1, the first float32 \(2, 4\).*with_array"):
        model.predict([np.zeros((2, 4), dtype="f")])
    ragged = Ragged(np.zeros((2, 4), dtype="f"), np.array([2], dtype="i"))
    with pytest.raises(TypeError, match=r"got a Ragged of 1 sequences with data float32 \(2, 4\).*with_array"):
        model.predict(ragged)
    padded = Padded(np.zeros((2, 1, 4), dtype="f"), np.array([1, 1]), np.array([2]), np.array([0]))
    with pytest.raises(TypeError, match="got a Padded of 1 sequences"):
        model.predict(padded)
    with pytest.raises(TypeError, match="got a str"):
        model.predict("text")


@pytest.mark.without_contracts
def test_layer_norm_takes_other_dtypes() -> None:
    model = random_weights(api.LayerNorm(4).initialize())
    X = np.random.default_rng(1).normal(size=(3, 4)).astype("f")
    Y, backprop = model.begin_update(X)
    assert Y.dtype == backprop(Y.astype("float64")).dtype == np.float32
    exact, backprop_exact = model.begin_update(X.astype("float64"))
    assert exact.dtype == backprop_exact(Y).dtype == np.float64
    np.testing.assert_allclose(exact, Y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(np.arange(4)[None]), model.predict(np.arange(4.0)[None]), rtol=1e-6)
    bad: list[Any] = [np.zeros((2, 5), "f"), np.zeros(4, "f"), np.zeros((2, 3, 4), "f"), [X]]
    for X in bad:
        with pytest.raises(InputError, match=r"layer 'layernorm' takes an array \(batch, 4\)"):
            model.predict(X)
    with pytest.raises(InputError, match=r"the gradient of layer 'layernorm' must .* \(Shape mismatch in backprop\)"):
        backprop(Y[:2])
    with pytest.raises(InputError, match="the gradient of layer 'layernorm' must be an array"):
        backprop([Y])


@pytest.mark.without_contracts
@pytest.mark.parametrize("layer", LAYERS)
def test_bad_gradient_changes_nothing(layer: Any) -> None:
    model = layer(4, 4).initialize()
    Y, backprop = model.begin_update(np.ones((2, 4), dtype="f"))
    for bad in (np.ones((3, 4), dtype="f"), np.ones((2, 1), dtype="f"), np.ones((2, 4))):
        with pytest.raises(ValueError, match=f"the gradient of layer '{model.name}' must have the shape and dtype"):
            backprop(bad)
    with pytest.raises(TypeError, match=f"the gradient of layer '{model.name}' must be an array"):
        backprop([Y])
    assert not any(model.has_grad(name) for name in model.param_names)


@pytest.mark.parametrize("layer", LAYERS)
def test_uninitialized_layer_says_so(layer: Any) -> None:
    with pytest.raises(UnsetError, match=r"Parameter 'W' for model .* initialize the model first"):
        layer(3, 4).predict(np.zeros((2, 4), dtype="f"))


def test_nan_stays_where_it_is() -> None:
    model = Linear(3, 4).initialize()
    X = np.ones((2, 4), dtype="f")
    X[0, 0] = np.nan
    Y = model.predict(X)
    assert np.isnan(Y[0]).all()
    assert np.isfinite(Y[1]).all()
