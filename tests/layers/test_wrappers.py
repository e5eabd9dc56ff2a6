"""Layers around a layer that change how it runs, not what it computes; and resizing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thinc_nb import api, compat
from thinc_nb.api import Linear, Maxout, NumpyOps, Ragged, Softmax
from thinc_nb.layers.resizable import resize_linear_weighted, resize_model

X = np.random.default_rng(0).normal(size=(3, 4)).astype("f")


def test_with_debug_calls_its_functions() -> None:
    calls: list[Any] = []
    layer = Linear(3, 4)
    model = api.with_debug(
        layer,
        on_init=lambda model, X, Y: calls.append(("init", model.name, X is None)),
        on_forward=lambda model, X, is_train: calls.append(("forward", model.name, is_train)),
        on_backprop=lambda dY: calls.append(("backprop", dY.shape)),
    )
    assert model is layer
    model.initialize(X=X)
    Y, backprop = model.begin_update(X)
    backprop(Y)
    assert calls == [("init", "linear", False), ("forward", "linear", True), ("backprop", (3, 3))]


@pytest.mark.parametrize("wrap", [api.with_debug, api.with_nvtx_range, lambda layer: api.with_cpu(layer, NumpyOps())])
def test_wrapped_layer_computes_the_same(wrap: Any) -> None:
    plain = Linear(3, 4).initialize()
    wrapped = wrap(plain.copy())
    Y, backprop = wrapped.begin_update(X)
    np.testing.assert_array_equal(Y, plain.predict(X))
    assert backprop(Y).shape == X.shape


def test_with_cpu_passes_sequences() -> None:
    model = api.with_cpu(api.with_array(Linear(3, 4).initialize()), NumpyOps())
    batch = Ragged(X, np.array([1, 2], dtype="i"))
    Y, backprop = model.begin_update(batch)
    assert isinstance(Y, Ragged)
    assert isinstance(backprop(Y), Ragged)


def test_with_signpost_interval_names_the_missing_package() -> None:
    if compat.has_os_signpost:
        pytest.skip("os_signpost is installed")
    with pytest.raises(ValueError, match="requires the 'os_signpost' package"):
        api.with_signpost_interval(Linear(3, 4), None)


def test_resized_layer_keeps_its_weights() -> None:
    model = api.resizable(Softmax(3, 4), resize_linear_weighted).initialize()
    weights = np.arange(12, dtype="f").reshape(3, 4)
    model.layers[0].set_param("W", weights)
    before = model.layers[0]
    assert resize_model(model, 5) is model
    after = model.layers[0]
    assert after is not before
    assert after.name == "softmax"
    assert after.attrs == before.attrs
    assert (after.get_dim("nO"), after.get_dim("nI")) == (5, 4)
    np.testing.assert_array_equal(after.get_param("W"), np.vstack([weights, np.zeros((2, 4))]))
    assert model.predict(X).shape == (3, 5)
    # The node itself keeps the width that it was made with, as in Thinc, so that saved models fit.
    assert model.get_dim("nO") == 3


def test_new_rows_are_filled() -> None:
    layer = Linear(3, 4).initialize()
    larger = resize_linear_weighted(layer, 5, fill_defaults={"W": 2.0, "b": -3.0})
    np.testing.assert_array_equal(larger.get_param("W")[3:], 2)
    np.testing.assert_array_equal(larger.get_param("b"), [0, 0, 0, -3, -3])
    assert layer.get_param("W").shape == (3, 4)


@pytest.mark.parametrize("make", [api.SparseLinear, api.SparseLinear_v2])
def test_weights_in_one_flat_table_are_resized_output_by_output(make) -> None:
    layer = make(nO=2, length=4).initialize()
    layer.set_param("W", np.arange(1, 9, dtype="f"))
    larger = resize_linear_weighted(layer, 3, fill_defaults={"b": -5.0})
    np.testing.assert_array_equal(larger.get_param("W"), [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0])
    np.testing.assert_array_equal(larger.get_param("b"), [0, 0, -5])


def test_layers_with_pieces_can_be_resized() -> None:
    larger = resize_linear_weighted(Maxout(3, 4).initialize(), 5)
    assert larger.get_param("W").shape == (5, 3, 4)
    assert larger.get_param("b").shape == (5, 3)


def test_resizing_before_initialization_changes_the_width() -> None:
    larger = resize_linear_weighted(Linear(), 5)
    assert larger.initialize(X=X).get_param("W").shape == (5, 4)
    assert resize_linear_weighted(Linear(3, 4), 5).get_param("W").shape == (5, 4)


def test_a_layer_cannot_shrink() -> None:
    layer = Linear(3, 4).initialize()
    assert resize_linear_weighted(layer, 3) is layer
    with pytest.raises(ValueError, match="layer 'linear' has nO 3 and can only grow, not to 2"):
        resize_linear_weighted(layer, 2)
