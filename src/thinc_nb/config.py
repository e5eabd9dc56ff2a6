"""Config files, and the registry of functions that they name: `Config` and `registry`.

Reading, variables, overrides, promises and validation are confection's, the tables of names catalogue's. Importing this
module imports them, and pydantic with them; `thinc_nb` and `thinc_nb.api` import it when it is first asked for.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections import ChainMap
from collections.abc import Callable, Mapping
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any

import catalogue
import confection
from confection import VARIABLE_RE, Config, ConfigValidationError, Promise

from . import backends, initializers, layers, loss, optimizers, schedules, types
from ._described import described
from .as_thinc import answers_for_thinc
from .layers.chain import chain_no_types
from .model import Model
from .types import Decorator

__all__ = ["Config", "ConfigValidationError", "Promise", "VARIABLE_RE", "registry"]


def _category(name: str, *, entry_points: bool = True) -> Decorator:
    table = catalogue.create("thinc_nb", name, entry_points=entry_points)
    _CATEGORIES[name] = table
    read_entry_points()
    decorator: Decorator = table
    return decorator


_CATEGORIES: dict[str, catalogue.Registry] = {}


def read_entry_points() -> None:
    """Take functions from the entry points of packages for Thinc, if we answer for it, else of those for us."""
    prefix = "thinc" if answers_for_thinc() else "thinc_nb"
    for name, table in _CATEGORIES.items():
        table.entry_point_namespace = f"{prefix}_{name}"


class registry(confection.registry):  # noqa: N801  # Thinc's name
    """Functions by category and name, for configs: ``@layers = "Linear.v1"`` is ``registry.layers.get("Linear.v1")``.

    ``@registry.layers("mine.v1")`` registers a function; ``registry.resolve(config)`` calls those that a config names
    and returns the results, ``registry.fill(config)`` returns the config with all defaults. Both raise
    `ConfigValidationError`, which names section and key, for arguments that do not fit the function's annotations.
    Packages add functions through entry points of the group ``thinc_nb_layers``, and so on for each category. May be
    subclassed, to have more categories.
    """

    optimizers: Decorator = _category("optimizers")
    schedules: Decorator = _category("schedules")
    layers: Decorator = _category("layers")
    losses: Decorator = _category("losses")
    initializers: Decorator = _category("initializers")
    datasets: Decorator = _category("datasets")
    ops: Decorator = _category("ops")

    @classmethod
    def create(cls, registry_name: str, entry_points: bool = False) -> None:
        """Add a category, which is then an attribute of the class. ValueError if there is one of this name."""
        if hasattr(cls, registry_name):
            raise ValueError(f"Registry '{registry_name}' already exists")
        setattr(cls, registry_name, _category(registry_name, entry_points=entry_points))

    @classmethod
    def resolve(cls, config: Config | dict[str, dict[str, Any]], **settings: Any) -> dict[str, Any]:
        """Call the functions that a config names; see the class. TypeError for what is no Config or dict."""
        _check_config("resolve", config)
        resolved: dict[str, Any] = super().resolve(config, **settings)
        return resolved

    @classmethod
    def fill(cls, config: Config | dict[str, dict[str, Any]], **settings: Any) -> Config:
        """The config with all defaults; see the class. TypeError for what is no Config or dict."""
        _check_config("fill", config)
        filled: Config = super().fill(config, **settings)
        return filled

    @classmethod
    def make_promise_schema(cls, obj: dict[str, Any], *, resolve: bool = True) -> Any:
        """The pydantic model of a function's arguments, also where its annotations are strings."""
        category, name = cls.get_constructor(obj)
        if cls.has(category, name):
            evaluate_annotations(cls.get(category, name))
        return super().make_promise_schema(obj, resolve=resolve)


def _check_config(function: str, config: object) -> None:
    if not isinstance(config, Mapping):
        hint = ": read it first, Config().from_str(text) or Config().from_disk(path)"
        raise TypeError(
            f"registry.{function} takes a Config or a dict of sections, got {described(config)}"
            + (hint if isinstance(config, (str, bytes, PurePath)) else "")
        )


