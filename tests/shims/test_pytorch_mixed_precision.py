"""PyTorchShim in mixed precision, and checkpoints of what training with torch modules depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thinc_nb._saving.msgpack import decode, encode
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
)
from thinc_nb.checkpoints import load_checkpoint, save_checkpoint
from thinc_nb.errors import SerializationError
from torch_modules import assert_same_weights, linear

torch = pytest.importorskip("torch")


def test_mixed_precision_runs_under_autocast_and_trains(rng: np.random.Generator) -> None:
    scaler = PyTorchGradScaler(True, init_scale=8.0)
    shim = PyTorchShim(linear(), mixed_precision=True, grad_scaler=scaler)
    X = torch.from_numpy(rng.normal(size=(5, 3)).astype("f")).requires_grad_()
    dY = torch.ones(5, 2, dtype=torch.bfloat16)
    outputs, backprop = shim.begin_update(ArgsKwargs((X,), {}))
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
    outputs, backprop = shim.begin_update(ArgsKwargs((X,), {}))
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
    document: Any = decode(path.read_bytes())
    del document["shims"]
    path.write_bytes(encode(document))
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
    document: Any = decode(path.read_bytes())
    document["shims"]["shims.0"] = encode(state)
    path.write_bytes(encode(document))
    other = PyTorchWrapper_v2(linear(seed=2), mixed_precision=True, grad_scaler=scaler)
    with pytest.raises(SerializationError, match=r"shims\.0\.training_state"):
        load_checkpoint(path, other)
    assert_same_weights(other.shims[0]._model, linear(seed=2))
    found = load_checkpoint(path, other, partial=True)
    assert found.loaded == ("shims.0",)
    assert list(found.mismatched) == ["shims.0.training_state"]
    assert_same_weights(other.shims[0]._model, linear())
    assert scaler._scale == 8.0
