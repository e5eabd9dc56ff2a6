"""Bytes that are broken, or made to break: refused with a SerializationError, and nothing changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, strategies as st

from bare_nodes import forward
from thinc_nb._saving.msgpack import decode, encode, encode_other
from thinc_nb.api import Linear
from thinc_nb.errors import ModelError, SerializationError
from thinc_nb.model import Model


def build() -> Model[Any, Any]:
    child: Model[Any, Any] = Model(
        "child", forward, dims={"nO": 2}, params={"W": np.ones((2, 3), dtype="f")}, attrs={"rate": 0.5}
    )
    return Model("root", forward, layers=[child], refs={"child": child}, params={"b": np.ones(1, dtype="f8")})


DATA = build().to_bytes()


def refused(data: Any) -> str:
    """Check that the bytes are refused and change nothing; what the error says."""
    model = build()
    with pytest.raises(SerializationError) as caught:
        model.from_bytes(data)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, ModelError)
    assert model.to_bytes() == DATA
    assert model.can_from_bytes(data) is False
    assert model.can_from_bytes(data, strict=False) is False
    return str(caught.value)


def document(**changes: Any) -> dict[str, Any]:
    found = build().to_dict()
    found.update(changes)
    return found


def changed(path: list[Any], value: Any) -> bytes:
    """The document with one entry replaced, or removed if the value is `...`."""
    found: Any = build().to_dict()
    place = found
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return encode(found)


def test_every_truncation_is_refused() -> None:
    model = build()
    for length in range(len(DATA)):
        with pytest.raises(SerializationError):
            model.from_bytes(DATA[:length])
        assert model.can_from_bytes(DATA[:length]) is False
    assert model.to_bytes() == DATA


@given(place=st.integers(0, len(DATA) - 1), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(place: int, byte: int) -> None:
    data = DATA[:place] + bytes([byte]) + DATA[place + 1 :]
    model = build()
    try:
        model.from_bytes(data)
    except SerializationError:
        assert model.to_bytes() == DATA
        assert model.can_from_bytes(data, strict=False) is False
    else:
        model.to_bytes()


def test_every_bit_that_is_flipped_is_read_or_refused() -> None:
    model, refusals = build(), 0
    for place in range(8 * len(DATA)):
        data = bytearray(DATA)
        data[place // 8] ^= 1 << place % 8
        try:
            model.from_bytes(bytes(data))
        except SerializationError:
            refusals += 1
            assert model.to_bytes() == DATA
        else:
            model = build()
    assert refusals > 4 * len(DATA)


@given(data=st.binary(max_size=40))
def test_noise_is_refused(data: bytes) -> None:
    refused(data)


@pytest.mark.parametrize("data", [b"", b"\xc0", b"\x90", b"\x80", b"\xc1", DATA + b"\x00", "text", None, 5])
def test_other_things_than_a_document_are_refused(data: Any) -> None:
    refused(data)


HUGE = 2**32 - 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x91" * 100_000 + b"\xc0",
        b"\x81\xa1a" * 100_000 + b"\xc0",
        b"\xdd" + HUGE.to_bytes(4, "big"),
        b"\xdf" + HUGE.to_bytes(4, "big") + b"\xa1a",
        b"\xc6" + HUGE.to_bytes(4, "big") + b"a",
        b"\xdb" + HUGE.to_bytes(4, "big") + b"a",
        (b"\xdd" + (4000).to_bytes(4, "big")) * 900,
    ],
    ids=["deep lists", "deep maps", "huge list", "huge map", "huge bytes", "huge text", "wide and deep"],
)
def test_depth_and_length_are_not_believed(data: bytes) -> None:
    refused(data)


@pytest.mark.parametrize("data", [b"\x82\xa1a\x01\xa1a\x02", b"\x82\x91\x01\xc0\x91\x01\xc0"])
def test_a_key_that_occurs_twice_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="same key twice"):
        decode(data)


def test_keys_made_to_collide_are_refused_before_a_map_is_built() -> None:
    # hash(complex) is hash(real) + 1000003 * hash(imag): all of these have hash 0, and would take n² steps.
    keys = [complex(-1000003 * k, k) for k in range(2000)]
    assert len({hash(key) for key in keys}) == 1
    entries = b"".join(encode(key) + b"\xc0" for key in keys)
    with pytest.raises(ValueError, match="same hash"):
        decode(b"\xde" + len(keys).to_bytes(2, "big") + entries)


def array(**changes: Any) -> dict[bytes, Any]:
    found = {b"nd": True, b"type": "<f4", b"kind": b"", b"shape": [2, 3], b"data": bytes(24)}
    found.update({key.encode(): value for key, value in changes.items()})
    return found


@pytest.mark.parametrize(
    "value",
    [
        array(type="|O"),
        array(type="O"),
        array(type=[["a", "|O"]]),
        array(type=[["a", [["b", "|O"]]]]),
        array(type="object"),
        array(type="numpy.float32"),
        array(type="f4,f4"),
        array(type="<f3"),
        array(type=7),
        array(type=[]),
        array(type=[["a"]]),
        array(type=[["a", "<f4", [2**40]]]),
        array(type=[["a", "<f4", [2**30, 2**30, 2**30]]]),
        array(type="<U999999999"),
        array(type="|V0", data=b""),
        array(shape=[2**40, 2**40]),
        array(shape=[2**62, 0], data=b""),
        array(shape=[-1]),
        array(shape=[2.0, 3]),
        array(shape=[True, 6]),
        array(shape="ab"),
        array(shape=[1] * 70, data=bytes(4)),
        array(data=bytes(23)),
        array(data=bytes(25)),
        array(data="text" * 6),
        {b"nd": False, b"type": "<f4", b"data": bytes(3)},
        {b"nd": False, b"type": "|O", b"data": bytes(8)},
        {b"complex": True, b"data": "no number"},
    ],
)
def test_an_array_that_lies_is_refused(value: Any) -> None:
    found = build().to_dict()
    found["params"][1]["W"] = value
    data = msgpack.packb(found, default=encode_other)
    refused(data)
    # The same in an attribute, which is a document of its own.
    found = build().to_dict()
    found["attrs"][1]["rate"] = msgpack.packb(value)
    assert "'root' -> layers[0] 'child': attribute 'rate'" in refused(encode(found))


@pytest.mark.parametrize("value", [array(type=b"<f4"), {k: v for k, v in array().items() if k != b"kind"}])
def test_older_ways_of_writing_arrays_are_read(value: Any) -> None:
    found = build().to_dict()
    found["params"][1]["W"] = value
    data = msgpack.packb(found, default=encode_other)
    assert build().from_bytes(data).layers[0].get_param("W").tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (["nodes"], ..., "no 'nodes'"),
        (["nodes"], {}, "'nodes' should be a list, not dict"),
        (["nodes", 1], ..., "mismatched structure: 'root' has 2 nodes, the data has 1 entries in 'nodes'"),
        (["attrs"], ..., "there is no 'attrs' in the data"),
        (["params", 1], ..., "1 entries in 'params'"),
        (["shims", 1], ..., "1 entries in 'shims'"),
        (["nodes", 1], 5, "'root' -> layers[0] 'child': entry in 'nodes' should be a dict, not int"),
        (["nodes", 1, "name"], ..., "layers[0] 'child': name should be a str, not NoneType"),
        (["nodes", 1, "name"], b"child", "layers[0] 'child': name should be a str, not bytes"),
        (["nodes", 1, "dims"], [], "layers[0] 'child': dims should be a dict, not list"),
        (
            ["nodes", 1, "dims", "nO"],
            5,
            "layers[0] 'child': Attempt to change dimension 'nO' from 2 to 5, its size in the data",
        ),
        (["nodes", 1, "dims", "nO"], -1, "layers[0] 'child': dimension 'nO' should be a size, not -1"),
        (["nodes", 1, "dims", "nO"], "2", "layers[0] 'child': dimension 'nO' should be a size, not '2'"),
        (["nodes", 1, "dims", "nX"], 3, "layers[0] 'child': it has no dimension 'nX'"),
        (["nodes", 1, "dims", 3], 3, "layers[0] 'child': a key of dims should be a str, not int"),
        (["nodes", 0, "refs", "child"], 2, "'root': reference 'child' should be the number of one of 2 nodes, not 2"),
        (["nodes", 0, "refs", "child"], -1, "'root': reference 'child' should be the number of one of 2 nodes, not -1"),
        (["nodes", 0, "refs", "child"], True, "'root': reference 'child' should be the number of one of 2 nodes"),
        (["attrs", 1, "rate"], 0.5, "layers[0] 'child': attribute 'rate' should be a bytes, not float"),
        (["attrs", 1, "rate"], b"\xc1", "layers[0] 'child': attribute 'rate' cannot be read"),
        (["params", 1, "W"], 1.5, "layers[0] 'child': parameter 'W' should be an array, not float"),
        (
            ["params", 1, "W"],
            np.array(["a"]),
            "layers[0] 'child': parameter 'W' should hold numbers, but its dtype is <U1",
        ),
        (["shims", 1], [b"abc"], "layers[0] 'child': there is data for 1 shims, but it has 0"),
        (["shims", 1], [5], "layers[0] 'child': the bytes of a shim should be a bytes, not int"),
    ],
)
def test_a_document_that_does_not_fit_is_refused_with_the_place(path: list[Any], value: Any, expected: str) -> None:
    assert expected in refused(changed(path, value))


def test_the_last_node_decides_before_the_first_one_changes() -> None:
    model = build()
    other = build()
    other.get_param("b")[:] = 7
    other.name = "other"
    found = other.to_dict()
    found["params"][1]["W"] = "no array"
    with pytest.raises(SerializationError):
        model.from_dict(found)
    assert model.to_bytes() == DATA


@pytest.mark.parametrize("msg", [None, 5, [], "nodes", {}, {"nodes": []}, {"nodes": [{}]}, {"nodes": None}])
def test_a_dictionary_that_does_not_fit_is_refused(msg: Any) -> None:
    model = build()
    assert model.can_from_dict(msg) is False
    with pytest.raises(SerializationError):
        model.from_dict(msg)
    assert model.to_bytes() == DATA


def test_nothing_is_ever_unpickled() -> None:
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("unpickled",))

    data = pickle.dumps(Bomb())
    refused(data)
    for kind in ("O", "|O", "|O8"):
        found = build().to_dict()
        found["params"][1]["W"] = array(type=kind, shape=[1], data=data)
        refused(msgpack.packb(found, default=encode_other))


def test_a_file_that_holds_no_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(SerializationError, match=r"the content of '.*notes\.txt' is not that of a model: there is"):
        Linear(2, 3).initialize().from_disk(path)
    path.write_bytes(msgpack.packb([1]))
    with pytest.raises(SerializationError, match=r"notes\.txt' is not that of a model: a list is no map"):
        Linear(2, 3).initialize().from_disk(path)


@pytest.mark.parametrize("data", ["text", None, 5, [1]])
def test_what_is_no_bytes_is_a_type_error_too(data: Any) -> None:
    """Thinc raises TypeError for it."""
    model = Linear(2, 2)
    for kind in (TypeError, SerializationError):
        with pytest.raises(kind, match=f"a model is read from bytes, not from a {type(data).__name__}"):
            model.from_bytes(data)
    assert not model.can_from_bytes(data)
