"""Weights in the safetensors format, there and back."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thinc_nb.api import (
    LSTM,
    Embed,
    HashEmbed,
    LayerNorm,
    Linear,
    Maxout,
    Model,
    Relu,
    Softmax,
    SparseLinear_v2,
    chain,
    concatenate,
    export_safetensors,
    import_safetensors,
)
from thinc_nb.errors import SerializationError

safetensors = pytest.importorskip("safetensors.numpy")


def build() -> Model[Any, Any]:
    shared: Any = Linear(4)
    return concatenate(shared, chain(shared, Maxout(3, nP=2, normalize=True), Softmax(2)))


def initialized() -> Model[Any, Any]:
    model = build().initialize(X=np.ones((2, 4), dtype="f"))
    for number, node in enumerate(model.walk()):
        for name in node.param_names:
            node.get_param(name)[...] = (
                np.arange(node.get_param(name).size).reshape(node.get_param(name).shape) + number
            )
    return model


def test_names_are_paths_and_shared_layers_are_written_once(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    model = initialized()
    export_safetensors(model, path, metadata={"trained": "a little"})
    found = safetensors.load_file(path)
    assert sorted(found) == [
        "layers.0.W",
        "layers.0.b",
        "layers.1.layers.1.layers.0.W",
        "layers.1.layers.1.layers.0.b",
        "layers.1.layers.1.layers.1.G",
        "layers.1.layers.1.layers.1.b",
        "layers.1.layers.2.W",
        "layers.1.layers.2.b",
    ]
    assert found["layers.0.W"].tolist() == model.layers[0].get_param("W").tolist()
    with safetensors.safe_open(path, framework="numpy") as file:
        assert file.metadata() == {"format": "np", "trained": "a little"}


def test_what_was_exported_is_imported_into_a_model_that_does_not_know_its_sizes(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    model, other = initialized(), build()
    export_safetensors(model, path)
    found = import_safetensors(other, path)
    assert (found.missing, found.unexpected, found.mismatched) == ((), (), {})
    for mine, theirs in zip(model.walk(), other.walk(), strict=True):
        for name in mine.param_names:
            assert theirs.get_param(name).tobytes() == mine.get_param(name).tobytes()
    X = np.ones((3, 4), dtype="f")
    assert other.predict(X).tobytes() == model.predict(X).tobytes()
    assert other.layers[1].layers[1].layers[0].get_dim("nP") == 2


@pytest.mark.parametrize(
    "layer",
    [
        Embed(3, 7),
        HashEmbed(3, 7),
        LayerNorm(4),
        LSTM(4, 3, bi=True, depth=2),
        SparseLinear_v2(2, length=8),
        Relu(2, 3, dropout=0.1),
    ],
    ids=lambda layer: layer.name,
)
def test_layers_of_each_kind_go_there_and_back(tmp_path: Path, layer: Any) -> None:
    path = tmp_path / "weights.safetensors"
    layer.initialize()
    export_safetensors(layer, path)
    other = layer.copy()
    for node in other.walk():
        for name in node.param_names:
            node.set_param(name, None)
    import_safetensors(other, path)
    assert other.to_bytes() == layer.to_bytes()


def save(path: Path, **arrays: Any) -> None:
    safetensors.save_file(arrays, path)


def refused(path: Path, model: Any = None) -> str:
    model = model or Linear(2, 3).initialize()
    before = model.to_bytes()
    with pytest.raises(SerializationError) as caught:
        import_safetensors(model, path)
    assert model.to_bytes() == before
    return str(caught.value)


W, B = np.ones((2, 3), dtype="f"), np.ones(2, dtype="f")


def test_what_does_not_fit_is_refused_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save(path, W=W)
    assert "missing b; not known here nothing" in refused(path)
    save(path, W=W, b=B, c=B)
    assert "missing nothing; not known here c" in refused(path)
    save(path, W=W.T.copy(), b=B)
    assert "'linear': parameter 'W' has the shape (2, 3) here and (3, 2) in the data" in refused(path)
    assert "should have the shape (nO=2, nI=3), not (3, 2)" in refused(path, Linear(2, 3))
    save(path, W=W.astype("i4"), b=B)
    assert "should hold floats" in refused(path)
    save(path, W=W.T.copy(), b=B, c=B)
    model: Any = Linear(2, 3).initialize()
    found = import_safetensors(model, path, partial=True)
    assert found.loaded == ("b",)
    assert found.unexpected == ("c",)
    assert list(found.mismatched) == ["W"]
    assert model.get_param("b").tolist() == [1, 1]


def test_dtypes_that_numpy_does_not_have_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    entries = (("W", "BF16", [2, 3], [0, 12]), ("b", "F32", [2], [12, 20]))
    header = json.dumps({n: {"dtype": d, "shape": s, "data_offsets": o} for n, d, s, o in entries}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(20))
    assert "NumPy has no dtype BF16" in refused(path)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save(path, W=W, b=B)
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        refused(path)
    with pytest.raises(FileNotFoundError):
        import_safetensors(Linear(2, 3), tmp_path / "nothing")


def test_a_dtype_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"old")
    model = Linear(1, 2).initialize()
    model.set_param("W", np.ones((1, 2), dtype="c8"))
    with pytest.raises(TypeError, match="parameter 'W' has the dtype complex64"):
        export_safetensors(model, path)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"old")

    from safetensors import SafetensorError

    def full(*arguments: Any, **options: Any) -> None:
        raise SafetensorError("no space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(OSError, match="no space"):
        export_safetensors(Linear(1, 2).initialize(), path)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_without_the_package_an_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"pip install 'thinc_nb\[safetensors\]'"):
        export_safetensors(Linear(1, 2).initialize(), tmp_path / "weights.safetensors")
