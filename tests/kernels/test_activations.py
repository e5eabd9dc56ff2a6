"""Activation kernels against float64 formulas, finite differences, and IEEE arithmetic at NaN and ±inf."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from thinc_nb.kernels import Kernel, activations as kernels

NAN, INF = math.nan, math.inf
erf64 = np.vectorize(math.erf, otypes=["f8"])


def sigmoid64(x):
    return 1 / (1 + np.exp(-x))


class Case(NamedTuple):
    """A kernel, its backward kernel, what the formula says in float64, and where it has kinks."""

    forward: Kernel[...]
    backward: Kernel[...] | None
    formula: Callable[[np.ndarray], np.ndarray]
    scalars: tuple[float, ...] = ()
    backward_scalars: tuple[float, ...] = ()
    kinks: tuple[float, ...] = ()


def case(name: str, formula, *, scalars=(), backward_scalars=None, kinks=()):
    backward = getattr(kernels, f"backprop_{name}", None)
    return Case(
        getattr(kernels, name),
        backward,
        formula,
        scalars,
        scalars if backward_scalars is None else backward_scalars,
        kinks,
    )


CASES = {
    "relu": case("relu", lambda x: np.maximum(x, 0), kinks=(0,)),
    "clipped_linear": case(
        "clipped_linear",
        lambda x: np.clip(0.5 * x + 0.25, -1, 2),
        scalars=(0.5, 0.25, -1.0, 2.0),
        backward_scalars=(0.5, -2.5, 3.5),
        kinks=(-2.5, 3.5),
    ),
    "hard_swish": case("hard_swish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), scalars=(3.0,), kinks=(-3, 3)),
    "sigmoid": case("sigmoid", sigmoid64),
    "swish": case("swish", lambda x: x * sigmoid64(x)),
    "gelu": case("gelu", lambda x: x * (1 + erf64(x / math.sqrt(2))) / 2),
    "gelu_approx": case("gelu_approx", lambda x: x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2),
    "mish": case("mish", lambda x: x * np.tanh(np.log1p(np.exp(x))), scalars=(20.0,)),
    "dish": case("dish", lambda x: x * (x / np.sqrt(1 + x * x) + 1) / 2),
    "dsigmoid": case("dsigmoid", lambda y: y * (1 - y)),
    "dtanh": case("dtanh", lambda y: 1 - y * y),
    "sechsq": case("sechsq", lambda x: 1 / np.cosh(x) ** 2),
    "erf": case("erf", erf64),
}
RESULT_IS_GIVEN = {"relu", "sigmoid"}  # their backward kernels take Y
both = pytest.mark.parametrize("dtype", ["float32", "float64"])
every = pytest.mark.parametrize("name", list(CASES))
differentiable = pytest.mark.parametrize("name", [name for name in CASES if CASES[name].backward is not None])


def forward(name: str, x: np.ndarray) -> np.ndarray:
    out = np.empty_like(x)
    CASES[name].forward(out, x, *CASES[name].scalars)
    return out


def backward(name: str, dy: np.ndarray, x: np.ndarray) -> np.ndarray:
    kernel, dx = CASES[name].backward, np.empty_like(dy)
    assert kernel is not None
    y = forward(name, x)
    inputs = (y,) if name in RESULT_IS_GIVEN else (x, y) if name == "swish" else (x,)
    kernel(dx, dy, *inputs, *CASES[name].backward_scalars)
    return dx


@both
@every
def test_values_are_those_of_the_formula(name, dtype):
    x = np.linspace(-15, 15, 20_001).astype(dtype)
    expected = CASES[name].formula(x.astype("f8"))
    limit = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(forward(name, x), expected, rtol=limit, atol=limit)


@differentiable
def test_gradient_is_that_of_finite_differences(name):
    x = np.linspace(-7, 7, 2001)
    kinks = np.array(CASES[name].kinks)
    x = x[(np.abs(x[:, None] - kinks) > 1e-3).all(axis=1)]
    dy = np.random.default_rng(0).standard_normal(len(x))
    step = 1e-6
    slope = (CASES[name].formula(x + step) - CASES[name].formula(x - step)) / (2 * step)
    np.testing.assert_allclose(backward(name, dy, x), dy * slope, rtol=1e-7, atol=1e-8)


@differentiable
def test_float32_gradient_is_that_of_float64(name):
    x = np.linspace(-15, 15, 20_001).astype("f4")
    dy = np.ones_like(x)
    np.testing.assert_allclose(
        backward(name, dy, x), backward(name, dy.astype("f8"), x.astype("f8")), rtol=2e-6, atol=2e-6
    )


@pytest.mark.parametrize("name", ["sigmoid", "sechsq"])
def test_small_results_keep_their_relative_accuracy(name):
    x = np.linspace(-40, -1, 5001).astype("f4")
    np.testing.assert_allclose(forward(name, x), CASES[name].formula(x.astype("f8")), rtol=4e-7)


def test_mish_is_the_identity_from_its_threshold_on():
    x = np.array([4.999, 5, 5.001, 30, 100], "f4")
    dy = np.full_like(x, 2)
    y, dx = np.empty_like(x), np.empty_like(x)
    kernels.mish(y, x, 5.0)
    kernels.backprop_mish(dx, dy, x, 5.0)
    assert y[0] < x[0]
    assert y[1:].tolist() == x[1:].tolist()
    assert dx[0] != 2
    assert dx[1:].tolist() == [2, 2, 2, 2]


@both
def test_mish_does_not_overflow_below_a_high_threshold(dtype):
    x = np.array([20, 21, 45, 89, 300, 1e20], dtype)
    y, dx = np.empty_like(x), np.empty_like(x)
    kernels.mish(y, x, 1e30)
    kernels.backprop_mish(dx, np.ones_like(x), x, 1e30)
    np.testing.assert_allclose(y, x, rtol=1e-15)
    np.testing.assert_allclose(dx, np.ones_like(x), rtol=1e-15)


def test_swish_gradient_does_not_cancel_for_large_arguments():
    x = np.array([1e3, 1e20], "f4")
    dx = np.empty_like(x)
    kernels.backprop_swish(dx, np.ones_like(x), x, x)
    assert dx.tolist() == [1, 1]


def test_gelu_approx_gradient_is_right_until_the_cube_overflows():
    x = np.array([-1e12, -1e6, 1e6, 1e12], "f4")
    assert backward("gelu_approx", np.ones_like(x), x).tolist() == [0, 0, 1, 1]


# What the formula gives in IEEE arithmetic: f(NaN), f(inf), f(-inf), and f' at the same places (dY = 1).
SPECIAL = {
    "relu": ((NAN, INF, 0), (1, 1, 0)),
    "clipped_linear": ((NAN, 2, -1), (0, 0, 0)),
    "hard_swish": ((NAN, INF, NAN), (NAN, 1, 0)),
    "sigmoid": ((NAN, 1, 0), (NAN, 0, 0)),
    "swish": ((NAN, INF, NAN), (NAN, NAN, NAN)),
    "gelu": ((NAN, INF, NAN), (NAN, NAN, NAN)),
    "gelu_approx": ((NAN, INF, NAN), (NAN, NAN, NAN)),
    "mish": ((NAN, INF, NAN), (1, 1, NAN)),
    "dish": ((NAN, NAN, NAN), (NAN, NAN, NAN)),
    "dsigmoid": ((NAN, -INF, -INF), ()),
    "dtanh": ((NAN, -INF, -INF), ()),
    "sechsq": ((NAN, 0, 0), ()),
    "erf": ((NAN, 1, -1), ()),
}


@both
@every
def test_nan_and_inf(name, dtype):
    values, slopes = SPECIAL[name]
    # 16 times, and once more: the vectorised loop and the elements left over.
    x = np.array([NAN, INF, -INF] * 17, dtype)
    np.testing.assert_array_equal(forward(name, x), np.array(values * 17, dtype))
    if slopes:
        np.testing.assert_array_equal(backward(name, np.ones_like(x), x), np.array(slopes * 17, dtype))


@both
@differentiable
def test_nan_in_the_gradient_stays_where_it_passes(name, dtype):
    x = np.array([0.5], dtype)
    assert np.isnan(backward(name, np.array([NAN], dtype), x)).all()


@both
def test_logloss_is_its_formula(dtype):
    rng = np.random.default_rng(0)
    t = rng.integers(0, 2, 1000).astype(dtype)
    p = rng.random(1000).astype(dtype)
    out = np.empty_like(t)
    kernels.logloss(out, t, p)
    p = p.astype("f8")
    limit = 2e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(out, -(t * np.log(p + 1e-8) + (1 - t) * np.log(1 - p + 1e-8)), rtol=limit, atol=limit)


@both
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_logloss_around_zero_and_one_is_its_formula(dtype):
    def around(x: float) -> list[np.floating]:
        steps = [np.dtype(dtype).type(x)]
        for _ in range(40):
            steps = [np.nextafter(steps[0], -INF), *steps, np.nextafter(steps[-1], INF)]
        return steps

    offset = np.dtype(dtype).type(1e-8)
    p = np.array([*around(0), *around(1), *around(-1e-8), *around(1 + 1e-8), 5e-8, -5e-8, INF, -INF, NAN], dtype)
    a, b = p + offset, 1 - p + offset
    assert a.dtype == dtype
    assert (a == 0).any()
    for target in (0, 0.25, 1, -1, NAN):
        t = np.full_like(p, target)
        out = np.empty_like(p)
        kernels.logloss(out, t, p)
        exact = -(target * np.log(a.astype("d")) + (1 - target) * np.log(b.astype("d")))
        limit = 2e-6 if dtype == "float32" else 1e-14
        np.testing.assert_allclose(out, exact, rtol=limit, atol=limit)


@pytest.mark.parametrize("name", ["backprop_gelu", "backprop_mish", "backprop_swish", "sechsq", "logloss"])
def test_float32_kernels_vectorise(name, monkeypatch):
    # Not from disk, where there is no LLVM code to look at.
    monkeypatch.setenv("THINC_NB_CACHE_DIR", "")
    from thinc_nb.kernels._cpu import compile_loop

    kernel = getattr(kernels, name)
    scalars = [np.float32(20) for _, kind in kernel.annotations if kind == "float"]
    arrays = [np.ones(64, "f4") for _, kind in kernel.annotations if kind == "Reals1d"]
    loop = compile_loop(kernel, "f32", f"{name}-looked-at")
    loop(0, 64, *arrays, *scalars)
    (code,) = loop.inspect_llvm().values()
    assert "x float>" in code
