"""Configs and the registry: functions of any module style, strict errors, files, subclasses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import catalogue
import numpy as np
import pytest

import thinc_nb
from thinc_nb.api import Adam, Model, Relu, Schedule
from thinc_nb.config import VARIABLE_RE, Config, ConfigValidationError, Promise, registry

if TYPE_CHECKING:
    from decimal import Decimal

CONFIG = """
[hyper]
width = 16
rate = 0.01

[model]
@layers = "chain.v1"

[model.*.first]
@layers = "Relu.v1"
nO = ${hyper.width}

[model.*.second]
@layers = "Softmax.v1"
nO = 3

[optimizer]
@optimizers = "Adam.v1"
learn_rate = ${hyper.rate}
"""


class Mine(registry):
    """A registry with a category of its own."""


Mine.create("animals")


@Mine.animals("cat.v1")
def cat(name: str, *, legs: int = 4, age: Decimal | None = None) -> Any:
    """Its annotations are strings, one of them of a name that does not exist at run time."""
    return name, legs, age


def test_the_registry_is_in_the_places_of_thinc_s() -> None:
    assert thinc_nb.registry is thinc_nb.api.registry is registry
    assert thinc_nb.api.Config is Config
    assert thinc_nb.api.ConfigValidationError is ConfigValidationError
    assert VARIABLE_RE.findall("${a.b}")


def test_importing_the_package_or_the_api_does_not_import_confection() -> None:
    code = "import sys, thinc_nb.api; print([n for n in ('confection', 'pydantic', 'catalogue') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_config_gives_no_warnings_and_loads_no_frameworks() -> None:
    code = "import sys, thinc_nb.config; print([n for n in ('numba', 'torch', 'cupy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_config_to_model_to_training_step() -> None:
    made = registry.resolve(Config().from_str(CONFIG))
    model, optimizer = made["model"], made["optimizer"]
    X = np.random.default_rng(0).normal(size=(8, 5)).astype("f")
    model.initialize(X=X)
    Y, backprop = model.begin_update(X)
    backprop(Y - np.eye(3, dtype="f")[0])
    before = model.layers[1].get_param("W").copy()
    model.finish_update(optimizer)
    assert Y.shape == (8, 3)
    assert not np.array_equal(before, model.layers[1].get_param("W"))


def test_variables_survive_filling_and_a_round_trip_through_a_file(tmp_path: Path) -> None:
    config = Config().from_str(CONFIG, interpolate=False)
    filled = registry.fill(config)
    assert filled["model"]["*"]["first"]["nO"] == "${hyper.width}"
    assert filled["optimizer"]["beta1"] == 0.9
    filled.to_disk(tmp_path / "config.cfg", interpolate=False)
    again = Config().from_disk(tmp_path / "config.cfg", overrides={"hyper.width": 4})
    assert registry.resolve(again)["model"].layers[0].get_dim("nO") == 4
    assert Config().from_bytes(filled.to_bytes()).interpolate() == filled.interpolate()


def test_overrides_reach_nested_blocks_and_must_exist() -> None:
    config = Config().from_str(CONFIG)
    made = registry.resolve(config, overrides={"model.*.second.nO": 7})
    assert made["model"].layers[1].get_dim("nO") == 7
    with pytest.raises(ConfigValidationError, match=r"optimizer\.pace"):
        registry.resolve(Config().from_str(CONFIG), overrides={"optimizer.pace": 2})


def test_an_error_names_section_and_key() -> None:
    config = Config().from_str(CONFIG.replace("nO = 3", 'nO = "three"\nn0 = 3'))
    with pytest.raises(ConfigValidationError) as info:
        registry.resolve(config)
    assert "model.*.second -> nO\tvalue is not a valid integer" in str(info.value)
    assert "model.*.second -> n0\textra fields not permitted" in str(info.value)
    assert info.value.error_types == {"type_error.integer", "value_error.extra"}


def test_an_unknown_variable_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigValidationError, match=r"hyper\.depth"):
        Config().from_str(CONFIG.replace("hyper.width", "hyper.depth"))


def test_promises_stay_promises_when_filling() -> None:
    filled = registry._fill({"m": {"@layers": "Linear.v1", "nO": 2}}, resolve=False)
    assert isinstance(filled[2]["m"], Promise)
    assert (filled[2]["m"].registry, filled[2]["m"].name) == ("layers", "Linear.v1")


def test_a_subclass_has_its_own_category_and_all_of_ours() -> None:
    assert Mine.animals.get("cat.v1") is cat
    assert Mine.has("layers", "Linear.v1")
    assert not hasattr(registry, "animals")
    with pytest.raises(ValueError, match="'animals' already exists"):
        Mine.create("animals")
    with pytest.raises(catalogue.RegistryError, match="thinc_nb -> animals"):
        Mine.get("animals", "dog.v1")
    with pytest.raises(ValueError, match="Unknown registry: 'plants'"):
        Mine.get("plants", "fern.v1")


def test_annotations_that_are_strings_are_checked() -> None:
    """`Decimal` is unknown at run time and lets anything through; the others do not."""
    made = Mine.resolve({"a": {"@animals": "cat.v1", "name": "Tom", "legs": "3", "age": "old"}})
    assert made["a"] == ("Tom", 3, "old")
    with pytest.raises(ConfigValidationError, match="a -> legs\tvalue is not a valid integer"):
        Mine.resolve({"a": {"@animals": "cat.v1", "name": "Tom", "legs": "many"}})


def test_an_initializer_is_a_function() -> None:
    block = {"@layers": "Relu.v1", "nO": 2, "init_W": {"@initializers": "uniform_init.v1", "hi": 0.5}}
    assert registry.resolve({"layer": block})["layer"].get_dim("nO") == 2
    for layer in ("Relu.v1", "Maxout.v1", "Embed.v1", "LSTM.v1"):
        name = "initializer" if layer == "Embed.v1" else "init_W"
        with pytest.raises(ConfigValidationError, match=r"layer -> init.*\t4 is not callable"):
            registry.resolve({"layer": {"@layers": layer, name: 4}})


def test_models_optimizers_and_schedules_are_accepted_where_annotated() -> None:
    @Mine.animals("keeper.v1")
    def keeper(model: Model[Any, Any], schedule: Schedule[float]) -> Any:
        return model, schedule

    layer, rate = Relu(2), {"@schedules": "constant.v1", "rate": 0.5}
    model, schedule = Mine.resolve({"a": {"@animals": "keeper.v1", "model": layer, "schedule": rate}})["a"]
    assert model is layer
    assert schedule(0) == 0.5
    with pytest.raises(ConfigValidationError, match="instance of Model expected, got Optimizer"):
        Mine.resolve({"a": {"@animals": "keeper.v1", "model": Adam(0.1), "schedule": rate}})


def test_operations_resolve() -> None:
    ops = registry.resolve({"ops": {"@ops": "NumpyOps"}})["ops"]
    assert isinstance(ops, thinc_nb.api.NumpyOps)


def test_an_error_inside_a_function_comes_out_as_it_is() -> None:
    with pytest.raises(TypeError, match="two or more layers"):
        registry.resolve({"m": {"@layers": "chain.v1", "*": {"one": {"@layers": "Linear.v1"}}}})


@pytest.mark.parametrize("function", ["resolve", "fill"])
@pytest.mark.parametrize(
    ("given", "said"),
    [("[a]", "got a str: read it first, Config"), (Path("a.cfg"), "got a .*Path: read it first"), (None, "got None$")],
)
def test_what_is_no_config_is_refused(function: str, given: Any, said: str) -> None:
    with pytest.raises(TypeError, match=f"registry.{function} takes a Config or a dict of sections, {said}"):
        getattr(registry, function)(given)
