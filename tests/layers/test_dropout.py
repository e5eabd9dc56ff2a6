"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thinc_nb.api import Dropout, NumpyOps, Padded, Ragged, Relu, set_dropout_rate

ONES = np.ones((40, 25), dtype="f")
FORMS = {
    "array": ONES,
    "list": [ONES[:10], ONES[:0], ONES[10:]],
    "tuple": (ONES[:10], ONES[10:]),
    "Ragged": Ragged(ONES, np.array([10, 0, 30], dtype="i")),
    "Padded": NumpyOps().list2padded([ONES[:15], ONES[15:]]),
}


def arrays(batch: Any) -> list[Any]:
    if isinstance(batch, (Ragged, Padded)):
        return [batch.data]
    return list(batch) if isinstance(batch, (list, tuple)) else [batch]


@pytest.mark.parametrize("X", FORMS.values(), ids=FORMS)
def test_output_and_gradient_have_one_mask(X: Any) -> None:
    np.random.seed(0)
    Y, backprop = Dropout(0.25).begin_update(X)
    for y, x in zip(arrays(Y), arrays(X), strict=True):
        assert y.shape == x.shape
        assert y.dtype == x.dtype
        assert set(np.unique(y)) <= {0.0, np.float32(1 / 0.75)}
    for y, dx in zip(arrays(Y), arrays(backprop(X)), strict=True):
        np.testing.assert_array_equal(y, dx)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_rate_is_the_share_that_is_dropped(rate: float) -> None:
    np.random.seed(1)
    Y, _ = Dropout(rate).begin_update(np.ones((500, 500), dtype="f"))
    assert (Y == 0).mean() == pytest.approx(rate, abs=0.005)
    assert Y.mean() == pytest.approx(1, abs=0.02)


def test_arrays_of_a_list_have_different_masks() -> None:
    np.random.seed(0)
    first, second = Dropout(0.5).begin_update([ONES, ONES])[0]
    assert not np.array_equal(first, second)


def test_seed_repeats_the_mask() -> None:
    outputs = []
    for _ in range(2):
        np.random.seed(3)
        outputs.append(Dropout(0.5).begin_update(ONES)[0])
    np.testing.assert_array_equal(outputs[0], outputs[1])


@pytest.mark.parametrize("X", FORMS.values(), ids=FORMS)
def test_nothing_happens_without_training_or_rate(X: Any) -> None:
    for model, is_train in ((Dropout(0.5), False), (Dropout(0.0), True), (Dropout(-1.0), True)):
        Y, backprop = model(X, is_train)
        assert Y is X
        assert backprop(X) is X
    disabled = Dropout(0.5)
    disabled.attrs["is_enabled"] = False
    assert disabled.begin_update(X)[0] is X


def test_rate_of_one_drops_everything() -> None:
    Y, backprop = Dropout(1.0).begin_update(ONES)
    assert not Y.any()
    assert not backprop(ONES).any()


def test_rate_can_be_changed_between_passes() -> None:
    model = Dropout(0.5)
    Y, backprop = model.begin_update(ONES)
    set_dropout_rate(model, 0.0)
    assert model.begin_update(ONES)[0] is ONES
    np.testing.assert_array_equal(backprop(ONES), Y)


def test_empty_batches() -> None:
    for X in (ONES[:0], [], [ONES[:0]]):
        Y, backprop = Dropout(0.5).begin_update(X)
        assert len(Y) == len(X)
        assert len(backprop(Y)) == len(X)


@pytest.mark.parametrize("rate", [2.0, float("nan")])
def test_a_rate_that_is_no_chance_is_refused(rate: float) -> None:
    model = Dropout(0.5)
    for refuse in (Dropout, lambda rate: Relu(3, 4, dropout=rate), lambda rate: set_dropout_rate(model, rate)):
        with pytest.raises(ValueError, match="the dropout rate must be between 0 and 1"):
            refuse(rate)
    assert model.attrs["dropout_rate"] == 0.5


def test_a_rate_that_is_no_number_is_refused() -> None:
    rate: Any = "0.1"
    for refuse in (Dropout, lambda rate: set_dropout_rate(Dropout(), rate)):
        with pytest.raises(TypeError, match=r"the dropout rate must be a number, got str '0\.1'"):
            refuse(rate)
    nothing: Any = None
    assert set_dropout_rate(Dropout(0.5), None).attrs["dropout_rate"] is None
    assert Dropout(nothing).begin_update(X := np.ones((2, 3), dtype="f"))[0] is X
    assert Dropout(np.float32(0.25)).attrs["dropout_rate"] == 0.25
