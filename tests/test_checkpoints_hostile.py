"""Checkpoints from strangers: whatever a file holds, it is read or refused, and refused changes nothing."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from thinc_nb._saving.msgpack import decode, encode
from thinc_nb.api import Adam, Linear, Model, chain, load_checkpoint, save_checkpoint
from thinc_nb.errors import SerializationError


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("hostile") / "checkpoint"
    model, optimizer = tiny(), Adam(0.01)
    model.finish_update(optimizer)
    train_tiny(model, optimizer)
    save_checkpoint(path, model, optimizer)
    return path, path.read_bytes()


def tiny() -> Model[Any, Any]:
    model: Any = chain(Linear(2, 2), Linear(1, 2))
    return model.initialize()


def train_tiny(model: Model[Any, Any], optimizer: Any) -> None:
    Y, backprop = model.begin_update(np.ones((1, 2), dtype="f"))
    backprop(Y + 1)
    model.finish_update(optimizer)


def test_every_truncation_is_refused(small: tuple[Path, bytes]) -> None:
    path, data = small
    model, optimizer = tiny(), Adam(0.01)
    before = model.to_bytes()
    skeleton_end = data.index(b"position")
    lengths = [*range(0, 2000, 7), *range(skeleton_end - 40, len(data))]
    for length in lengths:
        path.write_bytes(data[:length])
        with pytest.raises(SerializationError):
            load_checkpoint(path, model, optimizer)
        with pytest.raises(SerializationError):
            load_checkpoint(path, model, optimizer, partial=True)
    assert model.to_bytes() == before
    assert not optimizer.mom1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=3), partial=st.booleans())
def test_changed_bytes_are_read_or_refused(
    small: tuple[Path, bytes], places: list[tuple[float, int]], partial: bool
) -> None:
    path, data = small
    broken = bytearray(data)
    for share, byte in places:
        broken[int(share * (len(data) - 1))] = byte
    path.write_bytes(broken)
    model, optimizer = tiny(), Adam(0.01)
    before = model.to_bytes()
    generator = np.random.get_state()
    try:
        load_checkpoint(path, model, optimizer, partial=partial)
    except SerializationError:
        assert model.to_bytes() == before
        assert not optimizer.mom1
    else:
        with np.errstate(all="ignore"):
            model.predict(np.ones((1, 2), dtype="f"))
    finally:
        np.random.set_state(generator)


def refusal(path: Path, model: Model[Any, Any]) -> str:
    """Check that loading is refused, and changes neither model nor optimizer; what the error says."""
    before, optimizer = model.to_bytes(), Adam(0.01)
    with pytest.raises(SerializationError) as caught:
        load_checkpoint(path, model, optimizer)
    assert model.to_bytes() == before
    assert not optimizer.mom1
    return str(caught.value)


def changed(data: bytes, path: list[Any], value: object) -> bytes:
    document: Any = decode(data)
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return encode(document)


def random_part(cupy: object = 1, **changes: Any) -> bytes:
    numpy_state = np.random.get_state(legacy=False)
    numpy_state["state"].update(changes)  # type: ignore[index, union-attr, unused-ignore]
    numpy_json = json.dumps(numpy_state, default=lambda array: array.tolist())
    return encode({"python": json.dumps(random.getstate()), "numpy": numpy_json, "generators": {}, "cupy": cupy})


FLOATS = np.ones(4, dtype="f")


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["format"], "other", "its format"),
        (["version"], 2, "version 2, only 1"),
        (["paths"], ["", "layers.0.", "layers.0."], "a path occurs twice"),
        (["paths"], 5, "list of str"),
        (["paths", 1], "layers.7.", "the tree is another one"),
        (["model"], None, "no 'nodes'"),
        (["model", "params", 1, "W"], FLOATS, "has the shape (2, 2) here and (4,) in the data"),
        (["optimizer", "mom1", "layers.0.W"], FLOATS[:3], "the shape should be (4,), not (3,)"),
        (["optimizer", "mom1", "layers.0.W"], FLOATS.astype("i"), "should hold floats"),
        (["optimizer", "mom2"], {}, "of different parameters"),
        (["optimizer", "averages", "layers.0.W"], FLOATS, "the shape should be (2, 2), not (4,)"),
        (["optimizer", "averages"], None, "averages are kept only here"),
        (["optimizer", "settings"], b"\xc1", "'settings' cannot be read"),
        (["optimizer", "settings"], b"\x80", "optimizer"),
        (["gradients"], {"layers.0.W": FLOATS}, "an array of floats (2, 2)"),
        (["gradients"], {"nothing": FLOATS}, "no such parameter"),
        (["random"], random_part(pos=10**9), "the place in a buffer of 624"),
        (["random"], random_part(pos=-1), "the place in a buffer of 624"),
        (["random"], random_part(cupy=-1), "the seed of CuPy"),
        (["random"], random_part(cupy="1"), "the seed of CuPy"),
        (["shims"], [], "should be a dict by path"),
        (["random"], random_part(key=[1, 2]), "random state"),
        (["random"], b"\x80", "no 'generators'"),
        (["position"], b"\xc1", "'position' cannot be read"),
    ],
)
def test_a_file_that_lies_is_refused(tmp_path: Path, path: list[Any], value: object, expected: str) -> None:
    model, optimizer = tiny(), Adam(0.01)
    train_tiny(model, optimizer)
    file = tmp_path / "checkpoint"
    save_checkpoint(file, model, optimizer)
    file.write_bytes(changed(file.read_bytes(), path, value))
    assert expected in refusal(file, model)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("step", -1, "'step' should be a number of steps"),
        ("step", 2**60, "'step' should be a number of steps"),
        ("step", 1.5, "'step' should be a number of steps"),
        ("last_score", "high", "'last_score'"),
        ("nr_update", {"layers.0.W": -1}, "'nr_update' should be a number of steps"),
        ("nr_update", [], "'nr_update' should be a dict"),
        ("use_radam", 7, "optimizer.use_radam"),
        ("schedules", {}, "optimizer.learn_rate"),
        ("schedules", None, "'schedules' should be a dict"),
    ],
)
def test_settings_of_an_optimizer_that_lie_are_refused(tmp_path: Path, name: str, value: object, expected: str) -> None:
    file = tmp_path / "checkpoint"
    save_checkpoint(file, tiny(), Adam(0.01))
    document: Any = decode(file.read_bytes())
    settings = decode(document["optimizer"]["settings"])
    assert isinstance(settings, dict)
    document["optimizer"]["settings"] = encode({**settings, name: value})
    file.write_bytes(encode(document))
    assert expected in refusal(file, tiny())


def test_a_schedule_keeps_the_kinds_of_its_settings(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint"
    save_checkpoint(file, tiny(), Adam(0.01))
    document: Any = decode(file.read_bytes())
    settings: Any = decode(document["optimizer"]["settings"])
    settings["schedules"]["learn_rate"]["attrs"]["rate"] = {"value": "fast"}
    document["optimizer"]["settings"] = encode(settings)
    file.write_bytes(encode(document))
    assert "optimizer.learn_rate.rate: a float here cannot become 'fast'" in refusal(file, tiny())
