"""Every operation, called with what it does not expect: it gives a result or says clearly what is wrong.

For each method of NumpyOps there is a call that is right, of which one or two arguments are then replaced: other ranks,
shapes, dtypes and memory layouts, None, indices out of range, lengths that are negative or add up to something else.
What may come of it is a result, or an exception of CLEAN that names the operation and has changed no argument.

Kernels check nothing, so an argument that slips through may end the process. The calls are therefore made in a process
of their own (this file, run as a program), which notes each call before it makes it.
"""

from __future__ import annotations

import argparse
import faulthandler
import inspect
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from right_calls import PIECES, ROWS, UNITS, WIDTH, floats, made, operations, right_calls
from thinc_nb.backends import NumpyOps
from thinc_nb.types import Padded, Ragged

CLEAN = (TypeError, ValueError, IndexError, OverflowError, MemoryError)
# Methods that are another one with certain arguments may speak in its name.
SPEAKS_AS = {
    "relu_k": "clipped_linear",
    "hard_sigmoid": "clipped_linear",
    "hard_tanh": "clipped_linear",
    "backprop_relu_k": "backprop_clipped_linear",
    "backprop_hard_sigmoid": "backprop_clipped_linear",
    "backprop_hard_tanh": "backprop_clipped_linear",
    "affine": "gemm",
    "get_dropout_mask": "dropout",
    "clip_gradient": "sum_of_squares",
}
# What these do is numpy's own, and so is what they say.
NUMPYS_WORDS = re.compile(r"alloc|asarray|as_contig|reshape|tile|insert_into|to_numpy")
# What may be written to; elsewhere it is the first argument if `inplace`, and `out`.
WRITTEN = {
    "adam": {"weights", "gradient", "mom1", "mom2"},
    "adam_update": {"weights", "gradient", "mom1", "mom2", "averages"},
    "update_averages": {"ema"},
    "clip_gradient": {"gradient"},
    "scatter_add": {"table"},
    "scatter_add_rows": {"table"},
    "backprop_sigmoid": {"Y"},
}

# --- what does not fit ----------------------------------------------------------------------------------------------

MEMORY = 4 << 30
"""Bytes that the program may have: what a wrong argument makes too large is refused by the system, not filled."""
NUMBERS = [-1, 0, 1, 2, 3, 5, -(2**31), 2**62, 2**70, True]
REALS = [*NUMBERS, 0.5, 1.5, -0.5, float("nan"), float("inf"), -float("inf")]
NO_NUMBERS: list[Any] = [None, "text", b"\1\2", (), [1, 2], {}, object, 1j]
NO_ARRAYS: list[Any] = [
    None,
    "text",
    b"\1\2",
    (),
    [],
    {},
    [[1.0, 2.0], [3.0]],
    [1, 2, 3],
    object,
    1,
    -0.5,
    [None],
    Ellipsis,
]
SHAPE_TYPES = {"Shape", "Shape | int", "tuple[int, ...]"}
DTYPES = [
    "f4",
    "f8",
    "f2",
    "g",
    "i1",
    "i4",
    "i8",
    "u4",
    "u8",
    "?",
    "F",
    "O",
    "U3",
    ">f4",
    ">f8",
    ">i4",
    "M8[s]",
    "f4,i4",
]
VALUES = [0, 1, 2, 3, -1, 7, 2**31, 2**62, -(2**63), float("nan"), float("inf"), -float("inf"), 1e38, 0.5]
LAYOUTS = ["C", "F", "strided", "reversed", "read-only", "shared", "unaligned", "subclass"]
SHAPES = [(ROWS, WIDTH), (3,), (ROWS,), (WIDTH,), (5,), (3, WIDTH), (ROWS, UNITS), (ROWS, UNITS, PIECES)]


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Arrays of any rank, dtype and layout; they fit now and then."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    sides = st.sampled_from([0, 1, 2, 3, WIDTH, ROWS, 5, 12])
    shape = draw(st.sampled_from(SHAPES) | st.lists(sides, max_size=4).map(tuple))
    choice = st.sampled_from(VALUES[: draw(st.sampled_from([4, 5, len(VALUES)]))])
    values = np.resize(np.array(draw(st.lists(choice, min_size=1, max_size=4))), shape)
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        whole = [int(value) if np.isfinite(float(value)) else 0 for value in values.ravel()]
        array = np.array([min(max(value, limits.min), limits.max) for value in whole], dtype).reshape(shape)
    elif dtype.kind in "MV":
        array = np.zeros(shape, dtype)
    else:
        with np.errstate(all="ignore"):
            array = values.astype(dtype)
    return laid_out(array, draw(st.sampled_from(LAYOUTS)))


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The array with other memory under it."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "strided" and array.ndim:
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if layout == "reversed" and array.ndim:
        return array[::-1].copy()[::-1]
    if layout == "read-only":
        array.flags.writeable = False
    if layout == "shared" and array.ndim and array.size:
        return np.broadcast_to(array[:1], array.shape)
    if layout == "unaligned" and not array.dtype.hasobject and array.size:
        unaligned = np.empty(array.nbytes + 1, "u1")[1:].view(array.dtype).reshape(array.shape)
        unaligned[...] = array
        return unaligned
    if layout == "subclass":
        return array.view(np.memmap) if array.ndim != 2 else array.view(np.matrix)
    return array


