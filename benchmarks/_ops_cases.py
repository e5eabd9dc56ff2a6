"""Every operation, for benchmarks: the same work in thinc_nb, in Thinc and in PyTorch.

`cases` makes them for one shape. Arguments are made before, results are allocated by the call. What a library does not
have is left out of a case's `calls`. The first results are compared, unless a case says that they cannot be. A case is
named after the operation, with what is particular to it in brackets; a few are layers, where Thinc has no operation.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from _ops_workload import OURS, TORCH, Call, Case, Workload, bound

PARAMETERS = 1_000_000
OPS = (
    "relu", "backprop_relu", "relu_k", "backprop_relu_k", "clipped_linear", "backprop_clipped_linear",
    "hard_sigmoid", "backprop_hard_sigmoid", "hard_tanh", "backprop_hard_tanh", "hard_swish",
    "backprop_hard_swish", "hard_swish_mobilenet", "backprop_hard_swish_mobilenet", "sigmoid",
    "backprop_sigmoid", "swish", "backprop_swish", "gelu", "backprop_gelu", "gelu_approx",
    "backprop_gelu_approx", "mish", "backprop_mish", "dish", "backprop_dish", "erf", "dsigmoid", "dtanh",
    "sechsq", "logloss", "get_dropout_mask", "softmax", "backprop_softmax", "softmax_sequences",
    "backprop_softmax_sequences", "layer_norm", "maxout", "backprop_maxout", "seq2col", "backprop_seq2col",
    "reduce_first", "backprop_reduce_first", "reduce_last", "backprop_reduce_last", "reduce_max",
    "backprop_reduce_max", "reduce_mean", "backprop_reduce_mean", "reduce_sum", "backprop_reduce_sum", "hash",
    "ngrams", "gather_add", "scatter_add", "position_encode", "HashEmbed", "gemm", "affine", "flatten", "unpad",
    "unflatten", "pad", "list2padded", "padded2list", "lstm_forward_inference", "lstm_forward_training",
    "backprop_lstm", "adam", "clip_gradient", "update_averages", "alloc1f", "asarray1f", "reshape1f",
    "reshape1", "alloc2f", "asarray2f", "reshape2f", "reshape2", "alloc3f", "asarray3f", "reshape3f",
    "reshape3", "alloc4f", "asarray4f", "reshape4f", "reshape4", "alloc_f", "asarray_f", "reshape_f", "alloc1i",
    "asarray1i", "reshape1i", "alloc2i", "asarray2i", "reshape2i", "alloc3i", "asarray3i", "reshape3i",
    "alloc4i", "asarray4i", "reshape4i", "alloc_i", "asarray_i", "reshape_i", "alloc", "asarray", "reshape",
    "as_contig", "to_numpy", "tile", "insert_into", "minibatch", "multibatch",
)  # fmt: skip
"""What there are cases for."""


def cases(libraries: dict[str, Any], rows: int, width: int) -> Iterator[Case]:
    """All cases for one shape."""
    load = Workload(libraries, rows, width)
    yield from activations(load)
    yield from normalisations(load)
    yield from windows_and_maxout(load)
    yield from reductions(load)
    yield from embeddings(load)
    yield from products(load)
    yield from sequences(load)
    yield from recurrent(load)
    yield from updates(load)
    yield from arrays(load)
    yield from batches(load)


def activations(load: Workload) -> Iterator[Case]:
    """Element by element, both ways."""
    torch: Any = load.libraries.get(TORCH)
    F = torch.nn.functional if torch else None
    X, dY = load.floats(load.rows, load.width), load.floats(load.rows, load.width)
    x = load.tensor(X)
    # Operation, PyTorch's, and whether that is the same function.
    table: list[tuple[str, Any, bool]] = [
        ("relu", F and F.relu, True),
        ("relu_k", F and F.relu6, True),
        ("clipped_linear", None, True),
        ("hard_sigmoid", F and F.hardsigmoid, False),
        ("hard_tanh", F and F.hardtanh, True),
        ("hard_swish", F and F.hardswish, False),
        ("hard_swish_mobilenet", F and F.hardswish, True),
        ("sigmoid", torch and torch.sigmoid, True),
        ("swish", F and F.silu, True),
        ("gelu", F and F.gelu, True),
        ("gelu_approx", F and (lambda v: F.gelu(v, approximate="tanh")), True),
        ("mish", F and F.mish, True),
        ("dish", None, True),
        ("erf", torch and torch.erf, True),
    ]
    for name, function, equal in table:
        forward = bound(function, x) if function else None
        yield load.case(name, operator.methodcaller(name, X), forward, X, X, equal=equal)
        if name == "erf":
            continue
        inputs = [X]
        if name in {"relu", "sigmoid", "swish"}:
            Y = getattr(load.ops[OURS], name)(X)
            inputs = [X, Y] if name == "swish" else [Y]
        backward = load.gradient(function, dY, X) if function else None
        caller = operator.methodcaller(f"backprop_{name}", dY, *inputs)
        yield load.case(f"backprop_{name}", caller, backward, dY, *inputs, X, equal=equal)

    def mask() -> Any:
        return torch.empty(load.rows, load.width).bernoulli_(0.9).div_(0.9)

    P = load.ops[OURS].sigmoid(X)
    yield load.case("dsigmoid", operator.methodcaller("dsigmoid", P), None, P, P)
    yield load.case("dtanh", operator.methodcaller("dtanh", P), None, P, P)
    yield load.case("sechsq", operator.methodcaller("sechsq", P), None, P, P)
    target = (P > 0.5).astype("f")
    binary = F and bound(
        lambda p: F.binary_cross_entropy(p[0], p[1], reduction="none"), (load.tensor(P), load.tensor(target))
    )
    yield load.case("logloss", operator.methodcaller("logloss", target, P), binary, P, P, P, equal=False)
    shape = (load.rows, load.width)
    # Nothing is read: a copy of half the bytes writes as much.
    yield load.case("get_dropout_mask", lambda ops: ops.get_dropout_mask(shape, 0.1), torch and mask, X, equal=False)


def normalisations(load: Workload) -> Iterator[Case]:
    """Softmax and layer normalisation."""
    torch: Any = load.libraries.get(TORCH)
    X, dY = load.floats(load.rows, load.width), load.floats(load.rows, load.width)
    x = load.tensor(X)
    Y = load.ops[OURS].softmax(X)

    def softmax(v: Any) -> Any:
        return torch.softmax(v, -1)

    def layer_norm(v: Any, gain: Any, bias: Any) -> Any:
        return torch.nn.functional.layer_norm(v, (load.width,), gain, bias, 1e-8)

    yield load.case("softmax", lambda ops: ops.softmax(X), bound(softmax, x), X, Y)
    yield load.case(
        "backprop_softmax", lambda ops: ops.backprop_softmax(Y, dY), load.gradient(softmax, dY, X), X, Y, dY
    )
    lengths, columns = load.lengths, X[:, :1].copy()
    yield load.case(
        "softmax_sequences", lambda ops: ops.softmax_sequences(columns, lengths), None, columns, columns,
        shape=(load.rows, 1),
    )  # fmt: skip
    weights, d_columns = load.ops[OURS].softmax_sequences(columns, lengths), columns[::-1].copy()
    yield load.case(
        "backprop_softmax_sequences", lambda ops: ops.backprop_softmax_sequences(d_columns, weights, lengths), None,
        columns, columns, columns, shape=(load.rows, 1),
    )  # fmt: skip
    # Layers: Thinc has no operation for it.
    forward, both = (
        load.case("layer_norm (layer)", None, None, X, X),
        load.case("layer_norm (layer, both ways)", None, None, X, X, dY, X),
    )
    for name, api in load.libraries.items():
        if name != TORCH:
            layer = api.LayerNorm(load.width).initialize()
            forward.calls[name] = bound(lambda layer: layer.predict(X), layer)
            both.calls[name] = bound(lambda layer: layer(X, is_train=True)[1](dY), layer)
    if torch:
        gain, bias = np.ones(load.width, "f"), np.zeros(load.width, "f")
        parameters = load.tensor(gain), load.tensor(bias)
        forward.calls[TORCH] = lambda: layer_norm(x, *parameters)
        way = load.both_ways(layer_norm, dY, X, gain, bias)
        if way is not None:
            both.calls[TORCH] = way
    yield forward
    yield both


def windows_and_maxout(load: Workload) -> Iterator[Case]:
    """What the layers of a convolutional tagger are made of."""
    torch: Any = load.libraries.get(TORCH)
    rows, width = load.rows, load.width
    for pieces in (2, 3):
        X, dY = load.floats(rows, width, pieces), load.floats(rows, width)
        best, which = load.ops[OURS].maxout(X)
        x = load.tensor(X)
        shape = (rows, width, pieces)

        def largest(v: Any) -> Any:
            return v.max(-1)[0]

        yield load.case(
            "maxout", operator.methodcaller("maxout", X), torch and (lambda x=x: x.max(-1)), X, best, which,
            shape=shape, equal=False,
        )  # fmt: skip
        caller = operator.methodcaller("backprop_maxout", dY, which, pieces)
        yield load.case("backprop_maxout", caller, load.gradient(largest, dY, X), X, dY, which, shape=shape)
    X, dY = load.floats(rows, width), load.floats(rows, 3 * width)
    x = load.tensor(X)

    def windows(v: Any) -> Any:
        padded = torch.nn.functional.pad(v, (0, 0, 1, 1))
        return torch.cat((padded[:-2], padded[1:-1], padded[2:]), 1)

    lengths = load.lengths
    yield load.case("seq2col", lambda ops: ops.seq2col(X, 1), bound(windows, x), X, dY)
    yield load.case("backprop_seq2col", lambda ops: ops.backprop_seq2col(dY, 1), load.gradient(windows, dY, X), X, dY)
    yield load.case("seq2col (lengths)", lambda ops: ops.seq2col(X, 1, lengths=lengths), None, X, dY)
    yield load.case("backprop_seq2col (lengths)", lambda ops: ops.backprop_seq2col(dY, 1, lengths=lengths), None, X, dY)


def reductions(load: Workload) -> Iterator[Case]:
    """One vector for each sentence."""
    torch: Any = load.libraries.get(TORCH)
    ours = load.ops[OURS]
    X, lengths = load.floats(load.rows, load.width), load.lengths
    dY = load.floats(len(lengths), load.width)
    x, counts = load.tensor(X), load.tensor(lengths.astype("int64"))
    ends = np.cumsum(lengths, dtype="int64")
    places = {"first": load.tensor(ends - lengths), "last": load.tensor(ends - 1)}
    for name in ("first", "last", "max", "mean", "sum"):

        def reduced(v: Any, name: str = name) -> Any:
            if name in places:
                return v[places[name]]
            return torch.segment_reduce(v, name, lengths=counts, axis=0, unsafe=True)

        read = dY if name in places else X
        yield load.case(
            f"reduce_{name}", operator.methodcaller(f"reduce_{name}", X, lengths), bound(reduced, x), read, dY,
            equal=name in {"mean", "sum"},
        )  # fmt: skip
        arguments: tuple[Any, ...] = (lengths,)
        if name in places:
            arguments = (getattr(ours, f"reduce_{name}")(X, lengths)[1],)
        elif name == "max":
            arguments = (ours.reduce_max(X, lengths)[1], lengths)
        caller = operator.methodcaller(f"backprop_reduce_{name}", dY, *arguments)
        yield load.case(f"backprop_reduce_{name}", caller, load.gradient(reduced, dY, X), X, dY)


def embeddings(load: Workload) -> Iterator[Case]:
    """Hashes, and tables of 5000 rows."""
    torch: Any = load.libraries.get(TORCH)
    rows, width, size = load.rows, load.width, 5000
    ids = load.rng.integers(0, 2**63, rows).astype("uint64")
    table, indices = load.floats(size, width), load.rng.integers(0, size, (rows, 4)).astype("int32")
    values, target = load.floats(rows, width), load.floats(size, width)
    t, i, v = load.tensor(table), load.tensor(indices.astype("int64")), load.tensor(values)
    shared_target, places = load.tensor(target.copy()), load.tensor(indices[:, 0].astype("int64"))
    first = indices[:, 0].copy()
    yield load.case("hash", lambda ops: ops.hash(ids, 1), None, ids, ids, ids, shape=(rows,))
    yield load.case("ngrams", lambda ops: ops.ngrams(3, ids), None, ids, ids, shape=(rows,))
    yield load.case(
        "gather_add", lambda ops: ops.gather_add(table, indices),
        lambda: torch.nn.functional.embedding_bag(i, t, mode="sum"), indices, *[values] * 5,
    )  # fmt: skip
    yield load.case(
        "scatter_add", lambda ops: ops.scatter_add(target, first, values),
        lambda: shared_target.index_add_(0, places, v), first, *[values] * 3, equal=False,
    )  # fmt: skip
    yield load.case("position_encode", lambda ops: ops.position_encode(rows, width), None, values)
    embed = load.case("HashEmbed (layer)", None, None, ids, *[values] * 5)
    embed_both = load.case("HashEmbed (layer, both ways)", None, None, ids, *[values] * 14, equal=False)
    for name, api in load.libraries.items():
        if name != TORCH:
            layer = api.HashEmbed(width, size, seed=1)
            layer.initialize(X=ids)
            # Into the layer's own memory, where training leaves it: an array that is given stays where numpy put it.
            layer.get_param("E")[...] = table
            embed.calls[name] = bound(lambda layer: layer.predict(ids), layer)
            embed_both.calls[name] = bound(lambda layer: layer(ids, is_train=True)[1](values), layer)
    yield embed
    yield embed_both


def products(load: Workload) -> Iterator[Case]:
    """Products with a square matrix, and with one three times as high as a tagger's hidden layers have."""
    torch: Any = load.libraries.get(TORCH)
    rows, width = load.rows, load.width
    for inner, outer in ((width, width), (3 * width, 3 * width)):
        X, W, b = load.floats(rows, inner), load.floats(outer, inner), load.floats(outer)
        x, w, c = load.tensor(X), load.tensor(W), load.tensor(b)
        shape, flops = (rows, inner, outer), 2 * rows * inner * outer
        yield load.case(
            "gemm", operator.methodcaller("gemm", X, W, trans2=True), bound(lambda p: p[0] @ p[1].T, (x, w)),
            shape=shape, flops=flops,
        )  # fmt: skip
        yield load.case(
            "affine", operator.methodcaller("affine", X, W, b),
            bound(lambda p: torch.nn.functional.linear(*p), (x, w, c)), shape=shape, flops=flops,
        )  # fmt: skip


