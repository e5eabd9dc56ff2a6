"""Softmax and its relatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thinc_nb import api
from thinc_nb.api import Ragged, Softmax_v2
from thinc_nb.contracts import contracts

X = np.random.default_rng(0).normal(size=(5, 4)).astype("f")


def made(**settings: Any) -> Any:
    model = Softmax_v2(3, 4, **settings).initialize()
    model.set_param("W", np.random.default_rng(1).normal(size=(3, 4)).astype("f"))
    return model


def test_temperature_divides_logits() -> None:
    model = made(temperature=2.0)
    z = (X @ model.get_param("W").T).astype("float64") / 2
    np.testing.assert_allclose(model.predict(X), np.exp(z) / np.exp(z).sum(1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_temperature_must_be_positive(temperature: float) -> None:
    with pytest.raises(ValueError, match="temperature must not be zero or negative"):
        Softmax_v2(3, 4, temperature=temperature)
    model = made()
    model.attrs["softmax_temperature"] = temperature
    with pytest.raises(ValueError, match="temperature must not be zero or negative"):
        model.predict(X)


def test_unnormalized_outputs_are_logits_except_in_training() -> None:
    model = made(normalize_outputs=False, temperature=2.0)
    np.testing.assert_allclose(model.predict(X), X @ model.get_param("W").T, rtol=1e-5, atol=1e-6)
    Y, backprop = model.begin_update(X)
    np.testing.assert_allclose(Y.sum(axis=1), 1, rtol=1e-5)
    assert backprop(Y).shape == X.shape
    Y, backprop = model(X, is_train=False)
    with pytest.raises(ValueError, match="backprop is not supported for an unnormalized softmax"):
        backprop(Y)


def test_multisoftmax_gives_the_scores_of_all_groups() -> None:
    model = api.MultiSoftmax((2, 3), 4).initialize()
    model.set_param("W", np.random.default_rng(1).normal(size=(5, 4)).astype("f"))
    np.testing.assert_allclose(model.predict(X), X.astype("float64") @ model.get_param("W").T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", [api.softmax_activation, api.sigmoid_activation, api.Logistic])
def test_activations_take_any_shape(layer: Any) -> None:
    for shape in ((5, 4), (2, 3, 4), (0, 4), (4,)):
        Z = np.random.default_rng(0).normal(size=shape).astype("f")
        Y, backprop = layer().begin_update(Z)
        assert Y.shape == shape
        assert backprop(Y).shape == shape
    with contracts(enabled=False), pytest.raises(TypeError, match="takes an array, got a Ragged"):
        layer().predict(Ragged(X, np.array([5], dtype="i")))
    with contracts(enabled=False), pytest.raises(ValueError, match="must have the shape and dtype"):
        layer().begin_update(X)[1](X[:2])
