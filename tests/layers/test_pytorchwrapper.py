"""Layers that run a torch module."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from thinc_nb.api import (
    Adam,
    ArgsKwargs,
    Linear,
    Model,
    NumpyOps,
    Padded,
    PyTorchLSTM,
    PyTorchRNNWrapper,
    PyTorchWrapper,
    PyTorchWrapper_v2,
    PyTorchWrapper_v3,
    Ragged,
    chain,
    with_array,
)
from thinc_nb.layers.pytorchwrapper import convert_pytorch_default_inputs

torch = pytest.importorskip("torch")


class Mix(torch.nn.Module):
    """Several inputs, nested outputs, one of them of no gradient."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(3, 3)

    def forward(self, a: Any, b: Any) -> Any:
        return self.linear(a) + b, {"double": a * 2, "ids": torch.arange(2)}


class Pair(NamedTuple):
    a: Any
    b: Any


A = np.arange(6, dtype="f").reshape(2, 3)
B = np.ones((2, 3), dtype="f")
FORMS: dict[str, Any] = {
    "tuple": (A, B),
    "list": [A, B],
    "named tuple": Pair(A, B),
    "dict": {"a": A, "b": B},
    "ArgsKwargs": ArgsKwargs((A,), {"b": B}),
}


def parts(X: Any) -> list[Any]:
    if isinstance(X, ArgsKwargs):
        return [*X.args, *X.kwargs.values()]
    return list(X.values()) if isinstance(X, dict) else list(X)


@pytest.mark.parametrize("form", FORMS)
def test_inputs_and_their_gradients_come_in_any_form(form: str) -> None:
    X = FORMS[form]
    module = Mix()
    Y, backprop = PyTorchWrapper(module).begin_update(X)
    W, b = module.linear.weight.detach().numpy(), module.linear.bias.detach().numpy()
    np.testing.assert_allclose(Y[0], A @ W.T + b + B, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(Y[1]["double"], A * 2)
    np.testing.assert_array_equal(Y[1]["ids"], [0, 1])
    dY = np.full((2, 3), 0.5, dtype="f")
    dX = backprop((dY, {"double": dY, "ids": None}))
    assert type(dX) is type(X)
    dA, dB = parts(dX)
    np.testing.assert_allclose(dA, dY @ W + 2 * dY, rtol=1e-5)
    np.testing.assert_array_equal(dB, dY)
    np.testing.assert_allclose(module.linear.weight.grad.numpy(), dY.T @ A, rtol=1e-5)


def test_outputs_may_be_left_out_of_the_gradient() -> None:
    model = PyTorchWrapper(Mix())
    _, backprop = model.begin_update((A, B))
    dA, dB = backprop((None, {"double": B}))
    np.testing.assert_array_equal(dA, 2 * B)
    np.testing.assert_array_equal(dB, 0 * B)


@pytest.mark.without_contracts
@pytest.mark.parametrize("dY", [B, (B,), (B[:1], {}), (B, [B]), (B, {"other": B}), ("x", {})])
def test_a_gradient_of_another_form_than_the_output_is_refused(dY: Any) -> None:
    _, backprop = PyTorchWrapper(Mix()).begin_update((A, B))
    with pytest.raises(ValueError, match="gradient of layer 'pytorch'"):
        backprop(dY)


def test_ids_and_empty_batches_are_taken() -> None:
    model = PyTorchWrapper(torch.nn.Embedding(5, 2))
    Y, backprop = model.begin_update(np.array([[1, 2], [0, 4]], dtype="int64"))
    assert Y.shape == (2, 2, 2)
    assert backprop(np.ones_like(Y)) is None
    model = PyTorchWrapper(torch.nn.Linear(3, 2))
    Y, backprop = model.begin_update(np.zeros((0, 3), dtype="f"))
    assert Y.shape == (0, 2)
    assert backprop(Y).shape == (0, 3)


def test_a_module_sees_sequences_through_with_array(rng: np.random.Generator) -> None:
    module = torch.nn.Linear(3, 2)
    model: Model[Any, Any] = with_array(PyTorchWrapper(module))
    X = [rng.normal(size=(n, 3)).astype("f") for n in (2, 0, 4)]
    Y, backprop = model.begin_update(X)
    for x, y in zip(X, Y, strict=True):
        np.testing.assert_allclose(y, module(torch.from_numpy(x)).detach().numpy(), rtol=1e-5, atol=1e-6)
    dX = backprop(Y)
    assert [dx.shape for dx in dX] == [x.shape for x in X]


def test_gradients_inside_a_model_are_those_of_finite_differences(rng: np.random.Generator) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)).double()
    model = PyTorchWrapper(module)
    X, dY = rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    _, backprop = model.begin_update(X)
    dX = backprop(dY)
    for i in np.ndindex(X.shape):
        step = np.zeros_like(X)
        step[i] = 1e-6
        difference = ((model.predict(X + step) - model.predict(X - step)) * dY).sum() / 2e-6
        assert dX[i] == pytest.approx(difference, abs=1e-7)


