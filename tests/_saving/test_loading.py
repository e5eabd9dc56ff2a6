"""Loading over weights: what it takes in memory, and what a file that changes meanwhile does."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thinc_nb._model.parameters import arenas_of, loose_parameters
from thinc_nb._saving.msgpack_stream import FileSource, StoredArray
from thinc_nb.api import (
    Adam,
    Linear,
    Model,
    Shim,
    chain,
    import_safetensors,
    load_checkpoint,
    save_checkpoint,
)
from thinc_nb.errors import SerializationError

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "memory.py"
PEAKS = {
    "to_disk": 1.3,
    "from_disk": 1.3,
    "from_disk again": 1.3,
    "save_checkpoint": 1.3,
    "load_checkpoint": 1.3,
    "load_checkpoint again": 1.3,
    "save_checkpoint trained": 5.3,  # the model, gradients, two moments and averages
    "load_checkpoint trained": 5.3,
}
WRITERS = {"from_disk": "to_disk", "load_checkpoint": "save_checkpoint"}


class Fill:
    """A model, and its weights and dimensions as they were."""

    def __init__(self, value: float, shims: list[Shim] | None = None) -> None:
        self.model: Any = chain(Linear(80, 80), Linear(80, 80)).initialize()
        self.model._shims.extend(shims or [])
        for _, W in self.weights():
            W.fill(value)

    def weights(self) -> list[tuple[str, Any]]:
        return [(name, node.maybe_get_param(name)) for node in self.model.walk() for name in node.param_names]

    def values(self) -> set[float]:
        return {float(x) for _, W in self.weights() for x in (W.ravel() if W is not None else [np.nan])}


class Hook(Shim):
    """Does something when it is loaded, which is between both readings of the weights."""

    loads_atomically = True

    def __init__(self, do: Callable[[], object] = lambda: None) -> None:
        super().__init__("before")
        self.do = do

    def to_bytes(self) -> bytes:
        return b"after"

    def from_bytes(self, bytes_data: bytes) -> Hook:
        self._model = bytes_data.decode()
        self.do()
        return self


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a model whose weights are 2."""
    Fill(2, [Hook()]).model.to_disk(tmp_path / "model")
    return tmp_path / "model"


def shorten(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 100)


def touch(path: Path) -> None:
    os.utime(path, ns=(0, 0))


def fails_at(monkeypatch: pytest.MonkeyPatch, place: int, do: Callable[[], object]) -> None:
    """Call a function before the array at this place is read to where it shall be."""
    copy_to = StoredArray.copy_to
    calls = iter(range(1000))

    def failing(self: StoredArray, out: Any) -> None:
        if next(calls) == place:
            do()
        copy_to(self, out)

    monkeypatch.setattr(StoredArray, "copy_to", failing)