def sequences(load: Workload) -> Iterator[Case]:
    """Lists of sentences as arrays, and back."""
    torch: Any = load.libraries.get(TORCH)
    ours = load.ops[OURS]
    X, lengths = load.floats(load.rows, load.width), load.lengths
    listed = [part.copy() for part in np.split(X, np.cumsum(lengths)[:-1])]
    tensors = [load.tensor(part) for part in listed]
    padded = ours.list2padded(listed)
    pad = torch and torch.nn.utils.rnn.pad_sequence
    yield load.case("flatten", lambda ops: ops.flatten(listed), lambda: torch.cat(tensors), X, X)
    stacked = ours.pad(listed)
    yield load.case("unpad", lambda ops: ops.unpad(stacked, lengths.tolist()), None, equal=False)
    yield load.case("unflatten", lambda ops: ops.unflatten(X, lengths), None, equal=False)
    yield load.case("pad", lambda ops: ops.pad(listed), lambda: pad(tensors, batch_first=True), X, padded.data)
    yield load.case("list2padded", lambda ops: ops.list2padded(listed), None, X, padded.data, equal=False)
    yield load.case("padded2list", lambda ops: ops.padded2list(padded), None, X, X, equal=False)


def recurrent(load: Workload) -> Iterator[Case]:
    """An LSTM of one layer and direction, as wide as its input."""
    torch: Any = load.libraries.get(TORCH)
    ours = load.ops[OURS]
    rows, width = load.rows, load.width
    ends = np.cumsum(load.lengths)
    listed = np.split(load.floats(rows, width), ends[:-1])
    padded = ours.list2padded(listed)
    X = np.concatenate([padded.data[t, :size] for t, size in enumerate(padded.size_at_t)])
    params, state = load.floats(4 * width * (2 * width + 2)) / 16, np.zeros((1, 1, width), "f")
    dY, sizes = load.floats(rows, width), padded.size_at_t
    torch_forward, torch_both = None, None
    if torch:
        lstm = torch.nn.LSTM(width, width)
        packed = torch.nn.utils.rnn.PackedSequence(load.tensor(X), load.tensor(sizes.astype("int64")))
        given = load.tensor(dY)

        def torch_forward() -> Any:
            with torch.no_grad():
                return lstm(packed)[0].data

        def torch_both() -> Any:
            packed.data.requires_grad_()
            result = lstm(packed)[0].data
            return torch.autograd.grad(result, [packed.data, *lstm.parameters()], given)

    def both(ops: Any) -> Any:
        _, kept = ops.lstm_forward_training(params, state, state, X, sizes)
        return ops.backprop_lstm(dY, sizes, params, kept)

    # Only the products are counted.
    flops = 2 * rows * 2 * width * 4 * width
    arguments = (params, state, state, X, sizes)
    yield load.case(
        "lstm_forward_inference", operator.methodcaller("lstm_forward_inference", *arguments), torch_forward,
        flops=flops, equal=False,
    )  # fmt: skip
    yield load.case(
        "lstm_forward_training", operator.methodcaller("lstm_forward_training", *arguments), None,
        flops=flops, equal=False,
    )  # fmt: skip
    yield load.case("backprop_lstm (with forward)", both, torch_both, flops=3 * flops, equal=False)


