"""Every operation beside Thinc's: values, shapes, dtypes, what is changed in place, and what is refused.

Runs where Thinc is installed: ``pytest -m peer tests/peer``. Both libraries get copies of the same arguments, and
their results and the arguments afterwards must be equal within rounding. Where they are not, on purpose,
`ops_differences` says so, and a test below shows it.
"""

from __future__ import annotations

import copy
import inspect
import re
import warnings
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np
import pytest
from ops_differences import DIFFERENCES

from thinc_nb.backends import NumpyOps
from thinc_nb.types import Padded

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(find_spec("thinc") is None, reason="Thinc is not installed"),
]

# What Thinc has and is compared in a test of its own, or not at all.
APART = {
    "cblas": "hands out Thinc's own object",
    "get_dropout_mask": "random: test_dropout_masks_are_alike",
    "lstm_forward_training": "test_lstm_outputs_are_equal",
    "lstm_forward_inference": "test_lstm_outputs_are_equal",
    "backprop_lstm": "Thinc's gradient is not that of its forward pass",
    "minibatch": "test_batches_are_equal",
    "multibatch": "test_batches_are_equal",
}


# Thinc's float64 of these has the accuracy of float32: its constants, or its steps, are rounded to it.
AS_EXACT_AS_FLOAT32 = re.compile(r"erf|(backprop_)?gelu(?! ?_approx)|backprop_gelu_approx|position_encode")


ours = NumpyOps()


class Call(NamedTuple):
    """A call of an operation of NumpyOps."""

    op: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Kind(NamedTuple):
    """What the arguments are like."""

    rows: int
    width: int
    dtype: str = "float32"
    values: str = "normal"


KINDS = {
    "random": Kind(37, 9),
    "wide": Kind(5, 300),
    "one row": Kind(1, 5),
    "one column": Kind(11, 1),
    "empty": Kind(0, 4),
    "no columns": Kind(6, 0),
    "float64": Kind(37, 9, "float64"),
    "large": Kind(23, 8, values="large"),
    "edge": Kind(24, 3, values="edge"),
    "equal": Kind(12, 4, values="equal"),
    "zeros": Kind(12, 4, values="zeros"),
    "non-finite": Kind(12, 7, values="non-finite"),
}
EDGES = [
    0.0,
    -0.0,
    1e-40,
    -1e-40,
    1e-30,
    1e-8,
    0.5,
    -0.5,
    1.0,
    -1.0,
    2.5,
    -2.5,
    3.0,
    -3.0,
    6.0,
    19.9,
    20.0,
    20.1,
    88.0,
    -88.0,
]


class Inputs:
    """Arrays of one kind, the same for the same kind."""

    def __init__(self, kind: Kind) -> None:
        self.rows, self.width, self.dtype, self.values = kind
        self.rng = np.random.default_rng(4)
        ends = np.sort(self.rng.choice(np.arange(1, max(self.rows, 1)), max(0, min(4, self.rows - 1)), replace=False))
        self.lengths = np.diff([0, *ends, self.rows]).astype("int32") if self.rows else np.zeros(0, "int32")

    def floats(self, *shape: int) -> Any:
        drawn = self.rng.standard_normal(shape)
        if self.values == "large":
            drawn *= 30
        elif self.values == "edge":
            drawn = np.resize(np.array(EDGES), shape)
        elif self.values == "non-finite":
            drawn = np.resize(np.array([np.nan, 1.0, np.inf, -1.0, -np.inf, 0.0, 2.5, -3.0]), shape)
        elif self.values in {"equal", "zeros"}:
            drawn = np.full(shape, 0.75 if self.values == "equal" else 0.0)
        return drawn.astype(self.dtype)

    @property
    def X(self) -> Any:
        return self.floats(self.rows, self.width)

    def per_sequence(self) -> Any:
        return self.floats(len(self.lengths), self.width)

    def indices(self, bound: int, *shape: int) -> Any:
        return self.rng.integers(0, bound, shape).astype("int32")

    def ids(self) -> Any:
        ids = self.rng.integers(0, 2**64, self.rows, dtype="uint64")
        ids[:3] = np.array([0, 1, 2**64 - 1], "uint64")[: len(ids)]
        return ids

    def sequences(self) -> list[Any]:
        return np.split(self.X, np.cumsum(self.lengths)[:-1]) if self.rows else []


