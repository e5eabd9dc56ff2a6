"""PyTorchShim: running, updating, moving and storing a torch module."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

from thinc_nb.api import (
    Adam,
    ArgsKwargs,
    Linear as OurLinear,
    Model,
    PyTorchShim,
    PyTorchWrapper,
    chain,
    torch2xp,
    xp2torch,
)
from thinc_nb.errors import SerializationError
from torch_modules import assert_same_weights, linear, weights

torch = pytest.importorskip("torch")


def call(*tensors: Any) -> ArgsKwargs:
    return ArgsKwargs(tensors, {})


# Running


def test_arrays_and_tensors_share_memory(rng: np.random.Generator) -> None:
    X = rng.normal(size=(4, 3)).astype("f")
    tensor = xp2torch(X)
    assert tensor.data_ptr() == X.ctypes.data
    back = torch2xp(tensor)
    assert back.ctypes.data == X.ctypes.data
    X[1, 2] = 99
    assert tensor[1, 2] == back[1, 2] == 99


def test_the_module_reads_our_array_and_we_read_its_output_without_copies(rng: np.random.Generator) -> None:
    seen: dict[str, int] = {}

    class Double(torch.nn.Module):
        def forward(self, X: Any) -> Any:
            seen["X"] = X.data_ptr()
            Y = X * 2
            Y.register_hook(lambda dY: seen.update(dY=dY.data_ptr())) if Y.requires_grad else None
            seen["Y"] = Y.data_ptr()
            return Y

    model = PyTorchWrapper(Double())
    X = rng.normal(size=(4, 3)).astype("f")
    Y = model.predict(X)
    assert (seen["X"], seen["Y"]) == (X.ctypes.data, Y.ctypes.data)
    Y, backprop = model.begin_update(X)
    assert (seen["X"], seen["Y"]) == (X.ctypes.data, Y.ctypes.data)
    dY = np.ones_like(Y)
    dX = backprop(dY)
    assert seen["dY"] == dY.ctypes.data
    np.testing.assert_array_equal(dX, 2 * dY)


def test_optimizers_change_the_tensors_of_the_module_themselves(rng: np.random.Generator) -> None:
    shim = PyTorchShim(linear())
    addresses = {name: p.data_ptr() for name, p in shim._model.named_parameters()}
    given: dict[Any, int] = {}
    adam = Adam(0.1)

    def optimizer(key: Any, W: Any, dW: Any) -> Any:
        given[key] = W.ctypes.data
        return adam(key, W, dW)

    before = weights(shim._model)
    _, backprop = shim.begin_update(call(torch.ones(4, 3)))
    backprop(ArgsKwargs((shim._model(torch.ones(4, 3)),), {"grad_tensors": torch.ones(4, 2)}))
    shim.finish_update(optimizer)
    assert given == {(shim.id, name): address for name, address in addresses.items()}
    assert {name: p.data_ptr() for name, p in shim._model.named_parameters()} == addresses
    assert all(not np.array_equal(before[name], value) for name, value in weights(shim._model).items())


def test_predict_uses_evaluation_mode_and_leaves_every_part_in_its_own() -> None:
    module = torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.BatchNorm1d(3))
    module[1].eval()
    shim = PyTorchShim(module)
    X = torch.ones(8, 3)
    assert torch.equal(shim.predict(call(X)), shim.predict(call(X)))
    assert [part.training for part in module.modules()] == [True, True, False]
    outputs, _ = shim.begin_update(call(X))
    assert (outputs == 0).any()
    assert [part.training for part in module.modules()] == [True, True, False]
    module.eval()
    shim.predict(call(X))
    assert [part.training for part in module.modules()] == [False, False, False]
    shim.begin_update(call(X))
    assert [part.training for part in module.modules()] == [True, True, True]


def test_a_module_that_fails_is_put_back_into_its_mode() -> None:
    shim = PyTorchShim(linear())
    with pytest.raises(RuntimeError):
        shim.predict(call(torch.ones(4, 7)))
    assert shim._model.training
    assert shim._predicting == 0


def test_threads_that_predict_never_meet_dropout() -> None:
    class Slow(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dropout = torch.nn.Dropout(0.9)

        def forward(self, X: Any) -> Any:
            for _ in range(20):
                X = self.dropout(X)
            return X

    model = PyTorchWrapper(Slow())
    X = np.ones((50, 20), dtype="f")
    wrong: list[int] = []

    def work() -> None:
        wrong.extend(int((model.predict(X) != 1).sum()) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [0] * 200
    assert all(part.training for part in model.shims[0]._model.modules())


def test_threads_of_torch_and_ours_give_what_one_thread_gives(rng: np.random.Generator) -> None:
    """Our layers and torch's in one model, in ten threads at once."""
    torch.manual_seed(0)
    model: Model[Any, Any] = chain(OurLinear(64, 32), PyTorchWrapper(torch.nn.Linear(64, 64)), OurLinear(8, 64))
    model.initialize()
    batches = [rng.normal(size=(300, 32)).astype("f") for _ in range(10)]
    expected = [model.predict(X) for X in batches]
    found: dict[int, Any] = {}

    def work(i: int) -> None:
        for _ in range(5):
            found[i] = model.predict(batches[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(found) == list(range(10))
    for i, Y in found.items():
        np.testing.assert_allclose(Y, expected[i], rtol=1e-5, atol=1e-6)


def test_training_works_inside_no_grad() -> None:
    shim = PyTorchShim(linear())
    X = torch.ones(4, 3, requires_grad=True)
    with torch.no_grad():
        outputs, backprop = shim(call(X), is_train=True)
        dX = backprop(ArgsKwargs((outputs,), {"grad_tensors": torch.ones(4, 2)}))
    expected = shim._model.weight.sum(0).expand(4, 3)
    torch.testing.assert_close(dX.args[0], expected.detach())


def test_predictions_have_no_gradients() -> None:
    shim = PyTorchShim(linear())
    outputs, backprop = shim(call(torch.ones(4, 3)), is_train=False)
    with pytest.raises(ValueError, match="run the PyTorch module with is_train=True"):
        backprop(ArgsKwargs((outputs,), {}))


def test_a_gradient_is_not_the_callers_array() -> None:
    """torch keeps what it is given as a parameter's gradient, if it can: then zeroing it would zero the caller's."""

    class Table(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.rows = torch.nn.Parameter(torch.zeros(1, 3))

        def forward(self, X: Any) -> Any:
            return self.rows.view(1, 3)

    shim = PyTorchShim(Table())
    dY = torch.ones(1, 3)
    outputs, backprop = shim.begin_update(call(torch.ones(1, 3)))
    backprop(ArgsKwargs((outputs,), {"grad_tensors": dY}))
    shim.finish_update(lambda key, W, dW: (W, dW))
    assert torch.equal(dY, torch.ones(1, 3))


def test_an_input_that_does_not_matter_has_a_gradient_of_zeros_and_a_fixed_one_none() -> None:
    class First(torch.nn.Module):
        def forward(self, a: Any, b: Any, c: Any) -> Any:
            return a * 3

    shim = PyTorchShim(First())
    a, b, c = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True), torch.ones(4)
    outputs, backprop = shim.begin_update(call(a, b, c))
    grads = backprop(ArgsKwargs((outputs,), {"grad_tensors": torch.ones(2)})).args
    assert torch.equal(grads[0], torch.full((2,), 3.0))
    assert torch.equal(grads[1], torch.zeros(3))
    assert grads[2] is None


# Updating


def test_updates_are_those_of_an_optimizer_of_torch(rng: np.random.Generator) -> None:
    mine, theirs = linear(), linear()
    shim = PyTorchShim(mine)
    ours = Adam(0.01, eps=1e-8, grad_clip=0.0, L2=0.0)
    reference = torch.optim.Adam(theirs.parameters(), lr=0.01, eps=1e-8)
    for _ in range(20):
        X = torch.from_numpy(rng.normal(size=(6, 3)).astype("f"))
        dY = torch.from_numpy(rng.normal(size=(6, 2)).astype("f"))
        outputs, backprop = shim.begin_update(call(X))
        backprop(ArgsKwargs((outputs,), {"grad_tensors": dY}))
        shim.finish_update(ours)
        reference.zero_grad()
        theirs(X).backward(dY)
        reference.step()
    for name, value in weights(mine).items():
        np.testing.assert_allclose(value, weights(theirs)[name], rtol=1e-5, atol=1e-6)


def test_gradients_are_summed_until_the_update_and_zero_after_it() -> None:
    shim = PyTorchShim(linear())
    for _ in range(3):
        outputs, backprop = shim.begin_update(call(torch.ones(1, 3)))
        backprop(ArgsKwargs((outputs,), {"grad_tensors": torch.ones(1, 2)}))
    found = {}
    shim.finish_update(lambda key, W, dW: (found.update({key[1]: dW.copy()}), (W, dW))[1])
    assert np.array_equal(found["bias"], [3, 3])
    assert all((p.grad == 0).all() for p in shim._model.parameters())


def test_parameters_in_half_precision_sparse_or_without_gradient_are_updated_or_left() -> None:
    class Mixed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(5, 2, sparse=True)
            self.low = torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
            self.fixed = torch.nn.Parameter(torch.ones(2), requires_grad=False)
            self.turned = torch.nn.Parameter(torch.ones(2, 3).T)

        def forward(self, ids: Any) -> Any:
            return self.table(ids) * self.low.float() + self.fixed + self.turned.sum()

    shim = PyTorchShim(Mixed())
    before = {name: p.detach().clone() for name, p in shim._model.named_parameters()}
    outputs, backprop = shim.begin_update(call(torch.tensor([1, 3])))
    backprop(ArgsKwargs((outputs,), {"grad_tensors": torch.ones(2, 2)}))
    seen: dict[str, tuple[Any, Any]] = {}

    def sgd(key: Any, W: Any, dW: Any) -> Any:
        seen[key[1]] = (W.dtype.name, W.shape)
        return W - 0.5 * dW, dW

    shim.finish_update(sgd)
    assert seen == {"low": ("float32", (2,)), "table.weight": ("float32", (5, 2)), "turned": ("float32", (3, 2))}
    after = dict(shim._model.named_parameters())
    assert after["low"].dtype is torch.bfloat16
    torch.testing.assert_close(after["turned"].detach(), before["turned"] - 2.0)
    moved = (after["table.weight"] != before["table.weight"]).any(dim=1)
    assert moved.tolist() == [False, True, False, True, False]
    assert torch.equal(after["fixed"], before["fixed"])


def test_use_params_takes_the_averages_of_an_optimizer_and_brings_the_weights_back() -> None:
    model: Model[Any, Any] = chain(OurLinear(3, 3), PyTorchWrapper(linear()))
    model.initialize()
    shim = model.layers[1].shims[0]
    optimizer = Adam(0.1, use_averages=True)
    for _ in range(3):
        Y, backprop = model.begin_update(np.ones((2, 3), dtype="f"))
        backprop(Y)
        model.finish_update(optimizer)
    before = weights(shim._model)
    addresses = [p.data_ptr() for p in shim._model.parameters()]
    with model.use_params(optimizer.averages):
        for name, value in weights(shim._model).items():
            np.testing.assert_array_equal(value, optimizer.averages[shim.id, name])
            assert not np.array_equal(value, before[name])
    assert {name: value.tolist() for name, value in weights(shim._model).items()} == {
        name: value.tolist() for name, value in before.items()
    }
    assert [p.data_ptr() for p in shim._model.parameters()] == addresses


def test_use_params_takes_thincs_names_too_and_refuses_other_shapes() -> None:
    shim = PyTorchShim(linear())
    with shim.use_params({f"pytorch_{shim.id}_bias": np.array([5, 6], dtype="f")}):
        assert shim._model.bias.tolist() == [5, 6]
    before = weights(shim._model)
    wrong: dict[Any, Any] = {(shim.id, "weight"): np.zeros((2, 3), "f"), (shim.id, "bias"): np.zeros(3, "f")}
    with pytest.raises(ValueError, match=r"'bias' .* expected shape \(2,\), got \(3,\)"), shim.use_params(wrong):
        pass
    assert weights(shim._model).keys() == before.keys()
    np.testing.assert_array_equal(weights(shim._model)["weight"], before["weight"])


# Copies


def test_a_copied_model_has_weights_and_an_id_of_its_own() -> None:
    model = PyTorchWrapper(linear())
    twin = model.copy()
    one, other = model.shims[0], twin.shims[0]
    assert one.id != other.id
    assert_same_weights(one._model, other._model)
    with torch.no_grad():
        other._model.weight.zero_()
    assert one._model.weight.abs().sum() > 0
    assert twin.predict(np.ones((1, 3), "f")).tolist() == [other._model.bias.tolist()]


def test_shims_can_be_deep_copied_and_pickled() -> None:
    model = PyTorchWrapper(linear())
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_same_weights(twin.shims[0]._model, model.shims[0]._model)
        assert np.array_equal(twin.predict(np.ones((2, 3), "f")), model.predict(np.ones((2, 3), "f")))


# Errors


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match=r"must be a torch\.nn\.Module, got a function"):
        PyTorchShim(lambda X: X)
    with pytest.raises(ValueError, match="has no module yet"):
        PyTorchShim(None).predict(call())
    with pytest.raises(SerializationError, match="no PyTorch module"):
        PyTorchShim(None).to_bytes()


def test_a_device_that_is_not_there_is_a_clear_error() -> None:
    shim = PyTorchShim(linear())
    shim.to_device("cpu", -1)
    assert shim.device == torch.device("cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="torch finds no CUDA device"):
            shim.to_device("gpu", 0)
    with pytest.raises(ValueError, match="Invalid device_type: tpu"):
        shim.to_device("tpu", 0)