def updates(load: Workload) -> Iterator[Case]:
    """A step of Adam on a million parameters, which are read and written; the shape plays no part."""
    torch: Any = load.libraries.get(TORCH)
    count = PARAMETERS
    fresh = load.floats(count)
    gradient, moments = fresh.copy(), [np.zeros(count, "f"), np.zeros(count, "f")]
    weights = load.floats(count)

    def refill() -> None:
        # The step zeroes it, and moments that decay end as denormal numbers, which are slow.
        gradient[...] = fresh

    parameter, average = load.tensor(weights.copy()), load.tensor(weights.copy())
    step, whole_step, clip, move = None, None, None, None
    if torch:
        parameter.requires_grad_()
        parameter.grad = load.tensor(gradient)
        optimizer = torch.optim.Adam([parameter], fused=True)

        def step() -> None:
            optimizer.step()
            parameter.grad.zero_()

        def clip() -> None:
            torch.nn.utils.clip_grad_norm_([parameter], 1.0)

        def move() -> None:
            with torch.no_grad():
                average.lerp_(parameter, 0.001)

        def whole_step() -> None:
            clip()
            step()
            move()

    def case(
        op: str, shared: Callable[[Any], Any] | None, theirs: Call | None, arrays: int, prepare: Call | None
    ) -> Case:
        return load.case(op, shared, theirs, *[weights] * arrays, prepare=prepare, equal=False, shape=(count,))

    yield case("adam", lambda ops: ops.adam(weights, gradient, *moments, 0.9, 0.999, 1e-8, 0.001), step, 8, refill)
    yield case("clip_gradient", lambda ops: ops.clip_gradient(gradient, 1.0), clip, 3, refill)
    ema = weights.copy()
    yield case("update_averages", lambda ops: ops.update_averages(ema, weights, 100), move, 3, None)
    whole = case("adam (optimizer: clip, average)", None, whole_step, 11, refill)
    for name, api in load.libraries.items():
        if name != TORCH:
            whole.calls[name] = bound(
                lambda update: update((1, "W"), weights, gradient), api.Adam(0.001, grad_clip=1.0)
            )
    yield whole