class Add(Protocol):
    """Takes a name for a call, whose first word is the operation if `op` is not, and its arguments."""

    def __call__(self, name: str, *args: Any, op: str | None = None, **kwargs: Any) -> None: ...


def activations(given: Inputs, add: Add) -> None:
    """Activations and their gradients, element by element."""
    for name in ("clipped_linear", "dish", "gelu", "gelu_approx", "hard_sigmoid", "hard_swish", "hard_swish_mobilenet",
                 "hard_tanh", "mish", "relu", "relu_k", "sigmoid", "swish"):  # fmt: skip
        add(name, given.X)
        add(f"{name} in place", given.X, inplace=True)
        if name == "swish":
            continue
        add(f"backprop_{name}", given.X, given.X)
        add(f"backprop_{name} in place", given.X, given.X, inplace=True)
    for name in ("dsigmoid", "dtanh"):
        add(name, given.X)
        add(f"{name} in place", given.X, inplace=True)
    add("backprop_swish", given.X, given.X, given.X)
    add("backprop_swish in place", given.X, given.X, given.X, inplace=True)
    add("erf", given.X)
    add("sechsq", given.X)
    add("clipped_linear with options", given.X, 0.5, 0.1, -0.3, 2.0)
    add("backprop_clipped_linear with options", given.X, given.X, 0.5, 0.1, -0.3, 2.0)
    add("clipped_linear falling", given.X, -0.5, 0.1, -0.3, 2.0)
    add("backprop_clipped_linear falling", given.X, given.X, -0.5, 0.1, -0.3, 2.0)
    add("clipped_linear flat", given.X, 0.0, 0.1)
    add("backprop_clipped_linear flat", given.X, given.X, 0.0, 0.1)
    add("relu_k with k", given.X, 2.0)
    add("mish with threshold", given.X, threshold=1.0)
    add("backprop_mish with threshold", given.X, given.X, threshold=1.0)
    add("logloss", (given.X > 0).astype(given.dtype), np.full((given.rows, given.width), 0.3, given.dtype))


def softmax_and_maxout(given: Inputs, add: Add) -> None:
    """Softmax of rows and of sequences, and the largest of several pieces."""
    add("softmax", given.X)
    add("softmax in place", given.X, inplace=True)
    add("softmax with temperature", given.X, temperature=2.0)
    add("softmax of rows", given.X[:, :3], axis=0) if given.rows else None
    add("backprop_softmax", given.X, given.X)
    add("backprop_softmax with temperature", given.X, given.X, temperature=2.0)
    add("softmax_sequences", given.X, given.lengths)
    add("backprop_softmax_sequences", given.X, given.X, given.lengths)

    add("maxout", given.floats(given.rows, given.width, 3))
    add("maxout of two", given.floats(given.rows, given.width, 2))
    add("maxout of five", given.floats(given.rows, given.width, 5))
    add("backprop_maxout", given.X, given.indices(3, given.rows, given.width), 3)


def windows_and_reductions(given: Inputs, add: Add) -> None:
    """Windows, and one row for each sequence."""
    for window in (0, 1, 3):
        add(f"seq2col by {window}", given.X, window)
        add(f"seq2col by {window} with lengths", given.X, window, lengths=given.lengths)
        wide = given.floats(given.rows, given.width * (2 * window + 1))
        add(f"backprop_seq2col by {window}", wide, window)
        add(f"backprop_seq2col by {window} with lengths", wide, window, lengths=given.lengths)

    for name in ("first", "last", "max", "mean", "sum"):
        add(f"reduce_{name}", given.X, given.lengths)
    bounds = np.concatenate([[0], np.cumsum(given.lengths)]).astype("int32")
    add("backprop_reduce_first", given.per_sequence(), bounds)
    add("backprop_reduce_last", given.per_sequence(), bounds[1:] - 1)
    firsts = np.zeros((len(given.lengths), given.width), "int32")
    add("backprop_reduce_max", given.per_sequence(), firsts + (given.lengths - 1)[:, None], given.lengths)
    add("backprop_reduce_mean", given.per_sequence(), given.lengths)
    add("backprop_reduce_sum", given.per_sequence(), given.lengths)
    add("reduce_mean with an empty sequence", given.X, np.append(given.lengths, 0).astype("int32"))
    add("reduce_sum with an empty sequence", given.X, np.append(given.lengths, 0).astype("int32"))
    add("reduce_max with an empty sequence", given.X, np.append(given.lengths, 0).astype("int32"))


