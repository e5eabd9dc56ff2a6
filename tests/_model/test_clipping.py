"""Clipping by the norm of all gradients together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from thinc_nb._model.update import clip_gradients
from thinc_nb.api import SGD, Linear, Model, chain


def model_with_gradients(scale: float = 1.0) -> Model[Any, Any]:
    model = chain(Linear(3, 4), Linear(2, 3)).initialize()
    rng = np.random.default_rng(0)
    for node in model.layers:
        for name in node.param_names:
            node.inc_grad(name, rng.normal(size=node.get_param(name).shape).astype("f") * np.float32(scale))
    return model


def gradients(model: Model[Any, Any]) -> np.ndarray:
    return np.concatenate([grad.ravel().astype("float64") for _, grad in model.get_gradients().values()])


def test_the_joint_norm_is_bounded_and_the_direction_kept() -> None:
    model = model_with_gradients(10.0)
    before = gradients(model)
    norm = clip_gradients(model, 0.5)
    assert norm == pytest.approx(np.linalg.norm(before), rel=1e-6)
    np.testing.assert_allclose(gradients(model), before * 0.5 / norm, rtol=1e-5)


def test_small_gradients_and_absent_ones_are_left_alone() -> None:
    model = model_with_gradients(0.01)
    before = gradients(model)
    clip_gradients(model, 5.0)
    np.testing.assert_array_equal(gradients(model), before)
    assert clip_gradients(Linear(2, 2).initialize(), 1.0) == 0.0


def test_it_is_an_option_of_the_update() -> None:
    model = model_with_gradients(10.0)
    weights = [node.get_param("W").copy() for node in model.layers]
    expected = [node.get_grad("W") / np.linalg.norm(gradients(model)) * 2.0 for node in model.layers]
    model.finish_update(SGD(1.0, grad_clip=0.0), max_norm=2.0)
    for node, before, step in zip(model.layers, weights, expected, strict=True):
        np.testing.assert_allclose(before - node.get_param("W"), step, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("max_norm", [0.0, -1.0, math.nan])
def test_a_bound_that_is_none_is_refused_and_changes_nothing(max_norm: float) -> None:
    model = model_with_gradients()
    before = gradients(model)
    with pytest.raises(ValueError, match="must be above 0"):
        model.finish_update(SGD(1.0), max_norm=max_norm)
    np.testing.assert_array_equal(gradients(model), before)


def test_gradients_that_are_not_finite_stay_what_they_are() -> None:
    model = model_with_gradients()
    model.layers[0].inc_grad("b", np.full(3, np.inf, "f"))
    before = gradients(model)
    assert clip_gradients(model, 1.0) == math.inf
    np.testing.assert_array_equal(gradients(model), before)
