"""One pass over an arena changes what calling the optimizer with every key changes, by the same amounts."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

from thinc_nb._model.parameters import arenas_of, lay_out
from thinc_nb.api import SGD, Adam, Linear, Model, Optimizer, RAdam, chain, fix_random_seed


class ByKey(Optimizer):
    """Overrides `__call__`, so it has to be called with each key."""

    def __call__(self, key: Any, weights: Any, gradient: Any, *, lr_scale: float = 1.0) -> Any:
        return super().__call__(key, weights, gradient, lr_scale=lr_scale)


def made() -> Model[Any, Any]:
    fix_random_seed(0)
    X = np.zeros((2, 150), "f")
    return chain(Linear(130, 150), Linear(3, 130)).initialize(X=X)


def add_gradients(model: Model[Any, Any], step: int, *, skip: str | None = None) -> None:
    rng = np.random.default_rng(step)
    for node in model.walk():
        for name in node.param_names:
            if name != skip:
                shape = node.get_param(name).shape
                node.inc_grad(name, rng.standard_normal(shape).astype("f") * (0.01 if step % 2 else 3.0))


def state(model: Model[Any, Any], optimizer: Optimizer) -> list[np.ndarray]:
    arrays = []
    for node in model.walk():
        for name in node.param_names:
            key = node.id, name
            arrays.append(node.get_param(name))
            if key in optimizer.mom1:
                arrays += [optimizer.mom1[key].reshape(-1), optimizer.mom2[key].reshape(-1)]
            if optimizer.averages is not None:
                arrays.append(optimizer.averages[key])
    return [np.array(array) for array in arrays]


def same(model: Model[Any, Any], one: Optimizer, other_model: Model[Any, Any], other: Optimizer) -> None:
    for found, expected in zip(state(model, one), state(other_model, other), strict=True):
        assert found.shape == expected.shape
        # Norms are summed in another order: a rounding of the largest elements, which small ones feel more.
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-5 * abs(expected).max())


SGD_SETTINGS = {"beta1": 0.0, "beta2": 0.0}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"L2": 0.1},
        {"L2": 0.1, "L2_is_weight_decay": False},
        {"use_averages": False},
        {"grad_clip": 0.0},
        {"eps": 1e-3},
        {"use_radam": True},
        {"use_radam": True, "L2": 0.1, "use_averages": False},
        SGD_SETTINGS,
        {**SGD_SETTINGS, "L2": 0.1, "grad_clip": 0.1},
        {**SGD_SETTINGS, "L2": 0.1, "L2_is_weight_decay": False, "use_averages": False},
    ],
)
def test_a_pass_is_a_call_with_each_key(settings):
    model, by_key_model = made(), made()
    optimizer, by_key = Optimizer(0.01, **settings), ByKey(0.01, **settings)
    for step in range(10):
        for each in (model, by_key_model):
            add_gradients(
                each, step, skip="b" if step < 3 else None
            )  # The biases come later, with counts of their own.
        model.finish_update(optimizer)
        by_key_model.finish_update(by_key)
        assert len(optimizer._layouts) == 1
        assert not by_key._layouts
    same(model, optimizer, by_key_model, by_key)
    assert sorted(optimizer.nr_update.values()) == sorted(by_key.nr_update.values()) == [7, 7, 10, 10]
    assert not any(arena.gradients.any() for arena in arenas_of(model))
    assert all(node.has_grad(name) is None for node in model.walk() for name in node.param_names)


def test_moments_stay_the_optimizer_s_when_somebody_replaces_them():
    model, by_key_model = made(), made()
    optimizer, by_key = Adam(0.01), ByKey(0.01)
    for step in range(4):
        for each, its in ((model, optimizer), (by_key_model, by_key)):
            add_gradients(each, step)
            if step == 2:
                for key in list(its.mom1):
                    its.mom1[key] = its.mom1[key] * 0.5
            each.finish_update(its)
    same(model, optimizer, by_key_model, by_key)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_a_copy_goes_on_by_itself(copied):
    model = made()
    optimizer = Adam(0.01)
    add_gradients(model, 0)
    model.finish_update(optimizer)
    twin = copied(optimizer)
    before = state(model, optimizer)
    weights = [np.array(node.get_param(name)) for node in model.walk() for name in node.param_names]
    add_gradients(model, 1)
    model.finish_update(twin)
    after = [np.array(node.get_param(name)) for node in model.walk() for name in node.param_names]
    assert all((a != b).any() for a, b in zip(weights, after, strict=True))
    for node in model.walk():
        for name in node.param_names:
            np.testing.assert_array_equal(optimizer.mom1[node.id, name].reshape(-1), before[1])
            del before[:4]


def test_parameters_outside_the_arena_are_updated_too():
    model, by_key_model = made(), made()
    optimizer, by_key = Adam(0.01), ByKey(0.01)
    for each, its in ((model, optimizer), (by_key_model, by_key)):
        for step in range(3):
            if step == 1:
                each.layers[0].set_param("W", np.ones((130, 150), "f"))
            add_gradients(each, step)
            each.finish_update(its)
    same(model, optimizer, by_key_model, by_key)


@pytest.mark.parametrize("optimizer", [SGD(0.1), RAdam(0.01), Adam(0.01, L2=0.1, L2_is_weight_decay=False)])
def test_every_optimizer_takes_one_pass(optimizer):
    model = made()
    add_gradients(model, 0)
    before = np.array(model.layers[0].get_param("W"))
    model.finish_update(optimizer)
    assert len(optimizer._layouts) == 1
    assert bool(optimizer.mom1) == (optimizer.use_radam or optimizer.b1(0) > 0)
    assert (model.layers[0].get_param("W") != before).any()


def test_the_layouts_of_models_that_are_gone_are_forgotten():
    optimizer = Adam(0.01)
    for _ in range(3):
        model = made()
        add_gradients(model, 0)
        model.finish_update(optimizer)
    assert len(optimizer._layouts) == 1


def test_a_model_of_another_size_under_the_same_keys_is_refused():
    model = made()
    optimizer = Adam(0.01)
    add_gradients(model, 0)
    model.finish_update(optimizer)
    model.layers[1].set_param("W", np.ones((5, 130), "f"))
    lay_out(model)
    add_gradients(model, 1)
    with pytest.raises(ValueError, match="differs from that of earlier updates"):
        model.finish_update(optimizer)


@pytest.mark.parametrize("width", [3, 700])
def test_a_step_without_any_gradient_changes_nothing(width):
    model = Linear(width, width).initialize()
    before, optimizer = model.get_param("W").copy(), Adam(0.1)
    model.finish_update(optimizer)
    np.testing.assert_array_equal(model.get_param("W"), before)
    assert not optimizer.nr_update