def tables(given: Inputs, add: Add) -> None:
    """Hashes, and rows of tables."""
    add("hash", given.ids(), 7)
    for n in (1, 2, 3, 50):
        add(f"ngrams of {n}", n, given.ids())
    table = given.floats(13, given.width)
    add("gather_add", table, given.indices(13, given.rows, 4))
    add("gather_add of two", table, given.indices(13, given.rows, 2))
    add("scatter_add", table, given.indices(13, given.rows), given.X)
    add("position_encode", given.rows, given.width)
    add("position_encode with period", given.rows, given.width, period=100)


def updates(given: Inputs, add: Add) -> None:
    """Steps of optimizers."""
    flat = [given.floats(given.rows * given.width) for _ in range(3)]
    second = np.abs(given.floats(given.rows * given.width))
    add("adam", *flat, second, 0.9, 0.999, 1e-8, 0.01)
    add("adam with mod_rate", *flat, second, 0.9, 0.999, 1e-8, 0.01, 0.5)
    add("clip_gradient", given.X, 1.0)
    add("clip_gradient far", given.X, 1e6)
    add("clip_gradient to 0", given.X, 0.0)
    add("update_averages", given.X, given.X, 3)
    add("update_averages late", given.X, given.X, 10**6, max_decay=0.99)


def products(given: Inputs, add: Add) -> None:
    """Matrix products."""
    wide_table = given.floats(6, given.width)
    add("affine", given.X, wide_table, given.floats(6))
    add("gemm", given.X, given.floats(given.width, 6))
    add("gemm transposed first", given.X, given.floats(given.rows, 6), trans1=True)
    add("gemm transposed second", given.X, wide_table, trans2=True)
    add("gemm into out", given.X, wide_table, out=np.zeros((given.rows, 6), given.dtype), trans2=True)


def batches(given: Inputs, add: Add) -> None:
    """Lists of sequences as arrays, and back."""
    sequences = given.sequences()
    add("flatten", sequences)
    add("flatten with padding", sequences, pad=2)
    add("flatten to float64", sequences, dtype="float64")
    add("flatten nothing", [], ndim_if_empty=3)
    add("flatten with an empty sequence", [given.X[:0], *sequences])
    add("flatten with an empty sequence and padding", [given.X[:0], *sequences], pad=1)
    add("unflatten", given.X, given.lengths)
    padding = given.floats(given.rows + 2 * (len(sequences) + 1) if sequences else 0, given.width)
    add("unflatten with padding", padding, given.lengths, pad=2)
    if sequences:
        longest = int(given.lengths.max())
        add("pad", sequences)
        add("pad rounded", sequences, round_to=8)
        add("unpad", given.floats(len(sequences), longest, given.width), given.lengths.tolist())
    add("list2padded", sequences)
    add("padded2list", ours.list2padded(sequences))
    add("list2padded with an empty sequence", [*sequences, given.X[:0], *sequences])
    add("tile", given.X, 3)
    add("insert_into", (len(sequences), max([0, *given.lengths]), given.width), sequences)


