"""The float32 polynomials against float64, over all of float32."""

from __future__ import annotations

import math

import numpy as np
import pytest

from thinc_nb.kernels import KERNELS, elementwise, rowwise
from thinc_nb.kernels._words import Reals1d, Reals2d, erf, exp, lane, lanes, log, log_of_normal, tanh


@elementwise
def exp_of_items(i: int, out: Reals1d, x: Reals1d) -> None:
    out[i] = exp(x[i])


@elementwise
def log_of_items(i: int, out: Reals1d, x: Reals1d) -> None:
    out[i] = log(x[i])


@elementwise
def log_of_normal_items(i: int, out: Reals1d, x: Reals1d) -> None:
    out[i] = log_of_normal(x[i])


@elementwise
def tanh_of_items(i: int, out: Reals1d, x: Reals1d) -> None:
    out[i] = tanh(x[i])


@elementwise
def erf_of_items(i: int, out: Reals1d, x: Reals1d) -> None:
    out[i] = erf(x[i])


# Over rows sums may be reordered, which must not undo the two-part reduction: exp was 4.4 ulp off, and inf at 88.63.
@rowwise
def exp_of_rows(r: int, out: Reals2d, x: Reals2d) -> None:
    for j in range(lane(), x.shape[1], lanes()):
        out[r, j] = exp(x[r, j])


@rowwise
def log_of_rows(r: int, out: Reals2d, x: Reals2d) -> None:
    for j in range(lane(), x.shape[1], lanes()):
        out[r, j] = log(x[r, j])


@rowwise
def log_of_normal_rows(r: int, out: Reals2d, x: Reals2d) -> None:
    for j in range(lane(), x.shape[1], lanes()):
        out[r, j] = log_of_normal(x[r, j])


@rowwise
def tanh_of_rows(r: int, out: Reals2d, x: Reals2d) -> None:
    for j in range(lane(), x.shape[1], lanes()):
        out[r, j] = tanh(x[r, j])


@rowwise
def erf_of_rows(r: int, out: Reals2d, x: Reals2d) -> None:
    for j in range(lane(), x.shape[1], lanes()):
        out[r, j] = erf(x[r, j])


ITEMS = {"exp": exp_of_items, "log": log_of_items, "tanh": tanh_of_items, "erf": erf_of_items}
ROWS = {"exp": exp_of_rows, "log": log_of_rows, "tanh": tanh_of_rows, "erf": erf_of_rows}
ITEMS_OF_NORMAL, ROWS_OF_NORMAL = {"log": log_of_normal_items}, {"log": log_of_normal_rows}
for kernel in (*ITEMS.values(), *ROWS.values(), log_of_normal_items, log_of_normal_rows):
    del KERNELS[kernel.name]  # The registry stays the package's own.


@pytest.fixture(autouse=True)
def nothing_on_disk(monkeypatch):
    """The cache knows kernels by the package's sources, not by this file's."""
    monkeypatch.setenv("THINC_NB_CACHE_DIR", "")


TRUTH = {"exp": np.exp, "log": np.log, "tanh": np.tanh, "erf": np.vectorize(math.erf, otypes=["f8"])}
SMALLEST_NORMAL = np.finfo(np.float32).smallest_normal
words = pytest.mark.parametrize("word", list(TRUTH))
over = pytest.mark.parametrize("over", ["items", "rows", "short rows"])


def evaluate(word: str, over: str, x: np.ndarray, *, normal: bool = False) -> np.ndarray:
    if over == "items":
        out = np.empty_like(x)
        (ITEMS_OF_NORMAL if normal else ITEMS)[word](out, x)
        return out
    # Elements that do not fill a vector run through code of their own, with sums in another order: hence rows of 3.
    width = len(x) if over == "rows" else 3
    padded = np.concatenate([x, np.ones(-len(x) % width, x.dtype)]).reshape(-1, width)
    rows = np.empty_like(padded)
    (ROWS_OF_NORMAL if normal else ROWS)[word](rows, padded)
    return rows.reshape(-1)[: len(x)]


