"""PyTorchShim: a torch module to bytes and back, and bytes that do not fit."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thinc_nb
from thinc_nb._saving.msgpack import encode
from thinc_nb.api import (
    Linear as OurLinear,
    Model,
    PyTorchShim,
    PyTorchWrapper,
    chain,
)
from thinc_nb.errors import SerializationError
from thinc_nb.shims.pytorch import check_archive
from torch_modules import assert_same_weights, linear, weights

torch = pytest.importorskip("torch")


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
    return encode({"config": {}, "state": state})


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


def test_archives_that_say_they_are_larger_than_their_file_are_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", bytes(10))
    data = bytearray(file.getvalue())
    size_in_directory = data.index(b"PK\x01\x02") + 24
    data[size_in_directory : size_in_directory + 4] = (1 << 30).to_bytes(4, "little")
    with pytest.raises(SerializationError, match="larger than the file"):
        check_archive(bytes(data))


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
