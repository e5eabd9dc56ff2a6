"""Checkpoints: everything that training needs to go on as if nothing had happened, in one file.

The format is described in docs/saving.md: a MessagePack document with the model as `Model.to_bytes` writes it, and
beside it gradients, what the optimizer remembers, random states and the position in the data. Its keys are paths in
the tree, such as ``layers.0.layers.1.W``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from ._described import described, explain
from ._model.parameters import GradientState
from ._model.tree import require_model
from ._saving.files import write_atomically
from ._saving.loading import Entry, Plan, as_bytes, entries_of, plan_all, prepare
from ._saving.msgpack import decode, encode
from ._saving.msgpack_stream import BytesSource, FileSource, StoredArray, pieces, read_skeleton
from ._saving.optimizer_state import OptimizerPlan, optimizer_state, plan_optimizer
from ._saving.paths import node_paths, parameter_paths, shim_paths
from ._saving.random_state import random_state, restore_random_state
from ._saving.shapes import shape_rules
from .errors import SerializationError
from .optimizers import Optimizer
from .serialize import deserialize_attr, model_document

if TYPE_CHECKING:
    from .model import Model

    Node = Model[Any, Any]

__all__ = ["Checkpoint", "LoadReport", "load_checkpoint", "save_checkpoint"]

FORMAT = "thinc_nb checkpoint"
VERSION = 1


@dataclass(frozen=True)
class LoadReport:
    """What became of the parts of a file.

    loaded: the paths of the parameters and shims that were loaded. missing: those of the model that are not in the
    file. unexpected: those of the file that the model does not have. mismatched: why something of the file was not
    loaded, by its path. Without ``partial=True`` the last three are empty.
    """

    loaded: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint(LoadReport):
    """What `load_checkpoint` found: a `LoadReport`, and the position in the data, with lists for tuples."""

    position: Any = None


def save_checkpoint(
    path: Path | str,
    model: Model[Any, Any],
    optimizer: Optimizer | None = None,
    *,
    position: object = None,
    generators: Mapping[str, np.random.Generator] | None = None,
) -> None:
    """Write a model and all that its training depends on to one file, entirely or not at all.

    Held are: the model (as `to_disk`, with shims), gradients that have not been used yet, the optimizer's moments,
    averages, counts and schedules, the scales of `PyTorchGradScaler`, and the states of `random`, `numpy.random` (from
    which dropout and shuffling draw), torch, if it has been imported, and CuPy, if the model is on a GPU. `position` is
    where you are in the data: numbers, strings, lists, dictionaries, arrays. `generators`: NumPy generators of your
    own, by a name of your choice.

    Call it between two updates, not in the midst of one. TypeError for another kind of optimizer or position, OSError
    if writing fails; the old file is then what it was. Warns about attributes that cannot be written.
    """
    require_model("save_checkpoint", model)
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise TypeError(f"save_checkpoint: optimizer must be an Optimizer, got {described(optimizer)}")
    _check_generators("save_checkpoint", generators)
    try:
        encoded_position = encode(position)
    except (TypeError, OverflowError) as error:
        raise type(error)(f"save_checkpoint: position: {error}") from None
    model_part, problems = model_document(model)
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "paths": list(node_paths(model)),
        "model": model_part,
        "gradients": {
            name: node.get_grad(key)
            for name, (node, key) in parameter_paths(model).items()
            if node._params[key].state is GradientState.WRITTEN
        },
        "optimizer": None if optimizer is None else optimizer_state(optimizer, model),
        "shims": {
            path: encode(state)
            for path, (_, shim) in shim_paths(model).items()
            if (state := shim.training_state()) is not None
        },
        "random": encode(random_state(generators or {}, uses_cupy=_uses_cupy(model))),
        "position": encoded_position,
    }
    write_atomically(Path(path), pieces(document))


def _check_generators(function: str, generators: Mapping[str, object] | None) -> None:
    for name, generator in (generators or {}).items():
        if not isinstance(generator, np.random.Generator):
            raise TypeError(
                f"{function}: generators must be NumPy's, as numpy.random.default_rng() makes them, "
                f"got {described(generator)} as {name!r}"
            )


def _uses_cupy(model: Node) -> bool:
    return any(node.ops.device_type == "gpu" and node.ops.xp is not np for node in model.walk())


def load_checkpoint(
    path: Path | str,
    model: Model[Any, Any],
    optimizer: Optimizer | None = None,
    *,
    generators: Mapping[str, np.random.Generator] | None = None,
    restore_random: bool = True,
    partial: bool = False,
) -> Checkpoint:
    """Load what `save_checkpoint` wrote into a model, and an optimizer, that were made as those were.

    Training then goes on as it would have done: on the CPU, to the last bit. Settings of the optimizer that are in the
    file win over those that it was made with; change them after loading. It has to be of the same kind:
    SGD keeps no moments. Without `optimizer` only the model is loaded. `restore_random` sets the generators too,
    `generators` by the names under which they were saved.

    partial: load what fits, by path and shape, and report the rest. Names of nodes and references stay what they are.

    SerializationError (a ValueError), and no change, if the file is no checkpoint, is damaged, or does not fit; OSError
    if it cannot be read. If only the second reading of a file fails, what was to be replaced is unset, and the
    SerializationError says so: see docs/saving.md.
    """
    require_model("load_checkpoint", model)
    if optimizer is not None and not isinstance(optimizer, Optimizer):
        raise TypeError(f"load_checkpoint: optimizer must be an Optimizer, got {described(optimizer)}")
    _check_generators("load_checkpoint", generators)
    with Path(path).open("rb") as file:
        source = FileSource(file) if file.seekable() else BytesSource(file.read())
        found = _document(source, str(path))
        position = _decoded(found.get("position"), "position")
        restore = None
        if restore_random:
            restore = restore_random_state(_decoded(found.get("random"), "random"), generators or {})
        load = _Partial if partial else _Whole
        plan = load(model, found)
        optimizer_plan = None
        if optimizer is not None:
            optimizer_plan = _plan_optimizer(optimizer, model, found.get("optimizer"), plan)
        gradients = plan.gradients(found.get("gradients"))
        shims = plan.training_states(found.get("shims", {}))
        steps = [plan.prepare()]
        if optimizer is not None and optimizer_plan is not None:
            steps.append(optimizer_plan.prepare(optimizer))
        for step in steps:
            step()
    for name, gradient in gradients.items():
        node, key = parameter_paths(model)[name]
        node.set_grad(key, node.ops.asarray(gradient))
    report = plan.report(position)
    for path in report.loaded:
        shims.get(path, _nothing)()
    if restore is not None:
        restore()
    return report


def _nothing() -> None:
    """Nothing to restore."""


def _document(source: BytesSource | FileSource, path: str) -> dict[str, Any]:
    try:
        found = read_skeleton(source)
    except ValueError as error:
        raise SerializationError(f"the file {path!r} is no checkpoint, or damaged: {explain(error)}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        reason = f"it does not say that its format is {FORMAT!r}"
        if isinstance(found, dict) and "nodes" in found:
            reason = "it holds a model alone, which model.from_disk loads"
        raise SerializationError(f"the file {path!r} is no checkpoint: {reason}")
    if found.get("version") != VERSION:
        raise SerializationError(f"the checkpoint has version {found.get('version')!r:.80}, only {VERSION} can be read")
    paths = found.get("paths")
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise SerializationError("the checkpoint is damaged: 'paths' should be a list of str")
    if len(set(paths)) != len(paths):
        raise SerializationError("the checkpoint is damaged: a path occurs twice in 'paths'")
    return found


def _decoded(data: Any, what: str) -> Any:
    try:
        return decode(as_bytes(data))
    except (TypeError, ValueError) as error:
        raise SerializationError(f"the checkpoint is damaged: {what!r} cannot be read: {explain(error)}") from error


def _plan_optimizer(optimizer: Optimizer, model: Node, found: Any, plan: _Whole) -> OptimizerPlan | None:
    if found is None:
        plan.mismatch("optimizer", "the checkpoint was saved without one")
        return None
    if not isinstance(found, dict):
        raise SerializationError("the checkpoint is damaged: 'optimizer' should be a dict")
    state = {**found, "settings": _decoded(found.get("settings"), "settings")}
    return plan_optimizer(optimizer, model, state, plan.shapes(), plan.mismatch)


class _Whole:
    """Loading a checkpoint of the same tree. Whatever does not fit is an error."""

    def __init__(self, model: Node, found: dict[str, Any]) -> None:
        self.model = model
        self.plans: list[Plan] = self.make_plans(found)

    def make_plans(self, found: dict[str, Any]) -> list[Plan]:
        plans = plan_all(self.model, found.get("model"), deserialize_attr)
        if found["paths"] != (paths := list(node_paths(self.model))):
            here, there = next(pair for pair in zip(paths, found["paths"], strict=False) if pair[0] != pair[1])
            raise SerializationError(f"the tree is another one: there is no {here!r} in the data, but {there!r}")
        return plans

    def mismatch(self, path: str, why: str) -> None:
        raise SerializationError(f"cannot load {path}: {why}")

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters that will be loaded, by path."""
        return {
            path + name: tuple(array.shape)
            for path, plan in self.by_path().items()
            for name, array in plan.params.items()
            if array is not None
        }

    def by_path(self) -> dict[str, Plan]:
        plans = {id(plan.node): plan for plan in self.plans}
        return {path: plans[id(node)] for path, node in node_paths(self.model).items() if id(node) in plans}

    def gradients(self, found: Any) -> dict[str, Any]:
        """The gradients of parameters that will be loaded, fetched."""
        if not isinstance(found, dict):
            raise SerializationError("the checkpoint is damaged: 'gradients' should be a dict by path")
        shapes = self.shapes()
        gradients = {}
        for path, array in found.items():
            if path not in shapes:
                self.mismatch(f"gradients.{path}", "there is no such parameter")
            elif not isinstance(array, StoredArray) or array.dtype.kind != "f" or array.shape != shapes[path]:
                self.mismatch(f"gradients.{path}", f"it should be an array of floats {shapes[path]}")
            else:
                gradients[path] = array.read()
        return gradients

    def training_states(self, found: Any) -> dict[str, Callable[[], None]]:
        """The functions that restore what else shims need in training, by path. Older files have nothing of it."""
        if not isinstance(found, dict):
            raise SerializationError("the checkpoint is damaged: 'shims' should be a dict by path")
        restores = {}
        for path, (_, shim) in shim_paths(self.model).items():
            if path in found:
                state = _decoded(found[path], f"shims.{path}")
                try:
                    if not isinstance(state, dict):
                        raise SerializationError(f"it should be a dict, not a {type(state).__name__}")
                    restores[path] = shim.plan_training_state(state)
                except SerializationError as error:
                    self.mismatch(f"{path}.training_state", str(error))
        return restores

    def prepare(self) -> Callable[[], None]:
        """Read or check everything; returns the function that loads the model."""
        return prepare(self.model, self.plans)

    def report(self, position: Any) -> Checkpoint:
        return Checkpoint((*self.shapes(), *self.shims()), position=position)

    def shims(self) -> list[str]:
        loaded = {id(shim) for plan in self.plans for shim, _ in plan.shims}
        return [path for path, (_, shim) in shim_paths(self.model).items() if id(shim) in loaded]


