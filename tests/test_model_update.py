"""Initialising, updating, and running with other weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from bare_nodes import node, ones
from thinc_nb.api import SGD, Adam, Linear, RAdam
from thinc_nb.errors import UnsetError
from thinc_nb.model import Model
from thinc_nb.shims import Shim
from thinc_nb.util import data_validation

Key = tuple[int, str]


class _Recorder:
    """An optimizer that notes its calls, and what it is told to do with weights and gradients."""

    def __init__(self, step: Callable[[Any, Any], tuple[Any, Any]]) -> None:
        self.step = step
        self.calls: list[tuple[Key, list[float], list[float]]] = []

    def __call__(self, key: Key, weights: Any, gradient: Any) -> tuple[Any, Any]:
        self.calls.append((key, weights.tolist(), gradient.tolist()))
        return self.step(weights, gradient)


def Recorder(step: Callable[[Any, Any], tuple[Any, Any]]) -> Any:
    # Any: finish_update is declared for optimizers, and any callable will do.
    return _Recorder(step)


def in_place(weights: Any, gradient: Any) -> tuple[Any, Any]:
    weights -= gradient
    gradient[:] = 0
    return weights, gradient


def anew(weights: Any, gradient: Any) -> tuple[Any, Any]:
    return weights - gradient, np.zeros_like(gradient)


def keep_gradient(weights: Any, gradient: Any) -> tuple[Any, Any]:
    return weights - gradient, gradient


# finish_update


def test_the_optimizer_is_called_by_node_and_in_the_order_of_the_parameters() -> None:
    # Order and keys were observed in Thinc 9.1.1.
    leaf = node(params={"W": ones(1), "b": ones(1)})
    child = node(params={"W": ones(1), "b": ones(1)}, layers=[leaf])
    other = node(params={"b": ones(1)})
    model = node(params={"G": ones(1)}, layers=[child, other, leaf])
    for each in model.walk():
        for name in reversed(each.param_names):
            each.inc_grad(name, ones(1))
    recorder = Recorder(in_place)
    model.finish_update(recorder)
    assert [key for key, _, _ in recorder.calls] == [
        (model.id, "G"),
        (child.id, "W"),
        (child.id, "b"),
        (other.id, "b"),
        (leaf.id, "W"),
        (leaf.id, "b"),
    ]


@pytest.mark.parametrize("step", [in_place, anew])
def test_weights_move_and_gradients_are_cleared(step: Callable[[Any, Any], tuple[Any, Any]]) -> None:
    model = node(params={"W": ones(2) * 5}).initialize()
    for expected in (4, 3, 2):
        model.inc_grad("W", ones(2))
        model.finish_update(Recorder(step))
        assert model.get_param("W").tolist() == [expected] * 2
        assert model.has_grad("W") is None


def test_an_optimizer_may_keep_the_gradient() -> None:
    model = node(params={"W": ones(2) * 5})
    model.inc_grad("W", ones(2))
    model.finish_update(Recorder(keep_gradient))
    assert model.has_grad("W") is True
    model.inc_grad("W", ones(2))
    assert model.get_grad("W").tolist() == [2, 2]


def test_an_optimizer_may_return_another_gradient() -> None:
    model = node(params={"W": ones(2)})
    model.inc_grad("W", ones(2))
    model.finish_update(Recorder(lambda weights, gradient: (weights, gradient * 3)))
    assert model.get_grad("W").tolist() == [3, 3]
    assert model.has_grad("W") is True


def test_zero_gradients_are_passed_on_and_missing_ones_are_not() -> None:
    # Observed in Thinc 9.1.1: once allocated, a gradient is always passed on.
    model = node(params={"W": ones(2), "b": ones(2)})
    model.inc_grad("W", ones(2))
    recorder = Recorder(in_place)
    for _ in range(2):
        model.finish_update(recorder)
    assert recorder.calls == [((model.id, "W"), [1, 1], [1, 1]), ((model.id, "W"), [0, 0], [0, 0])]


def test_an_optimizer_that_says_it_clears_is_taken_at_its_word() -> None:
    recorder = Recorder(lambda weights, gradient: (weights, gradient))
    recorder.clears_gradients = True
    model = node(params={"W": ones(2)})
    model.inc_grad("W", ones(2))
    model.finish_update(recorder)
    assert model.has_grad("W") is None
    assert model.get_grad("W").tolist() == [0, 0]


def test_an_update_keeps_the_array_somebody_got_before() -> None:
    model = node(params={"W": ones(2)}).initialize()
    before = model.get_param("W")
    model.inc_grad("W", ones(2))
    model.finish_update(Recorder(anew))
    assert before.tolist() == [1, 1]
    assert model.get_param("W").tolist() == [0, 0]


def test_a_gradient_without_weights_cannot_be_applied() -> None:
    model = node("linear", params={"W": None}, grads={"W": ones(2)})
    with pytest.raises(UnsetError, match="'W' for model 'linear'"):
        model.finish_update(Recorder(in_place))


class RecordingShim(Shim):
    def finish_update(self, optimizer: Any) -> None:
        self._model.append(("finish_update", optimizer))

    @contextmanager
    def use_params(self, params: Mapping[Key, Any]) -> Iterator[None]:
        self._model.append("enter")
        yield
        self._model.append("exit")


def test_shims_are_updated_too_and_first() -> None:
    # Observed in Thinc 9.1.1: the shims of all nodes come before the parameters of all nodes.
    log: list[Any] = []
    model = node(params={"W": ones(1)}, layers=[node(shims=[RecordingShim(log)])])
    model.inc_grad("W", ones(1))

    def note(key: Key, weights: Any, gradient: Any) -> tuple[Any, Any]:
        log.append(key)
        return weights, gradient

    optimizer: Any = note
    model.finish_update(optimizer)
    assert log == [("finish_update", optimizer), (model.id, "W")]


# use_params


def test_use_params_swaps_weights_inside_the_block() -> None:
    child = node(params={"W": ones(2), "b": ones(2)})
    model = node(layers=[child]).initialize()
    weights, other = child.get_param("W"), ones(2) * 9
    with model.use_params({(child.id, "W"): other, (-1, "W"): other, (child.id, "x"): other}):
        assert child.get_param("W") is other
        assert child.get_param("b").tolist() == [1, 1]
        child.set_param("W", other * 2)  # observed in Thinc 9.1.1: lost at the end
    assert child.get_param("W") is weights
    assert weights.tolist() == [1, 1]
    assert other.tolist() == [9, 9]


def test_use_params_restores_after_an_error() -> None:
    model = node(params={"W": ones(2)}).initialize()
    weights = model.get_param("W")
    model.inc_grad("W", ones(2))
    with pytest.raises(RuntimeError), model.use_params({(model.id, "W"): ones(2) * 5}):
        raise RuntimeError
    assert model.get_param("W") is weights
    assert model.get_grad("W").tolist() == [1, 1]


def test_use_params_enters_each_shim_once() -> None:
    log: list[Any] = []
    shim = RecordingShim(log)
    model = node(shims=[shim], layers=[node(shims=[shim])])
    with model.use_params({}):
        log.append("inside")
    assert log == ["enter", "inside", "exit"]


def test_use_params_refuses_a_parameter_that_is_not_set_before_changing_any() -> None:
    model = node(params={"W": ones(2), "b": None})
    weights = model.get_param("W")
    with pytest.raises(UnsetError), model.use_params({(model.id, "W"): ones(2), (model.id, "b"): ones(2)}):
        pass
    assert model.get_param("W") is weights


def test_use_params_refuses_another_shape_before_changing_any() -> None:
    model = node("linear", params={"W": ones(2), "b": ones(2)})
    weights = model.get_param("W")
    other = {(model.id, "W"): ones(2), (model.id, "b"): ones(3)}
    problem = r"'b' of model 'linear': expected shape \(2,\), got \(3,\)"
    with pytest.raises(ValueError, match=problem), model.use_params(other):
        pass
    assert model.get_param("W") is weights


def test_use_params_names_the_path_of_a_parameter_that_is_given_no_array() -> None:
    child = node("linear", params={"W": ones(2)})
    model = node("outer", layers=[child])
    problem = r"'W' of model 'outer' -> layers\[0\] 'linear': expected an array \(2,\), got a list of 2"
    other: Any = {(child.id, "W"): [1, 2]}
    with pytest.raises(TypeError, match=problem), model.use_params(other):
        pass
    assert child.get_param("W").tolist() == [1, 1]


@pytest.mark.parametrize(("params", "said"), [(None, "got None: .* use_averages=False"), (3, "got an int$")])
def test_use_params_refuses_what_is_no_mapping(params: Any, said: str) -> None:
    with pytest.raises(TypeError, match=f"use_params of model 'linear' takes a dict .* {said}"):
        node("linear").use_params(params).__enter__()


# initialize


def test_initialize_passes_example_data_by_name_and_returns_the_model() -> None:
    seen: list[dict[str, Any]] = []
    model = node(init=lambda model, **given: seen.append(given))
    assert model.initialize(1, 2) is model
    model.initialize(Y=3)
    assert seen == [{"X": 1, "Y": 2}, {"X": None, "Y": 3}]


def test_initialize_that_fails_leaves_dimensions_and_parameters_as_they_were() -> None:
    def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
        model.set_dim("nI", X.shape[1])
        model.set_param("W", ones(X.shape[1]))
        model.set_param("new", ones(1))
        model.layers[0].set_dim("nO", 3)
        if X.shape[1] != 4:
            raise ValueError("wrong data")

    child = node(dims={"nO": None})
    model = node(init=init, dims={"nI": None}, params={"W": None}, layers=[child])
    with pytest.raises(ValueError, match="wrong data"):
        model.initialize(X=ones(2, 5))
    assert (model.has_dim("nI"), model.has_param("W"), child.has_dim("nO")) == (None, None, None)
    assert model.param_names == ("W",)
    model.initialize(X=ones(2, 4))
    assert model.get_dim("nI") == 4


def test_initialize_that_fails_leaves_weights_and_gradients_that_were_there() -> None:
    def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
        model.set_param("W", ones(3))
        raise ValueError("too late")

    W = np.zeros(2, dtype="f")
    model = node(init=init, params={"W": W})
    model.inc_grad("W", ones(2))
    with pytest.raises(ValueError, match="too late"):
        model.initialize()
    assert model.get_param("W") is W
    np.testing.assert_array_equal(model.get_grad("W"), ones(2))


def test_initialize_checks_example_data_when_asked_to() -> None:
    def typed(model: Model[Any, Any], X: str, is_train: bool) -> tuple[str, Callable[[str], str]]:
        return X, lambda dY: dY

    ran: list[bool] = []
    model: Model[Any, Any] = Model("typed", typed, init=lambda model, X=None, Y=None: ran.append(True))
    with data_validation(True), pytest.raises(ValueError, match="typed"):
        model.initialize(X=3)
    assert ran == []
    with data_validation(False):
        model.initialize(X=3)
    assert ran == [True]


def test_an_update_before_any_gradient_changes_nothing() -> None:
    model: Any = Linear(2, 3).initialize()
    before = model.to_bytes()
    for optimizer in (Adam(0.1), RAdam(0.1), SGD(0.1)):
        model.finish_update(optimizer)
        assert model.to_bytes() == before
        assert not optimizer.nr_update


@pytest.mark.parametrize("given", [None, 0.001, Linear(2, 3)])
def test_what_is_no_optimizer_is_refused(given: Any) -> None:
    model = Linear(2, 3).initialize()
    model.inc_grad("W", ones(2, 3))
    before = model.to_bytes()
    with pytest.raises(TypeError, match="finish_update of model 'linear' takes an optimizer, such as Adam"):
        model.finish_update(given)
    assert model.to_bytes() == before
    assert model.has_grad("W")


def test_a_number_is_added_to_every_element_of_a_gradient() -> None:
    model = node(params={"scale": ones(1), "W": ones(2, 2)})
    one: Any = np.float32(1)
    for number in (one, 0.5, 2):
        model.inc_grad("scale", number)
        model.inc_grad("W", number)
    assert model.get_grad("scale").tolist() == [3.5]
    np.testing.assert_array_equal(model.get_grad("W"), ones(2, 2) * np.float32(3.5))
    model.set_param("zero axes", one)
    assert model.get_param("zero axes").shape == ()
