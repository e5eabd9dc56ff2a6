"""Timing cases beside Thinc's CupyOps and PyTorch."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..backends import Ops
from ._cases import Case, all_cases, flattened, moved

SHAPES = ((2000, 96), (8000, 300))
OURS, THINC, TORCH, COPY = "ours", "Thinc", "torch", "copy"
Call = Callable[[], Any]


@dataclass
class Timing:
    """Median seconds of one case on one shape, by library. share: the time to copy as many bytes, as a part of ours."""

    label: str
    shape: str
    seconds: dict[str, float]
    share: float


def peers() -> dict[str, Any]:
    """Thinc's CupyOps and PyTorch with CUDA, if they are installed and work."""
    found: dict[str, Any] = {}
    if find_spec("thinc"):
        api = import_module("thinc.api")
        found[THINC] = api.CupyOps()
    if find_spec("torch"):
        torch = import_module("torch")
        if torch.cuda.is_available():
            found[TORCH] = torch
    return found


def timings(
    cupy: Any,
    ops: Ops,
    others: dict[str, Any],
    *,
    shapes: Iterable[tuple[int, int]] = SHAPES,
    wanted: Callable[[str], object] = bool,
    seconds: float = 0.2,
) -> Iterator[Timing]:
    """Time each case in float32, all libraries in turn, for about so long. A library without the case is left out."""
    for rows, width in shapes:
        for case in all_cases(rows, width):
            if not wanted(case.label):
                continue
            calls = {OURS: prepared(case, ops)}
            size = bytes_of(case, ops)
            source, target = cupy.empty(max(1, size // 2), dtype="uint8"), cupy.empty(max(1, size // 2), dtype="uint8")
            calls[COPY] = copied(source, target)
            for name, other in others.items():
                call = torch_call(case, other) if name == TORCH else prepared(case, other)
                if call is not None and works(call):
                    calls[name] = call
            medians = measured(cupy, calls, seconds)
            copying = medians.pop(COPY)
            yield Timing(case.label, f"{rows}x{width}", medians, copying / medians[OURS])


def prepared(case: Case, ops: Any) -> Call:
    """A function that runs a case, with its arguments on the device."""
    args = moved(ops, case.args, "float32")
    return lambda: case.call(ops, *args)


def copied(source: Any, target: Any) -> Call:
    """A function that copies."""

    def copy() -> None:
        target[...] = source

    return copy


def works(call: Call) -> bool:
    """Whether another library can run the case at all."""
    try:
        call()
    except Exception:  # noqa: BLE001  (a peer's failure is not ours to report)
        return False
    return True


def bytes_of(case: Case, ops: Ops) -> int:
    """Bytes of the arguments and results: what has to be read and written at least."""
    args = moved(ops, case.args, "float32")
    arrays = [*flattened(list(args)), *flattened(case.call(ops, *args))]
    return sum(int(getattr(array, "nbytes", 0)) for array in arrays)


def measured(cupy: Any, calls: dict[str, Call], seconds: float) -> dict[str, float]:
    """The median time of each call by the GPU's clock. The calls are made in turn until the time is up."""
    repeats = {}
    for name, call in calls.items():
        timed(cupy, call, 2)
        repeats[name] = max(1, min(100, int(1e-3 / max(timed(cupy, call, 3), 1e-7))))
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    while len(times[OURS]) < 5 or (time.perf_counter() < end and len(times[OURS]) < 200):
        for name, call in calls.items():
            times[name].append(timed(cupy, call, repeats[name]))
    return {name: statistics.median(each) for name, each in times.items()}


def timed(cupy: Any, call: Call, repeats: int) -> float:
    """Seconds for a call, on average over `repeats` of them."""
    start, end = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    for _ in range(repeats):
        call()
    end.record()
    end.synchronize()
    return float(cupy.cuda.get_elapsed_time(start, end)) / 1000 / repeats


# --- the same work in PyTorch ---------------------------------------------------------------------------------------


def torch_call(case: Case, torch: Any, device: str = "cuda") -> Call | None:
    """A function that runs the case in PyTorch, on the current GPU; None if PyTorch has no such operation."""
    make = TORCH_CALLS.get(case.label)
    if make is None:
        return None

    def tensors(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(map(tensors, value))
        if isinstance(value, np.ndarray):
            host = value.astype("float32") if value.dtype.kind == "f" else value.astype("int64")
            return torch.from_numpy(host).to(device)
        return value

    args = tensors(case.args)
    return lambda: make(torch, *args)


def _windows(torch: Any, X: Any, nW: int) -> Any:
    padded = torch.nn.functional.pad(X, (0, 0, nW, nW))
    return torch.cat([padded[i : i + len(X)] for i in range(2 * nW + 1)], 1)


TORCH_CALLS: dict[str, Callable[..., Any]] = {
    "relu": lambda t, X: t.relu(X),
    "relu_k": lambda t, X: t.nn.functional.relu6(X),
    "hard_tanh": lambda t, X: t.nn.functional.hardtanh(X),
    "hard_swish_mobilenet": lambda t, X: t.nn.functional.hardswish(X),
    "sigmoid": lambda t, X: t.sigmoid(X),
    "swish": lambda t, X: t.nn.functional.silu(X),
    "gelu": lambda t, X: t.nn.functional.gelu(X),
    "gelu_approx": lambda t, X: t.nn.functional.gelu(X, approximate="tanh"),
    "mish": lambda t, X: t.nn.functional.mish(X),
    "erf": lambda t, X: t.erf(X),
    "backprop_relu": lambda t, dY, Y: t.ops.aten.threshold_backward(dY, Y, 0),
    "backprop_hard_tanh": lambda t, dY, X: t.ops.aten.hardtanh_backward(dY, X, -1, 1),
    "backprop_hard_swish_mobilenet": lambda t, dY, X: t.ops.aten.hardswish_backward(dY, X),
    "backprop_sigmoid": lambda t, dY, Y: t.ops.aten.sigmoid_backward(dY, Y),
    "backprop_swish": lambda t, dY, X, Y: t.ops.aten.silu_backward(dY, X),
    "backprop_gelu": lambda t, dY, X: t.ops.aten.gelu_backward(dY, X),
    "backprop_gelu_approx": lambda t, dY, X: t.ops.aten.gelu_backward(dY, X, approximate="tanh"),
    "backprop_mish": lambda t, dY, X: t.ops.aten.mish_backward(dY, X),
    "softmax": lambda t, X: t.softmax(X, -1),
    "softmax, other axis": lambda t, X: t.softmax(X / 2.0, 0),
    "backprop_softmax": lambda t, Y, dY: t.ops.aten._softmax_backward_data(dY, Y, -1, Y.dtype),
    "layer_norm": lambda t, X, G, b: t.nn.functional.layer_norm(X, G.shape, G, b, 1e-8),
    "backprop_layer_norm": lambda t, dY, X, G, mean, rstd: t.ops.aten.native_layer_norm_backward(
        dY, X, list(G.shape), mean[:, None], rstd[:, None], G, G, [True, True, True]
    ),
    "seq2col, 1": _windows,
    "seq2col, 2": _windows,
    "maxout, 2": lambda t, X: X.max(-1),
    "maxout, 3": lambda t, X: X.max(-1),
    "maxout, 4": lambda t, X: X.max(-1),
    "reduce_max": lambda t, X, n: t.segment_reduce(X, "max", lengths=n, axis=0, unsafe=True),
    "reduce_mean": lambda t, X, n: t.segment_reduce(X, "mean", lengths=n, axis=0, unsafe=True),
    "reduce_sum": lambda t, X, n: t.segment_reduce(X, "sum", lengths=n, axis=0, unsafe=True),
    "gather_add": lambda t, E, i: t.nn.functional.embedding_bag(i, E, mode="sum"),
    "gather_add of 3": lambda t, E, i: t.nn.functional.embedding_bag(i, E, mode="sum"),
    "scatter_add": lambda t, E, i, v: E.index_add_(0, i, v),
    "gemm": lambda t, X, Y: X @ Y,
    "gemm, trans1": lambda t, X, Y: X.T @ Y,
    "gemm, trans2": lambda t, X, Y: X @ Y.T,
    "affine": lambda t, X, W, b: t.nn.functional.linear(X, W, b),
    "flatten": lambda t, Xs: t.cat(Xs),
    "pad": lambda t, Xs: t.nn.utils.rnn.pad_sequence(Xs, batch_first=True),
    "tile": lambda t, X, n: X.tile(n),
    "dropout": lambda t, X, key, drop: t.nn.functional.dropout(X, drop),
    "clip_gradient": lambda t, g, threshold: g.mul_((threshold / g.norm()).clamp(max=1)),
    "update_averages": lambda t, average, w, step: average.lerp_(w, 0.5),
    "sum_of_squares": lambda t, X: X.square().sum().item(),
}