class _Partial(_Whole):
    """Loading what fits. The rest is noted."""

    def __init__(self, model: Node, found: dict[str, Any]) -> None:
        self.mismatched: dict[str, str] = {}
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        super().__init__(model, found)

    def mismatch(self, path: str, why: str) -> None:
        self.mismatched[path] = why

    def make_plans(self, found: dict[str, Any]) -> list[Plan]:
        parts = found.get("model")
        if not isinstance(parts, Mapping):
            raise SerializationError("the checkpoint is damaged: there is no 'model'")
        places = {path: i for i, path in enumerate(found["paths"])}
        nodes = node_paths(self.model)
        chosen: dict[str, list[Any]] = {}
        for part in ("nodes", "attrs", "params", "shims"):
            entries = parts.get(part)
            if not isinstance(entries, list) or len(entries) != len(places):
                raise SerializationError(f"the checkpoint is damaged: {part!r} does not have an entry for each path")
            empty: Any = [] if part == "shims" else {}
            chosen[part] = [
                entries[places[path]] if path in places else _empty(node) if part == "nodes" else empty
                for path, node in nodes.items()
            ]
        for path, i in places.items():
            if path not in nodes and isinstance(parts["params"][i], dict):
                self.unexpected += [path + str(name) for name in parts["params"][i]]
                self.unexpected += [f"{path}shims.{n}" for n in range(len(parts["shims"][i]))]
        entries = entries_of(self.model, chosen)
        return [self.plan_entry(path, entry) for path, entry in zip(nodes, entries, strict=True)]

    def plan_entry(self, path: str, entry: Entry) -> Plan:
        node = entry.node
        plan = Plan(node, node.name, dims={}, refs={}, attrs={}, params={}, shims=[])
        for name, value in entry.dims.items():
            if value is not None:
                with self.noting(path + name):
                    plan.dims[name] = entry.dim(name, value)
        for name, data in entry.attrs.items():
            with self.noting(path + name):
                plan.attrs[name] = entry.attr(name, data, deserialize_attr)
        for name, value in entry.params.items():
            if name not in node.param_names:
                self.unexpected.append(path + name)
            elif value is not None:
                with self.noting(path + name):
                    plan.params.update(self.fitting(entry, plan.dims, name, value))
        self.missing += [path + name for name in node.param_names if entry.params.get(name) is None]
        plan.shims += zip(node.shims, entry.shims, strict=False)
        self.missing += [f"{path}shims.{i}" for i in range(len(entry.shims), len(node.shims))]
        self.unexpected += [f"{path}shims.{i}" for i in range(len(node.shims), len(entry.shims))]
        return plan

    @contextmanager
    def noting(self, path: str) -> Iterator[None]:
        """Note a part that does not fit."""
        try:
            yield
        except SerializationError as error:
            self.mismatch(path, str(error))

    def fitting(self, entry: Entry, dims: dict[str, int], name: str, value: Any) -> dict[str, Any]:
        """The parameter by its name; SerializationError if it does not fit the node, or nothing says that it does."""
        node = entry.node
        alone = Plan(node, node.name, dims, refs={}, attrs={}, params={name: entry.param(name, value)}, shims=[])
        entry.check_shapes(alone)
        differ = [
            dim for dim, size in entry.dims.items() if size is not None and node.maybe_get_dim(dim) not in (None, size)
        ]
        if differ and not node.has_param(name) and name not in shape_rules(node):
            raise entry.problem(f"the dimensions {differ} are others, and its parameters are not allocated here")
        return alone.params

    def prepare(self) -> Callable[[], None]:
        paths = {id(shim): path for path, (_, shim) in shim_paths(self.model).items()}
        return prepare(self.model, self.plans, lambda shim, why: self.mismatch(paths[id(shim)], why))

    def report(self, position: Any) -> Checkpoint:
        loaded = [path for path in (*self.shapes(), *self.shims()) if path not in self.mismatched]
        return Checkpoint(
            tuple(loaded), tuple(self.missing), tuple(self.unexpected), MappingProxyType(self.mismatched), position
        )


def _empty(node: Node) -> dict[str, Any]:
    return {"name": node.name, "dims": {}, "refs": {}}
