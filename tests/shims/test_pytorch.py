"""PyTorchShim: running, updating, moving and storing a torch module."""

from __future__ import annotations

import copy
import io
import pickle
import threading
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thinc_nb
from thinc_nb import _msgpack
from thinc_nb.api import (
    Adam,
    ArgsKwargs,
    Linear as OurLinear,
    Model,
    PyTorchGradScaler,
    PyTorchShim,
    PyTorchWrapper,
    PyTorchWrapper_v2,
    chain,
    torch2xp,
    xp2torch,
)
from thinc_nb.checkpoints import load_checkpoint, save_checkpoint
from thinc_nb.errors import SerializationError
from thinc_nb.shims.pytorch import check_archive

torch = pytest.importorskip("torch")


def linear(nI: int = 3, nO: int = 2, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.nn.Linear(nI, nO)


def call(*tensors: Any) -> ArgsKwargs:
    return ArgsKwargs(tensors, {})


def weights(module: Any) -> dict[str, Any]:
    return {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}


def assert_same_weights(one: Any, other: Any) -> None:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


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
    module = torch.nn.Linear(3, 3)
    shim = PyTorchShim(module)
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


# Bytes


def test_bytes_hold_the_settings_and_the_state_and_load_by_value(tmp_path: Path) -> None:
    shim = PyTorchShim(linear(seed=1), config={"a": 1})
    other = PyTorchShim(linear(seed=2))
    module = other._model
    assert other.from_bytes(shim.to_bytes()) is other
    assert other._model is module
    assert other.cfg == {"a": 1}
    assert_same_weights(module, shim._model)
    shim.to_disk(tmp_path / "shim")
    third = PyTorchShim(linear(seed=3)).from_disk(tmp_path / "shim")
    assert_same_weights(third._model, shim._model)


def test_buffers_are_stored_and_loaded_by_value() -> None:
    one, other = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    one(torch.arange(12.0).reshape(4, 3))
    loaded = PyTorchWrapper(other).from_bytes(PyTorchWrapper(one).to_bytes())
    assert loaded.shims[0]._model.num_batches_tracked == 1
    assert_same_weights(one, other)


def test_a_model_goes_to_bytes_and_back_with_its_shim(rng: np.random.Generator) -> None:
    def build(seed: int) -> Model[Any, Any]:
        return chain(OurLinear(3, 5), PyTorchWrapper(linear(seed=seed)))

    model, other = build(1).initialize(X=rng.normal(size=(2, 5)).astype("f")), build(2)
    X = rng.normal(size=(7, 5)).astype("f")
    other.from_bytes(model.to_bytes())
    assert np.array_equal(model.predict(X), other.predict(X))
    assert_same_weights(model.layers[1].shims[0]._model, other.layers[1].shims[0]._model)


def saved(state: object, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(state, file, **options)
    return file.getvalue()


def shim_bytes(state: bytes) -> bytes:
    from thinc_nb import _msgpack

    return _msgpack.encode({"config": {}, "state": state})


class Evil:
    """Fails the test if it is unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("code from a file has run",))


def compressed(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    return file.getvalue()


GOOD = OrderedDict(weight=[[1.0, 2.0, 3.0]] * 2, bias=[1.0, 2.0])


def bad_states() -> dict[str, bytes]:
    good = {name: torch.tensor(value) for name, value in GOOD.items()}
    return {
        "no zip": b"nonsense",
        "empty": b"",
        "a pickle": pickle.dumps(GOOD),
        "the old format of torch": saved(good, _use_new_zipfile_serialization=False),
        "code": saved(Evil()),
        "code beside tensors": saved({**good, "extra": Evil()}),
        "a module": saved(torch.nn.Linear(3, 2)),
        "a list": saved([1, 2]),
        "numbers for names": saved({1: torch.ones(2)}),
        "a name missing": saved({"weight": good["weight"]}),
        "a name too many": saved({**good, "more": torch.ones(1)}),
        "another shape": saved({**good, "weight": torch.ones(3, 3)}),
        "no tensor": saved({**good, "weight": 5}),
        "compressed": compressed(saved(good)),
        "truncated": saved(good)[:-30],
    }


@pytest.mark.parametrize("name", bad_states())
def test_bytes_that_do_not_fit_change_nothing(name: str) -> None:
    shim = PyTorchShim(linear(), config={"a": 1})
    before = weights(shim._model)
    with pytest.raises(SerializationError):
        shim.from_bytes(shim_bytes(bad_states()[name]))
    assert shim.cfg == {"a": 1}
    for key, value in weights(shim._model).items():
        np.testing.assert_array_equal(value, before[key])


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x80", b"\x93\x01\x02\x03", b"\x81\xa5state\xa1x", b"\x81\xa5state\xc4\x00"]
)
def test_bytes_that_are_no_shims_are_refused(data: bytes) -> None:
    with pytest.raises(SerializationError, match=r"the bytes are not those of a PyTorchShim|'config' should be a dict"):
        PyTorchShim(linear()).from_bytes(data)


def test_every_truncation_of_the_bytes_is_refused() -> None:
    data = PyTorchShim(linear()).to_bytes()
    shim = PyTorchShim(linear(seed=5))
    before = weights(shim._model)
    for length in range(0, len(data), 7):
        with pytest.raises(SerializationError):
            shim.from_bytes(data[:length])
    np.testing.assert_array_equal(weights(shim._model)["weight"], before["weight"])


def test_archives_that_grow_are_refused() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10_000_000))
    with pytest.raises(SerializationError, match="compressed entries"):
        check_archive(bomb.getvalue())


def test_a_bad_shim_leaves_the_model_as_it_was() -> None:
    def build(seed: int) -> Model[Any, Any]:
        return chain(PyTorchWrapper(linear(3, 3, seed)), PyTorchWrapper(linear(3, 2, seed)))

    model, other = build(1), build(2)
    message = other.to_dict()
    message["shims"][2] = [shim_bytes(saved([]))]
    with pytest.raises(SerializationError, match=r"layers\[1\] 'pytorch': PyTorchShim"):
        model.from_dict(message)
    for node, fresh in zip(model.layers, build(1).layers, strict=True):
        assert_same_weights(node.shims[0]._model, fresh.shims[0]._model)


def test_functions_that_users_give_store_and_load_the_module() -> None:
    def serialize(model: Any) -> bytes:
        data: bytes = model.weight.detach().numpy().tobytes()
        return data

    def deserialize(model: Any, data: bytes, device: Any) -> Any:
        model = model or torch.nn.Linear(3, 2)
        with torch.no_grad():
            model.weight.copy_(torch.frombuffer(bytearray(data), dtype=torch.float32).reshape(2, 3))
        return model.to(device)

    options: dict[str, Any] = {"serialize_model": serialize, "deserialize_model": deserialize}
    shim = PyTorchShim(linear(), **options)
    for other in (PyTorchShim(linear(seed=2), **options), PyTorchShim(None, **options)):
        other.from_bytes(shim.to_bytes())
        np.testing.assert_array_equal(weights(other._model)["weight"], weights(shim._model)["weight"])


def test_a_loader_of_a_user_that_fails_changes_nothing() -> None:
    def deserialize(model: Any, data: bytes, device: Any) -> Any:
        with torch.no_grad():
            model.weight.zero_()
        raise KeyError("nothing here")

    shim = PyTorchShim(linear(), deserialize_model=deserialize)
    with pytest.raises(SerializationError, match="nothing here"):
        shim.from_bytes(shim.to_bytes())
    assert_same_weights(shim._model, linear())
    shim = PyTorchShim(linear(), deserialize_model=lambda model, data, device: None)
    with pytest.raises(SerializationError, match="got a NoneType"):
        shim.from_bytes(shim.to_bytes())


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


# Mixed precision


def test_mixed_precision_runs_under_autocast_and_trains(rng: np.random.Generator) -> None:
    scaler = PyTorchGradScaler(True, init_scale=8.0)
    shim = PyTorchShim(linear(), mixed_precision=True, grad_scaler=scaler)
    X = torch.from_numpy(rng.normal(size=(5, 3)).astype("f")).requires_grad_()
    dY = torch.ones(5, 2, dtype=torch.bfloat16)
    outputs, backprop = shim.begin_update(call(X))
    assert outputs.dtype is torch.bfloat16
    dX = backprop(ArgsKwargs((outputs,), {"grad_tensors": (dY,)}))
    torch.testing.assert_close(dX.args[0], shim._model.weight.detach().sum(0).expand(5, 3), rtol=2e-2, atol=2e-2)
    found: dict[str, Any] = {}
    shim.finish_update(lambda key, W, dW: (found.update({key[1]: dW.copy()}), (W, dW))[1])
    np.testing.assert_allclose(found["bias"], [5, 5])


def test_gradients_that_overflow_change_nothing_and_lower_the_scale() -> None:
    scaler = PyTorchGradScaler(True, init_scale=4.0)
    shim = PyTorchShim(linear(), mixed_precision=True, grad_scaler=scaler)
    X = torch.ones(1, 3, requires_grad=True)
    outputs, backprop = shim.begin_update(call(X))
    dX = backprop(ArgsKwargs((outputs,), {"grad_tensors": (torch.full((1, 2), torch.inf),)}))
    assert torch.equal(dX.args[0], torch.zeros(1, 3))
    shim.finish_update(lambda key, W, dW: (W * 0, dW))
    assert_same_weights(shim._model, linear())
    assert scaler._scale == 2.0
    assert not scaler.found_inf


def test_training_resumed_from_a_checkpoint_gives_the_same_bits(rng: np.random.Generator, tmp_path: Path) -> None:
    def build(seed: int) -> tuple[Model[Any, Any], Any]:
        model: Model[Any, Any] = chain(OurLinear(4, 4), PyTorchWrapper(linear(4, 4, seed)))
        return model.initialize(), Adam(0.01, use_averages=True)

    batches = [rng.normal(size=(5, 4)).astype("f") for _ in range(10)]

    def train(model: Any, optimizer: Any, part: Any) -> None:
        for X in part:
            Y, backprop = model.begin_update(X)
            backprop(Y - X)
            model.finish_update(optimizer)

    (model, optimizer), (other, resumed) = build(1), build(2)
    train(model, optimizer, batches[:5])
    save_checkpoint(tmp_path / "checkpoint", model, optimizer)
    train(model, optimizer, batches[5:])
    load_checkpoint(tmp_path / "checkpoint", other, resumed)
    train(other, resumed, batches[5:])
    assert_same_weights(model.layers[1].shims[0]._model, other.layers[1].shims[0]._model)
    with model.use_params(optimizer.averages), other.use_params(resumed.averages):
        assert np.array_equal(model.predict(batches[0]), other.predict(batches[0]))


def test_training_in_mixed_precision_resumed_from_a_checkpoint_goes_on_with_the_same_scale(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    def build(init_scale: float) -> tuple[Model[Any, Any], Any, PyTorchGradScaler]:
        scaler = PyTorchGradScaler(True, init_scale=init_scale, growth_interval=3)
        model = PyTorchWrapper_v2(linear(4, 4), mixed_precision=True, grad_scaler=scaler)
        return model.initialize(), Adam(0.01), scaler

    batches = [rng.normal(size=(5, 4)).astype("f") for _ in range(12)]
    batches[1][0, 0] = np.inf  # overflows, so that the scale goes down

    def train(model: Any, optimizer: Any, scaler: PyTorchGradScaler, part: Any) -> list[float]:
        scales = []
        for X in part:
            Y, backprop = model.begin_update(X)
            backprop(Y - np.nan_to_num(X))
            model.finish_update(optimizer)
            scales.append(scaler._scale)
        return scales

    (model, optimizer, scaler), (other, resumed, fresh) = build(64.0), build(1024.0)
    assert set(train(model, optimizer, scaler, batches[:7])) == {64.0, 32.0}
    assert scaler._growth_tracker == 2
    save_checkpoint(tmp_path / "checkpoint", model, optimizer)
    expected = train(model, optimizer, scaler, batches[7:])
    load_checkpoint(tmp_path / "checkpoint", other, resumed)
    assert fresh.state_dict() == {"scale": 64.0, "growth_tracker": 2, "found_inf": False}
    assert train(other, resumed, fresh, batches[7:]) == expected
    assert expected[0] == 128.0
    assert_same_weights(model.shims[0]._model, other.shims[0]._model)


def test_checkpoints_from_before_scales_were_kept_leave_the_scaler(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    save_checkpoint(path, PyTorchWrapper_v2(linear()))
    document: Any = _msgpack.decode(path.read_bytes())
    del document["shims"]
    path.write_bytes(_msgpack.encode(document))
    scaler = PyTorchGradScaler(True, init_scale=8.0)
    model = PyTorchWrapper_v2(linear(seed=2), mixed_precision=True, grad_scaler=scaler)
    load_checkpoint(path, model)
    assert_same_weights(model.shims[0]._model, linear())
    assert scaler._scale == 8.0


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"scale": 0.0, "growth_tracker": 1, "found_inf": False},
        {"scale": float("nan"), "growth_tracker": 1, "found_inf": False},
        {"scale": "2", "growth_tracker": 1, "found_inf": False},
        {"scale": 2.0, "growth_tracker": -1, "found_inf": False},
        {"scale": 2.0, "growth_tracker": 1, "found_inf": 0},
        [1],
    ],
)
def test_a_scale_that_is_none_is_refused_and_left_out_where_part_is_loaded(tmp_path: Path, state: Any) -> None:
    path = tmp_path / "checkpoint"
    scaler = PyTorchGradScaler(True, init_scale=8.0)
    model = PyTorchWrapper_v2(linear(), mixed_precision=True, grad_scaler=scaler)
    save_checkpoint(path, model)
    document: Any = _msgpack.decode(path.read_bytes())
    document["shims"]["shims.0"] = _msgpack.encode(state)
    path.write_bytes(_msgpack.encode(document))
    other = PyTorchWrapper_v2(linear(seed=2), mixed_precision=True, grad_scaler=scaler)
    with pytest.raises(SerializationError, match=r"shims\.0\.training_state"):
        load_checkpoint(path, other)
    assert_same_weights(other.shims[0]._model, linear(seed=2))
    found = load_checkpoint(path, other, partial=True)
    assert found.loaded == ("shims.0",)
    assert list(found.mismatched) == ["shims.0.training_state"]
    assert_same_weights(other.shims[0]._model, linear())
    assert scaler._scale == 8.0


def test_torch_never_reads_anything_but_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    load = torch.load
    monkeypatch.setattr(
        torch, "load", lambda *args, **kwargs: (asked.append(kwargs["weights_only"]), load(*args, **kwargs))[1]
    )
    shim = PyTorchShim(linear(seed=1))
    shim.from_bytes(PyTorchShim(linear(seed=2)).to_bytes())
    assert_same_weights(shim._model, linear(seed=2))
    assert asked == [True]
    calls = [
        line
        for path in Path(thinc_nb.__file__).parent.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "torch.load(" in line
    ]
    assert calls
    assert all("weights_only=True" in line for line in calls)