def arrays(given: Inputs, add: Add) -> None:
    """New arrays, conversions and shapes."""
    for letter, dtype in (("f", "float32"), ("i", "int32")):
        add(f"alloc_{letter}", (given.rows, given.width))
        for ndim in (1, 2, 3, 4):
            shape = (given.rows, given.width, 2, 3)[:ndim]
            add(f"alloc{ndim}{letter}", *shape)
            data = np.ones(shape, dtype)
            add(f"asarray{ndim}{letter}", data)
            add(f"asarray{ndim}{letter} of lists", data.tolist())
            add(f"asarray{ndim}{letter} of another dtype", data.astype("int16"))
            add(f"reshape{ndim}{letter}", data.ravel(), *shape)
            add(f"reshape{ndim}", data.ravel(), *shape)
            if given.rows:
                add(f"reshape{ndim}{letter} by -1", data.ravel(), -1, *shape[1:]) if given.width else None
        add(f"asarray_{letter}", [[1, 2], [3, 4]])
        add(f"reshape_{letter}", np.ones(given.rows * given.width, dtype), (given.rows, given.width))
    add("alloc", (given.rows, given.width), dtype="uint64")
    add("alloc of float64", (given.rows,), dtype=None)
    add("asarray", given.X)
    add("asarray of lists", [[1, 2], [3, 4]])
    add("asarray of arrays", [np.ones(3, "f"), np.zeros(3, "f")], dtype="int32")
    add("asarray to float64", given.X, dtype="float64")
    add("as_contig", given.X.T)
    add("as_contig to float64", given.X, dtype="float64")
    add("reshape", given.X, (given.width, given.rows))
    add("to_numpy", given.X)
    add("to_numpy big-endian", given.X, byte_order=">")


@cache
def calls(kind: str) -> dict[str, Call]:
    """A call, or several with other options, of every operation."""
    given = Inputs(KINDS[kind])
    made: dict[str, Call] = {}

    def add(name: str, *args: Any, op: str | None = None, **kwargs: Any) -> None:
        made[name] = Call(op or name.partition(" ")[0], args, kwargs)

    for family in (activations, softmax_and_maxout, windows_and_reductions, tables, updates, products, batches, arrays):
        family(given, add)
    return made


NAMES = list(calls("random"))


@pytest.fixture(scope="module")
def theirs() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from thinc.api import NumpyOps as ThincOps

        return ThincOps()


def outcome(ops: Any, call: Call) -> tuple[str, Any]:
    """What came of a call: result, arguments afterwards, and which argument the result is; or the error."""
    args, kwargs = copy.deepcopy((call.args, call.kwargs))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            result = getattr(ops, call.op)(*args, **kwargs)
        except Exception as error:  # noqa: BLE001
            return "error", error
    same = [place for place, value in enumerate(args) if value is result and isinstance(value, np.ndarray)]
    return "result", (result, args, list(kwargs.values()), same)


def assert_equal(ours: Any, theirs: Any, where: str, rtol: float) -> None:
    if hasattr(theirs, "size_at_t"):
        assert isinstance(ours, Padded)
        ours, theirs = (
            [getattr(p, key) for key in ("data", "size_at_t", "lengths", "indices")] for p in (ours, theirs)
        )
    if isinstance(theirs, (list, tuple)):
        assert type(ours) is type(theirs), where
        assert len(ours) == len(theirs), where
        for place, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_equal(*pair, f"{where}[{place}]", rtol)
    elif isinstance(theirs, np.ndarray):
        assert type(ours) is np.ndarray, where
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), where
        # Sums of rounded terms: what is small beside the largest value is only as exact as that.
        finite = np.abs(theirs[np.isfinite(theirs)]) if theirs.dtype.kind == "f" else np.zeros(0)
        atol = rtol * float(finite.max()) if finite.size else 0.0
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=min(atol, rtol * 100), err_msg=where)
    else:
        assert ours == theirs, where


def compare(theirs: Any, name: str, kind: str) -> None:
    call = calls(kind)[name]
    (how, expected), (how_ours, got) = outcome(theirs, call), outcome(ours, call)
    assert how_ours == how, f"Thinc: {expected!r}, here: {got!r}"
    if how == "result":
        single = KINDS[kind].dtype == "float32" or AS_EXACT_AS_FLOAT32.match(name)
        assert_equal(got, expected, name, rtol=2e-5 if single else 1e-9)