def arrays(load: Workload) -> Iterator[Case]:
    """Making, converting and reshaping arrays: some copy, most measure what a call costs."""
    torch: Any = load.libraries.get(TORCH)
    rows, width = load.rows, load.width
    X, ids = load.floats(rows, width), np.arange(rows * width, dtype="int32").reshape(rows, width)
    x, listed = load.tensor(X), X[:20].tolist()
    turned = load.floats(width, rows).T
    sides = (rows, width, 1, 1)
    for kind, array in (("f", X), ("i", ids)):
        for ndim in range(1, 5):
            shape = (rows * width,) if ndim == 1 else sides[:ndim]
            allocated = torch and kind == "f" and ndim == 2 and (lambda: torch.zeros(rows, width))
            yield load.case(
                f"alloc{ndim}{kind}", operator.methodcaller(f"alloc{ndim}{kind}", *shape), allocated or None, X,
            )  # fmt: skip
            given = array.reshape(shape)
            yield load.case(f"asarray{ndim}{kind}", operator.methodcaller(f"asarray{ndim}{kind}", given))
            yield load.case(f"reshape{ndim}{kind}", operator.methodcaller(f"reshape{ndim}{kind}", array, *shape))
            if kind == "f":
                yield load.case(f"reshape{ndim}", operator.methodcaller(f"reshape{ndim}", array, *shape))
        yield load.case(f"alloc_{kind}", operator.methodcaller(f"alloc_{kind}", (rows, width)), None, X)
        yield load.case(f"asarray_{kind}", operator.methodcaller(f"asarray_{kind}", array))
        yield load.case(f"reshape_{kind}", operator.methodcaller(f"reshape_{kind}", array, (width, rows)))
    yield load.case(
        "alloc", operator.methodcaller("alloc", (rows, width)), torch and (lambda: torch.zeros(rows, width)), X
    )
    yield load.case("asarray", operator.methodcaller("asarray", X))
    yield load.case("asarray (20 lists)", operator.methodcaller("asarray", listed, dtype="float32"), shape=(20, width))
    yield load.case("reshape", operator.methodcaller("reshape", X, (width, rows)))
    contiguous = torch and bound(lambda v: v.contiguous(), load.tensor(turned))
    yield load.case("as_contig", operator.methodcaller("as_contig", turned), contiguous, X, X)
    yield load.case("to_numpy", operator.methodcaller("to_numpy", X))
    yield load.case("tile", operator.methodcaller("tile", X, 2), torch and (lambda: x.tile(2)), X, X, X)
    parts = np.split(X, [rows // 3, rows // 2])
    yield load.case(
        "insert_into", lambda ops: ops.insert_into((len(parts), rows, width), parts), None, X, *[X] * len(parts)
    )


def batches(load: Workload) -> Iterator[Case]:
    """Minibatches of 128 rows, all of them."""
    X, Y = load.floats(load.rows, load.width), load.floats(load.rows, 1)
    yield load.case("minibatch", lambda ops: list(ops.minibatch(128, X)), None, X, X, equal=False)
    yield load.case("multibatch", lambda ops: list(ops.multibatch(128, X, Y)), None, X, X, Y, Y, equal=False)
