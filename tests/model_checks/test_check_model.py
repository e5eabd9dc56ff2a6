"""check_model passes what is right, and finds what is wrong."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import thinc_nb
from thinc_nb import api
from thinc_nb.api import Linear, Model, NumpyOps, Padded, Ragged, Relu, Softmax, chain, with_array
from thinc_nb.errors import ModelCheckError
from thinc_nb.model_checks import Report, check_model
from thinc_nb.types import Floats2d, Ints2d

rng = np.random.default_rng(3)
X = rng.normal(size=(6, 4)).astype("f")
LENGTHS = np.array([2, 4], dtype="i")
RAGGED = Ragged(X, LENGTHS)
LISTS = [X[:2], X[2:]]
PADDED = NumpyOps().list2padded(LISTS)
IDS = np.array([[1, 2], [3, 4], [1, 1]])
SPARSE = (np.arange(6, dtype="uint64"), np.linspace(1, 2, 6, dtype="f"), LENGTHS)

RIGHT: dict[str, tuple[Callable[[], Model[Any, Any]], Any]] = {
    "dense with dropout": (lambda: chain(Relu(5, normalize=True, dropout=0.3), Linear(3)), X),
    "softmax": (lambda: chain(Relu(5), Softmax(3)), X),
    "maxout": (lambda: api.Maxout(3, nP=3), X),
    "hard": (lambda: chain(api.HardTanh(5), api.HardSwish(4), api.Mish(3)), X),
    "lists": (lambda: chain(api.list2ragged(), with_array(Linear(3)), api.reduce_mean(), Linear(2)), LISTS),
    "pooling": (lambda: api.concatenate(api.reduce_sum(), api.reduce_mean()), RAGGED),
    "attention": (lambda: chain(api.ParametricAttention(4), api.reduce_sum()), RAGGED),
    "windows": (lambda: with_array(chain(api.expand_window(1), Linear(4))), RAGGED),
    "Padded": (lambda: with_array(api.sigmoid_activation()), PADDED),
    "residual": (lambda: api.residual(Relu(4)), X),
    "concatenate": (lambda: api.concatenate(Linear(2), Relu(3)), X),
    "ids": (lambda: api.add(api.Embed(3, 9, column=0), api.HashEmbed(3, 9, column=1)), IDS),
    "one column of ids": (lambda: api.Embed(3, 9, dropout=0.5), IDS[:, 0]),
    "tuples": (lambda: api.siamese(Linear(4), api.CauchySimilarity()), (X, X + 1)),
    "one of a tuple": (lambda: api.with_getitem(0, Linear(3)), (X, IDS)),
    "tuple out": (lambda: api.tuplify(Linear(2), Linear(3)), X),
    "sparse": (lambda: api.SparseLinear_v2(2, length=32), SPARSE),
    "texts": (lambda: chain(api.strings2arrays(), with_array(api.HashEmbed(4, 9, column=0))), [["a", "b"], ["c"]]),
    "no parameters": (api.sigmoid_activation, X),
    "initialised, float64": (lambda: in_float64(Linear(3, 4).initialize()), X.astype("float64")),
    "LSTM": (lambda: api.with_padded(api.LSTM(4, 4, bi=True)), LISTS),
    "empty": (lambda: Linear(3, 4), X[:0]),
}


def in_float64(model: Model[Any, Any]) -> Model[Any, Any]:
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name).astype("float64"))
    return model


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes(name: str) -> None:
    build, batch = RIGHT[name]
    report = check_model(build(), batch, untrained=("HC0",))
    assert report.passed, f"\n{report}"
    assert len(report.outcomes) == 11
    if name not in ("no parameters", "empty", "pooling", "Padded"):
        assert report["gradients of parameters"].status == "passed"
        assert "float64" in report["gradients of parameters"].detail


def test_gradients_are_checked_in_float64_and_say_which_parameters() -> None:
    report = check_model(chain(Relu(5), Softmax(3)), X)
    assert report["gradients of parameters"].detail == (
        "W of 'relu', b of 'relu', W of 'softmax', b of 'softmax'; in float64; "
        "dY taken as Y minus truth, as of the cross-entropy"
    )


# Mistakes that people make when they write a layer, each with the check that finds it.

Pair = tuple[Floats2d, Callable[[Floats2d], Floats2d]]


def scaling(forward: Any) -> Model[Any, Any]:
    return Model("scale", forward, params={"g": np.linspace(1, 2, 4, dtype="f")})


def forgets_the_parameter(model: Any, X: Floats2d, is_train: bool) -> Pair:
    g = model.get_param("g")
    return X * g, lambda dY: dY * g


def forgets_half(model: Any, X: Floats2d, is_train: bool) -> Pair:
    g = model.get_param("g")

    def backprop(dY: Floats2d) -> Floats2d:
        model.inc_grad("g", (dY * X).sum(axis=0) / 2)
        return dY * g

    return X * g, backprop


def forgets_the_norm(model: Any, X: Floats2d, is_train: bool) -> Pair:
    g = model.get_param("g")
    norm = np.sqrt((X * X).mean(axis=1, keepdims=True) + 1e-6)

    def backprop(dY: Floats2d) -> Floats2d:
        model.inc_grad("g", (dY * X / norm).sum(axis=0))
        return dY * g / norm

    return X / norm * g, backprop


def gradient_of_another_shape(model: Any, X: Floats2d, is_train: bool) -> Pair:
    return X[:, :2], lambda dY: dY


def writes_into_its_input(model: Any, X: Floats2d, is_train: bool) -> Pair:
    X *= 2
    return X, lambda dY: dY * 2


def writes_into_the_gradient(model: Any, X: Floats2d, is_train: bool) -> Pair:
    def backprop(dY: Floats2d) -> Floats2d:
        dY *= 2
        return dY

    return X * 2, backprop


def sets_the_gradient(model: Any, X: Floats2d, is_train: bool) -> Pair:
    g = model.get_param("g")

    def backprop(dY: Floats2d) -> Floats2d:
        model.set_grad("g", (dY * X).sum(axis=0))
        return dY * g

    return X * g, backprop


def leaves_its_batch_in_the_model(model: Any, X: Floats2d, is_train: bool) -> Pair:
    model.attrs["X"] = X
    return X * X, lambda dY: 2 * model.attrs["X"] * dY


def divides_by_the_rows(model: Any, X: Floats2d, is_train: bool) -> Pair:
    rows = 1 // len(X) + len(X)
    return X / rows, lambda dY: dY / rows


def needs_two_rows(model: Any, X: Floats2d, is_train: bool) -> Pair:
    if len(X) == 1:
        X.reshape(2, -1)[1, 7]
    return X * 1, lambda dY: dY


def loses_rows(model: Any, X: Any, is_train: bool) -> Any:
    return (X[1:] if len(X) == 1 else X * 1), lambda dY: np.zeros_like(X)


def gives_float64(model: Any, X: Any, is_train: bool) -> Any:
    return X * np.float64(2) + np.zeros(X.shape), lambda dY: (dY * 2).astype("float32")


def gives_float64_gradients(model: Any, X: Any, is_train: bool) -> Any:
    return X * 2, lambda dY: dY * np.full(4, 2.0)


def counts(model: Any, X: Any, is_train: bool) -> Any:
    model.attrs["calls"] = model.attrs.get("calls", 0) + 1
    return X * np.float32(model.attrs["calls"]), lambda dY: dY * np.float32(model.attrs["calls"])


GENERATOR = np.random.default_rng(0)


def draws_from_its_own_generator(model: Any, X: Any, is_train: bool) -> Any:
    mask = (GENERATOR.uniform(size=X.shape) > 0.5).astype(X.dtype) if is_train else 1
    return X * mask, lambda dY: dY * mask


def wrong_type(model: Any, X: Floats2d, is_train: bool) -> Pair:
    return [X], lambda dY: dY[0]  # type: ignore[return-value]


def returns_no_pair(model: Any, X: Any, is_train: bool) -> Any:
    return X


def raises_in_backprop(model: Any, X: Any, is_train: bool) -> Any:
    def backprop(dY: Any) -> Any:
        raise ZeroDivisionError("by zero")

    return X * 1, backprop


def makes_nan_of_nothing(model: Any, X: Ragged, is_train: bool) -> Any:
    with np.errstate(invalid="ignore"):
        Y = np.stack([x.sum(axis=0) / np.float32(len(x)) for x in np.split(X.data, X.lengths.cumsum()[:-1])])
    return Y, lambda dY: Ragged(np.repeat(dY / np.maximum(X.lengths, 1)[:, None].astype("f"), X.lengths, 0), X.lengths)


def loses_empty_sequences(model: Any, Xp: Padded, is_train: bool) -> Any:
    ops = model.ops
    Xs = ops.padded2list(Xp)
    kept = [i for i, x in enumerate(Xs) if len(x)]

    def backprop(dYp: Padded) -> Padded:
        dXs = [0 * x for x in Xs]
        for i, dY in zip(kept, ops.padded2list(dYp), strict=True):
            dXs[i] = dY
        return ops.list2padded(dXs)

    return ops.list2padded([Xs[i] for i in kept]), backprop


WRONG: list[tuple[Any, Any, str, str]] = [
    (forgets_the_parameter, X, "gradients of parameters", "g has no gradient, though the output depends on it"),
    (forgets_half, X, "gradients of parameters", "g: along a random direction the slope is"),
    (forgets_the_norm, X, "gradient of X", "dX: along a random direction the slope is"),
    (gradient_of_another_shape, X, "contracts", "promises float32 (6, 4), like X, as gradient dX, got float32 (6, 2)"),
    (writes_into_its_input, X, "X and dY are kept", "predict changes X"),
    (writes_into_the_gradient, X, "X and dY are kept", "the callback changes dY, which other layers may be given as"),
    (sets_the_gradient, X, "gradients of parameters", "g: a second update does not add to the gradient"),
    (leaves_its_batch_in_the_model, X, "determinism", "the callback gives other gradients after another batch has run"),
    (divides_by_the_rows, X, "empty batch", "ZeroDivisionError"),
    (needs_two_rows, X, "single row", "IndexError"),
    (loses_rows, X, "single row", "1 items go in, float32 (0, 4) comes out"),
    (gives_float64, X, "dtypes", "X and parameters are float32, but Y is float64"),
    (gives_float64_gradients, X, "dtypes", "but dX is float64"),
    (counts, X, "determinism", "predict gives another output the second time"),
    (draws_from_its_own_generator, X, "determinism", "two updates under one seed give different outputs"),
    (wrong_type, X, "contracts", "promises Floats2d as output Y, got a list of 1"),
    (returns_no_pair, X, "contracts", "promises the pair (Y, backprop)"),
    (raises_in_backprop, X, "contracts", "ZeroDivisionError: by zero (in the layer 'scale'"),
    (loses_empty_sequences, PADDED, "empty sequence", "2 items go in, a Padded of 1 sequences"),
    (makes_nan_of_nothing, RAGGED, "empty sequence", "the output is not finite"),
]


@pytest.mark.parametrize(("forward", "batch", "check", "said"), WRONG, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_wrong_is_found(forward: Any, batch: Any, check: str, said: str) -> None:
    report = check_model(scaling(forward), batch)
    assert report[check].status == "failed", f"\n{report}"
    assert said in report[check].detail


def test_one_mistake_does_not_hide_in_a_larger_model() -> None:
    report = check_model(chain(Relu(4, 4), scaling(forgets_half), Linear(3, 4)), X)
    assert [outcome.name for outcome in report.failures] == ["gradients of parameters"]
    assert report.failures[0].detail.startswith("g of 'relu>>scale>>linear' -> layers[1] 'scale': along a random")


def test_bytes_that_do_not_bring_the_model_back_are_found() -> None:
    class Forgetful(Model[Any, Any]):
        def to_bytes(self) -> bytes:
            return Model("scale", forgets_half, params={"g": np.ones(4, dtype="f")}).to_bytes()

    class Changing(Model[Any, Any]):
        def to_bytes(self) -> bytes:
            self.set_attr("writes", self.attrs.get("writes", 0) + 1)
            return super().to_bytes()

    for kind, said in ((Forgetful, "gives another output"), (Changing, "is written as other bytes")):
        model = kind("scale", forgets_half, params={"g": np.full(4, 2, dtype="f")})
        expected = "failed", f"the model that was loaded {said}"
        outcome = check_model(model, X)["serialisation"]
        assert (outcome.status, outcome.detail) == expected


def test_a_layer_that_refuses_empty_sequences_is_reported() -> None:
    report = check_model(api.reduce_max(), RAGGED)
    assert [outcome.name for outcome in report.failures] == ["empty sequence"]
    assert "lengths must be > 0" in report.failures[0].detail


def test_attributes_that_are_not_written_are_named() -> None:
    model = chain(Linear(3), Linear(2))
    model.set_attr("lock", object())
    report = check_model(model, X)
    assert report.passed
    assert report["serialisation"].status == "warned"
    assert "attribute 'lock' of 'linear>>linear' is not written" in report["serialisation"].detail


def test_a_function_that_reaches_the_model_itself_is_found_and_the_model_restored() -> None:
    def forward(model: Any, X: Floats2d, is_train: bool) -> Pair:
        def backprop(dY: Floats2d) -> Floats2d:
            outer.inc_grad("g", (dY * X).sum(axis=0))
            return dY * outer.get_param("g")

        return X * outer.get_param("g"), backprop

    outer = scaling(forward)
    report = check_model(outer, X)
    assert report["independence"].status == "failed"
    assert "running a copy changed the gradient of 'g' of 'scale'" in report["independence"].detail
    assert not outer.has_grad("g")


def test_nothing_is_changed() -> None:
    model = chain(Relu(5, 4, dropout=0.5), Softmax(3)).initialize(X=X)
    Y, backprop = model.begin_update(X)
    backprop(Y)
    batch = X.copy()
    random.seed(1)
    np.random.seed(1)
    before = (model.to_bytes(), model.get_gradients(), [dict(node.attrs) for node in model.walk()])
    arrays = {key: (id(W), grad.copy()) for key, (W, grad) in before[1].items()}
    expected = (random.random(), np.random.uniform())
    random.seed(1)
    np.random.seed(1)
    assert check_model(model, batch).passed
    assert (random.random(), np.random.uniform()) == expected
    assert model.to_bytes() == before[0]
    assert [dict(node.attrs) for node in model.walk()] == before[2]
    np.testing.assert_array_equal(batch, X)
    after = model.get_gradients()
    assert {key: id(W) for key, (W, _) in after.items()} == {key: place for key, (place, _) in arrays.items()}
    for key, (_, grad) in after.items():
        np.testing.assert_array_equal(grad, arrays[key][1])


def test_a_model_that_is_not_initialised_stays_so() -> None:
    model = chain(Relu(5), Linear(3))
    assert check_model(model, X).passed
    assert model.layers[0].has_dim("nI") is None
    assert model.layers[0].has_param("W") is None


def test_the_example_output_infers_widths_and_is_compared() -> None:
    assert check_model(Linear(), X, X[:, :3]).passed
    report = check_model(Linear(2, 4), X, X[:, :3])
    assert report.outcomes[0].status == "failed"
    initialised = Linear(2, 4).initialize()
    assert check_model(initialised, X, X[:, :3])["contracts"].detail == (
        "the model gives float32 (6, 2), the example Y is float32 (6, 3)"
    )


def test_a_model_that_cannot_be_initialised_or_copied_is_reported() -> None:
    report = check_model(api.Embed(3), IDS[:, 0])
    assert [outcome.name for outcome in report.outcomes] == ["copy and initialize"]
    assert "'nV'" in report.outcomes[0].detail


def test_parameters_that_are_not_trained_can_be_named() -> None:
    model = scaling(forgets_the_parameter)
    assert not check_model(model, X).passed
    assert check_model(model, X, untrained=["g"])["gradients of parameters"].status == "skipped"


def test_torch_modules_are_checked_in_float32() -> None:
    torch = pytest.importorskip("torch")
    model = chain(Linear(4), api.PyTorchWrapper(torch.nn.Linear(4, 3)))
    state = torch.get_rng_state()
    report = check_model(model, X)
    assert report.passed, f"\n{report}"
    assert "in float32" in report["gradient of X"].detail
    assert bool((torch.get_rng_state() == state).all())


def test_raises_on_request() -> None:
    check_model(Linear(3), X, raises=True)
    with pytest.raises(ModelCheckError, match=r"model 'scale' failed: gradient of X\n") as caught:
        check_model(scaling(forgets_the_norm), X, raises=True)
    assert isinstance(caught.value, ValueError)


def test_interruption_is_not_swallowed() -> None:
    def forward(model: Any, X: Any, is_train: bool) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_model(scaling(forward), X)


def test_the_report_is_a_table_with_rich_and_text_without(monkeypatch: pytest.MonkeyPatch) -> None:
    report = check_model(scaling(forgets_the_norm), X)
    with_rich = str(report)
    assert "┃ check " in with_rich
    assert repr(report) == with_rich
    assert all(len(line) <= 110 for line in with_rich.splitlines())
    monkeypatch.setitem(sys.modules, "rich.console", None)
    plain = str(report)
    assert plain.splitlines()[0] == "check_model: scale"
    assert "gradient of X            failed   dX: along a random direction the slope is" in plain
    assert "\ncontracts                passed   X float32 (6, 4), Y float32 (6, 4), dX float32 (6, 4)\n" in plain
    with pytest.raises(KeyError):
        report["no such check"]


def test_it_is_found_where_people_look() -> None:
    assert thinc_nb.check_model is api.check_model is check_model
    assert isinstance(thinc_nb.check_model(Linear(3), X), Report)


def test_batches_without_rows_are_skipped_not_failed() -> None:
    def forward(model: Any, X: Any, is_train: bool) -> Any:
        return {name: array * 2 for name, array in X.items()}, lambda dY: {name: d * 2 for name, d in dY.items()}

    report = check_model(Model("named", forward), {"a": X, "b": X[:2]})
    assert report.passed, f"\n{report}"
    assert report["single row"].detail == "it cannot be told what the rows of a dict are"
    assert report["gradient of X"].status == "passed"


def test_padding_does_not_count() -> None:
    def forward(model: Any, Xp: Padded, is_train: bool) -> tuple[Padded, Callable[[Padded], Padded]]:
        inside = (np.arange(Xp.data.shape[1]) < Xp.size_at_t[:, None])[:, :, None].astype(Xp.data.dtype)

        def with_data(data: Any) -> Padded:
            return Padded(data, Xp.size_at_t, Xp.lengths, Xp.indices)

        return with_data(Xp.data * 2), lambda dYp: with_data(dYp.data * 2 * inside)

    assert check_model(Model("double", forward), PADDED)["gradient of X"].status == "passed"


def test_a_layer_of_ids_needs_no_gradient_of_its_input() -> None:
    def forward(model: Any, ids: Ints2d, is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], Any]]:
        return ids.astype("f"), lambda dY: None

    report = check_model(Model("floats", forward), IDS)
    assert report.passed, f"\n{report}"
    assert report["gradient of X"].detail == "the input has no floats"
