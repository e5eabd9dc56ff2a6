"""Names, module paths and signatures of everything but operations, config and other frameworks, beside Thinc's.

What a program written for Thinc may call has to be callable in the same way: the same parameters in the same order,
of kinds that take what Thinc's take, with the same defaults. More is allowed.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import warnings
from inspect import Parameter
from typing import Any

import pytest
from twins import oracle, ours

# Modules whose contents are tested elsewhere, or belong to other frameworks, which have tests of their own.
APART = (
    "about", "backends", "config", "extra", "layers.mxnetwrapper", "layers.pytorchwrapper", "layers.tensorflowwrapper",
    "layers.torchscriptwrapper", "mypy", "shims", "tests",
)  # fmt: skip

# What has no counterpart, and why.
NOT_HERE = {
    "layers.cauchysimilarity inverse": "one line of the forward pass",
    "optimizers Optimizer.schedules": "a slot that is never set",
}
# Parameters of other names, which only the library itself gives.
INNER = ("forward", "init")


def all_modules() -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = importlib.import_module("thinc")
    return [module.name.removeprefix("thinc.") for module in pkgutil.walk_packages(package.__path__, "thinc.")]


def among(name: str, *modules: str) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def module_names() -> list[str]:
    return [name for name in all_modules() if not among(name, *APART)]


def public_names() -> list[tuple[str, str]]:
    """Functions and classes by the module that defines them."""
    return [
        (module, name)
        for module in module_names()
        for name, value in vars(oracle(module)).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == f"thinc.{module}"
        and (inspect.isfunction(value) or inspect.isclass(value))
        and f"{module} {name}" not in NOT_HERE
    ]


try:
    NAMES = public_names()
except ImportError:  # without Thinc nothing runs
    NAMES = []


def default(parameter: Parameter) -> Any:
    """The default; empty containers are equal to each other and to None, functions to functions."""
    value = parameter.default
    if value is Parameter.empty:
        return "none"
    if callable(value):
        return "a function"
    return tuple(value) or None if isinstance(value, (list, tuple, dict)) else value


def assert_takes_the_same(mine: Any, theirs: Any, what: str) -> None:
    here, there = (list(inspect.signature(f).parameters.values()) for f in (mine, theirs))
    extra = [p for p in here if p.name not in {q.name for q in there}]
    assert all(p.kind is Parameter.KEYWORD_ONLY and p.default is not Parameter.empty for p in extra), f"{what}: {extra}"
    here = [p for p in here if p not in extra]
    assert [(p.name, p.kind) for p in here] == [(p.name, p.kind) for p in there], what
    for p, q in zip(here, there, strict=True):
        if q.default is not Parameter.empty:
            assert default(p) == default(q), f"{what}: {p.name}"


@pytest.mark.parametrize("module", [m for m in all_modules() if not among(m, "extra", "tests")] if NAMES else [])
def test_module_is_there(module: str) -> None:
    assert ours(module)


@pytest.mark.parametrize("name", ["Ops", "NumpyOps", "CupyOps", "MPSOps"])
def test_classes_of_operations_say_what_they_work_on(name: str) -> None:
    """Programs ask ``CupyOps.xp is None`` before they make one."""
    mine, theirs = getattr(ours("api"), name), getattr(oracle("api"), name)
    assert mine.xp is theirs.xp
    assert mine.name == theirs.name


@pytest.mark.parametrize(("module", "name"), [entry for entry in NAMES if entry[1] not in INNER])
def test_name_and_signature(module: str, name: str) -> None:
    mine, theirs = getattr(ours(module), name), getattr(oracle(module), name)
    if inspect.isfunction(theirs):
        if (module, name) != ("types", "get_array_module"):  # util's, whose parameter is called arr
            assert_takes_the_same(mine, theirs, f"{module}.{name}")
        return
    assert inspect.isclass(mine)
    if name.startswith(("Floats", "Ints", "Array")) and module == "types":
        return  # classes for annotations and isinstance: arrays are those of numpy and cupy
    for key, member in vars(theirs).items():
        if f"{module} {name}.{key}" in NOT_HERE or key.startswith("_") or key == "validate":
            continue
        assert hasattr(mine, key) or key in mine.__annotations__, f"{module}.{name}.{key}"
        if inspect.isfunction(member) and key not in ("get_grad", "get_loss"):
            assert_takes_the_same(getattr(mine, key), member, f"{module}.{name}.{key}")
    if "__init__" in vars(theirs) and "__init__" in vars(mine):
        assert_takes_the_same(mine.__init__, theirs.__init__, f"{module}.{name}")


@pytest.mark.parametrize(("module", "name"), [entry for entry in NAMES if entry[1] in INNER])
def test_forward_and_init_of_layers(module: str, name: str) -> None:
    """Called with the model and data by position, and with X and Y by name."""
    mine, theirs = (inspect.signature(getattr(library(module), name)).parameters for library in (ours, oracle))
    assert len(mine) == len(theirs)
    if name == "init":
        assert list(mine) == list(theirs)


def test_constructors_resolve_in_api_and_layers() -> None:
    others = ("MXNet", "PyTorch", "TensorFlow", "TorchScript", "keras", "pytorch")
    for module in ("api", "layers"):
        for name, value in vars(oracle(module)).items():
            if (
                inspect.isfunction(value)
                and value.__module__.startswith("thinc.layers.")
                and not name.startswith(others)
            ):
                assert hasattr(ours(module), name), f"{module}.{name}"
