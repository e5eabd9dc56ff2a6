"""What an optimizer remembers, as plain data with tree paths for keys, and back."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SerializationError
from ..optimizers import Optimizer
from ..schedules import Schedule
from .msgpack import encode
from .msgpack_stream import StoredArray
from .paths import Key, parameter_keys, parameter_paths, shim_paths

if TYPE_CHECKING:
    from ..backends import Ops
    from ..model import Model

    Node = Model[Any, Any]

__all__ = ["OptimizerPlan", "optimizer_state", "plan_optimizer"]

_SCHEDULES = ("learn_rate", "b1", "b2", "eps", "L2", "grad_clip")
_SWITCHES = ("use_radam", "L2_is_weight_decay")
_MOST_STEPS = 2**53

Mismatch = Callable[[str, str], None]
"""Told of a part that does not fit, by its path and why; raises, or notes it."""


# Writing


def optimizer_state(optimizer: Optimizer, model: Node) -> dict[str, Any]:
    """The state for the parameters of a model and its shims. Warns about parameters that are not in the model."""
    paths = _paths_of_keys(optimizer, model)
    strange = sorted({key for key in _keys(optimizer) if key not in paths}, key=str)
    if strange:
        shown = ", ".join(map(str, strange[:5]))
        warnings.warn(
            f"what the optimizer knows of {len(strange)} parameters that are not in the model is not written: "
            f"{shown}{' …' if len(strange) > 5 else ''}",
            stacklevel=3,
        )

    def by_path(values: Mapping[Any, Any]) -> dict[str, Any]:
        return {paths[key]: value for key, value in values.items() if key in paths}

    settings = {
        "step": optimizer.step,
        "last_score": optimizer.last_score,
        **{name: getattr(optimizer, name) for name in _SWITCHES},
        "schedules": {name: _schedule_state(getattr(optimizer, name)) for name in _SCHEDULES},
        "nr_update": by_path(optimizer.nr_update),
        "last_seen": by_path(optimizer.last_seen),
    }
    return {
        "settings": encode(settings),
        "mom1": by_path(optimizer.mom1),
        "mom2": by_path(optimizer.mom2),
        "averages": None if optimizer.averages is None else by_path(optimizer.averages),
    }


def _keys(optimizer: Optimizer) -> Iterator[Any]:
    for part in (optimizer.mom1, optimizer.mom2, optimizer.averages or {}, optimizer.nr_update, optimizer.last_seen):
        yield from part


def _paths_of_keys(optimizer: Optimizer, model: Node) -> dict[Key, str]:
    paths = {key: path for path, key in parameter_keys(model).items()}
    shims = {shim.id: path for path, (_, shim) in shim_paths(model).items()}
    for key in _keys(optimizer):
        if key not in paths and isinstance(key, tuple) and len(key) == 2 and key[0] in shims:
            paths[key] = f"{shims[key[0]]}.{key[1]}"
    return paths


def _schedule_state(schedule: Schedule[Any]) -> dict[str, Any]:
    state: dict[str, Any] = {"name": schedule.name, "next_step": schedule._next_step}
    # One that reads from an iterator goes on by itself to the step that it is asked for.
    if not any(isinstance(value, Iterator) and not isinstance(value, Schedule) for value in schedule.attrs.values()):
        state["attrs"] = dict(_written_attrs(schedule.attrs))
    return state


def _written_attrs(attrs: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in attrs.items():
        if isinstance(value, Schedule):
            yield name, {"schedule": _schedule_state(value)}
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield name, {"fields": dict(_written_attrs(dict(vars(value))))}
        else:
            try:
                encode(value)
            except (TypeError, OverflowError):  # part of the program
                continue
            yield name, {"value": value}


# Reading


@dataclasses.dataclass
class OptimizerPlan:
    """What loading would change in an optimizer. Everything in it is checked."""

    step: int
    last_score: tuple[int, float] | None
    schedules: list[tuple[dict[str, Any] | Any, str, Any]]
    """Objects, names of attributes or keys, and their new values."""
    counts: dict[str, dict[Key, int]]
    arrays: dict[str, dict[Key, tuple[StoredArray, Ops]]]
    """Arrays in the file, and the operations on whose device they go."""
    forgotten: set[Key]
    """Parameters of the model: what is not in the data is not known of them."""

    def prepare(self, optimizer: Optimizer) -> Callable[[], None]:
        """Fetch the arrays, or check those that replace others, for which there is no room yet; returns the rest to do.

        SerializationError or OSError, and no change, if they cannot be read. If they cannot be read a second time,
        when it is done, what the optimizer knew of the model's parameters is forgotten.
        """
        parts = _parts(optimizer)
        if any(key in parts[part] for part in self.arrays for key in self.forgotten):
            for arrays in self.arrays.values():
                for array, _ in arrays.values():
                    array.check()
            return lambda: self._apply(optimizer, parts, None)
        fetched = self._fetched()
        return lambda: self._apply(optimizer, parts, fetched)

    def _fetched(self) -> dict[str, dict[Key, Any]]:
        return {
            part: {key: ops.asarray(array.read()) for key, (array, ops) in arrays.items()}
            for part, arrays in self.arrays.items()
        }

    def _apply(
        self, optimizer: Optimizer, parts: dict[str, dict[Any, Any]], fetched: dict[str, dict[Key, Any]] | None
    ) -> None:
        """Do it; `fetched` is None if the arrays are still to be read."""
        for part in parts.values():
            for key in self.forgotten:
                part.pop(key, None)
        optimizer._layouts.clear()  # they hold what was forgotten
        if fetched is None:
            try:
                fetched = self._fetched()
            except Exception as error:
                raise SerializationError(
                    "what the optimizer knew of the parameters is forgotten: the new state could be read once, and not "
                    f"a second time when it was to be put in place: {error}. The model is loaded. Load again"
                ) from error
        for name, values in {**fetched, **self.counts}.items():
            parts[name].update(values)
        optimizer._step = self.step
        optimizer._last_score = self.last_score
        for target, name, value in self.schedules:
            if isinstance(target, dict):
                target[name] = value
            else:
                setattr(target, name, value)


def _parts(optimizer: Optimizer) -> dict[str, dict[Any, Any]]:
    return {
        "mom1": optimizer.mom1,
        "mom2": optimizer.mom2,
        "averages": optimizer.averages if optimizer.averages is not None else {},
        "nr_update": optimizer.nr_update,
        "last_seen": optimizer.last_seen,
    }


def plan_optimizer(
    optimizer: Optimizer, model: Node, found: object, shapes: Mapping[str, tuple[int, ...]], mismatch: Mismatch
) -> OptimizerPlan:
    """Check the state of an optimizer. Its arrays are not read yet.

    shapes: of the parameters whose state is wanted, by path. Of a parameter that does not fit nothing is loaded.
    SerializationError for data that no checkpoint has.
    """
    if not isinstance(found, dict) or not isinstance(found.get("settings"), dict):
        raise SerializationError("cannot load the optimizer: there are no 'settings'")
    settings = found["settings"]
    for name in _SWITCHES:
        if settings.get(name) is not getattr(optimizer, name):
            mismatch(f"optimizer.{name}", f"it is {getattr(optimizer, name)} here and {settings.get(name)!r:.40} there")
    if (optimizer.averages is None) != (found.get("averages") is None):
        mismatch("optimizer.averages", "averages are kept only here, or only in the data")
    changes: list[tuple[Any, str, Any]] = []
    for name in _SCHEDULES:
        state = _typed(settings.get("schedules"), dict, "schedules").get(name)
        new = _plan_schedule(getattr(optimizer, name), state, f"optimizer.{name}", mismatch)
        if name in ("b1", "b2") and (why := _other_kind(getattr(optimizer, name), new)):
            mismatch(f"optimizer.{name}", why)
        else:
            changes += new
    keys = _keys_of_paths(model, found, shapes)
    arrays = _plan_arrays(model, found, keys, shapes, mismatch)
    if optimizer.averages is None:
        arrays["averages"] = {}
    own = parameter_keys(model)
    shims = {shim.id for _, shim in shim_paths(model).values()}
    return OptimizerPlan(
        step=_count(settings.get("step"), "step"),
        last_score=_last_score(settings.get("last_score")),
        schedules=changes,
        counts={
            part: {
                keys[path]: _count(value, part)
                for path, value in _typed(settings.get(part), dict, part).items()
                if path in keys
            }
            for part in ("nr_update", "last_seen")
        },
        arrays=arrays,
        forgotten={*own.values(), *(key for key in _keys(optimizer) if key[0] in shims)},
    )


def _typed(value: Any, kind: type[dict[str, Any]], what: str) -> dict[str, Any]:
    if not isinstance(value, kind) or not all(isinstance(name, str) for name in value):
        raise SerializationError(f"cannot load the optimizer: {what!r} should be a dict by path")
    return value


def _count(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST_STEPS:
        raise SerializationError(f"cannot load the optimizer: {what!r} should be a number of steps, not {value!r:.80}")
    return value


def _last_score(value: object) -> tuple[int, float] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], (int, float, np.number)):
        raise SerializationError(f"cannot load the optimizer: 'last_score' is {value!r:.80}")
    return _count(value[0], "last_score"), float(value[1])


def _keys_of_paths(model: Node, found: dict[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Key]:
    """The keys of the wanted parameters, and of those of shims, by path."""
    keys = {path: key for path, key in parameter_keys(model).items() if path in shapes}
    named = {f"{path}.": shim for path, (_, shim) in shim_paths(model).items()}
    for part in ("mom1", "averages"):
        for path in found.get(part) or ():
            for prefix, shim in named.items():
                if isinstance(path, str) and path.startswith(prefix):
                    keys[path] = (shim.id, path.removeprefix(prefix))
    return keys


def _plan_arrays(
    model: Node,
    found: dict[str, Any],
    keys: dict[str, Key],
    shapes: Mapping[str, tuple[int, ...]],
    mismatch: Mismatch,
) -> dict[str, dict[Key, tuple[StoredArray, Ops]]]:
    parts = {part: _typed(found.get(part) or {}, dict, part) for part in ("mom1", "mom2", "averages")}
    if parts["mom1"].keys() != parts["mom2"].keys():
        raise SerializationError("cannot load the optimizer: 'mom1' and 'mom2' are of different parameters")
    planned: dict[str, dict[Key, tuple[StoredArray, Ops]]] = {part: {} for part in parts}
    nodes = {path: node for path, (node, _) in parameter_paths(model).items()}
    for part, arrays in parts.items():
        for path, array in arrays.items():
            if path not in keys:
                continue
            if not isinstance(array, StoredArray) or array.dtype.kind != "f":
                raise SerializationError(f"cannot load the optimizer: {part!r} of {path!r} should hold floats")
            shape = shapes.get(path, array.shape)
            expected = shape if part == "averages" else (int(np.prod(shape, dtype=np.int64)),)
            if array.shape != expected:
                mismatch(f"optimizer.{part}.{path}", f"the shape should be {expected}, not {array.shape}")
                continue
            planned[part][keys[path]] = array, nodes.get(path, model).ops
    return planned


def _plan_schedule(schedule: Schedule[Any], state: object, path: str, mismatch: Mismatch) -> list[tuple[Any, str, Any]]:
    """The changes that bring a schedule to a state: what to set, under which name, to what."""
    found = _typed(state, dict, path)
    if found.get("name") != schedule.name:
        mismatch(path, f"it is the schedule {schedule.name!r} here and {found.get('name')!r:.80} in the data")
        return []
    changes: list[tuple[Any, str, Any]] = [(schedule, "_next_step", _count(found.get("next_step"), "next_step"))]
    attrs = _typed(found.get("attrs", {}), dict, path)
    return changes + _plan_attrs(schedule.attrs, schedule.attrs, attrs, path, mismatch)


def _other_kind(schedule: Schedule[Any], changes: list[tuple[Any, str, Any]]) -> str | None:
    """Why a beta makes an optimizer one of another kind, or None. Where it is 0 no moments are kept: that is SGD."""
    here = schedule.attrs.get("rate")
    for target, name, there in changes:
        if target is schedule.attrs and name == "rate" and _is_positive(here) is not _is_positive(there):
            kind = "with moments, Adam" if _is_positive(here) else "without moments, SGD"
            return f"it is {here} here and {there} there: the optimizer here is one {kind}, that in the data not"
    return None


def _is_positive(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) and bool(value > 0)


def _plan_attrs(
    target: Any, present: Mapping[str, Any], found: dict[str, Any], path: str, mismatch: Mismatch
) -> list[tuple[Any, str, Any]]:
    changes: list[tuple[Any, str, Any]] = []
    for name, entry in found.items():
        place = f"{path}.{name}"
        if name not in present or not isinstance(entry, dict) or len(entry) != 1:
            mismatch(place, "it is not an attribute of the schedule here")
            continue
        value = present[name]
        kind, new = next(iter(entry.items()))
        if isinstance(value, Schedule) and kind == "schedule":
            changes += _plan_schedule(value, new, place, mismatch)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type) and kind == "fields":
            changes += _plan_attrs(value, dict(vars(value)), _typed(new, dict, place), place, mismatch)
        elif kind == "value" and _alike(value, new):
            changes.append((target, name, tuple(new) if isinstance(value, tuple) else new))
        else:
            mismatch(place, f"a {type(value).__name__} here cannot become {new!r:.40}")
    return changes


def _alike(present: object, new: object) -> bool:
    numbers = (int, float, np.number, type(None))
    if isinstance(present, numbers):
        return isinstance(new, numbers)
    return isinstance(present, type(new)) or (isinstance(present, tuple) and isinstance(new, list))