def test_a_model_of_both_kinds_of_layers_learns(rng: np.random.Generator) -> None:
    torch.manual_seed(0)
    X = rng.normal(size=(200, 4)).astype("f")
    Y = np.tanh(X[:, :1] * X[:, 1:2])
    model: Model[Any, Any] = chain(
        PyTorchWrapper(torch.nn.Sequential(torch.nn.Linear(4, 32), torch.nn.Tanh())), Linear(1, 32)
    )
    model.initialize(X=X, Y=Y)
    optimizer = Adam(0.02)
    losses = []
    for _ in range(150):
        guess, backprop = model.begin_update(X)
        losses.append(float(((guess - Y) ** 2).mean()))
        backprop((guess - Y) / len(X))
        model.finish_update(optimizer)
    assert losses[-1] < losses[0] / 5


def test_reduced_precision_comes_as_float32() -> None:
    model = PyTorchWrapper_v2(torch.nn.Linear(3, 2), mixed_precision=True)
    Y, backprop = model.begin_update(A)
    assert Y.dtype == np.float32
    assert backprop(Y).dtype == np.float32


def test_functions_convert_inputs_and_outputs() -> None:
    def convert_inputs(model: Any, X: Any, is_train: bool) -> Any:
        inputs, backprop = convert_pytorch_default_inputs(model, X["data"], is_train)
        return inputs, lambda grads: {"data": backprop(grads)}

    def convert_outputs(model: Any, X_Y: Any, is_train: bool) -> Any:
        X, Y = X_Y
        assert X["name"] == "x"
        return (
            Y.detach().numpy().sum(),
            lambda d: ArgsKwargs((Y,), {"grad_tensors": torch.full_like(Y, d)}),
        )

    model = PyTorchWrapper_v3(torch.nn.Linear(3, 2), convert_inputs, convert_outputs)
    Y, backprop = model.begin_update({"data": A, "name": "x"})
    assert Y.shape == ()
    W = model.shims[0]._model.weight.detach().numpy()
    np.testing.assert_allclose(backprop(2.0)["data"], np.tile(2 * W.sum(0), (2, 1)), rtol=1e-5)


def test_a_layer_without_a_shim_says_so() -> None:
    model: Model[Any, Any] = Model("mine", lambda model, X, is_train: (X, lambda dY: dY))
    with pytest.raises(TypeError, match="layer 'mine' has no PyTorchShim"):
        convert_pytorch_default_inputs(model, A, False)


def test_wrappers_are_in_the_registry() -> None:
    from thinc_nb.api import registry

    config = {"model": {"@layers": "PyTorchLSTM.v1", "nO": 6, "nI": 4, "bi": True}}
    model = registry.resolve(config)["model"]
    assert (model.name, model.get_dim("nO")) == ("with_padded(pytorch)", 6)
    for version in ("v1", "v2", "v3"):
        wrapped = registry.layers.get(f"PyTorchWrapper.{version}")(torch.nn.Linear(2, 3))
        assert wrapped.predict(np.ones((1, 2), dtype="f")).shape == (1, 3)


# Recurrent modules