@st.composite
def raggeds(draw: st.DrawFn) -> Any:
    """Padded and Ragged whose parts do not fit."""
    parts = [draw(arrays()) for _ in range(4)]
    try:
        return Padded(*parts) if draw(st.booleans()) else Ragged(parts[0], parts[1])
    except CLEAN:
        return None


def is_number(annotation: str) -> bool:
    return annotation.partition(" ")[0] in {"int", "float", "np.uint32"}


def replacements(annotation: str, given: Any) -> st.SearchStrategy[Any]:
    """What may stand in the place of an argument."""
    if annotation == "bool":
        return st.booleans()
    if is_number(annotation):
        return st.sampled_from(REALS) | st.sampled_from(NO_NUMBERS)
    if annotation.startswith(("DTypes", "Literal")):
        return st.sampled_from(["f4", "f8", "i4", "u8", "?", "O", "<", ">", "float32", "nonsense", None, 3])
    if annotation in SHAPE_TYPES:
        return st.lists(st.sampled_from([*NUMBERS, None, 1.5]), max_size=3).map(tuple) | st.sampled_from(NO_ARRAYS)
    kinds = [arrays(), arrays(), st.sampled_from(NO_ARRAYS), st.lists(arrays(), max_size=3)]
    if not annotation.startswith("Batch"):  # Batches of them are theirs to make.
        kinds.append(raggeds())
    if isinstance(given, np.ndarray):
        kinds += [st.sampled_from(LAYOUTS).map(lambda layout: laid_out(given.copy(), layout))] * 2
        if given.dtype.kind in "iu" and given.size:
            wrong = st.tuples(st.integers(0, given.size - 1), st.sampled_from([-1, 0, 99, 2**31 - 1, 2**62, -(2**63)]))
            kinds += [wrong.map(lambda change: changed(given, *change)), st.just(np.full(4, 2**62))]
    if isinstance(given, (list, tuple)) and given:
        wrong_items = st.tuples(st.integers(0, len(given) - 1), arrays() | st.sampled_from(NO_ARRAYS))
        kinds.append(
            wrong_items.map(lambda change: type(given)([*given[: change[0]], change[1], *given[change[0] + 1 :]]))
        )
    return st.one_of(kinds)


def changed(array: np.ndarray, place: int, value: int) -> np.ndarray:
    """The array, 64 bits wide, with another value in one place."""
    array = array.astype("int64")
    array.flat[place] = value
    return array


