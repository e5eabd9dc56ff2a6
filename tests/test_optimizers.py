"""Optimizers, against a float64 reference and against what Thinc 9.1.1 was observed to do."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from thinc_nb import compat, optimizers
from thinc_nb.api import Linear
from thinc_nb.optimizers import ADAM_DEFAULTS, SGD, SGD_DEFAULTS, Adam, Optimizer, RAdam
from thinc_nb.schedules import Schedule, constant, decaying, plateau, warmup_linear

KEY = (1, "W")
START = [1.0, -2.0, 0.5]

# (optimizer, L2, L2_is_weight_decay, grad_clip) -> the weights after steps 1, 10 and 50, and their average after step
# 50, as observed in Thinc with learning rate 0.05, from START with `gradients()`.
OBSERVED = {
    ("SGD", 0.0, True, 0.0): [
        [0.990016639, -2.01986694, 0.470447987],
        [0.498611808, -2.75117683, -0.165404379],
        [0.332205325, -2.88926792, -0.114671178],
        [-0.124548115, -2.8293941, 0.160529017],
    ],
    ("SGD", 0.0, True, 1.0): [
        [0.990016639, -2.01986694, 0.470447987],
        [0.798185289, -2.30887651, 0.209858164],
        [0.729440689, -2.36429882, 0.228852376],
        [0.55788511, -2.34073067, 0.330353111],
    ],
    ("SGD", 0.1, True, 1.0): [
        [0.985066533, -2.00976753, 0.46809575],
        [0.753787041, -2.20338821, 0.194446564],
        [0.614515901, -1.86928415, 0.154822856],
        [0.454992652, -1.8943615, 0.262944192],
    ],
    ("SGD", 0.1, False, 1.0): [
        [0.985016644, -2.00986695, 0.46794799],
        [0.769768357, -2.26624537, 0.194463581],
        [0.705601335, -2.18882036, 0.220184326],
        [0.536808968, -2.18301892, 0.323697776],
    ],
    ("Adam", 0.0, True, 0.0): [
        [0.94999975, -2.05000019, 0.44999969],
        [0.506258786, -2.4962101, 0.0131066553],
        [-0.375077009, -2.8722291, -0.0244342461],
        [-0.527700841, -2.76173306, 0.00355236838],
    ],
    ("Adam", 0.0, True, 1.0): [
        [0.94999975, -2.05000019, 0.44999969],
        [0.49281168, -2.50577998, 0.0135708936],
        [-0.393100083, -2.88334465, -0.0529302508],
        [-0.543689013, -2.77495003, -0.0284431539],
    ],
    ("Adam", 0.1, True, 1.0): [
        [0.945249736, -2.0397501, 0.447749704],
        [0.457561791, -2.39437556, 0.00255352817],
        [-0.356656998, -2.29714966, -0.0549349971],
        [-0.520339012, -2.24641514, -0.0312053543],
    ],
    ("Adam", 0.1, False, 1.0): [
        [0.94999975, -2.05000019, 0.44999969],
        [0.492770553, -2.50116754, 0.0137923025],
        [-0.305247307, -2.61012769, -0.0172522236],
        [-0.467791021, -2.53994989, -0.00090349419],
    ],
    ("RAdam", 0.0, True, 0.0): [
        [0.994745612, -2.01045632, 0.484446317],
        [0.934226811, -2.11596394, 0.341336638],
        [0.869885564, -2.15283084, 0.338731706],
        [0.847202599, -2.13677645, 0.343156308],
    ],
    ("RAdam", 0.0, True, 1.0): [
        [0.994745612, -2.01045632, 0.484446317],
        [0.952162802, -2.08144236, 0.389357239],
        [0.887271345, -2.11819124, 0.384121507],
        [0.864893496, -2.10244179, 0.387999237],
    ],
    ("RAdam", 0.1, True, 1.0): [
        [0.989771903, -2.00040412, 0.482024074],
        [0.904892147, -1.98068225, 0.369112372],
        [0.688817501, -1.65534437, 0.297381461],
        [0.683950305, -1.68263197, 0.309165329],
    ],
    ("RAdam", 0.1, False, 1.0): [
        [0.992114007, -2.00519323, 0.483130515],
        [0.940720856, -2.0599649, 0.382826239],
        [0.872947335, -2.07474971, 0.377928942],
        [0.851808548, -2.06239247, 0.3816064],
    ],
}


def gradients() -> Any:
    return (2.0 * np.sin(0.1 * np.outer(np.arange(1, 51), np.arange(1, 4)))).astype("float32")


@pytest.mark.parametrize("setting", OBSERVED)
def test_trajectory_is_that_of_thinc(setting: tuple[str, float, bool, float]) -> None:
    name, L2, is_decay, grad_clip = setting
    optimizer = getattr(optimizers, name)(0.05, L2=L2, L2_is_weight_decay=is_decay, grad_clip=grad_clip)
    weights = np.asarray(START, dtype="float32")
    seen = []
    for gradient in gradients():
        optimizer(KEY, weights, gradient)
        optimizer.step_schedules()
        seen.append(weights.copy())
    after = [seen[0], seen[9], seen[49], optimizer.averages[KEY]]
    np.testing.assert_allclose(after, OBSERVED[setting], rtol=1e-6, atol=1e-6)


def test_schedule_is_followed_as_in_thinc() -> None:
    optimizer = Adam(warmup_linear(0.05, 10, 50))
    weights = np.asarray(START, dtype="float32")
    for gradient in gradients():
        optimizer(KEY, weights, gradient)
        optimizer.step_schedules()
    observed = [-0.06544345617294312, -2.4484198093414307, 0.2341296523809433]
    np.testing.assert_allclose(weights, observed, rtol=1e-6, atol=1e-6)


# The reference


def radam_step(b1: float, b2: float, t: int) -> tuple[float, bool]:
    """Algorithm 2 of Liu et al. (2020)."""
    rho_inf = 2 / (1 - b2) - 1
    rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
    if rho < 5:
        return 1 / (1 - b1**t), False
    r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
    return r * math.sqrt(1 - b2**t) / (1 - b1**t), True


class Reference:
    """The published update rules in float64, in Thinc's order: L2, clipping, step, weight decay, average."""

    def __init__(self, name: str, lr: float, L2: float, is_decay: bool, clip: float) -> None:
        self.name, self.lr, self.L2, self.is_decay, self.clip = name, lr, L2, is_decay, clip
        self.m = self.v = self.average = np.zeros(())
        self.t = 0

    def __call__(self, w: Any, g: Any, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> Any:
        self.t += 1
        if not self.is_decay:
            g = g + self.L2 * w
        norm = np.linalg.norm(g)
        if self.clip and norm >= self.clip:
            g = g * self.clip / norm
        self.m = b1 * self.m + (1 - b1) * g
        self.v = b2 * self.v + (1 - b2) * g**2
        if self.name == "SGD":
            w = w - self.lr * g
        elif self.name == "Adam":
            m, v = self.m / (1 - b1**self.t), self.v / (1 - b2**self.t)
            w = w - self.lr * m / (np.sqrt(v) + eps / math.sqrt(1 - b2**self.t))
        else:
            size, rectified = radam_step(b1, b2, self.t + 1)
            w = w - self.lr * size * (self.m / (np.sqrt(self.v) + eps) if rectified else self.m)
        if self.is_decay:
            w = w - self.lr * self.L2 * w
        decay = min((1 + self.t) / (10 + self.t), 0.9999)
        self.average = decay * self.average + (1 - decay) * w
        return w


@pytest.mark.parametrize("name", ["SGD", "Adam", "RAdam"])
@pytest.mark.parametrize("L2", [0.0, 0.1])
@pytest.mark.parametrize("is_decay", [True, False])
@pytest.mark.parametrize("clip", [0.0, 1.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float64", 1e-9)])
def test_agrees_with_the_reference(
    name: str, L2: float, is_decay: bool, clip: float, dtype: str, tolerance: float, rng: np.random.Generator
) -> None:
    optimizer = getattr(optimizers, name)(0.02, L2=L2, L2_is_weight_decay=is_decay, grad_clip=clip)
    reference = Reference(name, 0.02, L2, is_decay, clip)
    weights = rng.normal(size=(4, 3, 2)).astype(dtype)
    expected = weights.astype("float64")
    for _ in range(50):
        gradient = (rng.normal(size=(4, 3, 2)) * rng.uniform(0.01, 1)).astype(dtype)
        expected = reference(expected, gradient.astype("float64"))
        optimizer(KEY, weights, gradient)
        np.testing.assert_allclose(weights, expected, rtol=tolerance, atol=tolerance)
    assert weights.dtype == dtype
    np.testing.assert_allclose(optimizer.averages[KEY], reference.average, rtol=tolerance, atol=tolerance)
    assert optimizer.averages[KEY].shape == weights.shape
    assert optimizer.nr_update[KEY] == 50


# The update


@pytest.mark.parametrize("make", [SGD, Adam, RAdam])
def test_update_is_in_place_and_zeroes_the_gradient(make: Any) -> None:
    weights = np.ones((2, 3), dtype="float32")
    gradient = np.ones((2, 3), dtype="float32")
    returned = make(0.1)(KEY, weights, gradient)
    assert returned[0] is weights
    assert returned[1] is gradient
    assert (weights < 1).all()
    assert not gradient.any()


@pytest.mark.parametrize("make", [SGD, Adam, RAdam])
def test_memory_layout_makes_no_difference(make: Any, rng: np.random.Generator) -> None:
    start, gradient = rng.normal(size=(2, 3, 4)).astype("float32")
    expected = start.copy()
    make(0.1)(KEY, expected, gradient.copy())
    wide = np.zeros((3, 8), dtype="float32")
    wide[:, ::2] = start
    for weights in (np.asfortranarray(start), wide[:, ::2]):
        make(0.1)(KEY, weights, np.asfortranarray(gradient))
        np.testing.assert_allclose(weights, expected, rtol=1e-6)


@pytest.mark.parametrize("make", [SGD, Adam, RAdam])
def test_empty_parameter_is_left_alone(make: Any) -> None:
    optimizer = make(0.1)
    weights = np.zeros((0, 3), dtype="float32")
    assert optimizer(KEY, weights, weights.copy())[0] is weights
    assert optimizer.nr_update == {}
    assert optimizer.averages == {}


@pytest.mark.parametrize("make", [SGD, Adam, RAdam])
@pytest.mark.parametrize(
    ("weights", "gradient", "message"),
    [
        (np.ones((2, 3), "f"), np.ones((3, 2), "f"), r"shape \(2, 3\), but its gradient \(3, 2\)"),
        (np.ones(5, "f"), np.ones(5, "f"), r"shape \(5,\), which differs"),
        (np.ones((2, 3), "i"), np.ones((2, 3), "f"), "must be floats, got int32"),
    ],
)
def test_bad_arrays_change_nothing(make: Any, weights: Any, gradient: Any, message: str) -> None:
    optimizer = make(0.1)
    optimizer(KEY, np.ones((2, 3), dtype="float32"), np.ones((2, 3), dtype="float32"))
    before = copy.deepcopy((optimizer.averages, optimizer.mom1, optimizer.nr_update))
    given = weights.copy(), gradient.copy()
    with pytest.raises(ValueError, match=message):
        optimizer(KEY, weights, gradient)
    np.testing.assert_equal((optimizer.averages, optimizer.mom1, optimizer.nr_update), before)
    np.testing.assert_equal((weights, gradient), given)


@pytest.mark.parametrize("make", [SGD, Adam, RAdam])
@pytest.mark.parametrize("odd", [[1.0, 2.0], [], 1.0, np.float32(1)])
def test_what_is_no_array_is_named(make: Any, odd: Any) -> None:
    optimizer, array = make(0.1), np.ones(2, "f")
    for what, given in (("weights", (odd, array)), ("gradient", (array, odd))):
        with pytest.raises(
            TypeError, match=rf"the {what} of parameter \(.*\) must be an array, got .*{type(odd).__name__}"
        ):
            optimizer(KEY, *given)
    assert optimizer.nr_update == {}
    assert array.tolist() == [1, 1]


def test_parameters_are_remembered_by_key() -> None:
    optimizer = Adam(0.1)
    for key in ((1, "W"), (1, "b"), (1, "W")):
        optimizer(key, np.ones(3, dtype="float32"), np.ones(3, dtype="float32"))
    assert optimizer.nr_update == {(1, "W"): 2, (1, "b"): 1}
    assert set(optimizer.mom1) == set(optimizer.mom2) == {(1, "W"), (1, "b")}
    assert optimizer.last_seen == {}


def test_moments_are_kept_flat() -> None:
    optimizer = Adam(0.1)
    optimizer(KEY, np.ones((2, 3), dtype="float32"), np.ones((2, 3), dtype="float32"))
    assert optimizer.mom1[KEY].shape == optimizer.mom2[KEY].shape == (6,)  # observed


def test_averages_can_be_switched_off() -> None:
    optimizer = Adam(0.1, use_averages=False)
    optimizer(KEY, np.ones(3, dtype="float32"), np.ones(3, dtype="float32"))
    assert optimizer.averages is None


def test_learning_rate_can_be_scaled_for_one_call() -> None:
    # Observed; RAdam scales its weight decay, but not its step.
    for make, expected in ((SGD, [0.84575, 1.791]), (Adam, [0.9452497, 1.9402497]), (RAdam, [0.8378947, 1.7805263])):
        weights = np.asarray([1, 2], dtype="float32")
        make(0.1, grad_clip=0.0, L2=0.1)(KEY, weights, np.asarray([3, 4], dtype="float32"), lr_scale=0.5)
        np.testing.assert_allclose(weights, expected, rtol=1e-6)


def test_beta2_without_beta1_is_not_supported() -> None:
    optimizer = Optimizer(0.1, beta1=0.0)
    with pytest.raises(NotImplementedError, match="beta2"):
        optimizer(KEY, np.ones(3, dtype="float32"), np.ones(3, dtype="float32"))
    assert optimizer.nr_update == {}


def test_both_betas_zero_is_plain_gradient_descent() -> None:
    weights = np.ones(2, dtype="float32")
    Optimizer(0.1, beta1=0.0, beta2=0.0, grad_clip=0.0)(KEY, weights, np.asarray([1, 2], dtype="float32"))
    np.testing.assert_allclose(weights, [0.9, 0.8])


@pytest.mark.parametrize("make", [SGD, Adam, RAdam])
def test_nan_gradient_poisons_its_parameter_only(make: Any) -> None:
    optimizer = make(0.1)
    sick, well = np.ones(3, dtype="float32"), np.ones(3, dtype="float32")
    optimizer((1, "W"), sick, np.full(3, np.nan, dtype="float32"))
    optimizer((2, "W"), well, np.ones(3, dtype="float32"))
    assert np.isnan(sick).all()
    assert np.isfinite(well).all()


# Schedules


def yielding(*values: float) -> Iterator[float]:
    yield from values


def rates(learn_rate: Any, steps: int = 4) -> list[float]:
    """The learning rates that an optimizer takes, seen from what it does."""
    optimizer = SGD(learn_rate, grad_clip=0.0, use_averages=False)
    seen = []
    for _ in range(steps):
        weights = np.zeros(1)
        optimizer(KEY, weights, np.ones(1))
        optimizer.step_schedules()
        seen.append(-float(weights[0]))
    return seen


@pytest.mark.parametrize(
    ("learn_rate", "expected"),
    [
        (0.1, [0.1] * 4),
        (1, [1.0] * 4),
        (np.float32(0.5), [0.5] * 4),
        ([0.1, 0.2, 0.3], [0.1, 0.2, 0.3, 0.3]),
        (yielding(0.1, 0.2), [0.1, 0.2, 0.2, 0.2]),
        (constant(0.1), [0.1] * 4),
        (decaying(1.0, 1.0), [1.0, 1 / 2, 1 / 3, 1 / 4]),
    ],
)
def test_learning_rate_takes_many_forms(learn_rate: Any, expected: list[float]) -> None:
    assert rates(learn_rate) == pytest.approx(expected)


def test_generators_skip_with_the_steps_and_do_not_go_back() -> None:
    schedule = SGD(yielding(0.1, 0.2, 0.3, 0.4, 0.5)).learn_rate
    assert [schedule(step) for step in (0, 0, 2, 3, 9, 10)] == [0.1, 0.1, 0.3, 0.4, 0.5, 0.5]  # observed
    with pytest.raises(ValueError, match="'step' of the generator-based schedule for learn_rate must not decrease"):
        schedule(3)


@pytest.mark.parametrize("value", ["a", None, (0.1, 0.2), [], yielding(), range(3), np.zeros(2), math.nan, math.inf])
def test_other_forms_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="Invalid schedule for 'learn_rate'"):
        SGD(value)


@pytest.mark.parametrize("make", [Adam, SGD, RAdam])
@pytest.mark.parametrize("rate", [constant("a"), [float("nan")], constant(None), warmup_linear(float("nan"), 1, 2)])
def test_a_schedule_that_gives_no_number_is_said_and_updates_nothing(make: Any, rate: Any) -> None:
    optimizer, weights, gradient = make(rate), np.ones(3, "f"), np.ones(3, "f")
    with pytest.raises(ValueError, match=r"Optimizer: learn_rate must be a number, got .* at step 0"):
        optimizer(KEY, weights, gradient)
    assert weights.tolist() == gradient.tolist() == [1, 1, 1]
    assert not optimizer.mom1
    assert optimizer.nr_update.get(KEY, 0) == 0


@pytest.mark.parametrize("make", [Adam, RAdam])
def test_every_rate_is_read_before_anything_is_updated(make: Any) -> None:
    optimizer, weights, gradient = make(0.1, eps=[float("nan")]), np.ones(3, "f"), np.ones(3, "f")
    with pytest.raises(ValueError, match="Optimizer: eps must be a number, got nan"):
        optimizer(KEY, weights, gradient)
    model = Linear(2, 3).initialize()
    before = model.get_param("W").copy()
    model.inc_grad("W", before)
    with pytest.raises(ValueError, match="Optimizer: eps must be a number, got nan"):
        model.finish_update(optimizer)
    assert weights.tolist() == gradient.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(model.get_param("W"), before)
    assert not optimizer.mom1


def test_a_negative_rate_goes_up_the_gradient_and_an_infinite_norm_clips_nothing() -> None:
    weights, gradient = np.ones(2, "f"), np.ones(2, "f")
    SGD(-0.5, grad_clip=math.inf)(KEY, weights, gradient)  # observed in Thinc 9.1.1
    assert weights.tolist() == [1.5, 1.5]


@pytest.mark.parametrize("name", ["learn_rate", "b1", "b2", "eps", "L2", "grad_clip"])
def test_every_setting_is_a_schedule_and_can_be_set(name: str) -> None:
    optimizer = Adam()
    assert isinstance(getattr(optimizer, name), Schedule)
    setattr(optimizer, name, 0.25)
    assert getattr(optimizer, name)(0) == 0.25
    with pytest.raises(ValueError, match=name):
        setattr(optimizer, name, "fast")


def test_settings_follow_their_schedules() -> None:
    optimizer = SGD(0.1, L2=[0.0, 1.0], grad_clip=[0.0, 1.0], use_averages=False)
    weights = np.asarray([1.0])
    optimizer(KEY, weights, np.asarray([2.0]))
    assert weights[0] == pytest.approx(0.8)
    optimizer.step_schedules()
    optimizer(KEY, weights, np.asarray([2.0]))
    assert weights[0] == pytest.approx((0.8 - 0.1) * 0.9)


def test_schedules_get_key_and_last_score() -> None:
    seen: list[Any] = []

    def record(schedule: Schedule[Any], step: int, /, **extra: Any) -> float:
        seen.append((step, extra))
        return 0.1

    optimizer = SGD(Schedule("mine", record))
    optimizer.step_schedules()
    optimizer.last_score = 0.5
    assert optimizer.step == 1
    assert optimizer.last_score == (1, 0.5)  # observed
    optimizer(KEY, np.ones(1), np.ones(1))
    assert seen == [(1, {"key": KEY, "last_score": (1, 0.5)})]


def test_plateau_lowers_the_rate_for_all_parameters() -> None:
    optimizer = SGD(plateau(1, 0.5, constant(1.0)), grad_clip=0.0)
    values: list[float] = []
    for score in (1.0, 0.5):
        optimizer.last_score = score
        values.clear()
        for key in ((1, "W"), (2, "W")):
            weights = np.zeros(1)
            optimizer(key, weights, np.ones(1))
            values.append(-float(weights[0]))
        optimizer.step_schedules()
    assert values == [0.5, 0.5]


# The object


def test_defaults_are_those_of_thinc() -> None:
    assert SGD_DEFAULTS == {"L2": 0.0, "L2_is_weight_decay": True, "grad_clip": 1.0}
    assert ADAM_DEFAULTS["learn_rate"] == 0.001
    optimizer = Adam()
    values = {name: getattr(optimizer, name)(0) for name in ("learn_rate", "b1", "b2", "eps", "L2", "grad_clip")}
    assert values == {"learn_rate": 0.001, "b1": 0.9, "b2": 0.999, "eps": 1e-08, "L2": 0.0, "grad_clip": 1.0}
    assert (optimizer.use_radam, optimizer.L2_is_weight_decay) == (False, True)
    assert RAdam().use_radam


def test_misspelt_attribute_is_an_error() -> None:
    with pytest.raises(AttributeError):
        Adam().learning_rate = 0.1  # type: ignore[attr-defined]


@pytest.mark.parametrize("duplicate", [Optimizer.copy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_copy_goes_on_by_itself(duplicate: Any) -> None:
    optimizer = Adam([0.1, 0.2, 0.3], L2=decaying(0.1, 0.1))
    weights = np.ones(3, dtype="float32")
    optimizer(KEY, weights, np.ones(3, dtype="float32"))
    optimizer.step_schedules()
    other, other_weights = duplicate(optimizer), weights.copy()
    for made, target in ((optimizer, weights), (other, other_weights)):
        made(KEY, target, np.full(3, 0.5, dtype="float32"))
    np.testing.assert_array_equal(weights, other_weights)
    assert not np.shares_memory(optimizer.mom1[KEY], other.mom1[KEY])


def test_moving_to_the_cpu_keeps_the_state() -> None:
    optimizer = Adam(0.1)
    optimizer(KEY, np.ones(3, dtype="float32"), np.ones(3, dtype="float32"))
    moment = optimizer.mom1[KEY].copy()
    optimizer.to_cpu()
    np.testing.assert_array_equal(optimizer.mom1[KEY], moment)


def test_moving_to_a_missing_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(compat), "has_cupy_gpu", False)
    with pytest.raises(ValueError, match="no CUDA GPU"):
        Adam().to_gpu()


def test_pydantic_hooks_accept_optimizers_only() -> None:
    (validator,) = Optimizer.__get_validators__()
    optimizer = Adam()
    assert validator(optimizer) is optimizer
    with pytest.raises(TypeError, match="Optimizer"):
        validator("Adam.v1")
    assert Optimizer.__get_pydantic_core_schema__(Optimizer, None) == {"type": "is-instance", "cls": Optimizer}
