"""Names and values of one node: dimensions, parameters, gradients, references, attributes, and running forward."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bare_nodes import forward, node, ones
from thinc_nb.errors import UnsetError
from thinc_nb.model import Model, create_init
from thinc_nb.types import Floats2d

# Dimensions


def test_dimensions_have_three_states() -> None:
    model = node(dims={"nO": 3, "nI": None})
    assert (model.has_dim("nO"), model.has_dim("nI"), model.has_dim("nP")) == (True, None, False)
    assert (model.get_dim("nO"), model.maybe_get_dim("nI"), model.maybe_get_dim("nP")) == (3, None, None)
    assert model.dim_names == ("nO", "nI")


@pytest.mark.parametrize("kind", [KeyError, ValueError, UnsetError])
def test_what_is_not_there_raises_key_error_and_value_error(kind: type[Exception]) -> None:
    model = node("linear", dims={"nO": None}, params={"W": None}, refs={"output": None})
    asked: list[Callable[[], object]] = [
        lambda: model.get_dim("nO"),
        lambda: model.get_dim("nX"),
        lambda: model.set_dim("nX", 3),
        lambda: model.get_param("W"),
        lambda: model.get_param("X"),
        lambda: model.get_grad("W"),
        lambda: model.get_grad("X"),
        lambda: model.get_ref("output"),
        lambda: model.get_ref("X"),
        lambda: model.get_attr("X"),
    ]
    for ask in asked:
        with pytest.raises(kind, match="for model 'linear'"):
            ask()


def test_an_unset_error_says_what_to_do() -> None:
    with pytest.raises(UnsetError) as caught:
        node("linear", params={"W": None}).get_param("W")
    expected = "Parameter 'W' for model 'linear' has not been allocated yet. To do: initialize the model first"
    assert str(caught.value) == expected


def test_a_name_that_is_not_declared_is_answered_with_those_that_are() -> None:
    with pytest.raises(UnsetError, match=r"it is not declared\. To do: ask for one that is: 'W', 'b'"):
        node(params={"W": ones(2), "b": ones(2)}).get_param("w")
    with pytest.raises(UnsetError, match=r"ask the node that has it, in model.layers, or declare it in Model\(dims="):
        node(layers=[node(dims={"nO": 3})]).get_dim("nO")


def test_a_dimension_that_is_set_only_changes_with_force_and_without_parameters() -> None:
    model = node(dims={"nO": None}, params={"b": None})
    model.set_dim("nO", 3)
    model.set_dim("nO", 3)
    with pytest.raises(ValueError, match="from 3 to 4"):
        model.set_dim("nO", 4)
    model.set_dim("nO", 4, force=True)
    model.set_param("b", ones(4))
    # Observed in Thinc 9.1.1: force does not help once a parameter is allocated.
    with pytest.raises(ValueError, match="already allocated"):
        model.set_dim("nO", 5, force=True)
    assert model.get_dim("nO") == 4


def test_an_unset_dimension_can_be_set_beside_allocated_parameters() -> None:
    model = node(dims={"nO": None}, params={"b": ones(4)})
    model.set_dim("nO", 4)
    assert model.get_dim("nO") == 4


@pytest.mark.parametrize(("value", "error"), [("4", TypeError), (4.0, TypeError), (-1, ValueError)])
def test_a_dimension_is_a_size(value: Any, error: type[Exception]) -> None:
    model = node(dims={"nO": None})
    with pytest.raises(error, match="dimension 'nO' of model 'node'"):
        model.set_dim("nO", value)
    assert model.has_dim("nO") is None
    with pytest.raises(error, match="dimension 'nO' of model 'node'"):
        node(dims={"nI": 3, "nO": value})


# Parameters


def test_parameters_have_three_states() -> None:
    model = node(params={"W": ones(2, 3), "b": None})
    assert (model.has_param("W"), model.has_param("b"), model.has_param("c")) == (True, None, False)
    assert model.maybe_get_param("b") is None
    assert model.maybe_get_param("c") is None
    assert model.param_names == ("W", "b")


def test_set_param_keeps_the_array_it_is_given() -> None:
    # Observed in Thinc 9.1.1: get_param returns the caller's array, and changing that array changes the model.
    model = node(params={"W": None})
    mine = ones(2, 3)
    model.set_param("W", mine)
    assert model.get_param("W") is mine
    mine[:] = 7
    assert (model.get_param("W") == 7).all()


def test_set_param_declares_and_unsets() -> None:
    model = node()
    model.set_param("new", None)
    assert model.has_param("new") is None
    model.set_param("new", ones(2))
    assert model.has_param("new") is True
    model.set_param("new", None)
    assert model.has_param("new") is None
    assert model.param_names == ("new",)


def test_a_parameter_must_be_an_array() -> None:
    model = node("linear", params={"b": ones(2)})
    wrong: Any = [1.0, 2.0]
    with pytest.raises(TypeError, match="parameter 'b' of model 'linear' must be a numpy or cupy array, got list"):
        model.set_param("b", wrong)
    assert model.get_param("b").tolist() == [1, 1]
    with pytest.raises(TypeError, match="got list"):
        node(params={"b": wrong})


# References and attributes


def test_references_have_three_states() -> None:
    child = node("child")
    model = node(layers=[child], refs={"unset": None})
    model.set_ref("child", child)
    assert (model.has_ref("child"), model.has_ref("unset"), model.has_ref("x")) == (True, None, False)
    assert model.get_ref("child") is child
    assert model.maybe_get_ref("unset") is None
    assert model.ref_names == ("unset", "child")
    model.set_ref("child", None)
    assert model.has_ref("child") is None


def test_a_reference_stays_in_the_tree() -> None:
    model = node("parent")
    with pytest.raises(ValueError, match="Cannot add reference to node not in tree: 'other' of model 'parent'"):
        model.set_ref("other", node("stranger"))
    assert model.has_ref("other") is False
    model.set_ref("self", model)
    assert model.get_ref("self") is model


def test_attributes() -> None:
    model = node(attrs={"rate": 0.1, "nothing": None})
    assert (model.has_attr("rate"), model.has_attr("nothing"), model.has_attr("x")) == (True, None, False)
    model.set_attr("rate", 0.2)
    model.attrs["more"] = 1
    assert model.get_attr("rate") == 0.2
    assert model.get_attr("nothing") is None
    assert model.attr_names == ("rate", "nothing", "more")


def test_containers_are_copied_from_the_arguments_and_cannot_be_reassigned() -> None:
    dims: dict[str, int | None] = {"nO": 3}
    attrs = {"x": 1}
    layers = [node()]
    model = node(dims=dims, attrs=attrs, layers=layers)
    dims["nO"] = 4
    attrs["x"] = 2
    layers.clear()
    assert (model.get_dim("nO"), model.attrs["x"], len(model.layers)) == (3, 1, 1)
    for name in ("layers", "shims", "attrs"):
        with pytest.raises(AttributeError):
            setattr(model, name, [])


def test_private_containers_are_the_real_ones() -> None:
    # spaCy assigns to model._layers[i] and reads model._dims.
    model = node(dims={"nO": 3}, layers=[node("old")])
    new = node("new")
    model._layers[0] = new
    assert model.layers == [new]
    assert model._dims == {"nO": 3}


# Running


def test_forward_is_called_with_the_node_and_is_train_by_name() -> None:
    seen: list[tuple[Any, ...]] = []

    def record(*args: Any, **kwargs: Any) -> tuple[str, Callable[[str], str]]:
        seen.append((args, kwargs))
        return "Y", lambda dY: "dX"

    model: Model[str, str] = Model("record", record)
    Y, backprop = model("X", is_train=True)
    assert (Y, backprop("dY")) == ("Y", "dX")
    assert model.begin_update("X")[0] == "Y"
    assert model.predict("X") == "Y"
    assert seen == [((model, "X"), {"is_train": train}) for train in (True, True, False)]


def test_a_call_without_is_train_is_as_for_prediction() -> None:
    def forward(model: Model[Any, Any], X: Any, is_train: bool) -> Any:
        return is_train, None

    call: Any = Model("asked", forward)
    assert call("X") == (False, None)


def test_an_error_in_forward_arrives_as_it_is() -> None:
    class OwnError(Exception):
        pass

    problem = OwnError("mine")

    def broken(model: Model[Any, Any], X: Any, is_train: bool) -> Any:
        raise problem

    model: Model[Any, Any] = Model("broken", broken)
    for run in (model.predict, model.begin_update, lambda X: model(X, is_train=False)):
        with pytest.raises(OwnError) as caught:
            run(1)
        assert caught.value is problem


# Identity and classes


def test_ids_are_unique_across_threads() -> None:
    found: list[int] = []

    def make() -> None:
        found.extend(node().id for _ in range(300))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 2400
    assert node().id == Model.global_id


def test_models_compare_by_identity() -> None:
    a, b = node(), node()
    assert a != b
    assert len({a, b}) == 2
    assert bool(a)


def test_the_class_can_be_subscripted_with_two_or_four_parameters() -> None:
    assert Model[Floats2d, Floats2d].__origin__ is Model  # type: ignore[attr-defined]
    assert Model[Floats2d, Floats2d, int, int].__origin__ is Model  # type: ignore[attr-defined]


class WithExtras(Model[Any, Any]):
    def __init__(self, extra: list[int]) -> None:
        super().__init__("extras", forward, params={"W": ones(2)})
        self.extra = extra


def test_a_subclass_may_have_attributes_of_its_own() -> None:
    model = WithExtras([1])
    assert model.initialize() is model
    assert model.predict("X") == "X"
    plain: Any = node()
    with pytest.raises(AttributeError):
        plain.extra = 1
    twin = model.copy()
    assert type(twin) is WithExtras
    assert twin.extra == [1]
    assert twin.extra is not model.extra


def test_pydantic_is_told_to_accept_instances() -> None:
    assert Model.__get_pydantic_core_schema__(Model, None) == {"type": "is-instance", "cls": Model}
    (check,) = Model.__get_validators__()
    model = node()
    assert check(model) is model
    with pytest.raises(TypeError):
        check("no model")


def test_the_memory_of_a_model_goes_with_it() -> None:
    model = node(layers=[node(params={"W": ones(100)})]).initialize()
    model.layers[0].inc_grad("W", ones(100))
    weights = weakref.ref(model.layers[0].get_param("W"))
    here = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert here() is None
        assert weights() is None
    finally:
        gc.enable()


def test_importing_the_model_loads_no_framework() -> None:
    code = "import sys, thinc_nb.model; print([m for m in ('numba', 'torch', 'cupy', 'pydantic') if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


# create_init


def test_create_init_infers_widths_and_sets_parameters() -> None:
    def fill(ops: Any, shape: tuple[int, ...]) -> Any:
        return np.full(shape, 2.0, dtype="f")

    init = create_init({"W": fill, "b": fill})
    model = node(init=init, dims={"nO": None, "nI": None}, params={"W": None, "b": None})
    model.initialize(X=ones(5, 3), Y=ones(5, 2))
    assert model.get_param("W").tolist() == [[2, 2, 2], [2, 2, 2]]
    assert model.get_param("b").tolist() == [2, 2]
    with_pieces = node(init=init, dims={"nO": 2, "nI": 3, "nP": 4}, params={"W": None, "b": None}).initialize()
    assert with_pieces.get_param("W").shape == (2, 4, 3)
    assert with_pieces.get_param("b").shape == (2, 4)
    with pytest.raises(UnsetError, match="nI"):
        node("linear", init=init, dims={"nO": 2, "nI": None}, params={"W": None}).initialize()