DIFFERENT = {
    (name, kind): difference
    for difference in DIFFERENCES
    for name in difference.names
    for kind in (KINDS if "*" in difference.kinds else difference.kinds)
}
CASES = [(name, kind) for kind in KINDS for name in calls(kind)]


@pytest.mark.parametrize(("name", "kind"), [case for case in CASES if case not in DIFFERENT])
def test_outcomes_are_equal(theirs: Any, name: str, kind: str) -> None:
    compare(theirs, name, kind)


@pytest.mark.parametrize(("name", "kind"), list(DIFFERENT))
def test_what_is_said_to_differ_differs(theirs: Any, name: str, kind: str) -> None:
    with pytest.raises(AssertionError):
        compare(theirs, name, kind)


def test_every_operation_of_thinc_is_compared(theirs: Any) -> None:
    methods = {name for name in dir(theirs) if name[0] != "_" and callable(getattr(theirs, name))} - {"xp"}
    assert methods == {call.op for call in calls("random").values()} | set(APART)


@pytest.mark.parametrize("op", sorted({call.op for call in calls("random").values()} | set(APART)))
def test_names_and_defaults_of_arguments_are_equal(theirs: Any, op: str) -> None:
    # Not whether they may be given by position: more may be here.
    expected, got = (inspect.signature(getattr(ops, op)).parameters for ops in (theirs, ours))
    # Compiled methods of Thinc's tell no defaults apart, and show self.
    assert {name: p.default for name, p in got.items()} == {
        name: p.default for name, p in expected.items() if name != "self"
    }


# --- what needs more than a call ------------------------------------------------------------------------------------


@pytest.mark.parametrize("drop", [None, -0.5, 0.0, 0.25, 0.9, 1.0])
def test_dropout_masks_are_alike(theirs: Any, drop: float | None) -> None:
    masks = [ops.get_dropout_mask((200, 50), drop) for ops in (ours, theirs)]
    assert masks[0].dtype == masks[1].dtype
    assert masks[0].shape == masks[1].shape
    np.testing.assert_allclose(np.unique(masks[0]), np.unique(masks[1]), rtol=1e-6)
    assert abs((masks[0] == 0).mean() - (masks[1] == 0).mean()) < 0.03


# Not float64: Thinc takes its bytes for float32.
@pytest.mark.parametrize("kind", ["random", "one row", "one column"])
@pytest.mark.parametrize(("depth", "dirs"), [(1, 1), (2, 1), (1, 2), (3, 2)])
def test_lstm_outputs_are_equal(theirs: Any, depth: int, dirs: int, kind: str) -> None:
    given, units = Inputs(KINDS[kind]), 4
    widths = [given.width] + [dirs * units] * (depth - 1)
    params = given.floats(sum(dirs * 4 * units * (width + units + 2) for width in widths)) / 4
    H0, C0 = given.floats(depth, dirs, units), given.floats(depth, dirs, units)
    padded = ours.list2padded(given.sequences())
    X = np.concatenate([padded.data[t, :size] for t, size in enumerate(padded.size_at_t)])
    for name in ("lstm_forward_training", "lstm_forward_inference"):
        results = [getattr(ops, name)(*copy.deepcopy((params, H0, C0, X, padded.size_at_t))) for ops in (ours, theirs)]
        if name == "lstm_forward_training":
            results = [result[0] for result in results]
        assert_equal(*results, name, rtol=1e-5)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("size", [1, 4, 100, [2, 5, 3, 1, 9]])
def test_batches_are_equal(theirs: Any, size: Any, shuffle: bool) -> None:
    X, names = np.arange(20, dtype="f").reshape(10, 2), [str(i) for i in range(10)]
    batches = []
    for ops in (ours, theirs):
        np.random.seed(3)
        sizes = copy.copy(size) if isinstance(size, int) else iter(size)
        several = list(ops.multibatch(size if isinstance(size, int) else iter(size), X, names, shuffle=shuffle))
        batches.append([list(ops.minibatch(sizes, X, shuffle=shuffle)), [list(batch) for batch in several]])
    assert_equal(*batches, "batches", rtol=0.0)