@st.composite
def wrong_calls(draw: st.DrawFn, ops: NumpyOps, name: str) -> tuple[dict[str, Any], list[str]]:
    """A right call with one or two arguments replaced or added, and which."""
    call = right_calls(ops)[name]
    parameters = inspect.signature(getattr(ops, name)).parameters
    replaced = draw(st.lists(st.sampled_from(list(parameters)), min_size=1, max_size=2, unique=True))
    for parameter in replaced:
        call[parameter] = draw(replacements(parameters[parameter].annotation, call.get(parameter)))
    return call, replaced


# --- the program ----------------------------------------------------------------------------------------------------


def described(value: Any) -> str:
    if isinstance(value, np.ndarray):
        layout = "C" if value.flags.c_contiguous else f"strides {value.strides}"
        flags = f"{layout}{'' if value.flags.writeable else ' read-only'}{'' if value.flags.aligned else ' unaligned'}"
        return f"<{type(value).__name__} {value.dtype} {value.shape} {flags} {np.asarray(value).ravel()[:6].tolist()}>"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(described, value))}]"
    if isinstance(value, (Padded, Ragged)):
        return f"{type(value).__name__}({', '.join(described(part) for part in vars(value).values())})"
    return repr(value)[:80]


def verdict(ops: NumpyOps, name: str, call: dict[str, Any], replaced: list[str]) -> str | None:
    """What is wrong with how the operation took the call; None if nothing is."""
    annotations = {key: p.annotation for key, p in inspect.signature(getattr(ops, name)).parameters.items()}
    held = {key: value for key, value in call.items() if isinstance(value, np.ndarray) and not value.dtype.hasobject}
    before = {key: value.tobytes() for key, value in held.items()}
    may_change = WRITTEN.get(name, set(list(annotations)[:1]) if call.get("inplace") else set()) | {"out"}
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made(ops, name, call)
    except CLEAN as error:
        may_change = set()
        plain = any(is_plain(annotations[key], call[key]) for key in replaced)
        named = any(each in str(error) for each in (name, SPEAKS_AS.get(name, name)))
        if not (named or plain or NUMPYS_WORDS.match(name) or isinstance(error, MemoryError)):
            return f"does not name the operation: {type(error).__name__}: {str(error)[:150]}"
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {str(error)[:150]}"
    for key, value in held.items():
        if value.tobytes() != before[key] and (key not in may_change or not value.flags.writeable):
            return f"changed {key}"
    return None


def is_plain(annotation: str, value: Any) -> bool:
    """Whether Python or numpy says enough: of a number that is none, a shape, a dtype."""
    if is_number(annotation):
        return not isinstance(value, (int, float) if annotation.startswith("float") else int)
    return annotation in SHAPE_TYPES or annotation.startswith("DTypes")


def sweep(ops: NumpyOps, name: str, examples: int, seed: int, log: Path) -> list[str]:
    """What is wrong with an operation: of each kind of problem the shortest call that shows it."""
    found: dict[str, str] = {}

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(wrong_calls(ops, name))
    def attempt(wrong: tuple[dict[str, Any], list[str]]) -> None:
        call, replaced = wrong
        text = f"{name}({', '.join(f'{key}={described(call[key])}' for key in replaced)})"
        log.write_text(text)
        problem = verdict(ops, name, call, replaced)
        if problem is not None:
            kind = re.sub(r"[-\d., ()\[\]']+", " ", problem)[:70]
            if kind not in found or len(text) < len(found[kind].partition(" -> ")[0]):
                found[kind] = f"{text} -> {problem}"

    attempt()
    return sorted(found.values(), key=len)


