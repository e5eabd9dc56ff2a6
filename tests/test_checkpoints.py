"""Checkpoints: training goes on as if nothing had happened, and a bad file changes nothing."""

from __future__ import annotations

import random
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thinc_nb
from thinc_nb._saving.msgpack import encode
from thinc_nb.api import (
    SGD,
    Adam,
    Linear,
    Maxout,
    Model,
    PyTorchWrapper,
    RAdam,
    Relu,
    Shim,
    Softmax,
    chain,
    concatenate,
    constant,
    fix_random_seed,
    load_checkpoint,
    plateau,
    save_checkpoint,
)
from thinc_nb.errors import SerializationError


def build(width: int = 6, middle: bool = True) -> Model[Any, Any]:
    fix_random_seed(1)
    layers = [Relu(5, 3, dropout=0.25), *([Maxout(width, nP=2)] if middle else []), Softmax()]
    model: Any = chain(*layers)
    model.initialize(X=np.ones((2, 3), dtype="f"), Y=np.ones((2, 2), dtype="f"))
    return model


def train(model: Model[Any, Any], optimizer: Any, steps: int) -> None:
    for _ in range(steps):
        X = np.random.uniform(-1, 1, (4, 3)).astype("f")
        Y, backprop = model.begin_update(X)
        backprop(Y - np.eye(2, dtype="f")[[0, 1, 0, 1]])
        model.finish_update(optimizer)
        optimizer.step_schedules()
        optimizer.last_score = float(np.random.uniform())