def broken_disk() -> None:
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak of resident memory")
@pytest.mark.parametrize("action", PEAKS)
def test_the_peak_of_memory_is_the_size_of_the_model(tmp_path: Path, action: str) -> None:
    def measure(action: str) -> float:
        command = [sys.executable, BENCHMARK, "--width", "1500", "--one", "thinc_nb", action, tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return float(done.stdout)

    call, _, how = action.partition(" ")
    if call in WRITERS:
        measure(" ".join([WRITERS[call], *([how] if how == "trained" else [])]))
    assert measure(action) < PEAKS[action]


def test_what_is_loaded_over_weights_is_what_the_file_holds(path: Path) -> None:
    fill = Fill(1, [Hook()])
    before = fill.weights()
    fill.model.from_disk(path)
    assert fill.values() == {2.0}
    assert {float(x) for _, W in before for x in W.ravel()} == {1.0}  # arrays that somebody has stay what they were
    assert len(arenas_of(fill.model)) == 1
    assert loose_parameters(fill.model) == []


def test_gradients_stay_beside_weights_that_are_loaded(path: Path) -> None:
    fill = Fill(1, [Hook()])
    fill.model.layers[0].inc_grad("b", np.full(80, 7, dtype="f"))
    fill.model.from_disk(path)
    assert set(fill.model.layers[0].get_grad("b")) == {7.0}
    assert fill.model.layers[0].has_grad("W") is not True


@pytest.mark.parametrize("change", [shorten, touch])
def test_a_file_that_changes_between_both_readings_leaves_the_weights(path: Path, change: Any) -> None:
    fill = Fill(1, [Hook(lambda: change(path))])
    with pytest.raises(SerializationError, match=r"changed while it was read"):
        fill.model.from_disk(path)
    assert fill.values() == {1.0}


@pytest.mark.parametrize("change", [shorten, touch])
def test_a_file_that_changes_before_it_is_checked_changes_nothing(
    path: Path, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = StoredArray.check
    monkeypatch.setattr(StoredArray, "check", lambda self: (change(path), check(self))[1])
    fill = Fill(1, [hook := Hook()])
    with pytest.raises(SerializationError, match=r"changed while it was read|became shorter"):
        fill.model.from_disk(path)
    assert fill.values() == {1.0}
    assert hook._model == "before"


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("what", ["broken disk", "shorten", "touch"])
def test_weights_that_cannot_be_read_again_are_unset_and_said_to_be(
    path: Path, place: int, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    do = {"broken disk": broken_disk, "shorten": lambda: shorten(path), "touch": lambda: touch(path)}[what]
    fill = Fill(1, [Hook()])
    fill.model.attrs["kept"] = "here"
    data = path.read_bytes()
    with monkeypatch.context() as patch:
        fails_at(patch, place, do)
        with pytest.raises(SerializationError, match=r"The 4 parameters .* unset now; 1 shims are loaded") as caught:
            fill.model.from_disk(path)
    assert "Load again" in str(caught.value)
    assert [W for _, W in fill.weights()] == [None] * 4
    assert fill.model.attrs["kept"] == "here"
    with pytest.raises(KeyError):
        fill.model.predict(np.ones((1, 80), dtype="f"))
    path.write_bytes(data)
    fill.model.from_disk(path)
    assert fill.values() == {2.0}


def test_an_interruption_is_not_taken_for_a_bad_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    fill = Fill(1, [Hook()])
    fails_at(monkeypatch, 1, interrupt)
    with pytest.raises(KeyboardInterrupt):
        fill.model.from_disk(path)
    assert [W for _, W in fill.weights()] == [None] * 4


def test_a_model_without_weights_is_what_it_was_whatever_happens(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = chain(Linear(80, 80), Linear(80, 80))
    model._shims.append(hook := Hook())
    fails_at(monkeypatch, 3, broken_disk)
    with pytest.raises(OSError, match="Input/output"):
        model.from_disk(path)
    assert model.layers[0].has_param("W") is None
    assert hook._model == "before"


def test_a_disk_that_fails_is_noticed_before_anything_changes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch_into = FileSource.fetch_into

    def failing(self: FileSource, start: int, out: memoryview) -> int:
        return fetch_into(self, start, out) if start < path.stat().st_size // 2 else broken_disk() or 0

    monkeypatch.setattr(FileSource, "fetch_into", failing)
    fill = Fill(1, [hook := Hook()])
    with pytest.raises(OSError, match="Input/output"):
        fill.model.from_disk(path)
    assert fill.values() == {1.0}
    assert hook._model == "before"


# Checkpoints


@pytest.fixture
def trained() -> tuple[Model[Any, Any], Any]:
    """A model and optimizer after two steps."""
    fill, optimizer = Fill(0.5), Adam(0.1)
    step(fill.model, optimizer)
    step(fill.model, optimizer)
    return fill.model, optimizer


def step(model: Model[Any, Any], optimizer: Any) -> None:
    Y, backprop = model.begin_update(np.ones((2, 80), dtype="f"))
    backprop(Y)
    model.finish_update(optimizer)


def remembered(model: Model[Any, Any], optimizer: Any) -> list[Any]:
    keys = [(node.id, name) for node in model.walk() for name in node.param_names]
    parts = (optimizer.mom1, optimizer.mom2, optimizer.averages or {})
    arrays = [[None if key not in part else part[key].tobytes() for key in keys] for part in parts]
    return [arrays, [optimizer.nr_update.get(key, 0) for key in keys], optimizer.step]


def test_an_optimizer_is_loaded_over_what_it_knew(tmp_path: Path, trained: Any) -> None:
    model, optimizer = trained
    save_checkpoint(tmp_path / "checkpoint", model, optimizer)
    expected = model.to_bytes(), remembered(model, optimizer)
    step(model, optimizer)
    end = model.to_bytes(), remembered(model, optimizer)
    assert end != expected
    load_checkpoint(tmp_path / "checkpoint", model, optimizer)
    assert (model.to_bytes(), remembered(model, optimizer)) == expected
    step(model, optimizer)
    assert (model.to_bytes(), remembered(model, optimizer)) == end


@pytest.mark.parametrize("place", [0, 3, 4, 15])
def test_what_an_optimizer_cannot_read_again_is_forgotten(
    tmp_path: Path, trained: Any, place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, optimizer = trained
    save_checkpoint(tmp_path / "checkpoint", model, optimizer)
    with monkeypatch.context() as patch:
        fails_at(patch, place, broken_disk)
        with pytest.raises(SerializationError, match="unset now" if place < 4 else "The model is loaded. Load again"):
            load_checkpoint(tmp_path / "checkpoint", model, optimizer)
    assert (optimizer.mom1 == {}) is (place >= 4)
    step_before = optimizer.step
    load_checkpoint(tmp_path / "checkpoint", model, optimizer)
    assert optimizer.step == step_before
    assert len(optimizer.mom1) == 4


def test_a_fresh_optimizer_is_read_before_the_model_changes(
    tmp_path: Path, trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, optimizer = trained
    save_checkpoint(tmp_path / "checkpoint", model, optimizer)
    fill, fresh = Fill(1), Adam(0.1)
    fails_at(monkeypatch, 5, broken_disk)
    with pytest.raises(OSError, match="Input/output"):
        load_checkpoint(tmp_path / "checkpoint", fill.model, fresh)
    assert fill.values() == {1.0}
    assert fresh.mom1 == {}


def test_parameters_that_are_not_in_the_file_keep_their_values_and_leave_the_old_block(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "checkpoint", Fill(2).model)
    larger: Any = chain(Linear(80, 80), Linear(80, 80), Linear(5, 80)).initialize()
    larger.layers[2].get_param("W").fill(7)
    larger.layers[2].inc_grad("W", np.full((5, 80), 3, dtype="f"))
    old = larger.layers[0].get_param("W")
    found = load_checkpoint(tmp_path / "checkpoint", larger, partial=True)
    assert found.missing == ("layers.2.W", "layers.2.b")
    assert set(larger.layers[0].get_param("W").ravel()) == {2.0}
    assert set(larger.layers[2].get_param("W").ravel()) == {7.0}
    assert set(larger.layers[2].get_grad("W").ravel()) == {3.0}
    assert not any(np.shares_memory(old, node.get_param("W")) for node in larger.layers)
    assert len(arenas_of(larger)) == 1
    assert old.base is not larger.layers[2].get_param("W").base


def test_a_tensor_file_that_changes_leaves_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("safetensors")
    from thinc_nb import interchange

    path = tmp_path / "weights"
    interchange.export_safetensors(Fill(2).model, path)
    fill = Fill(1)
    check = interchange._Tensor.check
    with monkeypatch.context() as patch:
        patch.setattr(interchange._Tensor, "check", lambda self: (check(self), touch(path)))
        with pytest.raises(SerializationError, match="changed"):
            import_safetensors(fill.model, path)
    assert fill.values() == {1.0}
    import_safetensors(fill.model, path)
    assert fill.values() == {2.0}
