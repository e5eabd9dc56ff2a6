"""Losses. Values "observed" were seen in Thinc 9.1.1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from thinc_nb import loss
from thinc_nb.errors import InputError
from thinc_nb.loss import (
    CategoricalCrossentropy,
    CosineDistance,
    L2Distance,
    Loss,
    SequenceCategoricalCrossentropy,
)

G = np.asarray([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]], dtype="float32")
ONE_HOT = np.asarray([[0, 1, 0], [1, 0, 0]], dtype="float32")
NAMES = ["a", "b", "c"]
PLAIN = [[0.1, -0.25, 0.15], [-0.2, 0.15, 0.05]]
FIRST_ONLY = [[0.1, -0.25, 0.15], [0, 0, 0]]


def unit_rows(width: int = 3) -> st.SearchStrategy[Any]:
    shapes = hnp.array_shapes(min_dims=1, max_dims=1, max_side=5, min_side=0).map(lambda shape: (*shape, width))
    return shapes.flatmap(lambda shape: hnp.arrays("float32", shape, elements=st.floats(0, 1, width=32)))


# CategoricalCrossentropy


@pytest.mark.parametrize(
    ("settings", "truths", "grad"),
    [
        ({}, np.asarray([1, 0]), PLAIN),
        ({}, [1, 0], PLAIN),
        ({}, [np.int64(1), np.int32(0)], PLAIN),
        ({}, (1, 0), PLAIN),
        ({}, ONE_HOT, PLAIN),
        ({}, ONE_HOT.astype("int64"), PLAIN),
        ({"names": NAMES}, ["b", "a"], PLAIN),
        ({"normalize": False}, [1, 0], [[0.2, -0.5, 0.3], [-0.4, 0.3, 0.1]]),
        ({}, np.asarray([[0.1, 0.2, 0.7], [0, 0.5, 0.5]]), [[0.05, 0.15, -0.2], [0.3, -0.1, -0.2]]),
        ({"names": NAMES, "missing_value": "a"}, ["b", "a"], FIRST_ONLY),
        ({"names": NAMES, "missing_value": ""}, ["b", ""], FIRST_ONLY),
        ({"names": NAMES}, ["b", None], FIRST_ONLY),
        ({"missing_value": 0}, [1, 0], FIRST_ONLY),
        ({"missing_value": 0}, np.asarray([1, 0]), FIRST_ONLY),
        ({"missing_value": 0}, ONE_HOT, FIRST_ONLY),
        ({"missing_value": -1}, [1, -1], FIRST_ONLY),
        ({"names": NAMES, "missing_value": "b"}, [1, 0], PLAIN),
        ({"names": NAMES, "neg_prefix": "!"}, ["!b", "a"], [[0, 0.25, 0], [-0.2, 0.15, 0.05]]),
        (
            {"names": NAMES, "neg_prefix": "!", "missing_value": "!b"},
            ["!b", "b"],
            [[0, 0, 0], [0.3, -0.35, 0.05]],
        ),
        ({"label_smoothing": 0.1}, [1, 0], [[0.075, -0.2, 0.125], [-0.15, 0.125, 0.025]]),
        ({"label_smoothing": 0.1, "missing_value": 0}, [1, 0], [[0.075, -0.2, 0.125], [0, 0, 0]]),
    ],
)
def test_crossentropy_is_that_of_thinc(settings: Any, truths: Any, grad: Any) -> None:
    guesses = G.copy()
    func = CategoricalCrossentropy(**settings)
    d_guesses, value = func(guesses, truths)
    np.testing.assert_allclose(d_guesses, grad, atol=1e-7)  # observed
    assert d_guesses.dtype == "float32"
    assert value == pytest.approx(np.square(np.asarray(grad)).sum(), rel=1e-6)
    assert isinstance(value, float)
    np.testing.assert_array_equal(func.get_grad(guesses, truths), d_guesses)
    assert func.get_loss(guesses, truths) == value
    np.testing.assert_array_equal(guesses, G)


def test_negated_name_is_no_truth_when_labels_are_smoothed() -> None:
    func = CategoricalCrossentropy(names=NAMES, neg_prefix="!", label_smoothing=0.1, normalize=False)
    np.testing.assert_allclose(func.get_grad(G, ["!b", "a"])[0], [0, 0.5, 0], atol=1e-7)


@given(unit_rows(), st.data())
def test_crossentropy_of_numbers_names_and_rows_agree(guesses: Any, data: st.DataObject) -> None:
    truths = data.draw(st.lists(st.integers(0, 2), min_size=len(guesses), max_size=len(guesses)))
    expected = (guesses.astype("float64") - np.eye(3)[truths]) / max(1, len(guesses))
    forms: list[Any] = [
        truths,
        np.asarray(truths, "int32"),
        np.eye(3, dtype="float32")[truths],
        [NAMES[t] for t in truths],
    ]
    for form in forms:
        grad = CategoricalCrossentropy(names=NAMES).get_grad(guesses, form)
        np.testing.assert_allclose(grad, expected, atol=1e-6)


@pytest.mark.parametrize("truths", [[], np.zeros(0, "int32"), np.zeros((0, 3), "float32")])
def test_empty_batch_gives_empty_gradient(truths: Any) -> None:
    grad, value = CategoricalCrossentropy()(G[:0], truths)
    assert grad.shape == (0, 3)
    assert value == 0.0


def test_crossentropy_keeps_float64() -> None:
    assert CategoricalCrossentropy().get_grad(G.astype("float64"), [1, 0]).dtype == "float64"


def test_convert_truths_gives_rows_and_mask() -> None:
    rows, mask = CategoricalCrossentropy(names=NAMES, missing_value="b").convert_truths(["b", "a"], G)
    assert rows.tolist() == [[1, 0, 0], [1, 0, 0]]  # observed
    assert mask.tolist() == [[0, 0, 0], [1, 1, 1]]  # observed


@pytest.mark.parametrize(
    ("settings", "guesses", "truths", "error", "message"),
    [
        ({}, G, ["b", "a"], ValueError, "Cannot calculate loss from list of strings without names"),
        ({"names": NAMES}, G, ["b", "z"], KeyError, "'z' is not one of the names"),
        ({"names": NAMES, "neg_prefix": "!"}, G, ["!z", "a"], KeyError, "'z' is not one of the names"),
        ({}, G, [1, None], TypeError, "all integers or all names"),
        ({}, G, [1.0, 0.0], TypeError, "all integers or all names, got float"),
        ({}, G, [1], ValueError, r"mismatched shapes: \(2, 3\) vs \(1, 3\)"),
        ({}, G, np.zeros((2, 4), "float32"), ValueError, r"mismatched shapes: \(2, 3\) vs \(2, 4\)"),
        ({}, G, [3, 0], IndexError, "there is no class 3 among 3"),
        ({}, G * 2, [1, 0], ValueError, "guesses outside"),
        ({}, G - 1, [1, 0], ValueError, "guesses outside"),
        ({}, G, ONE_HOT * 2, ValueError, "truth values outside"),
        ({}, G, -ONE_HOT, ValueError, "truth values outside"),
        ({"label_smoothing": 0.1}, G, ONE_HOT, ValueError, "Label smoothing is only applied"),
        ({"label_smoothing": 0.9}, G, [1, 0], ValueError, "label_smoothing parameter has to be less"),
    ],
)
def test_crossentropy_refuses(settings: Any, guesses: Any, truths: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        CategoricalCrossentropy(**settings)(guesses, truths)


def test_nan_passes_through() -> None:
    grad, value = CategoricalCrossentropy()(G * np.float32("nan"), [1, 0])
    assert np.isnan(grad).all()
    assert np.isnan(value)


# SequenceCategoricalCrossentropy


def test_sequences_are_averaged_over_sequences() -> None:
    grads, value = SequenceCategoricalCrossentropy()([G, G[:1]], [[1, 0], [2]])
    np.testing.assert_allclose(grads[0], PLAIN, atol=1e-7)  # observed
    np.testing.assert_allclose(grads[1], [[0.1, 0.25, -0.35]], atol=1e-7)  # observed
    assert value == pytest.approx(0.355)  # observed
    assert SequenceCategoricalCrossentropy(normalize=False).get_loss([G, G[:1]], [[1, 0], [2]]) == pytest.approx(1.42)


@given(st.lists(unit_rows(), max_size=4), st.booleans(), st.data())
def test_sequences_are_the_same_one_by_one(guesses: list[Any], as_names: bool, data: st.DataObject) -> None:
    numbers = [data.draw(st.lists(st.integers(0, 2), min_size=len(g), max_size=len(g))) for g in guesses]
    truths: list[Any] = [[NAMES[n] for n in doc] for doc in numbers] if as_names else numbers
    settings: Any = {"names": NAMES, "missing_value": "b" if as_names else 1, "label_smoothing": 0.1}
    grads, value = SequenceCategoricalCrossentropy(**settings)(guesses, truths)
    single = CategoricalCrossentropy(**settings, normalize=False)
    expected = [single.get_grad(g, t) / len(guesses) for g, t in zip(guesses, truths, strict=True)]
    assert len(grads) == len(guesses)
    for grad, wanted in zip(grads, expected, strict=True):
        np.testing.assert_allclose(grad, wanted, atol=1e-6)
    assert value == pytest.approx(sum(float(np.square(grad).sum()) for grad in expected), abs=1e-5)


def test_sequences_may_have_truths_of_different_kinds() -> None:
    truths: list[Any] = [["b", "a"], np.asarray([2]), [2], np.asarray([[0, 0, 1.0]])]
    grads = SequenceCategoricalCrossentropy(names=NAMES, normalize=False).get_grad([G, G[:1], G[:1], G[:1]], truths)
    np.testing.assert_allclose(grads[0], G - ONE_HOT)
    for grad in grads[1:]:
        np.testing.assert_allclose(grad, G[:1] - [[0, 0, 1]], rtol=1e-6)


def test_sequences_of_other_lengths_are_refused() -> None:
    func = SequenceCategoricalCrossentropy()
    with pytest.raises(ValueError, match="must be same length, got 1 and 2"):
        func([G], [[1, 0], [2]])
    # As many truths in all, but not in each.
    with pytest.raises(ValueError, match="mismatched shapes"):
        func([G, G[:1]], [[1], [0, 2]])


def test_no_sequences_give_no_gradient() -> None:
    assert SequenceCategoricalCrossentropy()([], []) == ([], 0.0)


# L2Distance


@given(unit_rows(), st.booleans())
def test_l2_gradient_is_the_difference(guesses: Any, normalize: bool) -> None:
    truths = guesses[::-1].copy()
    grad, value = L2Distance(normalize=normalize)(guesses, truths)
    expected = guesses.astype("float64") - truths
    if normalize:
        expected /= max(1, len(guesses))
    np.testing.assert_allclose(grad, expected, atol=1e-6)
    assert grad.dtype == "float32"
    assert value == pytest.approx((expected**2).sum(), abs=1e-5)


def test_l2_values_are_those_of_thinc() -> None:
    Y = np.asarray([[1, 0, 0], [0.5, 0.5, 1]], dtype="float32")
    assert L2Distance().get_loss(G, Y) == pytest.approx(0.46)  # observed
    assert L2Distance(normalize=False).get_loss(G, Y) == pytest.approx(1.84)  # observed


def test_distances_refuse_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"L2 distance: mismatched shapes: \(2, 3\) vs \(1, 3\)"):
        L2Distance()(G, G[:1])
    with pytest.raises(ValueError, match=r"cosine similarity: mismatched shapes: \(2, 3\) vs \(1, 3\)"):
        CosineDistance()(G, G[:1])


# CosineDistance


def cosine_distance(guesses: Any, truths: Any) -> float:
    cosines = (guesses * truths).sum(axis=1) / np.linalg.norm(guesses, axis=1) / np.linalg.norm(truths, axis=1)
    return float((1 - cosines).sum())


def test_cosine_gradient_agrees_with_finite_differences(rng: np.random.Generator) -> None:
    guesses, truths = rng.normal(size=(2, 4, 5))
    grad = CosineDistance(normalize=False).get_grad(guesses, truths)
    numeric = np.zeros_like(guesses)
    for index in np.ndindex(guesses.shape):
        step = np.zeros_like(guesses)
        step[index] = 1e-6
        numeric[index] = (cosine_distance(guesses + step, truths) - cosine_distance(guesses - step, truths)) / 2e-6
    np.testing.assert_allclose(grad, numeric, atol=1e-7)
    assert CosineDistance(normalize=False).get_loss(guesses, truths) == pytest.approx(cosine_distance(guesses, truths))
    assert CosineDistance().get_loss(guesses, truths) == pytest.approx(cosine_distance(guesses, truths) / 4)


def test_cosine_values_are_those_of_thinc() -> None:
    Y = np.asarray([[1, 0, 0], [0.5, 0.5, 1]], dtype="float32")
    grad, value = CosineDistance()(G, Y)
    expected = [[-0.7257273, 0.21344921, 0.12806953], [0.13085416, -0.08505523, -0.52995944]]  # observed
    np.testing.assert_allclose(grad, expected, rtol=1e-6)
    assert value == pytest.approx(0.50671744)  # observed
    np.testing.assert_allclose(CosineDistance().get_similarity(G, Y), [[0.32444286], [0.6621222]])  # observed


def test_zero_truths_can_be_ignored() -> None:
    Y = np.asarray([[0, 0, 0], [0.5, 0.5, 1]], dtype="float32")
    grad, value = CosineDistance(ignore_zeros=True)(G, Y)
    assert not grad[0].any()
    assert value == pytest.approx(0.1689389)  # observed
    _, counted = CosineDistance()(G, Y)
    assert counted == pytest.approx(0.20064601)  # observed


@pytest.mark.parametrize("func", [L2Distance(), CosineDistance()])
def test_empty_batch_has_no_distance(func: Any) -> None:
    grad, value = func(G[:0], G[:0])
    assert grad.shape == (0, 3)
    assert value == 0.0


# Base and factories


def test_losses_of_users_need_a_gradient_and_a_loss() -> None:
    class Half(Loss[float, float, float, float]):
        def get_grad(self, guesses: float, truths: float) -> float:
            return guesses - truths

        def get_loss(self, guesses: float, truths: float) -> float:
            return (guesses - truths) ** 2 / 2

    assert Half()(3.0, 1.0) == (2.0, 2.0)
    with pytest.raises(NotImplementedError):
        Loss[float, float, float, float]()(3.0, 1.0)


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
@pytest.mark.parametrize("name", ["CategoricalCrossentropy", "SequenceCategoricalCrossentropy"])
def test_versions_know_more_and_more(version: str, name: str) -> None:
    settings: Any = {"normalize": False, "names": NAMES}
    if version == "v3" or (version, name) == ("v1", "CategoricalCrossentropy"):
        settings["missing_value"] = "a"
    if version == "v2" and name == "CategoricalCrossentropy":
        settings["missing_value"] = "a"
    if version != "v1":
        settings["neg_prefix"] = "!"
    if version == "v3":
        settings["label_smoothing"] = 0.1
    made = getattr(loss, f"configure_{name}_{version}")(**settings)
    inner = made if name == "CategoricalCrossentropy" else made.cc
    assert {key: getattr(inner, key) for key in settings} == settings
    with pytest.raises(TypeError):
        getattr(loss, f"configure_{name}_{version}")(**settings, nonsense=True)


def test_distances_are_configured() -> None:
    assert loss.configure_L2Distance(normalize=False).normalize is False
    assert loss.configure_CosineDistance(ignore_zeros=True).ignore_zeros is True


NO_TRUTHS = [
    (None, InputError, "truths must be an array or list of classes, one for each guess, got None"),
    (3, InputError, "got an int"),
    ({0, 1}, InputError, "got a set"),
    ({0: 1}, InputError, "got a dict"),
    ([1.0, 0.0], InputError, "truths must be all integers or all names, got float"),
    ([1, "a"], InputError, "truths must be all integers or all names, got int, str"),
    (np.array([1.0, 0.0]), IndexError, r"class numbers must be integers, got float64 \(2,\)"),
    (np.array([1, None], dtype=object), IndexError, "class numbers must be integers, got object"),
    (np.array(1), ValueError, r"mismatched shapes: \(2, 3\) vs \(\)"),
    (np.array([[1], [0]]), ValueError, r"mismatched shapes: \(2, 3\) vs \(2, 1\)"),
]


@pytest.mark.parametrize(("truths", "kind", "said"), NO_TRUTHS)
def test_what_are_no_truths_is_said(truths: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        CategoricalCrossentropy()(G.copy(), truths)
    if not isinstance(truths, np.ndarray):
        with pytest.raises(kind, match=said):
            SequenceCategoricalCrossentropy()([G.copy(), G.copy()], [truths, truths])


@pytest.mark.parametrize("func", [CategoricalCrossentropy(), L2Distance(), CosineDistance()])
@pytest.mark.parametrize(
    ("guesses", "shown"), [(None, "None"), (G.tolist(), "a list of 2"), ((G, None), "a tuple of 2")]
)
def test_guesses_are_arrays(func: Any, guesses: Any, shown: str) -> None:
    with pytest.raises(InputError, match=f"Cannot calculate .*: guesses must be an array, got {shown}"):
        func(guesses, G)


@pytest.mark.parametrize("func", [L2Distance(), CosineDistance()])
def test_truths_of_a_distance_are_arrays(func: Any) -> None:
    with pytest.raises(InputError, match=r"Cannot calculate .*: truths must be an array, got a list of 2"):
        func(G, G.tolist())


def test_sequences_are_lists() -> None:
    with pytest.raises(TypeError, match="guesses must be a list with one item for each sequence, got None"):
        SequenceCategoricalCrossentropy()(None, [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("func", "truths", "grad"),
    [
        (CategoricalCrossentropy(), [1, 0], [[0, 0, 0], [-1 / 2, 1 / 2, 0]]),
        (L2Distance(), np.array([[0, 1, 1], [0, 1, 2]]), [[0, 0, -1 / 2], [0, 0, -1]]),
    ],
)
def test_integer_guesses_have_a_float64_gradient(func: Any, truths: Any, grad: Any) -> None:
    guesses = np.array([[0, 1, 0], [0, 1, 0]])
    found, _ = func(guesses, truths)
    assert found.dtype == "float64"  # observed
    np.testing.assert_array_equal(found, grad)


@pytest.mark.parametrize("missing_value", [None, 1])
@pytest.mark.parametrize("kind", ["numbers", "rows", "mixed"])
def test_sequences_give_the_gradients_of_each_alone(kind, missing_value):
    rng = np.random.default_rng(0)
    guesses = [rng.random((length, 3), dtype="float32") for length in (4, 0, 1, 7)]
    truths = [rng.integers(0, 3, len(guess)) for guess in guesses]
    if kind != "numbers":
        truths = [np.eye(3, dtype="float64")[numbers] for numbers in truths]
    if kind == "mixed":
        truths[2] = truths[2].astype("float32")
    alone = CategoricalCrossentropy(normalize=False, missing_value=missing_value)
    found = SequenceCategoricalCrossentropy(normalize=False, missing_value=missing_value).get_grad(guesses, truths)
    for grad, guess, truth in zip(found, guesses, truths, strict=True):
        assert grad.dtype == guess.dtype
        np.testing.assert_array_equal(grad, alone.get_grad(guess, truth))


def test_converted_truths_are_the_caller_s_to_change():
    truths = np.eye(3, dtype="float32")
    rows, _ = CategoricalCrossentropy().convert_truths(truths, np.full((3, 3), 0.5, "f"))
    rows[:] = 9
    np.testing.assert_array_equal(truths, np.eye(3))
