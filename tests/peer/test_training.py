"""Optimizers step by step, schedules, initializers and losses beside Thinc's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from twins import assert_alike, oracle, ours, twins

from thinc_nb._model.parameters import lay_out

STEPS = 50
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda api: api.SGD(0.1),
    "SGD with L2": lambda api: api.SGD(0.1, L2=0.01),
    "SGD with L2 in the gradient": lambda api: api.SGD(0.1, L2=0.01, L2_is_weight_decay=False),
    "SGD without clipping": lambda api: api.SGD(0.1, grad_clip=0.0),
    "SGD clipped hard": lambda api: api.SGD(0.1, grad_clip=0.05),
    "SGD without averages": lambda api: api.SGD(0.1, use_averages=False),
    "Adam": lambda api: api.Adam(0.01),
    "Adam with L2": lambda api: api.Adam(0.01, L2=0.01),
    "Adam with L2 in the gradient": lambda api: api.Adam(0.01, L2=0.01, L2_is_weight_decay=False),
    "Adam with other rates": lambda api: api.Adam(0.02, beta1=0.8, beta2=0.95, eps=1e-6, grad_clip=0.3),
    "Adam without averages": lambda api: api.Adam(0.01, use_averages=False),
    "RAdam": lambda api: api.RAdam(0.01),
    "RAdam with L2": lambda api: api.RAdam(0.01, L2=0.01),
    "RAdam with L2 in the gradient": lambda api: api.RAdam(0.01, L2=0.01, L2_is_weight_decay=False),
    "Adam with schedules": lambda api: api.Adam(
        api.warmup_linear(0.02, 5, 60),
        beta1=api.compounding(0.8, 0.95, 1.01),
        beta2=api.constant(0.99),
        eps=api.decaying(1e-6, 1e-2),
        grad_clip=api.cyclic_triangular(0.2, 1.0, 7),
        L2=api.slanted_triangular(0.01, 60),
    ),
    "SGD with a list": lambda api: api.SGD([0.1, 0.05, 0.02], L2=[0.1, 0.0]),
    "SGD with a generator": lambda api: api.SGD(0.1 / (i + 1) for i in range(20)),
    "SGD with a plateau": lambda api: api.SGD(api.plateau(2, 0.5, api.constant(0.1))),
}


def a_model(api: Any) -> Any:
    return api.chain(api.Gelu(5, 4), api.LayerNorm(5), api.Maxout(3, 5, 2), api.Linear(2, 3))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_step_by_step(name: str) -> None:
    both = twins(a_model).initialize().randomize()
    lay_out(both.ours)  # parameters that were set are updated one by one
    optimizers = [OPTIMIZERS[name](library()) for library in (ours, oracle)]
    rng = np.random.default_rng(1)
    for step in range(STEPS):
        for mine, theirs in both.nodes():
            for key in mine.param_names:
                grad = rng.normal(size=mine.get_param(key).shape).astype("f") * np.float32(10 ** rng.uniform(-2, 1))
                mine.inc_grad(key, grad.copy())  # not set_grad: parameters with gradients of their own go one by one
                theirs.set_grad(key, grad.copy())
        for model, optimizer in zip(both, optimizers, strict=True):
            model.finish_update(optimizer)
            assert not hasattr(optimizer, "_layouts") or optimizer._layouts, "not updated in one pass"
            optimizer.step_schedules()
            optimizer.last_score = -float(step // 3)
        assert optimizers[0].step == optimizers[1].step
        assert optimizers[0].last_score == optimizers[1].last_score
        for mine, theirs in both.nodes():
            for key in mine.param_names:
                what = f"step {step}: {key} of {mine.name}"
                assert_alike(mine.get_param(key), theirs.get_param(key), what, atol=1e-5)
                assert not mine.get_grad(key).any()
                assert not theirs.get_grad(key).any()
    assert_same_state(both, *optimizers)


def assert_same_state(both: Any, mine: Any, theirs: Any) -> None:
    assert (mine.averages is None) == (theirs.averages is None)
    for here, there in both.nodes():
        for key in here.param_names:
            for name in ("averages", "mom1", "mom2"):
                a, b = (getattr(optimizer, name) or {} for optimizer in (mine, theirs))
                assert ((here.id, key) in a) == ((there.id, key) in b), name
                if (here.id, key) in a:
                    assert_alike(a[here.id, key].ravel(), b[there.id, key].ravel(), f"{name} of {key}", atol=1e-5)
            assert mine.nr_update[here.id, key] == theirs.nr_update[there.id, key]


SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "constant": lambda api: api.constant(0.5),
    "constant_then": lambda api: api.constant_then(0.5, 7, api.decaying(1.0, 0.1)),
    "decaying": lambda api: api.decaying(1.0, 0.1, t=3),
    "compounding": lambda api: api.compounding(1.0, 8.0, 1.1),
    "compounding down": lambda api: api.compounding(8.0, 1.0, 0.9, t=2),
    "warmup_linear": lambda api: api.warmup_linear(0.1, 10, 60),
    "warmup_linear at once": lambda api: api.warmup_linear(0.1, 0, 0),
    "slanted_triangular": lambda api: api.slanted_triangular(0.1, 60, cut_frac=0.2, ratio=16, t=1),
    "cyclic_triangular": lambda api: api.cyclic_triangular(0.1, 0.9, 7),
    "plateau": lambda api: api.plateau(3, 0.5, api.decaying(1.0, 0.1)),
    "constant_then plateau": lambda api: api.constant_then(0.5, 7, api.plateau(2, 0.5, api.constant(1.0))),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str) -> None:
    mine, theirs = (SCHEDULES[name](library()) for library in (ours, oracle))
    assert mine.name == theirs.name
    assert list(mine.attrs) == list(theirs.attrs)
    for step in range(100):
        score = (step, float(-(step // 4)))
        assert mine(step, last_score=score, key=(1, "W")) == pytest.approx(theirs(step, last_score=score, key=(1, "W")))
    here, there = (schedule.to_generator(3, 5, last_score=(1000, 1.0)) for schedule in (mine, theirs))
    for _ in range(20):
        assert next(here) == pytest.approx(next(there))


INITIALIZERS = ("lecun", "he", "glorot")
DRAWS = [f"{name}_{kind}_init" for name in INITIALIZERS for kind in ("normal", "uniform")]


@pytest.mark.parametrize("name", [*DRAWS, "zero_init", "uniform_init", "normal_init"])
@pytest.mark.parametrize("shape", [(5, 4), (1, 1), (3, 2, 7), (300, 200), (2, 3, 4, 5)], ids=str)
def test_initializers_draw_the_same(name: str, shape: tuple[int, ...]) -> None:
    settings = {"uniform_init": {"lo": -0.3, "hi": 0.2}, "normal_init": {"mean": 0.4}}.get(name, {})
    for options in ({}, settings):
        drawn = []
        for library in (ours, oracle):
            np.random.seed(11)
            init = getattr(library("initializers"), name)
            configured = getattr(library("initializers"), f"configure_{name}")(**options)
            ops = library().NumpyOps()
            drawn.append((init(ops, shape, **options), configured(ops, shape)))
        for a, b in zip(*drawn, strict=True):
            assert a.dtype == b.dtype == np.float32
            np.testing.assert_array_equal(a, b)


NAMES = ["a", "b", "c"]
rng = np.random.default_rng(2)
GUESSES = rng.dirichlet(np.ones(3), size=4).astype("f")
ONE_HOT = np.eye(3, dtype="f")[[0, 2, 1, 1]]
TRUTHS: dict[str, Any] = {
    "rows": ONE_HOT,
    "class numbers": np.array([0, 2, 1, 1], dtype="i"),
    "a list of numbers": [0, 2, 1, 1],
    "names": ["a", "c", "b", "b"],
    "missing names": ["a", "", "b", "b"],
    "none of names": ["a", None, "b", None],
    "negated names": ["a", "!c", "b", "!b"],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "names": {"names": NAMES},
    "not normalized": {"normalize": False, "names": NAMES},
    "a missing name": {"names": NAMES, "missing_value": ""},
    "a missing number": {"missing_value": 1},
    "a prefix": {"names": NAMES, "neg_prefix": "!"},
    "a prefix and a missing name": {"names": NAMES, "neg_prefix": "!", "missing_value": ""},
    "smoothing": {"names": NAMES, "label_smoothing": 0.1},
}


def outcome(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, NotImplementedError) as error:
        return error


def assert_same_outcome(mine: Any, theirs: Any) -> None:
    """Both refuse, or both give the same."""
    if isinstance(mine, Exception) or isinstance(theirs, Exception):
        assert isinstance(mine, Exception), f"Thinc {theirs!r}"
        assert isinstance(theirs, Exception), f"here {mine!r}"
        return
    assert_alike(mine[0], theirs[0], "gradient")
    assert float(mine[1]) == pytest.approx(float(theirs[1]), rel=1e-5)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("truths", TRUTHS)
def test_categorical_crossentropy(truths: str, options: str) -> None:
    for name in ("CategoricalCrossentropy", "SequenceCategoricalCrossentropy"):
        results = []
        for library in (ours, oracle):
            loss = getattr(library(), name)(**OPTIONS[options])
            guesses, truth = GUESSES.copy(), TRUTHS[truths]
            pair = ([guesses, guesses[:2]], [truth, truth[:2]]) if name.startswith("Seq") else (guesses, truth)
            results.append(outcome(lambda loss=loss, pair=pair: loss(*pair)))
            if not isinstance(results[-1], Exception):
                assert_alike(results[-1][0], loss.get_grad(*pair), "get_grad")
                assert float(loss.get_loss(*pair)) == pytest.approx(float(results[-1][1]), rel=1e-5)
        if truths == "none of names" and "missing name" in options:
            # None is missing too; Thinc knows either None or the value.
            assert isinstance(results[1], KeyError)
            assert not isinstance(results[0], Exception)
        else:
            assert_same_outcome(*results)


@pytest.mark.parametrize("name", ["CategoricalCrossentropy", "SequenceCategoricalCrossentropy"])
def test_versions_of_the_registry(name: str) -> None:
    for version in (1, 2, 3):
        options: dict[str, Any] = {"names": NAMES, "normalize": False}
        if version > 2 or not name.startswith("Seq"):
            options["missing_value"] = ""
        if version > 1:
            options["neg_prefix"] = "!"
        if version > 2:
            options |= {"label_smoothing": 0.0}
        results = []
        for library in (ours, oracle):
            loss = getattr(library("loss"), f"configure_{name}_v{version}")(**options)
            pair = ([GUESSES], [TRUTHS["names"]]) if name.startswith("Seq") else (GUESSES, TRUTHS["names"])
            results.append(outcome(lambda loss=loss, pair=pair: loss(*pair)))
        assert_same_outcome(*results)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("zeros", [True, False])
def test_distances(normalize: bool, zeros: bool) -> None:
    guesses, truths = (np.random.default_rng(seed).normal(size=(5, 4)).astype("f") for seed in (1, 2))
    truths[1] = 0
    for library_loss in (
        lambda api: api.L2Distance(normalize=normalize),
        lambda api: api.CosineDistance(normalize=normalize, ignore_zeros=zeros),
    ):
        results = [library_loss(library())(guesses.copy(), truths.copy()) for library in (ours, oracle)]
        assert_same_outcome(*results)
