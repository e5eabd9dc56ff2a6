"""Fuzzes what reads bytes: models, attributes, checkpoints. `make fuzz`, or `python fuzz/fuzz_bytes.py [FILES]`.

Needs atheris, which `make fuzz` installs. A crash, an error other than SerializationError, a model that changed though
it was refused, or an input that takes long or much memory for its size ends the run; libFuzzer leaves the input behind.
"""

from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

try:
    import atheris
except ImportError:
    raise SystemExit("fuzz_bytes.py needs atheris: make fuzz installs it") from None

# With all kernels, before the rest: numba cannot compile what atheris puts into functions.
import thinc_nb.backends  # noqa: F401

with atheris.instrument_imports(include=["thinc_nb", "msgpack"]):
    import numpy as np

    from thinc_nb._saving.msgpack import decode, encode
    from thinc_nb.api import Adam, Linear, Model, chain, load_checkpoint, save_checkpoint
    from thinc_nb.errors import SerializationError

# The worst that a byte can become is an empty dictionary in a list: 72 bytes.
MEMORY = 100
SECONDS_PER_BYTE = 1e-5


def build() -> Model[Any, Any]:
    np.random.seed(0)  # the same weights each time
    model: Any = chain(Linear(2, 2), Linear(1, 2)).initialize()
    model.attrs["table"] = {"a": [1, 2.5, None], "array": np.ones(3, dtype="f")}
    model.set_ref("last", model.layers[1])
    return model


def seeds() -> list[bytes]:
    model, optimizer = build(), Adam(0.01)
    Y, backprop = model.begin_update(np.ones((1, 2), dtype="f"))
    backprop(Y + 1)
    model.finish_update(optimizer)
    save_checkpoint(CHECKPOINT, model, optimizer)
    return [
        b"m" + BEFORE,
        b"d" + BEFORE,
        b"a" + encode(model.attrs["table"]),
        b"c" + CHECKPOINT.read_bytes(),
        b"p" + CHECKPOINT.read_bytes(),
    ]


FOLDER = tempfile.TemporaryDirectory()
CHECKPOINT = Path(FOLDER.name) / "checkpoint"
BEFORE = build().to_bytes()


def read(data: bytes) -> None:
    """Read by the first byte: a model from memory or disk, an attribute, or a checkpoint, wholly or in part."""
    kind, rest = data[:1], data[1:]
    if kind == b"a":
        try:
            decode(rest)
        except ValueError:
            return
    else:
        model = build()
        try:
            if kind == b"d":
                CHECKPOINT.write_bytes(rest)
                assert model.can_from_disk(CHECKPOINT) in (True, False)
                model.from_disk(CHECKPOINT)
            elif kind in (b"c", b"p"):
                CHECKPOINT.write_bytes(rest)
                load_checkpoint(CHECKPOINT, model, Adam(0.01), partial=kind == b"p")
            else:
                assert model.can_from_bytes(rest) in (True, False)
                model.from_bytes(rest)
        except SerializationError:
            if model.to_bytes() != BEFORE:
                raise RuntimeError("the model changed although it was refused") from None
            return
        model.to_bytes()


def measured(data: bytes) -> tuple[int, float]:
    """Read the data: the bytes of memory and the seconds of the processor that it takes."""
    tracemalloc.start()
    started = time.process_time()  # a busy machine is not the input's fault
    try:
        read(data)
        return tracemalloc.get_traced_memory()[1], time.process_time() - started
    finally:
        tracemalloc.stop()


def test_one_input(data: bytes) -> None:
    memory, seconds = 2_000_000 + MEMORY * len(data), 2 + SECONDS_PER_BYTE * len(data)
    found = measured(data)
    if found[0] > memory or found[1] > seconds:
        # Not of this input's making if it does not come again: a table of the interpreter that grows.
        found = tuple(map(min, found, measured(data)))
    if found[0] > memory:
        raise RuntimeError(f"{found[0]:,} bytes of memory for {len(data):,}")
    if found[1] > seconds:
        raise RuntimeError(f"{found[1]:.1f} s for {len(data):,} bytes")


def main() -> None:
    if any(Path(argument).is_file() for argument in sys.argv[1:]):  # inputs to try again
        atheris.Setup(sys.argv, test_one_input)
        atheris.Fuzz()
    with tempfile.TemporaryDirectory() as corpus:
        for i, seed in enumerate(seeds()):
            (Path(corpus) / str(i)).write_bytes(seed)
        atheris.Setup([*sys.argv, corpus, "-max_len=8192"], test_one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
