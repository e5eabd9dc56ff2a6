"""SparseLinear: places of weights as in Thinc, sums against a dense product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thinc_nb.api import SparseLinear, SparseLinear_v2

KEYS = np.array([1, 2, 3, 4], dtype="uint64")
VALUES = np.array([1, 2, 0.5, -1], dtype="f")
LENGTHS = np.array([2, 0, 2], dtype="i")


def numbered(model: Any) -> Any:
    model.initialize()
    model.set_param("W", np.arange(model.get_param("W").size, dtype="f"))
    return model


def test_sums_are_thinc_s() -> None:
    # Numbers from Thinc 9.1.1.
    Y = numbered(SparseLinear_v2(2, length=100)).predict((KEYS, VALUES, LENGTHS))
    np.testing.assert_array_equal(Y, [[137, 737], [0, 0], [12, -88]])


@pytest.mark.parametrize(
    ("layer", "nO", "length", "places"),
    [
        # Where Thinc 9.1.1 adds to the gradient for the key 12345.
        (SparseLinear, 3, 16, {1: 1, 2: 2, 3: 3, 7: 1, 8: 2, 9: 3}),
        (SparseLinear, 3, 12, {1: 1, 2: 2, 3: 4, 4: 2, 5: 3}),
        (SparseLinear, 2, 100, {3: 1, 4: 2, 33: 1, 34: 2}),
        (SparseLinear_v2, 3, 16, {1: 1, 7: 1, 17: 2, 23: 2, 33: 3, 39: 3}),
        (SparseLinear_v2, 2, 100, {31: 1, 41: 1, 131: 2, 141: 2}),
    ],
)
def test_places_are_thinc_s(layer: Any, nO: int, length: int, places: dict[int, float]) -> None:
    model = layer(nO, length=length).initialize()
    batch = (np.array([12345], dtype="uint64"), np.ones(1, dtype="f"), np.array([1], dtype="i"))
    _, backprop = model.begin_update(batch)
    backprop(np.array([[1, 2, 3][:nO]], dtype="f"))
    expected = np.zeros(nO * length)
    expected[list(places)] = list(places.values())
    np.testing.assert_array_equal(model.get_grad("W"), expected)
    np.testing.assert_array_equal(model.get_grad("b"), [1, 2, 3][:nO])


@pytest.mark.parametrize("layer", [SparseLinear, SparseLinear_v2])
def test_signed_keys_are_the_same(layer: Any) -> None:
    model = numbered(layer(2, length=64))
    expected = model.predict((KEYS, VALUES, LENGTHS))
    for dtype in ("int32", "int64", "uint32"):
        np.testing.assert_array_equal(model.predict((KEYS.astype(dtype), VALUES, LENGTHS)), expected)


@pytest.mark.parametrize("layer", [SparseLinear, SparseLinear_v2])
def test_empty_batch_gives_empty_gradient(layer: Any) -> None:
    model = layer(2, length=64).initialize()
    for lengths in (LENGTHS[:0], np.zeros(2, dtype="i")):
        Y, backprop = model.begin_update((KEYS[:0], VALUES[:0], lengths))
        assert Y.shape == (len(lengths), 2)
        keys, values, _ = backprop(Y)
        assert keys.shape == values.shape == (0,)


@pytest.mark.parametrize(
    "batch", [(KEYS, VALUES[:2], LENGTHS), (KEYS.astype("f"), VALUES, LENGTHS), (KEYS, VALUES, LENGTHS[:1])]
)
def test_arrays_that_do_not_fit_are_refused(batch: Any) -> None:
    with pytest.raises(ValueError, match=r"sparse_linear|reduce_sum"):
        SparseLinear_v2(2, length=64).initialize().predict(batch)


@pytest.mark.without_contracts
def test_what_is_no_batch_is_refused() -> None:
    model = SparseLinear(2, length=64).initialize()
    for wrong in (KEYS, (KEYS, VALUES), (KEYS, None, LENGTHS)):
        with pytest.raises(TypeError, match=r"takes three arrays \(keys, values, lengths\)"):
            model.predict(wrong)


def test_width_comes_from_the_output() -> None:
    model = SparseLinear(length=8).initialize(Y=np.zeros((3, 2), dtype="f"))
    assert model.get_dim("nO") == 2
    with pytest.raises(ValueError, match="length must be at least 1"):
        SparseLinear(length=0)
