"""Hyper-parameters that change from step to step: the `Schedule` class and the schedules."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol

import numpy as np
from typing_extensions import Self, TypeVar

from . import as_thinc
from ._pydantic import AcceptsInstances

__all__ = [
    "Schedule",
    "compounding",
    "constant",
    "constant_then",
    "cyclic_triangular",
    "decaying",
    "plateau",
    "slanted_triangular",
    "warmup_linear",
]

OutT = TypeVar("OutT", covariant=True)
RateT = TypeVar("RateT")


def _check_numbers(name: str, **settings: object) -> None:
    for setting, value in settings.items():
        if not hasattr(value, "__float__"):
            raise TypeError(f"{name}: {setting} must be a number, got {type(value).__name__} {value!r}")


def _check_schedule(name: str, schedule: object) -> None:
    if not callable(schedule):
        raise TypeError(f"{name}: schedule must be a schedule, got {type(schedule).__name__} {schedule!r}")


class ScheduleFunction(Protocol[OutT]):
    """What computes a schedule: called with the schedule, for its attributes, and the step, from 0."""

    def __call__(self, schedule: Schedule[Any], step: int, /, **extra: Any) -> OutT:
        """Return the value at this step."""
        ...


class Schedule(AcceptsInstances, Generic[OutT]):
    """A value for every training step: ``schedule(step)``.

    Extra keyword arguments of the call go to the function behind it; optimizers pass `key`, the parameter's key, and
    `last_score`, None or a pair of step and score. `to_generator` gives the values one by one.
    """

    __slots__ = ("_attrs", "_next_step", "_schedule", "name")

    name: str
    _schedule: ScheduleFunction[OutT]
    _attrs: dict[str, Any]
    _next_step: int

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """In the place of Thinc 8, whose schedules were generators, one that can be stepped through."""
        kind: type[Any] = _SteppingSchedule if cls is Schedule and as_thinc.answers_for_version_8 else cls
        made: Self = object.__new__(kind)
        return made

    def __init__(self, name: str, schedule: ScheduleFunction[OutT], *, attrs: dict[str, Any] | None = None) -> None:
        self.name = name
        self._schedule = schedule
        self._attrs = dict(attrs or {})
        self._next_step = 0

    def __call__(self, step: int, **extra: Any) -> OutT:
        """Return the value at `step`. ValueError if it is negative."""
        if step < 0:
            raise ValueError(f"Step must be non-negative, was: {step}")
        return self._schedule(self, step, **extra)

    @property
    def attrs(self) -> dict[str, Any]:
        """The settings, and the state if the schedule has one, that the function behind it reads."""
        return self._attrs

    def to_generator(self, start: int = 0, step_size: int = 1, **extra: Any) -> Iterator[OutT]:
        """Yield the values at `start`, `start + step_size` and so on, without end."""
        step = start
        while True:
            yield self(step, **extra)
            step += step_size


class _SteppingSchedule(Schedule[OutT]):
    """A schedule and an iterator: iterating starts at step 0, `next` goes on from its previous call."""

    __slots__ = ()

    def __iter__(self) -> Iterator[OutT]:
        return self.to_generator()

    def __next__(self) -> OutT:
        value = self(self._next_step)
        self._next_step += 1
        return value


def constant(rate: RateT) -> Schedule[RateT]:
    """Yield the same rate at every step."""
    return Schedule("constant", _constant, attrs={"rate": rate})


def _constant(schedule: Schedule[Any], step: int, /, **extra: Any) -> Any:
    return schedule.attrs["rate"]


def constant_then(rate: RateT, steps: int, schedule: Schedule[RateT]) -> Schedule[RateT]:
    """A constant rate for `steps` steps, then another schedule, which goes on counting from there."""
    _check_numbers("constant_then", steps=steps)
    _check_schedule("constant_then", schedule)
    attrs = {"rate": rate, "steps": steps, "schedule": schedule}
    return Schedule("constant_then", _constant_then, attrs=attrs)


def _constant_then(schedule: Schedule[Any], step: int, /, **extra: Any) -> Any:
    if step < schedule.attrs["steps"]:
        return schedule.attrs["rate"]
    return schedule.attrs["schedule"](step, **extra)


def decaying(base_rate: float, decay: float, *, t: float = 0.0) -> Schedule[float]:
    """Linear decay of the inverse: base_rate / (1 + decay·(step + t))."""
    _check_numbers("decaying", base_rate=base_rate, decay=decay, t=t)
    return Schedule("decaying", _decaying, attrs={"base_rate": base_rate, "decay": decay, "t": t})


def _decaying(schedule: Schedule[Any], step: int, /, **extra: Any) -> float:
    attrs = schedule.attrs
    rate: float = attrs["base_rate"] * (1.0 / (1.0 + attrs["decay"] * (step + attrs["t"])))
    return rate


def compounding(start: float, stop: float, compound: float, *, t: float = 0.0) -> Schedule[float]:
    """Geometric growth, or decline, from `start`, held at `stop`: start·compound^(step + t)."""
    _check_numbers("compounding", start=start, stop=stop, compound=compound, t=t)
    attrs = {"start": start, "stop": stop, "compound": compound, "t": t}
    return Schedule("compounding", _compounding, attrs=attrs)


def _compounding(schedule: Schedule[Any], step: int, /, **extra: Any) -> float:
    attrs = schedule.attrs
    start, stop = attrs["start"], attrs["stop"]
    try:
        value: float = start * (attrs["compound"] ** (step + attrs["t"]))
    except OverflowError:  # long after it has passed `stop`
        value = math.copysign(math.inf, start)
    rate: float = max(value, stop) if start > stop else min(value, stop)
    return rate


def warmup_linear(initial_rate: float, warmup_steps: int, total_steps: int) -> Schedule[float]:
    """Linear growth from 0 to `initial_rate` in `warmup_steps`, then linear decline to 0 at `total_steps`."""
    _check_numbers("warmup_linear", initial_rate=initial_rate, warmup_steps=warmup_steps, total_steps=total_steps)
    attrs = {"initial_rate": initial_rate, "warmup_steps": warmup_steps, "total_steps": total_steps}
    return Schedule("warmup_linear", _warmup_linear, attrs=attrs)


def _warmup_linear(schedule: Schedule[Any], step: int, /, **extra: Any) -> float:
    warmup, total = schedule.attrs["warmup_steps"], schedule.attrs["total_steps"]
    if step < warmup:
        factor = step / max(1, warmup)
    else:
        factor = max(0.0, (total - step) / max(1.0, total - warmup))
    rate: float = factor * schedule.attrs["initial_rate"]
    return rate


def slanted_triangular(
    max_rate: float, num_steps: int, *, cut_frac: float = 0.1, ratio: int = 32, t: float = 0.0
) -> Schedule[float]:
    """Short linear growth, then long linear decline (Howard & Ruder, 2018).

    Grows from about max_rate / ratio to `max_rate` within the first `cut_frac` of `num_steps`, which must be at least
    one step. After `num_steps` it goes on falling, below zero.
    """
    _check_numbers("slanted_triangular", max_rate=max_rate, num_steps=num_steps, cut_frac=cut_frac, ratio=ratio, t=t)
    cut = int(num_steps * cut_frac)
    attrs = {"max_rate": max_rate, "cut": cut, "cut_frac": cut_frac, "ratio": ratio, "t": t}
    return Schedule("slanted_triangular", _slanted_triangular, attrs=attrs)


def _slanted_triangular(schedule: Schedule[Any], step: int, /, **extra: Any) -> float:
    attrs = schedule.attrs
    cut, ratio = attrs["cut"], attrs["ratio"]
    step_from_1 = step + attrs["t"] + 1.0
    if step_from_1 < cut:
        height = step_from_1 / cut
    elif cut == 0:
        raise ZeroDivisionError(
            "slanted_triangular: cut_frac of num_steps is less than one step: there must be more steps"
        )
    else:
        height = 1 - ((step_from_1 - cut) / (cut * (1 / attrs["cut_frac"] - 1)))
    rate: float = attrs["max_rate"] * (1 + height * (ratio - 1)) * (1 / ratio)
    return rate


def cyclic_triangular(min_lr: float, max_lr: float, period: int) -> Schedule[float]:
    """Linear growth from `min_lr` to `max_lr` in `period` steps and back, again and again (Smith, 2017)."""
    _check_numbers("cyclic_triangular", min_lr=min_lr, max_lr=max_lr, period=period)
    attrs = {"min_lr": min_lr, "max_lr": max_lr, "period": period}
    return Schedule("cyclic_triangular", _cyclic_triangular, attrs=attrs)


def _cyclic_triangular(schedule: Schedule[Any], step: int, /, **extra: Any) -> float:
    min_lr, max_lr, period = (schedule.attrs[name] for name in ("min_lr", "max_lr", "period"))
    if period == 0:
        raise ZeroDivisionError("cyclic_triangular: period must not be 0")
    step_from_1 = step + 1
    cycle = math.floor(1 + step_from_1 / (2 * period))
    distance = abs(step_from_1 / period - 2 * cycle + 1)
    rate: float = min_lr + (max_lr - min_lr) * max(0.0, 1.0 - distance)
    return rate


@dataclass
class _PlateauState:
    best_score: float | None = None
    last_score_step: int | None = None
    patience: int = 0
    n_plateaus: int = 0


def plateau(max_patience: int, scale: float, schedule: Schedule[float]) -> Schedule[float]:
    """Another schedule, multiplied by `scale` each time that the score has not risen for `max_patience` scores.

    Scores come as `last_score`, (step, score); one with a step that has been seen already is no news. ValueError if its
    step is lower than that of the score before.
    """
    _check_numbers("plateau", max_patience=max_patience, scale=scale)
    _check_schedule("plateau", schedule)
    attrs = {"scale": scale, "max_patience": max_patience, "schedule": schedule, "state": _PlateauState()}
    return Schedule("plateau", _plateau, attrs=attrs)


def _plateau(
    schedule: Schedule[Any], step: int, /, *, last_score: tuple[int, float] | None = None, **extra: Any
) -> float:
    attrs = schedule.attrs
    state: _PlateauState = attrs["state"]
    if last_score is not None:
        score_step, score = last_score
        if state.last_score_step is not None and score_step < state.last_score_step:
            raise ValueError(f"Expected score with step >= {state.last_score_step}, was: {score_step}")
        if score_step != state.last_score_step:
            state.last_score_step = score_step
            _count_score(state, score, attrs["max_patience"])
    value = attrs["schedule"](step, last_score=last_score, **extra)
    rate: float = value * attrs["scale"] ** state.n_plateaus
    return rate


def _count_score(state: _PlateauState, score: float, max_patience: int) -> None:
    best = state.best_score
    # No score is greater than NaN, but any is better.
    if best is None or score > best or (math.isnan(best) and not math.isnan(score)):
        state.best_score = score
        state.patience = 0
        return
    state.patience += 1
    if state.patience == max_patience:
        state.n_plateaus += 1
        state.patience = 0


def as_schedule(name: str, value: Any) -> Schedule[float]:
    """What a hyper-parameter is set to, a number, list, iterator or schedule, as a schedule. Otherwise ValueError."""
    if isinstance(value, Schedule):
        return value
    if isinstance(value, (int, float, np.integer, np.floating)):
        if math.isnan(value) or (math.isinf(value) and name != "grad_clip"):
            raise ValueError(f"Invalid schedule for '{name}' (it is {value})")
        return constant(float(value))
    values = iter(value) if isinstance(value, list) else value
    if isinstance(values, Iterator):
        try:
            first = next(values)
        except StopIteration:
            raise ValueError(f"Invalid schedule for '{name}' (it is empty)") from None
        attrs = {"attr_name": name, "last_step": -1, "last_value": first, "generator": values}
        return Schedule("wrap_generator", _wrap_generator, attrs=attrs)
    raise ValueError(f"Invalid schedule for '{name}' ({type(value)})")


def _wrap_generator(schedule: Schedule[Any], step: int, /, **extra: Any) -> float:
    """The value for `step`, the last one if there are no more."""
    attrs = schedule.attrs
    if step < attrs["last_step"]:
        raise ValueError(f"'step' of the generator-based schedule for {attrs['attr_name']} must not decrease")
    for _ in range(step - max(attrs["last_step"], 0)):
        try:
            attrs["last_value"] = next(attrs["generator"])
        except StopIteration:
            break
    attrs["last_step"] = step
    value: float = attrs["last_value"]
    return value
