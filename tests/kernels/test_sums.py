"""Sums over a row in explicit vectors against float64: every width, nothing beyond the row, the same bits anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from thinc_nb.kernels import KERNELS, normalise, rowwise
from thinc_nb.kernels._words import Reals2d, lane, sum_of, sum_of_squares, sums_of_products


@rowwise
def sums_of_rows(r: int, out: Reals2d, a: Reals2d, b: Reals2d, c: Reals2d, center: float) -> None:
    first = sum_of(a[r])
    squares = sum_of_squares(b[r], center)
    product, about = sums_of_products(a[r], b[r], c[r], center)
    if lane() == 0:
        out[r, 0], out[r, 1], out[r, 2], out[r, 3] = first, squares, product, about


del KERNELS[sums_of_rows.name]  # The registry stays the package's own.
WIDTHS = [*range(70), 96, 127, 128, 129, 300, 1031]
both = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(autouse=True)
def nothing_on_disk(monkeypatch):
    """The cache knows kernels by the package's sources, not by this file's."""
    monkeypatch.setenv("THINC_NB_CACHE_DIR", "")


@both
def test_sums_are_those_of_float64(rng, dtype):
    center = 0.75
    for width in WIDTHS:
        # What is beyond the row would show.
        room = np.full((3, 2, width + 9), np.nan, dtype)
        given = [np.frombuffer(part.data, dtype)[: 2 * width].reshape(2, width) for part in room]
        for part in given:
            part[:] = rng.standard_normal(part.shape)
        out = np.empty((2, 4), dtype)
        sums_of_rows(out, *given, center)
        a, b, c = (part.astype("d") for part in given)
        parts = np.stack([a, (b - center) ** 2, a * b, a * b * (c - center)])
        bound = np.finfo(dtype).eps * (4 + width / 16) * np.abs(parts).sum(axis=2)
        assert (np.abs(out.T - parts.sum(axis=2)) <= bound).all(), width


def test_a_center_that_is_not_finite_stays_one(rng):
    row = rng.standard_normal((1, 19)).astype("f")
    out = np.empty((1, 4), "f")
    for center in (np.inf, np.nan):
        sums_of_rows(out, row, row, row, center)
        assert np.isfinite(out[0, [0, 2]]).all()
        assert not np.isfinite(out[0, [1, 3]]).any()


@both
@pytest.mark.parametrize("width", [1, 2, 5, 7, 33])
def test_gradient_of_layer_norm_has_the_same_bits_wherever_it_lies(rng, width, dtype):
    x, dy = rng.standard_normal((2, 6, width)).astype(dtype)
    gain, (mean, rstd) = rng.standard_normal(width).astype(dtype), np.empty((2, 6), dtype)
    normalise.layer_norm(np.empty_like(x), x, gain, gain, mean, rstd)
    results = set()
    for gap in (0, 1, 3, 8, 40, 500):
        room = np.empty(2 * x.size + gap, dtype)
        near, dx = room[: x.size].reshape(x.shape), room[x.size + gap :].reshape(x.shape)
        near[:] = dy
        partial = np.empty((2, 1, width), dtype)
        normalise.backprop_layer_norm(dx, near, x, gain, mean, rstd, *partial)
        results.add((dx.tobytes(), partial.tobytes()))
    assert len(results) == 1