def sequences(rng: np.random.Generator, *lengths: int) -> list[Any]:
    return [rng.normal(size=(n, 4)).astype("f") for n in lengths]


@pytest.mark.parametrize("depth", [1, 2])
def test_lstm_is_that_of_torch_on_each_sequence(rng: np.random.Generator, depth: int) -> None:
    torch.manual_seed(0)
    model = PyTorchLSTM(6, 4, depth=depth)
    X = sequences(rng, 3, 1, 5)
    lstm = model.layers[0].shims[0]._model
    Y, backprop = model.begin_update(X)
    dY = [rng.normal(size=y.shape).astype("f") for y in Y]
    dX = backprop(dY)
    gradients = {name: p.grad.clone() for name, p in lstm.named_parameters()}
    lstm.zero_grad()
    for x, y, dx, dy in zip(X, Y, dX, dY, strict=True):
        tensor = torch.from_numpy(x[:, None]).requires_grad_()
        expected, _ = lstm(tensor)
        expected.backward(torch.from_numpy(dy[:, None]))
        np.testing.assert_allclose(y, expected.detach().numpy()[:, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(dx, tensor.grad.numpy()[:, 0], rtol=1e-4, atol=1e-6)
    for name, p in lstm.named_parameters():
        torch.testing.assert_close(gradients[name], p.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("form", ["list", "Ragged", "Padded"])
def test_lstm_takes_sequences_in_any_form(rng: np.random.Generator, form: str) -> None:
    ops = NumpyOps()
    X: Any = sequences(rng, 2, 3)
    if form == "Ragged":
        X = Ragged(ops.flatten(X), ops.asarray1i([2, 3]))
    elif form == "Padded":
        X = ops.list2padded(X)
    model: Any = PyTorchLSTM(2, 4, bi=True)
    assert (model.get_dim("nO"), model.get_dim("nI")) == (2, 4)
    Y, backprop = model.begin_update(X)
    assert type(Y) is type(X)
    dX = backprop(Y)
    assert type(dX) is type(X)
    if form == "Padded":
        assert dX.data.shape == X.data.shape


@pytest.mark.parametrize("lengths", [(), (0,), (0, 0), (0, 2)])
def test_lstm_takes_empty_batches(rng: np.random.Generator, lengths: tuple[int, ...]) -> None:
    model: Any = PyTorchLSTM(2, 4)
    X = sequences(rng, *lengths)
    for is_train in (False, True):
        Y, backprop = model(X, is_train)
        assert [y.shape for y in Y] == [(n, 2) for n in lengths]
    assert [dx.shape for dx in backprop(Y)] == [x.shape for x in X]


def test_lstm_without_layers_is_noop_and_halves_must_be_whole() -> None:
    assert PyTorchLSTM(2, 2, depth=0).name == "noop"
    with pytest.raises(ValueError, match="nO must be even, got 3"):
        PyTorchLSTM(3, 4, bi=True)


@pytest.mark.without_contracts
def test_recurrent_modules_take_padded_only(rng: np.random.Generator) -> None:
    model: Any = PyTorchRNNWrapper(torch.nn.GRU(4, 3))
    with pytest.raises(ValueError, match=r"takes a Padded.*with_padded\(layer\)"):
        model.predict(sequences(rng, 2))
    Xp = NumpyOps().list2padded(sequences(rng, 2, 3))
    Yp, backprop = model.begin_update(Xp)
    assert isinstance(Yp, Padded)
    assert Yp.data.shape == (3, 2, 3)
    with pytest.raises(ValueError, match="should be a Padded with data"):
        backprop(Yp.data)


@pytest.mark.without_contracts
def test_torch_s_lstm_takes_one_sequence_as_a_matrix() -> None:
    model = PyTorchLSTM(4, 3).initialize()
    X = np.random.default_rng(0).normal(size=(5, 3)).astype("f")
    Y, backprop = model.begin_update(X)
    (expected,), backprop_list = model.begin_update([X])
    np.testing.assert_allclose(Y, expected, rtol=1e-6)
    np.testing.assert_allclose(backprop(Y), backprop_list([expected])[0], rtol=1e-5)