def swept(names: list[str], examples: int, seed: int, seconds: float) -> dict[str, list[str]]:
    """`sweep` in a process of its own. An operation that ends it is a finding, and the sweep goes on after it."""
    wrong: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        log, answers = Path(folder, "call"), Path(folder, "answers")
        settings = [f"--examples={examples}", f"--seed={seed}", f"--log={log}", f"--answers={answers}"]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        while names:
            log.write_text("")
            command = [sys.executable, __file__, *names, *settings]
            try:
                done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=seconds, env=environment)
            except subprocess.TimeoutExpired:
                how = f"did not end within {seconds} s"
            else:
                if done.returncode == 0:
                    break
                if done.returncode == 1 or not log.read_text():
                    raise RuntimeError(f"the sweep itself failed: {done.stderr[-2000:]}")
                how = f"ended the process with status {done.returncode}: {done.stderr.partition('Extension')[0][:800]}"
            call = log.read_text()
            name = call.partition("(")[0]
            wrong[name] = [f"{call} (seed {seed}), or a call before it, {how}"]
            names = names[names.index(name) + 1 :]
        for line in answers.read_text().splitlines() if answers.exists() else ():
            name, problems = json.loads(line)
            wrong.setdefault(name, []).extend(problems)
    return wrong


def report(wrong: dict[str, list[str]]) -> str:
    return "\n".join(f"{name}:\n    " + "\n    ".join(problems) for name, problems in wrong.items())


PARTS = 4


def test_right_calls_are_made_of_every_operation_and_succeed():
    ops = NumpyOps()
    assert set(right_calls(ops)) == set(operations())
    for name, call in right_calls(ops).items():
        made(ops, name, call)


MOST = 2**63 - 1


def found_by_the_long_sweep(ops: NumpyOps) -> list[tuple[str, dict[str, Any]]]:
    """Calls that were not refused in the operation's own words, or ended the process."""
    mixed = [floats(5, 12, dtype="float16"), np.zeros(12, "f4,i4")]
    return [
        ("flatten", {"X": mixed}),
        ("tile", {"X": np.ones((4, 3, 2, 5), bool), "reps": 2**62}),
        ("affine", {**right_calls(ops)["affine"], "b": np.array(["-1", "2"])}),
        ("affine", {**right_calls(ops)["affine"], "b": np.ones(UNITS, "F")}),
        ("get_dropout_mask", {"shape": [1.5, 2**70], "drop": 0.5}),
        ("backprop_reduce_first", {"d_firsts": floats(3, WIDTH), "starts_ends": np.array([0, 2, 5, -(2**63)])}),
        ("backprop_reduce_first", {"d_firsts": floats(0, WIDTH), "starts_ends": np.array([-(2**63)])}),
        ("scatter_add", {**right_calls(ops)["scatter_add"], "table": np.array([2, 3, 2], "u8")}),
        ("scatter_add", {**right_calls(ops)["scatter_add"], "table": np.array(0, "i4")}),
        # Every step wraps around to one that rises.
        ("backprop_reduce_first", {"d_firsts": floats(4, WIDTH), "starts_ends": np.array([0, MOST, -MOST - 1, -1, 5])}),
        ("backprop_reduce_last", {"d_lasts": floats(5, WIDTH), "lasts": np.array([0, MOST, -MOST - 1, -1, 5])}),
    ]


@pytest.mark.parametrize("place", range(11))
def test_what_the_long_sweep_found_is_refused_by_name(place):
    ops = NumpyOps()
    name, call = found_by_the_long_sweep(ops)[place]
    with pytest.raises(CLEAN, match=name):
        made(ops, name, call)


@pytest.mark.parametrize("part", range(PARTS))
def test_wrong_arguments_are_refused_with_a_clean_error(part):
    wrong = swept(operations()[part::PARTS], examples=25, seed=1, seconds=240)
    assert not wrong, report(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("part", range(PARTS))
def test_many_wrong_arguments_are_refused_with_a_clean_error(part, seed):
    wrong = swept(operations()[part::PARTS], examples=200, seed=100 + seed, seconds=1500)
    assert not wrong, report(wrong)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=operations())
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--answers", type=Path, required=True)
    options = parser.parse_args()
    faulthandler.enable()
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    ops = NumpyOps()
    for name in options.names:
        problems = sweep(ops, name, options.examples, options.seed, options.log)
        if problems:
            with options.answers.open("a") as answers:
                answers.write(json.dumps([name, problems]) + "\n")


if __name__ == "__main__":
    main()