def truth(word: str, x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return TRUTH[word](x.astype("f8"))


def ulps(y: np.ndarray, expected: np.ndarray) -> np.ndarray:
    return np.abs(y.astype("f8") - expected) / np.spacing(np.abs(expected).astype("f4"))


def dense() -> np.ndarray:
    """Numbers all over float32: evenly by bit pattern, evenly by value, and close to where something changes."""
    by_bits = np.arange(0, 2**32, 20_011, dtype=np.uint64).astype(np.uint32).view(np.float32)
    grids = [np.linspace(-105, 100, 100_001), np.linspace(-1, 1, 50_001), np.linspace(-10, 10, 50_001)]
    edges = [*(math.log(2) * (k + 0.5) for k in range(-127, 129)), 88.7228, -87.336, -87.68, 0.5**0.5, 1, 3.91, 8.78]
    steps = np.arange(-100, 100, dtype=np.float32) * np.float32(2**-20)
    near = (np.array(edges, "f4")[:, None] * (1 + steps)).reshape(-1)
    return np.concatenate([by_bits, *[grid.astype("f4") for grid in grids], near])


@over
@words
def test_error_is_within_the_stated_bound(word, over):
    bound = {"exp": 1, "log": 1 if over == "items" else 2, "tanh": 6, "erf": 6}[word]
    x = dense()
    y, expected = evaluate(word, over, x), truth(word, x)
    with np.errstate(over="ignore"):
        normal = np.isfinite(expected.astype("f4")) & (np.abs(expected) >= SMALLEST_NORMAL)
    assert normal.sum() > 200_000
    errors = ulps(y[normal], expected[normal])
    assert errors.max() <= bound, f"{errors.max():.2f} ulp at {x[normal][errors.argmax()]!r}"


@over
@words
def test_infinite_and_undefined_results_are_exactly_those_of_numpy(word, over):
    x = np.concatenate(
        [dense(), np.array([np.inf, -np.inf, np.nan, -np.nan, 0.0, -0.0, 88.72283, 88.722839, 3e38], "f4")]
    )
    with np.errstate(over="ignore"):
        expected = truth(word, x).astype("f4")
    special = ~np.isfinite(expected)
    np.testing.assert_array_equal(evaluate(word, over, x)[special], expected[special])


@over
@words
def test_bits_that_are_nan_give_nan(word, over):
    x = np.array([0x7F800001, 0x7FC00000, 0x7FFFFFFF, 0xFF800001, 0xFFFFFFFF] * 5, np.uint32).view(np.float32)
    assert np.isnan(evaluate(word, over, x)).all()


@over
def test_limits(over):
    infinite = np.array([np.inf, -np.inf], "f4")
    assert evaluate("exp", over, infinite).tolist() == [math.inf, 0]
    assert evaluate("tanh", over, infinite).tolist() == [1, -1]
    assert evaluate("erf", over, infinite).tolist() == [1, -1]
    assert evaluate("log", over, np.array([np.inf, 0, -0.0], "f4")).tolist() == [math.inf, -math.inf, -math.inf]


@over
def test_exp_and_log_are_exact_at_zero_and_one(over):
    assert evaluate("exp", over, np.array([0, -0.0], "f4")).tolist() == [1, 1]
    assert evaluate("log", over, np.array([1], "f4")).tolist() == [0]


@over
def test_exp_is_right_to_the_smallest_normal_and_zero_from_where_it_says(over):
    x = np.linspace(-105, -87.3, 100_001, dtype="f4")
    y, expected = evaluate("exp", over, x), truth("exp", x)
    kept = x > -87.68
    assert np.abs(y[kept] - expected[kept]).max() <= 2 * np.finfo(np.float32).smallest_subnormal
    assert not y[x < -87.69].any()
    assert np.abs(y - expected).max() < 8.4e-39


@over
@pytest.mark.parametrize("word", ["tanh", "erf"])
def test_tanh_and_erf_are_odd_and_never_beyond_one(word, over):
    x = dense()
    x = x[~np.isnan(x)]
    y = evaluate(word, over, x)
    assert np.abs(y).max() == 1
    np.testing.assert_array_equal(evaluate(word, over, -x), -y)


@over
def test_tanh_of_tiny_numbers_is_the_number(over):
    x = np.array([1e-45, -1e-40, 2e-38, 1e-20, -1e-6], "f4")
    np.testing.assert_array_equal(evaluate("tanh", over, x), x)


@over
def test_log_of_subnormal_numbers_is_as_good_as_of_others(over):
    x = np.arange(1, 2**23, 997, dtype=np.uint32).view(np.float32)
    assert ulps(evaluate("log", over, x), truth("log", x)).max() <= 2


@over
def test_log_of_normal_is_log_wherever_numbers_are_positive_and_normal(over):
    x = dense()
    x = np.concatenate([x[(x >= SMALLEST_NORMAL) & (x < np.inf)], [SMALLEST_NORMAL, np.finfo("f4").max]], dtype="f4")
    y = evaluate("log", over, x, normal=True)
    assert ulps(y, truth("log", x)).max() <= (1 if over == "items" else 2)
    np.testing.assert_array_equal(evaluate("log", over, x), y)


@pytest.mark.slow
@over
@pytest.mark.parametrize("exponent", [1, 100, 124, 125, 126, 127, 128, 129, 200, 254])
def test_error_of_log_is_within_its_bound_for_every_fraction(over, exponent):
    x = (np.arange(2**23, dtype=np.uint32) | np.uint32(exponent << 23)).view("f4")
    y, expected = evaluate("log", over, x), truth("log", x)
    np.testing.assert_array_equal(y[expected == 0], 0)
    assert ulps(y, np.where(expected == 0, 1, expected))[expected != 0].max() <= (1 if over == "items" else 2)


@words
def test_float64_is_the_librarys(word):
    x = np.concatenate([np.linspace(-20, 20, 1001), [np.inf, -np.inf, np.nan]])
    np.testing.assert_allclose(evaluate(word, "items", x), truth(word, x), rtol=1e-14, atol=1e-300)