def state(model: Model[Any, Any], optimizer: Any) -> list[Any]:
    """Every bit that training depends on."""
    keys = [(node.id, name) for node in model.walk() for name in node.param_names]
    arrays = [part[key].tobytes() for part in (optimizer.mom1, optimizer.mom2) for key in keys if key in part]
    arrays += [optimizer.averages[key].tobytes() for key in keys if key in (optimizer.averages or {})]
    counts = [optimizer.nr_update[key] for key in keys], optimizer.step, optimizer.last_score
    rates = [optimizer.learn_rate(optimizer.step, last_score=optimizer.last_score)]
    return [model.to_bytes(), arrays, counts, rates, np.random.bytes(8), random.random()]


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "Adam": lambda: Adam(0.01, L2=1e-3),
    "RAdam": lambda: RAdam(plateau(1, 0.5, constant(0.01))),
    "SGD": lambda: SGD(iter([0.1, 0.05, 0.02]), use_averages=False),
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A checkpoint of a model that was trained for three steps with Adam."""
    path = tmp_path / "checkpoint"
    model, optimizer = build(), Adam(0.01)
    train(model, optimizer, 3)
    save_checkpoint(path, model, optimizer, position={"epoch": 2, "rows": (3, 1)})
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="forks and kills")
def test_training_killed_at_any_step_and_resumed_ends_with_the_same_bits(tmp_path: Path) -> None:
    program = Path(__file__).with_name("kill_and_resume.py")
    done = subprocess.run([sys.executable, program, tmp_path, "4"], capture_output=True, text=True, timeout=300)
    expected = [f"{name} 0 differ; True killed; 0 left over" for name in ("Adam", "RAdam", "SGD")]
    assert done.stdout.splitlines() == expected, done.stderr


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_loaded_is_what_was_saved(tmp_path: Path, name: str) -> None:
    path = tmp_path / "checkpoint"
    model, optimizer = build(), OPTIMIZERS[name]()
    train(model, optimizer, 5)
    save_checkpoint(path, model, optimizer)
    expected = state(model, optimizer)
    train(model, optimizer, 3)
    end = state(model, optimizer)
    other, other_optimizer = build(), OPTIMIZERS[name]()
    found = load_checkpoint(path, other, other_optimizer)
    assert state(other, other_optimizer) == expected
    assert (found.missing, found.unexpected, found.mismatched, found.position) == ((), (), {}, None)
    assert "layers.0.layers.0.W" in found.loaded
    load_checkpoint(path, other, other_optimizer if name != "SGD" else OPTIMIZERS[name]())
    if name != "SGD":  # an iterator does not go back
        state(other, other_optimizer)
        train(other, other_optimizer, 3)
        assert state(other, other_optimizer) == end


def test_the_position_comes_back(saved: Path) -> None:
    assert load_checkpoint(saved, build()).position == {"epoch": 2, "rows": [3, 1]}


def test_gradients_that_wait_for_an_update_are_kept(tmp_path: Path) -> None:
    model, optimizer = build(), Adam(0.01)
    train(model, optimizer, 1)
    Y, backprop = model.begin_update(np.ones((1, 3), dtype="f"))
    backprop(Y)
    save_checkpoint(tmp_path / "checkpoint", model, optimizer)
    other = build()
    load_checkpoint(tmp_path / "checkpoint", other, Adam(0.01))
    for mine, theirs in zip(model.walk(), other.walk(), strict=True):
        for name in mine.param_names:
            assert theirs.has_grad(name) is True
            assert theirs.get_grad(name).tobytes() == mine.get_grad(name).tobytes()


def test_generators_are_saved_by_name(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    kinds = [np.random.PCG64, np.random.Philox, np.random.SFC64, np.random.MT19937, np.random.PCG64DXSM]
    generators = {kind.__name__: np.random.Generator(kind(3)) for kind in kinds}
    for generator in generators.values():
        generator.integers(0, 9, size=3, dtype="uint8")
    model = build()
    save_checkpoint(path, model, generators=generators)
    expected = [generator.bytes(8) for generator in generators.values()]
    load_checkpoint(path, model, generators=generators)
    assert [generator.bytes(8) for generator in generators.values()] == expected
    with pytest.raises(SerializationError, match="there is no generator 'other'"):
        load_checkpoint(path, model, generators={"other": np.random.default_rng()})
    with pytest.raises(SerializationError, match="random state"):
        load_checkpoint(path, model, generators={"PCG64": np.random.Generator(np.random.Philox())})


def test_what_cupy_draws_after_loading_is_what_it_drew_after_saving(tmp_path: Path, cupy: Any) -> None:
    def draw() -> list[float]:
        return list(cupy.random.uniform(0, 1, 4).get())

    path = tmp_path / "checkpoint"
    model: Any = build()
    cupy.random.seed(3)
    expected = draw()
    cupy.random.seed(3)
    save_checkpoint(path, model)  # on the CPU
    assert draw() == expected
    model.to_gpu(0)
    save_checkpoint(path, model)
    first, second = draw(), draw()
    load_checkpoint(path, model)
    assert [draw(), draw()] == [first, second]
    assert first != second
    load_checkpoint(path, model, restore_random=False)
    assert draw() not in (first, second)
    load_checkpoint(path, build())  # a model that is not there any more
    assert draw() == first


def test_the_random_state_can_be_left_alone(saved: Path) -> None:
    np.random.seed(5)
    load_checkpoint(saved, build_quietly(), restore_random=False)
    drawn = np.random.bytes(4)
    np.random.seed(5)
    assert np.random.bytes(4) == drawn


def build_quietly() -> Model[Any, Any]:
    before = np.random.get_state()
    model = build()
    np.random.set_state(before)
    return model


def test_shared_layers_are_held_once_and_an_uninitialized_model_can_be_loaded(tmp_path: Path) -> None:
    def shared() -> Model[Any, Any]:
        layer: Any = Linear(4)
        return concatenate(layer, chain(layer, Relu(4)))

    model = shared().initialize(X=np.ones((2, 4), dtype="f"))
    save_checkpoint(tmp_path / "checkpoint", model)
    other = shared()
    found = load_checkpoint(tmp_path / "checkpoint", other)
    assert found.loaded == ("layers.0.W", "layers.0.b", "layers.1.layers.1.W", "layers.1.layers.1.b")
    assert other.to_bytes() == model.to_bytes()


class BytesShim(Shim):
    def to_bytes(self) -> bytes:
        data: bytes = self._model
        return data

    def from_bytes(self, bytes_data: bytes) -> Any:
        if not bytes_data.startswith(b"good"):
            raise ValueError("no good")
        self._model = bytes_data
        return self


def with_shim(data: bytes) -> Model[Any, Any]:
    return Model("shim", lambda model, X, is_train: (X, lambda dY: dY), shims=[BytesShim(data)])


def test_shims_and_what_the_optimizer_knows_of_them_are_loaded(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    model, optimizer = chain(with_shim(b"good"), with_shim(b"good too")), Adam()
    key = (model.layers[1].shims[0].id, "weights.deep")
    optimizer(key, np.ones((2, 3), dtype="f"), np.ones((2, 3), dtype="f"))
    save_checkpoint(path, model, optimizer)
    other, other_optimizer = chain(with_shim(b"good 1"), with_shim(b"good 2")), Adam()
    found = load_checkpoint(path, other, other_optimizer)
    assert found.loaded == ("layers.0.shims.0", "layers.1.shims.0")
    assert [layer.shims[0]._model for layer in other.layers] == [b"good", b"good too"]
    other_key = (other.layers[1].shims[0].id, "weights.deep")
    assert other_optimizer.nr_update == {other_key: 1}
    assert other_optimizer.averages is not None
    assert other_optimizer.averages[other_key].shape == (2, 3)
    assert other_optimizer.mom1[other_key].tobytes() == optimizer.mom1[key].tobytes()


def test_a_model_with_a_torch_module_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")

    def with_torch() -> Model[Any, Any]:
        fix_random_seed(0)
        module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Dropout(0.3), torch.nn.BatchNorm1d(5))
        model: Any = chain(Relu(4, 3), PyTorchWrapper(module), Softmax(2, 5))
        return model.initialize()

    def bits(model: Model[Any, Any]) -> list[bytes]:
        module = model.layers[1].shims[0]._model
        tensors = [tensor.detach().numpy() for tensor in module.state_dict().values()]
        return [array.tobytes() for array in (*tensors, model.layers[0].get_param("W"), model.layers[2].get_param("W"))]

    model, optimizer = with_torch(), Adam(0.01)
    train(model, optimizer, 3)
    save_checkpoint(tmp_path / "checkpoint", model, optimizer)
    train(model, optimizer, 3)
    other, other_optimizer = with_torch(), Adam(0.01)
    torch.manual_seed(99)
    found = load_checkpoint(tmp_path / "checkpoint", other, other_optimizer)
    assert "layers.1.shims.0" in found.loaded
    train(other, other_optimizer, 3)
    assert bits(other) == bits(model)


def test_what_the_optimizer_knows_of_other_models_stays(saved: Path) -> None:
    model, other, optimizer = build(), build(), Adam(0.01)
    train(other, optimizer, 1)
    known = {key: moment.copy() for key, moment in optimizer.mom1.items()}
    load_checkpoint(saved, model, optimizer)
    assert all((optimizer.mom1[key] == moment).all() for key, moment in known.items())
    with pytest.warns(UserWarning, match="knows of 6 parameters that are not in the model is not written"):
        save_checkpoint(saved, model, optimizer)


# What does not fit


def mismatches(path: Path, model: Model[Any, Any], optimizer: Any = None) -> str:
    """Check that loading is refused, and changes nothing; what the error says."""
    before = model.to_bytes(), None if optimizer is None else state(model, optimizer)[1:4]
    np.random.seed(17)
    with pytest.raises(SerializationError) as caught:
        load_checkpoint(path, model, optimizer)
    drawn = np.random.bytes(8)
    np.random.seed(17)
    assert drawn == np.random.bytes(8)
    assert model.to_bytes() == before[0]
    assert optimizer is None or state(model, optimizer)[1:4] == before[1]
    return str(caught.value)


def test_another_model_is_refused(saved: Path) -> None:
    assert "Attempt to change dimension 'nO' from 7 to 6, its size in the data" in mismatches(saved, build(7))
    message = mismatches(saved, build(middle=False))
    assert "mismatched structure" in message
    assert "\n+maxout" in message


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (RAdam(0.01), "optimizer.use_radam: it is True here and False there"),
        (Adam(0.01, L2_is_weight_decay=False), "optimizer.L2_is_weight_decay"),
        (Adam(0.01, use_averages=False), "optimizer.averages"),
        (SGD(0.01), "optimizer.b1: it is 0.0 here and 0.9 there: the optimizer here is one without moments, SGD"),
        (Adam([0.1, 0.2]), "optimizer.learn_rate: it is the schedule 'wrap_generator' here and 'constant' in the data"),
    ],
)
def test_another_optimizer_is_refused(saved: Path, optimizer: Any, expected: str) -> None:
    assert expected in mismatches(saved, build(), optimizer)


def test_settings_of_the_same_kind_of_optimizer_are_those_of_the_file(tmp_path: Path, saved: Path) -> None:
    other = Adam(0.5, beta1=0.5, eps=1.0)
    load_checkpoint(saved, build(), other)
    assert [other.learn_rate(0), other.b1(0), other.eps(0)] == [0.01, 0.9, 1e-8]
    save_checkpoint(tmp_path / "plain", build(), SGD(0.1))
    with pytest.raises(SerializationError, match=r"optimizer.b1: it is 0.9 here and 0.0 there.* here is .*Adam"):
        load_checkpoint(tmp_path / "plain", build(), Adam(0.01))
    found = load_checkpoint(tmp_path / "plain", build(), kept := Adam(0.01), partial=True)
    assert {"optimizer.b1", "optimizer.b2"} <= found.mismatched.keys()
    assert (kept.b1(0), kept.learn_rate(0)) == (0.9, 0.1)


def test_an_optimizer_without_one_in_the_file_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint", build())
    assert "the checkpoint was saved without one" in mismatches(tmp_path / "checkpoint", build(), Adam())


def test_an_optimizer_of_another_kind_is_a_type_error(saved: Path) -> None:
    other: Any = object()
    with pytest.raises(TypeError, match="must be an Optimizer, got an object"):
        save_checkpoint(saved, build(), other)
    with pytest.raises(TypeError, match="must be an Optimizer, got an object"):
        load_checkpoint(saved, build(), other)


def test_a_position_that_cannot_be_written_leaves_the_old_file(saved: Path) -> None:
    before = saved.read_bytes()
    with pytest.raises(TypeError, match="save_checkpoint: position: cannot write an object"):
        save_checkpoint(saved, build(), position=object())
    assert saved.read_bytes() == before


def test_generators_that_are_none_are_named(saved: Path) -> None:
    others: Any = {"shuffler": random.Random()}
    with pytest.raises(TypeError, match=r"load_checkpoint: generators must be NumPy's, .* got a Random as 'shuffler'"):
        load_checkpoint(saved, build(), generators=others)
    with pytest.raises(TypeError, match="save_checkpoint: generators must be NumPy's"):
        save_checkpoint(saved, build(), generators=others)


# partial


def test_partial_loads_what_fits_and_reports_the_rest(saved: Path) -> None:
    original = build()
    load_checkpoint(saved, original)
    model: Any = chain(Relu(5, 3, dropout=0.1), Maxout(7, nP=2), Softmax(), Linear(3))
    model.initialize(X=np.ones((2, 3), dtype="f"), Y=np.ones((2, 3), dtype="f"))
    bias = model.layers[2].get_param("b").copy()
    optimizer = Adam(0.5)
    found = load_checkpoint(saved, model, optimizer, partial=True)
    assert found.position == {"epoch": 2, "rows": [3, 1]}
    assert found.loaded == ("layers.0.layers.0.W", "layers.0.layers.0.b")
    assert found.missing == ("layers.3.W", "layers.3.b")
    assert found.unexpected == ()
    assert {path for path in found.mismatched if path[-1] in "Wb"} == {
        f"layers.{i}.{name}" for i in (1, 2) for name in "Wb"
    }
    assert "(7, 2, 5) here and (6, 2, 5) in the data" in found.mismatched["layers.1.W"]
    loaded = model.layers[0].layers[0]
    assert loaded.get_param("W").tobytes() == original.layers[0].layers[0].get_param("W").tobytes()
    assert (model.layers[2].get_param("b") == bias).all()
    assert set(optimizer.mom1) == {(loaded.id, "W"), (loaded.id, "b")}
    assert optimizer.learn_rate(0) == 0.01
    assert model.layers[0].layers[1].attrs["dropout_rate"] == 0.25
    train(model.layers[0], optimizer, 0)
    Y, backprop = model.begin_update(np.ones((1, 3), dtype="f"))
    backprop(Y)
    model.finish_update(optimizer)


def test_partial_reports_what_the_model_does_not_have(saved: Path) -> None:
    model: Any = chain(Relu(5, 3, dropout=0.25), with_shim(b"good"))
    found = load_checkpoint(saved, model, partial=True)
    assert found.loaded == ("layers.0.layers.0.W", "layers.0.layers.0.b")
    assert found.unexpected == ("layers.2.W", "layers.2.b", "layers.1.W", "layers.1.b")
    assert found.missing == ("layers.1.shims.0",)
    assert model.predict(np.ones((1, 3), dtype="f")).shape == (1, 5)


def test_partial_leaves_shims_that_cannot_be_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint", chain(with_shim(b"bad"), with_shim(b"good")))
    model = chain(with_shim(b"good 1"), with_shim(b"good 2"))
    with pytest.raises(SerializationError, match="no good"):
        load_checkpoint(tmp_path / "checkpoint", model)
    assert [layer.shims[0]._model for layer in model.layers] == [b"good 1", b"good 2"]
    found = load_checkpoint(tmp_path / "checkpoint", model, partial=True)
    assert [layer.shims[0]._model for layer in model.layers] == [b"good 1", b"good"]
    assert found.loaded == ("layers.1.shims.0",)
    assert "no good" in found.mismatched["layers.0.shims.0"]


def test_partial_of_everything_is_the_same_as_the_whole(saved: Path) -> None:
    one, two, one_optimizer, two_optimizer = build(), build(), Adam(0.01), Adam(0.01)
    whole, part = load_checkpoint(saved, one, one_optimizer), load_checkpoint(saved, two, two_optimizer, partial=True)
    assert state(two, two_optimizer)[:4] == state(one, one_optimizer)[:4]
    assert part == whole


def test_a_model_is_no_checkpoint(tmp_path: Path) -> None:
    build().to_disk(tmp_path / "model")
    assert "model' is no checkpoint: it holds a model alone, which model.from_disk" in mismatches(
        tmp_path / "model", build()
    )
    (tmp_path / "list").write_bytes(encode({"format": "another"}))
    assert "it does not say that its format is" in mismatches(tmp_path / "list", build())
    (tmp_path / "notes").write_text("hello")
    assert "notes' is no checkpoint, or damaged" in mismatches(tmp_path / "notes", build())
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "nothing", build())


def test_a_checkpoint_is_no_model(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint", build(), Adam())
    with pytest.raises(SerializationError, match="it is a checkpoint, which load_checkpoint reads"):
        build().from_disk(tmp_path / "checkpoint")


def test_no_warning_and_the_functions_are_at_hand(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        thinc_nb.save_checkpoint(tmp_path / "checkpoint", build(), Adam())
        thinc_nb.load_checkpoint(tmp_path / "checkpoint", build(), Adam())
