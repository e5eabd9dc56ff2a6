"""Initializers draw Thinc's numbers: values "observed" were seen in Thinc 9.1.1 after numpy.random.seed(0)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from thinc_nb import initializers
from thinc_nb.backends import NumpyOps

OPS = NumpyOps()

# First, second and last value.
OBSERVED = {
    ("glorot_uniform_init", (3, 4)): [0.0903850496, 0.398453295, 0.0535029955],
    ("glorot_uniform_init", (2, 3, 4)): [0.10694503, 0.471456289, 0.614608645],
    ("glorot_uniform_init", (2, 2, 3, 4)): [0.119568177, 0.527104139, -0.908941209],
    ("lecun_uniform_init", (3, 4)): [0.0845474675, 0.37271893, 0.0500474684],
    ("lecun_uniform_init", (2, 3, 4)): [0.0976270065, 0.430378735, 0.561058342],
    ("lecun_uniform_init", (2, 2, 3, 4)): [0.119568177, 0.527104139, -0.908941209],
    ("he_uniform_init", (3, 4)): [0.119568177, 0.527104139, 0.0707778111],
    ("he_uniform_init", (2, 3, 4)): [0.138065442, 0.608647466, 0.793456316],
    ("he_uniform_init", (2, 2, 3, 4)): [0.169094935, 0.74543786, -1.28543699],
    ("glorot_normal_init", (3, 4)): [0.942925632, 0.213893026, 0.777341902],
    ("glorot_normal_init", (2, 3, 4)): [1.11568463, 0.25308165, -0.469386369],
    ("glorot_normal_init", (2, 2, 3, 4)): [1.24737334, 0.282953888, 0.549768686],
    ("he_normal_init", (3, 4)): [1.24737334, 0.282953888, 1.02832663],
    ("he_normal_init", (2, 3, 4)): [1.44034266, 0.326727003, -0.605975211],
    ("he_normal_init", (2, 2, 3, 4)): [1.76405239, 0.400157213, 0.777490377],
    ("lecun_normal_init", (3, 4)): [0.882026196, 0.200078607, 0.727136731],
    ("lecun_normal_init", (2, 3, 4)): [1.01847613, 0.231030867, -0.428489178],
    ("lecun_normal_init", (2, 2, 3, 4)): [1.24737334, 0.282953888, 0.549768686],
    ("uniform_init", (3, 4)): [0.009762700647115707, 0.04303787276148796, 0.0057789841666817665],
    ("uniform_init", (3,)): [0.009762700647115707, 0.04303787276148796, 0.020552674],
}
SCALED = sorted({name for name, _ in OBSERVED} - {"uniform_init"})


@pytest.fixture(autouse=True)
def _seeded() -> None:
    np.random.seed(0)


@pytest.mark.parametrize(("name", "shape"), OBSERVED)
def test_values_are_those_of_thinc(name: str, shape: tuple[int, ...]) -> None:
    made = getattr(initializers, name)(OPS, shape)
    assert made.shape == shape
    assert made.dtype == "float32"
    assert made.ravel()[[0, 1, -1]].tolist() == pytest.approx(OBSERVED[name, shape], rel=1e-7)


def test_normal_init_takes_the_mean_for_the_deviation() -> None:
    made = initializers.normal_init(OPS, (3, 4), mean=0.5)
    assert made.ravel()[[0, 1, -1]].tolist() == pytest.approx([0.882026196, 0.200078607, 0.727136731])  # observed
    assert not initializers.normal_init(OPS, (3, 4)).any()


@pytest.mark.parametrize(
    ("name", "variance"),
    [("glorot", 2 / (300 + 200)), ("he", 2 / 200), ("lecun", 1 / 200)],
)
def test_variance_follows_the_fans(name: str, variance: float) -> None:
    for kind in ("uniform", "normal"):
        made = getattr(initializers, f"{name}_{kind}_init")(OPS, (300, 200)).astype("float64")
        assert made.var() == pytest.approx(variance, rel=0.03)
        assert abs(made.mean()) < 5 * math.sqrt(variance / made.size)


def test_uniform_init_keeps_its_limits() -> None:
    made = initializers.uniform_init(OPS, (1000,), lo=2.0, hi=3.0)
    assert made.min() >= 2.0
    assert made.max() <= 3.0


def test_zero_init_draws_nothing() -> None:
    before = np.random.get_state()[2]
    assert not initializers.zero_init(OPS, (2, 3)).any()
    assert np.random.get_state()[2] == before


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_empty_parameters_are_made(name: str, shape: tuple[int, int]) -> None:
    assert getattr(initializers, name)(OPS, shape).shape == shape


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_shapes_without_fans_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(IndexError, match=name):
        getattr(initializers, name)(OPS, shape)


@pytest.mark.parametrize(
    ("name", "settings"),
    [*((name, {}) for name in [*SCALED, "zero_init"]), ("uniform_init", {"hi": 0.5}), ("normal_init", {"mean": 2.0})],
)
def test_configured_initializer_is_the_same(name: str, settings: dict[str, Any]) -> None:
    made = getattr(initializers, f"configure_{name}")(**settings)(OPS, (3, 4))
    np.random.seed(0)
    np.testing.assert_array_equal(made, getattr(initializers, name)(OPS, (3, 4), **settings))
