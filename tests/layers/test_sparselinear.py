"""SparseLinear: places of weights as in Thinc, sums against a dense product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from murmur import x86_32
from thinc_nb.api import SparseLinear, SparseLinear_v2
from thinc_nb.backends.embedding import FEW_FEATURES
from thinc_nb.errors import InputError, LengthsError

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


@pytest.mark.parametrize("lengths", [[5, -1], [2, 3], [-1, 5], [2**31 - 1, 2**31 - 1], [4], []])
@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_lengths_that_do_not_fit_are_refused(lengths: list[int], dtype: str) -> None:
    # 4 features. [4] and [5, -1] have the right sum.
    model = SparseLinear(2, length=64).initialize()
    given = (KEYS, VALUES, np.array(lengths, dtype=dtype))
    if lengths == [4]:
        assert model.predict(given).shape == (1, 2)
        return
    with pytest.raises(LengthsError, match="sparse_linear"):
        model.predict(given)


def test_weights_of_another_size_are_refused() -> None:
    model = SparseLinear(2, length=64).initialize()
    model.set_param("W", np.zeros(64, dtype="f"))
    with pytest.raises(InputError, match=r"W must have 2 \* 64 elements, got float32 \(64,\)"):
        model.predict((KEYS, VALUES, LENGTHS))


@pytest.mark.parametrize("layer", [SparseLinear, SparseLinear_v2])
@pytest.mark.parametrize("length", [1, 7, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_every_width_are_those_of_float64(rng: Any, layer: Any, length: int, dtype: str) -> None:
    lengths = np.array([0, 1, 2, 3, 4, 5, 9, 0, 17], dtype="i")
    features = int(lengths.sum())
    keys, values = rng.integers(0, 2**64, features, dtype="uint64"), rng.standard_normal(features).astype(dtype)
    item = np.repeat(np.arange(len(lengths)), lengths)
    for nO in (1, 2, 3, 4, 5, 6, 7, 8, 11):
        model = layer(nO, length=length).initialize()
        for name in ("W", "b"):
            model.set_param(name, rng.standard_normal(model.get_param(name).shape).astype(dtype))
        step = 1 if layer is SparseLinear else length
        # As in Thinc, a mask that is none if the length is no power of 2.
        hashes = np.array([[x86_32(int(key), seed) for seed in (0, 1)] for key in keys])
        places = hashes & (length - 1) if layer is SparseLinear else hashes % length
        weights = model.get_param("W").astype("d")[places[:, :, None] + step * np.arange(nO)].sum(axis=1)
        truth = np.tile(model.get_param("b").astype("d"), (len(lengths), 1))
        np.add.at(truth, item, values.astype("d")[:, None] * weights)
        Y = model.predict((keys, values, lengths))
        assert Y.dtype == dtype
        np.testing.assert_allclose(Y, truth, rtol=1e-5, atol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("layer", [SparseLinear, SparseLinear_v2])
@pytest.mark.parametrize(("of_weights", "of_bias"), [("f", "d"), ("d", "f")])
def test_weights_and_bias_may_differ_in_precision(rng: Any, layer: Any, of_weights: str, of_bias: str) -> None:
    model = layer(5, length=64).initialize()
    for name, dtype in (("W", of_weights), ("b", of_bias)):
        model.set_param(name, rng.standard_normal(model.get_param(name).shape).astype(dtype))
    Y = model.predict((KEYS, VALUES, LENGTHS))
    assert Y.dtype == of_weights
    for name in ("W", "b"):
        model.set_param(name, model.get_param(name).astype("d"))
    np.testing.assert_allclose(Y, model.predict((KEYS, VALUES.astype("d"), LENGTHS)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layer", [SparseLinear, SparseLinear_v2])
def test_an_item_has_the_same_bits_among_few_and_among_many(rng: Any, layer: Any) -> None:
    model = layer(5, length=256).initialize()
    model.set_param("W", rng.standard_normal(model.get_param("W").shape).astype("f"))
    lengths = rng.integers(0, 40, 2000).astype("i")
    keys = rng.integers(0, 2**64, int(lengths.sum()), dtype="uint64")
    values = rng.standard_normal(len(keys)).astype("f")
    assert len(keys) > 2 * FEW_FEATURES
    many, backprop = model.begin_update((keys, values, lengths))
    some = int(lengths[:50].sum())
    few, backprop_few = model.begin_update((keys[:some], values[:some], lengths[:50]))
    np.testing.assert_array_equal(few, many[:50])
    dY = np.zeros_like(many)
    dY[:50] = rng.standard_normal(few.shape)
    gradients = []
    for callback, gradient in ((backprop, dY), (backprop_few, dY[:50])):
        _, d_values, _ = callback(gradient)
        gradients.append((d_values[:some], model.get_grad("W").copy()))
        model.set_grad("W", None)
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_array_equal(one, other)


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
