"""The cases: each operation, with arguments made for a shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backends import Ops

BOTH_WAYS = [
    "relu_k",
    "clipped_linear",
    "hard_sigmoid",
    "hard_tanh",
    "hard_swish",
    "hard_swish_mobilenet",
    "gelu",
    "gelu_approx",
    "mish",
    "dish",
]
FORWARD = [*BOTH_WAYS, "relu", "sigmoid", "swish", "dsigmoid", "dtanh", "sechsq", "erf"]
TABLE_ROWS = 500


@dataclass
class Case:
    """A call that both devices can make. `call` gets the Ops and the arguments, there as arrays of the device.

    exact: the result must have the bits of the CPU's result in the same precision.
    """

    label: str
    args: tuple[Any, ...]
    call: Callable[..., Any]
    exact: bool = False
    written: tuple[int, ...] = ()

    def run(self, ops: Ops, dtype: str, *, rounded_to: str = "") -> list[Any]:
        """The results as numpy arrays, from arguments in one precision that were rounded to another first, if given."""
        args = moved(ops, self.args, rounded_to or dtype)
        if rounded_to:
            args = moved(ops, args, dtype)
        result = self.call(ops, *args)
        return [on_host(ops, array) for array in flattened([args[i] for i in self.written] or result)]


def method(
    name: str, *args: Any, label: str = "", exact: bool = False, written: tuple[int, ...] = (), **kwargs: Any
) -> Case:
    """A case that is one method of Ops."""
    return Case(label or name, args, lambda ops, *given: getattr(ops, name)(*given, **kwargs), exact, written)


def moved(ops: Ops, value: Any, dtype: str) -> Any:
    """Copies of the arrays on the device, floats in this precision, in the same nested structure."""
    if isinstance(value, np.ndarray):
        return ops.asarray(value.astype(dtype) if value.dtype.kind == "f" else value.copy())
    if isinstance(value, (list, tuple)):
        return type(value)(moved(ops, item, dtype) for item in value)
    return value


def flattened(result: Any) -> list[Any]:
    """The arrays of a result, whatever they are wrapped in."""
    if isinstance(result, (list, tuple)):
        return [array for part in result for array in flattened(part)]
    if hasattr(result, "size_at_t"):
        return flattened([result.data, result.size_at_t, result.lengths, result.indices])
    return [result]


def on_host(ops: Ops, array: Any) -> Any:
    """An array, or number, as numpy array."""
    return np.asarray(array) if isinstance(array, (int, float)) else ops.to_numpy(array)


def sentence_lengths(rows: int, rng: np.random.Generator) -> Any:
    """Lengths between 1 and 40 that add up to the rows."""
    cuts = np.cumsum(rng.integers(1, 41, rows or 1))
    ends = np.append(cuts[cuts < rows], rows)
    return np.diff(ends, prepend=0).astype("int32") if rows else np.zeros(0, "int32")


def all_cases(rows: int, width: int) -> Iterator[Case]:
    """Every operation, on arrays (rows, width). The same numbers every time."""
    rng = np.random.default_rng(rows * 1000 + width)

    def floats(*shape: int) -> Any:
        return rng.standard_normal(shape) * 2

    yield from activations(floats(rows, width), floats(rows, width))
    yield from normalisations(floats, rows, width)
    yield from windows_and_maxout(floats, rows, width, sentence_lengths(rows, rng))
    yield from reductions(floats, width, sentence_lengths(rows, rng))
    yield from embeddings(floats, rng, rows, width)
    yield from products(floats, rows, width)
    yield from sequences(floats, width, sentence_lengths(rows, rng))
    yield from recurrent(floats, rows, min(width, 64))
    yield from updates(floats, rng, rows * width)


def activations(X: Any, dY: Any) -> Iterator[Case]:
    """Element by element, both ways; where there is room, NaN and inf among the elements."""
    X.flat[: min(5, X.size)] = [np.nan, np.inf, -np.inf, 0.0, -0.0][: X.size]
    for name in FORWARD:
        yield method(name, X)
    for name in BOTH_WAYS:
        yield method(f"backprop_{name}", dY, X)
    yield method("backprop_relu", dY, np.maximum(X, 0))
    Y = 1 / (1 + np.exp(-np.clip(X, -700, 700)))
    yield method("backprop_sigmoid", dY, Y)
    yield method("backprop_swish", dY, X, X * Y if np.isfinite(X).all() else np.where(np.isfinite(X), X, 0) * Y)
    yield method("gelu", X, inplace=True, label="gelu, in place")
    yield method("mish", X.T, label="mish of a transposed array")
    yield method("logloss", np.clip(np.nan_to_num(X), 0, 1).round(), Y)


def normalisations(floats: Callable[..., Any], rows: int, width: int) -> Iterator[Case]:
    """Softmax and layer normalisation, both ways."""
    X, dY, gain, bias = floats(rows, width), floats(rows, width), floats(width), floats(width)
    powers = np.exp(X)
    Y = powers / powers.sum(axis=1, keepdims=True)
    yield method("softmax", X)
    yield method("softmax", X, axis=0, temperature=2.0, label="softmax, other axis")
    yield method("backprop_softmax", Y, dY)
    yield method("layer_norm", X, gain, bias)
    mean = X.mean(axis=1)
    rstd = 1 / np.sqrt(X.var(axis=1) + 1e-8)
    # With one column the variance is 0, and what rounding leaves of it is multiplied by 10000.
    yield method("backprop_layer_norm", dY, X, gain, mean, rstd if width > 1 else np.ones(rows))


def windows_and_maxout(floats: Callable[..., Any], rows: int, width: int, lengths: Any) -> Iterator[Case]:
    """Windows, and the largest of several pieces: both devices must pick the same ones."""
    X = floats(rows, width)
    for nW in (1, 2):
        dY = floats(rows, width * (2 * nW + 1))
        yield method("seq2col", X, nW, label=f"seq2col, {nW}", exact=True)
        yield method("backprop_seq2col", dY, nW, label=f"backprop_seq2col, {nW}")
    dY = floats(rows, 3 * width)
    yield Case("seq2col, lengths", (X, lengths), lambda ops, X, n: ops.seq2col(X, 1, lengths=n), exact=True)
    yield Case("backprop_seq2col, lengths", (dY, lengths), lambda ops, d, n: ops.backprop_seq2col(d, 1, lengths=n))
    for pieces in (2, 3, 4):
        which = floats(rows, width, pieces).argmax(axis=2).astype("int32")
        yield method("maxout", floats(rows, width, pieces), label=f"maxout, {pieces}", exact=True)
        yield method(
            "backprop_maxout", floats(rows, width), which, pieces, label=f"backprop_maxout, {pieces}", exact=True
        )


def reductions(floats: Callable[..., Any], width: int, lengths: Any) -> Iterator[Case]:
    """One row for each sequence, and softmax over sequences."""
    rows, count = int(lengths.sum()), len(lengths)
    X, dY = floats(rows, width), floats(count, width)
    ends = np.cumsum(lengths)
    starts = ends - lengths
    which = np.minimum(np.arange(count * width).reshape(count, width), lengths[:, None] - 1).astype("int32")
    gradients: dict[str, tuple[Any, ...]] = {
        "first": (np.append(starts, rows).astype("int32"),),
        "last": (ends - 1,),
        "max": (which, lengths),
        "mean": (lengths,),
        "sum": (lengths,),
    }
    for name, args in gradients.items():
        picks = name in {"first", "last", "max"}
        yield method(f"reduce_{name}", X, lengths, exact=picks)
        yield method(f"backprop_reduce_{name}", dY, *args, exact=picks)
    Y = floats(rows, width)
    yield method("softmax_sequences", X, lengths)
    yield method("backprop_softmax_sequences", floats(rows, width), Y, lengths)


def embeddings(floats: Callable[..., Any], rng: np.random.Generator, rows: int, width: int) -> Iterator[Case]:
    """Hashes, and tables of 500 rows, so that gradients meet."""
    ids = rng.integers(0, 2**64, rows, dtype="uint64")
    indices = rng.integers(0, TABLE_ROWS, (rows, 4)).astype("int32")
    table, values = floats(TABLE_ROWS, width), floats(rows, width)
    yield method("hash", ids, 3, exact=True)
    yield method("hash_rows", ids, 3, TABLE_ROWS, exact=True)
    yield method("ngrams", 3, ids, exact=True)
    yield method("gather_add", table, indices)
    yield method("gather_add", table, indices[:, :3].copy(), label="gather_add of 3")
    yield method("scatter_add", table, indices[:, 0].copy(), values, written=(0,))
    yield method("scatter_add_rows", table, indices, values, written=(0,))
    yield method("position_encode", rows, width)


def products(floats: Callable[..., Any], rows: int, width: int) -> Iterator[Case]:
    """Products, transposed or not."""
    X, W = floats(rows, width), floats(width, width)
    yield method("gemm", X, W)
    yield method("gemm", X, W, trans2=True, label="gemm, trans2")
    yield method("gemm", X, floats(rows, 2 * width), trans1=True, label="gemm, trans1")
    yield method("affine", X, W, floats(width))


def sequences(floats: Callable[..., Any], width: int, lengths: Any) -> Iterator[Case]:
    """Lists of sequences as arrays, and back: nothing is computed, so all bits stay."""
    X = floats(int(lengths.sum()), width)
    listed = [part.copy() for part in np.split(X, np.cumsum(lengths)[:-1])] if len(lengths) else []
    yield Case("flatten", (listed,), lambda ops, Xs: ops.flatten(Xs, pad=1), exact=True)
    yield method("unflatten", X, lengths, exact=True)
    yield Case("list2padded", (listed,), lambda ops, Xs: ops.list2padded(Xs), exact=True)
    yield Case("padded2list", (listed,), lambda ops, Xs: ops.padded2list(ops.list2padded(Xs)), exact=True)
    if listed:
        yield Case("pad", (listed,), lambda ops, Xs: ops.pad(Xs, round_to=4), exact=True)
        yield Case("unpad", (listed, lengths), lambda ops, Xs, n: ops.unpad(ops.pad(Xs), n), exact=True)
        shape = (len(listed), max(map(len, listed)), width)
        yield Case("insert_into", (listed,), lambda ops, Xs: ops.insert_into(shape, Xs), exact=True)
    yield method("tile", X, 2, exact=True)


def recurrent(floats: Callable[..., Any], rows: int, width: int) -> Iterator[Case]:
    """LSTMs of two layers, in one direction and in both."""
    steps = min(rows, 20)
    sizes = np.full(steps, rows // steps if steps else 0, "int32")
    sizes[: rows - int(sizes.sum())] += 1
    for dirs in (1, 2):
        state = floats(2, dirs, width)
        count = sum(dirs * 4 * width * (inputs + width + 2) for inputs in (width, dirs * width))
        args = (floats(count) / 8, state, state / 2, floats(rows, width), sizes, floats(rows, dirs * width))
        name = f"LSTM, {dirs} direction{'s' * (dirs - 1)}"
        yield Case(name, args[:5], lambda ops, *args: ops.lstm_forward_inference(*args))
        yield Case(f"{name}, both ways", args, _lstm_both_ways)


def _lstm_both_ways(ops: Ops, params: Any, H0: Any, C0: Any, X: Any, sizes: Any, dY: Any) -> Any:
    Y, state = ops.lstm_forward_training(params, H0, C0, X, sizes)
    return Y, ops.backprop_lstm(dY, sizes, params, state)


def updates(floats: Callable[..., Any], rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Steps of optimizers, and dropout, whose mask is the same on both devices."""
    w, g, m, average = floats(4, count)
    v = abs(floats(count))
    rates: dict[str, Any] = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "learn_rate": 0.01}
    rest: dict[str, Any] = {"grad_scale": 0.5, "weight_decay": 0.01, "average_decay": 0.9}
    yield method("adam", w, g, m, v, written=(0, 1, 2, 3), **rates)
    yield method("adam_update", w, g, m, v, average, written=(0, 1, 2, 3, 4), **rates, **rest)
    yield method("update_averages", average, w, 5, written=(0,))
    yield method("clip_gradient", g, 1.0, written=(0,))
    yield method("sum_of_squares", g)
    yield method("dropout", w, np.uint32(rng.integers(1 << 32)), 0.25, exact=True)
    yield Case("get_dropout_mask", (), lambda ops: _mask(ops, count), exact=True)


def _mask(ops: Ops, count: int) -> Any:
    np.random.seed(7)
    return ops.get_dropout_mask((count,), 0.3)
