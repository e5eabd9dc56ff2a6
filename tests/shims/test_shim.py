"""The base class of interfaces to other frameworks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import Self

from thinc_nb.model import Model
from thinc_nb.shims import Shim


class Echo(Shim):
    def __call__(self, inputs: Any, is_train: bool) -> tuple[Any, Callable[..., Any]]:
        return (inputs, is_train), lambda dY: dY

    def to_bytes(self) -> bytes:
        data: bytes = self._model
        return data

    def from_bytes(self, bytes_data: bytes) -> Self:
        self._model = bytes_data
        return self


def test_a_shim_has_an_id_settings_and_an_optimizer() -> None:
    first, second = Shim("model"), Shim("model", config={"a": 1}, optimizer="sgd")
    assert second.id == first.id + 1 == Shim.global_id
    assert (first.cfg, second.cfg, second._model, second._optimizer) == ({}, {"a": 1}, "model", "sgd")


def test_predict_and_begin_update_are_calls() -> None:
    shim = Echo(None)
    assert shim.predict("X") == ("X", False)
    Y, backprop = shim.begin_update("X")
    assert (Y, backprop("dY")) == (("X", True), "dY")


def test_the_base_class_does_nothing_by_itself() -> None:
    shim = Shim(None)
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("__call__", ("X", True)),
        ("predict", ("X",)),
        ("begin_update", ("X",)),
        ("finish_update", (None,)),
        ("to_device", ("cpu", -1)),
        ("to_bytes", ()),
        ("from_bytes", (b"",)),
    ]
    for name, args in calls:
        with pytest.raises(NotImplementedError, match="Shim does not implement"):
            getattr(shim, name)(*args)
    with shim.use_params({}):
        pass


def test_a_copy_has_its_own_id_and_model() -> None:
    shim = Echo([1], config={"a": 1})
    twin = shim.copy()
    twin._model.append(2)
    twin.cfg["b"] = 2
    assert type(twin) is Echo
    assert (shim._model, shim.cfg) == ([1], {"a": 1})
    assert twin.id != shim.id


def test_bytes_go_to_disk_and_back(tmp_path: Path) -> None:
    Echo(b"data").to_disk(tmp_path / "shim")
    assert (tmp_path / "shim").read_bytes() == b"data"
    shim = Echo(None)
    assert shim.from_disk(str(tmp_path / "shim")) is shim
    assert shim._model == b"data"


class Fragile(Echo):
    """Takes the bytes first, then finds them wrong."""

    def from_bytes(self, bytes_data: bytes) -> Self:
        self._model = bytes_data
        if bytes_data == b"bad":
            raise RuntimeError("these are no weights")
        return self


def test_a_shim_that_cannot_load_leaves_the_whole_model_as_it_was() -> None:
    def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
        return X, lambda dY: dY

    def build(name: str, one: bytes, two: bytes) -> Model[Any, Any]:
        child: Model[Any, Any] = Model("child", forward, shims=[Fragile(two)])
        return Model(name, forward, shims=[Fragile(one)], layers=[child])

    model = build("mine", b"one", b"two")
    before = model.to_bytes()
    with pytest.raises(ValueError, match=r"'mine' -> layers\[0\] 'child': Fragile: these are no weights"):
        model.from_bytes(build("other", b"other", b"bad").to_bytes())
    assert model.to_bytes() == before
    assert model.from_bytes(build("other", b"1", b"2").to_bytes()).name == "other"
    assert [model.shims[0]._model, model.layers[0].shims[0]._model] == [b"1", b"2"]


def test_to_gpu_and_to_cpu_are_words_for_to_device() -> None:
    class Moved(Echo):
        def to_device(self, device_type: str, device_id: int) -> None:
            self._model = (device_type, device_id)

    shim = Moved(None)
    shim.to_gpu(1)
    assert shim._model == ("gpu", 1)
    shim.to_cpu()
    assert shim._model == ("cpu", -1)
