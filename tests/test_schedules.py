"""Schedules. Values "observed" were seen in Thinc 9.1.1."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb import as_thinc
from thinc_nb.schedules import (
    Schedule,
    compounding,
    constant,
    constant_then,
    cyclic_triangular,
    decaying,
    plateau,
    slanted_triangular,
    warmup_linear,
)

OBSERVED = {
    "constant": (constant(0.5), [0.5] * 6),
    "constant_then": (constant_then(0.1, 3, decaying(1.0, 0.5)), [0.1, 0.1, 0.1, 0.4, 0.2222222222222222, 2 / 13]),
    "decaying": (
        decaying(1.0, 0.1, t=2.0),
        [
            0.8333333333333334,
            0.7692307692307692,
            0.7142857142857143,
            0.6666666666666666,
            0.5263157894736842,
            0.4347826086956522,
        ],
    ),
    "compounding": (
        compounding(1.0, 32.0, 1.001, t=3),
        [
            1.0030030009999997,
            1.0040060040009995,
            1.0050100100050003,
            1.0060150200150053,
            1.0100451202102512,
            1.0140913650030035,
        ],
    ),
    "compounding down": (compounding(32.0, 1.0, 0.5), [32.0, 16.0, 8.0, 4.0, 1.0, 1.0]),
    "warmup_linear": (
        warmup_linear(1.0, 3, 10),
        [0.0, 0.3333333333333333, 0.6666666666666666, 1.0, 0.42857142857142855, 0.0],
    ),
    "warmup_linear without warm-up": (warmup_linear(1.0, 0, 10), [1.0, 0.9, 0.8, 0.7, 0.3, 0.0]),
    "slanted_triangular": (
        slanted_triangular(1.0, 10),
        [
            1.0,
            0.892361111111111,
            0.7847222222222222,
            0.6770833333333334,
            0.24652777777777776,
            -0.18402777777777787,
        ],
    ),
    "slanted_triangular, rising": (
        slanted_triangular(1.0, 10, cut_frac=0.3, ratio=8, t=1.0),
        [0.7083333333333333, 1.0, 0.875, 0.75, 0.25, -0.25],
    ),
    "cyclic_triangular": (cyclic_triangular(0.1, 1.0, 4), [0.325, 0.55, 0.775, 1.0, 0.1, 1.0]),
}


@pytest.mark.parametrize("name", OBSERVED)
def test_values_are_those_of_thinc(name: str) -> None:
    schedule, values = OBSERVED[name]
    assert [schedule(step) for step in (0, 1, 2, 3, 7, 11)] == pytest.approx(values, rel=1e-14, abs=1e-15)


def test_attributes_hold_the_settings() -> None:
    made = slanted_triangular(1.0, 100)
    assert made.name == "slanted_triangular"
    assert made.attrs == {"max_rate": 1.0, "cut": 10, "cut_frac": 0.1, "ratio": 32, "t": 0.0}


@pytest.mark.parametrize("schedule", [pair[0] for pair in OBSERVED.values()])
def test_negative_step_is_refused(schedule: Schedule[float]) -> None:
    with pytest.raises(ValueError, match="non-negative, was: -3"):
        schedule(-3)


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.5, 2), st.integers(0, 10**6))
def test_compounding_stays_between_start_and_stop(start: float, stop: float, compound: float, step: int) -> None:
    value = compounding(start, stop, compound)(step)
    if (stop - start) * (compound - 1) > 0:
        assert min(start, stop) * (1 - 1e-9) <= value <= max(start, stop) * (1 + 1e-9)


@given(st.integers(1, 50), st.integers(0, 1000))
def test_cyclic_triangular_repeats_after_two_periods(period: int, step: int) -> None:
    schedule = cyclic_triangular(0.0, 1.0, period)
    assert schedule(step) == pytest.approx(schedule(step + 2 * period), abs=1e-9)
    assert schedule(period - 1) == pytest.approx(1.0)


def test_user_function_gets_schedule_step_and_extras() -> None:
    def triple(schedule: Schedule[Any], step: int, /, **extra: Any) -> tuple[Any, ...]:
        return schedule.attrs["a"], step, extra

    made = Schedule("mine", triple, attrs={"a": 1})
    assert made(3, key="W") == (1, 3, {"key": "W"})
    assert list(itertools.islice(made.to_generator(1, 2, x=0), 2)) == [(1, 1, {"x": 0}), (1, 3, {"x": 0})]


def test_attributes_are_not_shared_with_the_caller() -> None:
    attrs = {"rate": 1.0}
    made: Schedule[float] = Schedule("mine", lambda schedule, step, /, **extra: schedule.attrs["rate"], attrs=attrs)
    attrs["rate"] = 2.0
    assert made(0) == 1.0


def test_schedules_are_not_iterators() -> None:
    assert not isinstance(compounding(1.0, 4.0, 2.0), Iterable)


def test_in_the_place_of_thinc_8_schedules_can_be_stepped_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(as_thinc, "answers_for_version_8", True)
    sizes: Any = compounding(1.0, 4.0, 2.0)
    assert isinstance(sizes, Schedule)
    assert [next(sizes) for _ in range(4)] == [1.0, 2.0, 4.0, 4.0]
    assert list(itertools.islice(sizes, 2)) == [1.0, 2.0]
    assert sizes(0) == 1.0
    again = copy.deepcopy(sizes)
    assert next(again) == 4.0
    assert again(1) == 2.0


def test_plateau_scales_after_scores_that_do_not_rise() -> None:
    schedule = plateau(2, 0.5, constant(1.0))
    scores = [None, (1, 0.1), (1, 0.1), (2, 0.2), (3, 0.1), (4, 0.1), (4, 0.1), (5, 0.1), (6, 0.3), (7, 0.3), (8, 0.3)]
    values = [schedule(step, last_score=score) for step, score in enumerate(scores)]
    assert values == [1.0] * 5 + [0.5] * 5 + [0.25]  # observed


def test_plateau_passes_step_and_extras_on() -> None:
    seen: list[Any] = []

    def record(schedule: Schedule[Any], step: int, /, **extra: Any) -> float:
        seen.append((step, extra))
        return 1.0

    plateau(2, 0.5, Schedule("inner", record))(7, last_score=(1, 0.5), key="W")
    assert seen == [(7, {"last_score": (1, 0.5), "key": "W"})]


def test_plateau_refuses_scores_from_the_past() -> None:
    schedule = plateau(2, 0.5, constant(1.0))
    schedule(3, last_score=(3, 0.5))
    with pytest.raises(ValueError, match="Expected score with step >= 3, was: 2"):
        schedule(4, last_score=(2, 0.9))


def test_plateau_recovers_from_nan() -> None:
    nan = float("nan")
    schedule = plateau(2, 0.5, constant(1.0))
    assert [schedule(i, last_score=(i, nan)) for i in range(5)] == [1.0, 1.0, 0.5, 0.5, 0.25]  # observed
    assert [schedule(i, last_score=(i, 0.1 * i)) for i in range(5, 10)] == [0.25] * 5


def test_schedules_can_be_copied_and_pickled() -> None:
    schedule = plateau(1, 0.5, constant_then(1.0, 2, decaying(1.0, 0.1)))
    schedule(0, last_score=(0, 1.0))
    copied = copy.deepcopy(schedule)
    schedule(1, last_score=(1, 0.5))
    assert copied(1) == 1.0
    assert pickle.loads(pickle.dumps(schedule))(1) == 0.5


WRONG = [
    (lambda: decaying("a", 1.0), "decaying: base_rate must be a number, got str 'a'"),
    (lambda: compounding(1.0, None, 1.0), "compounding: stop must be a number, got NoneType None"),
    (lambda: warmup_linear(1.0, 10, [1]), r"warmup_linear: total_steps must be a number, got list \[1\]"),
    (lambda: slanted_triangular("a", 10), "slanted_triangular: max_rate must be a number"),
    (lambda: cyclic_triangular(0.1, 0.2, "a"), "cyclic_triangular: period must be a number"),
    (lambda: constant_then(0.1, 10, 0.2), "constant_then: schedule must be a schedule, got float 0.2"),
    (lambda: plateau(2, "a", constant(0.1)), "plateau: scale must be a number"),
]


@pytest.mark.parametrize(("make", "said"), WRONG)
def test_settings_that_are_no_numbers_are_refused_at_once(make: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        make()


def test_settings_may_be_numbers_of_numpy() -> None:
    assert decaying(np.float32(1.0), np.array(1.0))(1) == 0.5


@pytest.mark.parametrize(
    ("schedule", "said"),
    [(slanted_triangular(1.0, 5), "less than one step"), (cyclic_triangular(0.1, 0.2, 0), "period must not be 0")],
)
def test_too_few_steps_are_said(schedule: Schedule[float], said: str) -> None:
    with pytest.raises(ZeroDivisionError, match=said):
        schedule(0)
