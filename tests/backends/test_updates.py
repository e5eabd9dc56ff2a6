"""Optimizer steps against float64 formulas."""

from __future__ import annotations

import platform

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb.backends import NumpyOps

ops = NumpyOps()
RATES = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "learn_rate": 0.01}
dtypes = st.sampled_from(["float32", "float64"])


def reference(w, g, m, v, beta1, beta2, eps, learn_rate):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    return w - learn_rate * m / (np.sqrt(v) + eps), m, v


def state(n, dtype, count=5):
    arrays = np.random.default_rng(n).standard_normal((count, n)).astype(dtype)
    arrays[3] = abs(arrays[3])
    return list(arrays)


@given(st.integers(0, 300), dtypes)
def test_adam_steps_in_place_and_zeroes_the_gradient(n, dtype):
    w, g, m, v, _ = state(n, dtype)
    expected = reference(*(array.astype("d") for array in (w, g, m, v)), **RATES)
    result = ops.adam(w, g, m, v, 0.9, 0.999, 1e-8, 0.01, 2.0)
    assert all(a is b for a, b in zip(result, (w, g, m, v), strict=True))
    assert not g.any()
    for array, truth in zip((w, m, v), expected, strict=True):
        assert array.dtype == dtype
        np.testing.assert_allclose(array, truth, rtol=2e-5 if dtype == "float32" else 1e-12, atol=1e-6)


@given(st.integers(0, 300), dtypes, st.booleans())
def test_the_fused_step_is_clip_adam_decay_average_zero(n, dtype, averaged):
    w, g, m, v, average = state(n, dtype)
    we, me, ve = reference(*(a.astype("d") for a in (w, 0.3 * g, m, v)), **RATES)
    we *= 1 - 0.02
    ae = average + (1 - 0.97) * (we - average)
    ops.adam_update(
        w, g, m, v, average if averaged else None, **RATES, grad_scale=0.3, weight_decay=0.02, average_decay=0.97
    )
    assert not g.any()
    tolerance = {"rtol": 2e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-14}
    for array, truth in ((w, we), (m, me), (v, ve), *([(average, ae)] if averaged else [])):
        np.testing.assert_allclose(array, truth, **tolerance)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="done on x86 only")
@pytest.mark.parametrize("averaged", [False, True])
def test_moments_too_small_for_full_precision_become_0_and_nothing_else_does(averaged):
    w, g, m, v, average = state(40, "float32")
    g[:], m[:20], v[:20], m[20:], v[20:] = 0, 1e-40, 1e-42, 1e-37, 1e-36
    ops.adam_update(
        w, g, m, v, average if averaged else None, **RATES, grad_scale=1.0, weight_decay=0.0, average_decay=0.97
    )
    assert not m[:20].any()
    assert not v[:20].any()
    np.testing.assert_allclose(m[20:], 0.9e-37, rtol=1e-6)
    np.testing.assert_allclose(v[20:], 0.999e-36, rtol=1e-6)
    # The thread computes with such numbers as before.
    assert np.full(3, 2e-40, "f").sum() > np.float32(1e-40) * np.float32(1.0) > 0


def test_steps_work_on_views_of_any_layout():
    w, g, m, v, _ = state(12, "float32")
    expected = reference(w, g, m, v, **RATES)
    spread = [np.repeat(array, 2)[::2].reshape(3, 4).T for array in (w, g, m, v)]
    ops.adam(*spread, *RATES.values())
    np.testing.assert_allclose(spread[0], expected[0].reshape(3, 4).T, rtol=1e-5)
    assert not spread[1].any()


def test_shapes_must_agree():
    one, two = np.ones(3, dtype="f"), np.ones(4, dtype="f")
    with pytest.raises(ValueError, match=r"adam: all arrays must have one shape, got float32 \(3,\), float32 \(4,\)"):
        ops.adam(one, two, one, one, 0.9, 0.9, 1e-8, 0.1)


def test_clipping_scales_to_the_threshold_or_not_at_all():
    g = np.array([3, 4], dtype="f")
    assert ops.clip_gradient(g, 1.0) is g
    np.testing.assert_allclose(g, [0.6, 0.8], rtol=1e-6)
    g = np.array([0.3, 0.4], dtype="f")
    assert ops.clip_gradient(g, 1.0).tolist() == [np.float32(0.3), np.float32(0.4)]
    assert ops.clip_gradient(np.zeros(0, dtype="f"), 1.0).shape == (0,)
    assert ops.clip_gradient(np.zeros(3, dtype="f"), 0.0).tolist() == [0, 0, 0]


@given(st.integers(0, 20_000), dtypes)
def test_the_sum_of_squares_is_accurate(n, dtype):
    x = np.random.default_rng(n).standard_normal(n).astype(dtype)
    np.testing.assert_allclose(ops.sum_of_squares(x), (x.astype("d") ** 2).sum(), rtol=1e-5, atol=0)


def test_averages_move_by_the_decay_of_the_step():
    ema = np.zeros(3, dtype="f")
    assert ops.update_averages(ema, np.ones(3, dtype="f"), 1) is None
    np.testing.assert_allclose(ema, 1 - 2 / 11, rtol=1e-6)
    ema = np.zeros(3, dtype="f")
    ops.update_averages(ema, np.ones(3, dtype="f"), 100_000)
    np.testing.assert_allclose(ema, 1e-4, rtol=1e-4)


def test_averages_may_overlap_the_weights():
    memory = np.random.default_rng(0).random(6000, "f")
    for step in (1, 3, 16):
        expected, given = memory.copy(), memory.copy()
        expected[step:] -= 0.5 * (expected[step:] - expected[:-step].copy())
        ops.update_averages(given[step:], given[:-step], 8)
        np.testing.assert_allclose(given, expected, rtol=1e-6)