def evaluate_annotations(func: Callable[..., Any]) -> None:
    """Replace annotations that are strings by what they say, as the module would have without its future import.

    A name that exists only for type checkers is looked up among ours; what cannot be found becomes Any.
    """
    if isinstance(func, functools.partial):
        func = func.func
    func = inspect.unwrap(func)
    called: Any = getattr(func, "__init__", None) if isinstance(func, type) else func
    annotations = getattr(called, "__annotations__", {})
    for name, annotation in annotations.items():
        if isinstance(annotation, str):
            annotations[name] = _evaluated(annotation, getattr(called, "__globals__", {}))


def _evaluated(annotation: str, names: dict[str, Any]) -> Any:
    ours = {**vars(types), "Callable": Callable, **vars(backends), "Model": Model, "Schedule": schedules.Schedule}
    try:
        hints = typing.get_type_hints(SimpleNamespace(__annotations__={"it": annotation}), names, ChainMap(names, ours))
    except (NameError, AttributeError, TypeError, SyntaxError):
        return Any
    return hints["it"]


# "name.v1" is the function `name`, "name.v2" is `name_v2`.
_LAYERS = """
CauchySimilarity.v1 ClippedLinear.v1 Dish.v1 Dropout.v1 Embed.v1 Gelu.v1 HardSigmoid.v1 HardSwish.v1
HardSwishMobilenet.v1 HardTanh.v1 HashEmbed.v1 LSTM.v1 LayerNorm.v1 Linear.v1 Logistic.v1 MXNetWrapper.v1 Maxout.v1
Mish.v1 PyTorchLSTM.v1 PyTorchRNNWrapper.v1 PyTorchWrapper.v1 PyTorchWrapper.v2 PyTorchWrapper.v3
MultiSoftmax.v1 ParametricAttention.v1 ParametricAttention.v2 Relu.v1 ReluK.v1 Sigmoid.v1 Softmax.v1 Softmax.v2
SparseLinear.v1 SparseLinear.v2 Swish.v1 add.v1 bidirectional.v1 clone.v1 concatenate.v1 expand_window.v1 list2array.v1
list2padded.v1 list2ragged.v1 noop.v1 padded2list.v1 premap_ids.v1 ragged2list.v1 reduce_first.v1 reduce_last.v1
reduce_max.v1 reduce_mean.v1 reduce_sum.v1 remap_ids.v1 remap_ids.v2 residual.v1 resizable.v1 siamese.v1
sigmoid_activation.v1 softmax_activation.v1 strings2arrays.v1 tuplify.v1 uniqued.v1 with_array.v1 with_array2d.v1
with_cpu.v1 with_flatten.v1 with_flatten.v2 with_getitem.v1 with_list.v1 with_padded.v1 with_ragged.v1 with_reshape.v1
"""
_SCHEDULES = """
compounding.v1 constant.v1 constant_then.v1 cyclic_triangular.v1 decaying.v1 plateau.v1 slanted_triangular.v1
warmup_linear.v1
"""
_INITIALIZERS = """
glorot_normal_init.v1 glorot_uniform_init.v1 he_normal_init.v1 he_uniform_init.v1 lecun_normal_init.v1
lecun_uniform_init.v1 normal_init.v1 uniform_init.v1 zero_init.v1
"""
_VERSIONED_LOSSES = ("CategoricalCrossentropy", "SequenceCategoricalCrossentropy")


def _register_ours() -> None:
    for name in _LAYERS.split():
        registry.layers(name)(getattr(layers, _function_name(name)))
    registry.layers("chain.v1")(chain_no_types)
    for name in _SCHEDULES.split():
        registry.schedules(name)(getattr(schedules, _function_name(name)))
    for name in _INITIALIZERS.split():
        registry.initializers(name)(getattr(initializers, f"configure_{_function_name(name)}"))
    for name in ("Adam", "RAdam", "SGD"):
        registry.optimizers(f"{name}.v1")(getattr(optimizers, name))
    for name in _VERSIONED_LOSSES:
        for version in ("v1", "v2", "v3"):
            registry.losses(f"{name}.{version}")(getattr(loss, f"configure_{name}_{version}"))
    registry.losses("L2Distance.v1")(loss.configure_L2Distance)
    registry.losses("CosineDistance.v1")(loss.configure_CosineDistance)
    for ops in (backends.NumpyOps, backends.CupyOps, backends.MPSOps):
        registry.ops(ops.__name__)(ops)


def _function_name(registered: str) -> str:
    name, version = registered.rsplit(".", 1)
    return name if version == "v1" else f"{name}_{version}"


_register_ours()
