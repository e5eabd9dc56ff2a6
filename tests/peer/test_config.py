"""The registry has Thinc's names, whose arguments take and refuse what Thinc's do, and configs resolve alike."""

from __future__ import annotations

import inspect
import re
from typing import Any, ForwardRef, get_args

import numpy as np
import pytest
from twins import assert_alike, oracle, ours

CATEGORIES = ("layers", "losses", "optimizers", "schedules", "initializers", "datasets", "ops")
# Refused here, where Thinc lets anything through that then fails.
STRICTER = {("resizable.v1", "layer"), ("tuplify.v1", "VARIABLE_POSITIONAL_ARGS")}
VALUES: list[Any] = ["x", "3", 3, -1, 1.5, None, True, [1, 2], [0.5], ["a"], {"a": 1}, {1: 2}, len, [[1.0]]]


def registries() -> tuple[Any, Any]:
    oracle()  # registers its layers
    return ours("config").registry, oracle("config").registry


def names(category: str) -> set[str]:
    return set(getattr(registries()[1], category).get_all())


try:
    NAMES = [(category, name) for category in CATEGORIES for name in sorted(names(category))]
except ImportError:
    NAMES = []


@pytest.mark.parametrize("category", CATEGORIES)
def test_names_are_registered(category: str) -> None:
    assert names(category) <= set(getattr(registries()[0], category).get_all())


def accepted(field: Any, value: Any) -> tuple[bool, Any]:
    result, errors = field.validate(value, {}, loc="it")
    return not errors, result if not errors else None


def refers_forward(annotation: Any) -> bool:
    """Whether Thinc's schema of it depends on what else was imported: it names a class of torch in a string."""
    return isinstance(annotation, (str, ForwardRef)) or any(map(refers_forward, inner(annotation)))


def inner(annotation: Any) -> list[Any]:
    return [arg for args in get_args(annotation) for arg in (args if isinstance(args, list) else [args])]


@pytest.mark.parametrize(("category", "name"), NAMES)
def test_arguments(category: str, name: str) -> None:
    mine, theirs = (r.make_promise_schema({f"@{category}": name}).__fields__ for r in registries())
    assert [key for key in mine if key in theirs] == list(theirs)
    assert not any(field.required for key, field in mine.items() if key not in theirs)
    annotations = inspect.get_annotations(inspect.unwrap(registries()[1].get(category, name)))
    for key, field in mine.items():
        assert not isinstance(field.type_, (str, ForwardRef)), f"{key} is not evaluated: {field.type_}"
    for key in theirs:
        assert mine[key].required == theirs[key].required, key
        if not callable(theirs[key].default):
            assert mine[key].default == theirs[key].default, key
        if (name, key) in STRICTER or refers_forward(annotations.get(key)):
            continue
        for value in VALUES:
            if category == "optimizers" and isinstance(value, str):  # Thinc takes any for an iterator, and then fails
                continue
            assert accepted(mine[key], value) == accepted(theirs[key], value), f"{key} = {value!r}"


TAGGER = """
[training]
width = 8
seed = 3

[model]
@layers = "chain.v1"

[model.*.embed]
@layers = "Maxout.v1"
nO = ${training.width}
nP = 2
dropout = 0.25
normalize = true

[model.*.hidden]
@layers = "residual.v1"

[model.*.hidden.layer]
@layers = "Mish.v1"
nO = ${training:width}

[model.*.hidden.layer.init_W]
@initializers = "glorot_normal_init.v1"

[model.*.output]
@layers = "Softmax.v2"
temperature = 0.5

[optimizer]
@optimizers = "RAdam.v1"
L2 = 0.01

[optimizer.learn_rate]
@schedules = "warmup_linear.v1"
initial_rate = 0.01
warmup_steps = 10
total_steps = 100

[loss]
@losses = "CategoricalCrossentropy.v3"
label_smoothing = 0.1
"""


def test_a_config_resolves_to_the_same_model() -> None:
    X = np.random.default_rng(0).normal(size=(6, 4)).astype("f")
    truths = np.array([0, 1, 2, 0, 1, 2], dtype="i")
    Y = np.eye(3, dtype="f")[truths]
    results = []
    for library in (ours, oracle):
        config = library("config").Config().from_str(TAGGER)
        made = library("config").registry.resolve(config)
        np.random.seed(config["training"]["seed"])
        model = made["model"].initialize(X=X, Y=Y)
        guesses = model.predict(X)
        results.append((model.to_bytes(), guesses, made["loss"](guesses, truths), made["optimizer"].learn_rate(5)))
    assert results[0][0] == results[1][0]
    assert_alike(results[0][1:], results[1][1:], "guesses, loss, rate")


def test_a_config_is_filled_with_the_same_defaults() -> None:
    filled = [
        library("config").registry.fill(library("config").Config().from_str(TAGGER, interpolate=False)).to_str()
        for library in (ours, oracle)
    ]
    assert filled[0] == filled[1]


BAD: dict[str, dict[str, Any]] = {
    "a value of another type": {"layer": {"@layers": "Linear.v1", "nO": "many"}},
    "an argument that is missing": {"schedule": {"@schedules": "decaying.v1", "decay": 0.1}},
    "an argument too many": {"optimizer": {"@optimizers": "SGD.v1", "learn_rate": 0.1, "rate": 2}},
    "a function that is not registered": {"layer": {"@layers": "Nothing.v1"}},
    "a category that is not there": {"layer": {"@things": "Linear.v1"}},
    "two functions": {"layer": {"@layers": "Linear.v1", "@losses": "L2Distance.v1"}},
    "a function at the top": {"@layers": "Linear.v1"},
    "deep down": {"a": {"b": {"@layers": "chain.v1", "*": {"c": {"@layers": "Relu.v1", "dropout": "much"}}}}},
    "no model": {"a": {"@layers": "residual.v1", "layer": 3}},
    "a rate that is none": {"a": {"@optimizers": "Adam.v1", "learn_rate": {"@layers": "Linear.v1"}}},
}


@pytest.mark.parametrize("config", BAD.values(), ids=BAD)
def test_bad_configs_are_the_same_errors(config: dict[str, Any]) -> None:
    raised = []
    for registry in registries():
        with pytest.raises(Exception) as info:  # noqa: PT011  # which it is, is compared
            registry.resolve(config)
        message = str(info.value).replace("thinc_nb", "thinc").partition(". Available names")[0]
        raised.append((type(info.value).__name__, re.sub(", got [a-zA-Z]+$", "", message, flags=re.MULTILINE)))
    assert raised[0] == raised[1]
