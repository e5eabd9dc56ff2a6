"""position_encode against its formula, and Thinc's results."""

from __future__ import annotations

import numpy as np
import pytest

from thinc_nb.backends import NumpyOps

ops = NumpyOps()


@pytest.mark.parametrize("D", range(9))
@pytest.mark.parametrize("period", [10000, 100, 1])
def test_columns_are_sines_and_cosines_of_falling_frequency(D, period):
    table = ops.position_encode(7, D, period=period)
    assert table.shape == (7, D)
    assert table.dtype == "float32"
    assert table.flags.c_contiguous
    for column in range(D):
        pair = min(column // 2, max(D // 2 - 1, 0))
        angles = np.arange(7) / period ** (4 * pair / D)
        np.testing.assert_allclose(table[:, column], np.cos(angles) if column % 2 else np.sin(angles), atol=1e-6)


def test_results_of_thinc():
    np.testing.assert_array_equal(
        ops.position_encode(3, 5)[1:],
        np.array(
            [
                [
                    0.8414709568023682,
                    0.5403022766113281,
                    0.0006309572490863502,
                    0.9999998211860657,
                    0.0006309572490863502,
                ],
                [
                    0.9092974066734314,
                    -0.416146844625473,
                    0.0012619142653420568,
                    0.9999992251396179,
                    0.0012619142653420568,
                ],
            ],
            "f",
        ),
    )


def test_the_result_may_be_written_elsewhere():
    out = np.ones((3, 4), "f")
    assert ops.position_encode(3, 4, out=out) is out
    np.testing.assert_array_equal(out, ops.position_encode(3, 4))
    exact = ops.position_encode(3, 4, out=np.ones((3, 8))[:, ::2])
    assert exact.dtype == "float64"
    np.testing.assert_allclose(exact[2], [np.sin(2), np.cos(2), np.sin(2e-4), np.cos(2e-4)], rtol=1e-15)


@pytest.mark.parametrize("D", [1, 2, 5, 96])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_sines_and_cosines_are_those_of_float64(D, dtype):
    N = 3000
    table = ops.position_encode(N, D, 100, np.ones((N, D), dtype))
    pair = np.arange(D // 2 or 1)
    wavelengths = (1e2 ** (4 * pair / D).astype(dtype).astype("d")).astype(dtype)
    angles = (np.arange(N, dtype=dtype)[:, None] / wavelengths).astype("d")
    both = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(N, -1)
    expected = np.concatenate([both, both[:, -2:-1]], axis=1)[:, :D] if D > 1 else both[:, :1]
    if dtype == "float64":
        np.testing.assert_allclose(table, expected, rtol=4e-16, atol=1e-18)
    else:
        np.testing.assert_array_equal(table, expected.astype(dtype))


@pytest.mark.parametrize(("N", "D", "period"), [(-1, 4, 100), (3, -1, 100), (3, 4, 0), (3, 4, 10**400)])
def test_sizes_that_make_no_sense_are_refused(N, D, period):
    with pytest.raises(ValueError, match=r"position_encode: (N|D|period) must be at least"):
        ops.position_encode(N, D, period)


@pytest.mark.parametrize("period", ["100", None, [100]])
def test_a_period_that_is_no_number_is_refused(period):
    with pytest.raises(TypeError, match=r"position_encode: period must be a number, got (a|None)"):
        ops.position_encode(3, 4, period)


@pytest.mark.parametrize("out", [np.zeros((2, 4), "f"), np.zeros((3, 4), "i")])
def test_another_place_that_does_not_fit_is_refused(out):
    with pytest.raises(ValueError, match=r"position_encode: out must be an array of floats \(3, 4\), got"):
        ops.position_encode(3, 4, out=out)


@pytest.mark.parametrize("D", [4, 5])
def test_a_place_that_is_read_only_is_refused(D):
    out = np.zeros((3, D), "f")
    out.flags.writeable = False
    with pytest.raises(ValueError, match=rf"position_encode: out: the array to overwrite, float32 \(3, {D}\), is read"):
        ops.position_encode(3, D, out=out)


class Named(np.ndarray):
    pass


@pytest.mark.parametrize("D", [4, 5])
@pytest.mark.parametrize("out", [np.zeros((3, 5), "f").view(Named), np.zeros((3, 5), ">f8"), np.zeros((5, 3), "f").T])
def test_the_place_may_be_an_array_of_another_kind(out, D):
    part = out[:, :D]
    assert ops.position_encode(3, D, out=part) is part
    np.testing.assert_allclose(part, ops.position_encode(3, D), rtol=1e-6)
