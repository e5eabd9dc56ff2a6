"""What only a GPU can show: streams, order of additions, other devices, whole training runs, the cost of a launch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backends import CupyOps, NumpyOps, Ops
from ._parity import Verdict

REPEATS = 20


def device_checks(cupy: Any) -> list[Verdict]:
    """Each check with its largest error, and with what is wrong."""
    checks: dict[str, Callable[[Any], float]] = {
        "on a stream of its own": on_a_stream,
        "deterministic=True: equal bits": deterministic_sums,
        "training beside the CPU": training,
        "deterministic training: equal bits": deterministic_training,
        "an array of another GPU is refused": other_device,
    }
    found = []
    for label, check in checks.items():
        verdict = Verdict(label)
        try:
            verdict.errors["float32"] = check(cupy)
        except Exception as error:  # noqa: BLE001  (whatever it is, the table has to say it)
            verdict.problems.append(f"{label}: {type(error).__name__}: {error}")
        found.append(verdict)
    return found


def require(true: bool, text: str) -> None:
    """RuntimeError unless it is true."""
    if not true:
        raise RuntimeError(text)


def on_a_stream(cupy: Any) -> float:
    """Work goes to CuPy's current stream: it is done when that one is."""
    ops = CupyOps()
    X = ops.asarray(np.full(1 << 22, -1.0, "f"))
    cupy.cuda.get_current_stream().synchronize()
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        for _ in range(REPEATS):
            X = ops.relu(X) - 1
    stream.synchronize()
    require(bool((X == -1).all()), "the results of kernels on a stream were not there when it was done")
    return 0.0


def deterministic_sums(cupy: Any) -> float:
    """scatter_add without atomics gives the CPU's bits every time, however often rows meet."""
    rng = np.random.default_rng(0)
    indices = rng.integers(0, 7, 20_000).astype("int32")
    values = rng.standard_normal((20_000, 33)).astype("f")
    expected = np.zeros((7, 33), "f")
    NumpyOps().scatter_add(expected, indices, values)
    ops = CupyOps(deterministic=True)
    for _ in range(REPEATS):
        table = ops.alloc2f(7, 33)
        ops.scatter_add(table, ops.asarray(indices), ops.asarray(values))
        require(np.array_equal(ops.to_numpy(table), expected), "scatter_add gave other bits than the CPU")
    return 0.0


def losses(ops: Ops) -> list[float]:
    """A tagger's losses over 20 steps on numbers made up, the same for any device."""
    from ..layers import HashEmbed, Maxout, Softmax, chain, expand_window
    from ..model import Model
    from ..optimizers import Adam
    from ..util import fix_random_seed

    fix_random_seed(0)
    ids = np.random.default_rng(0).integers(0, 1000, 500).astype("uint64")
    truth = np.zeros((500, 10), "f")
    truth[np.arange(500), (ids % np.uint64(10)).astype("int64")] = 1
    embed: Model[Any, Any] = HashEmbed(32, 200, seed=1)
    model: Model[Any, Any] = chain(embed, expand_window(1), Maxout(nO=32, nI=96, nP=3, normalize=True), Softmax(nO=10))
    for node in model.walk():
        node.ops = ops
    X, Y = ops.asarray(ids), ops.asarray(truth)
    model.initialize(X=X, Y=Y)
    optimizer = Adam(0.01)
    found = []
    for _ in range(20):
        guesses, backprop = model.begin_update(X)
        d = guesses - Y
        backprop(d / len(X))
        model.finish_update(optimizer)
        found.append(float((d**2).sum()))
    return found


def training(cupy: Any) -> float:
    """The losses of a training run are those of the CPU."""
    cpu, gpu = losses(NumpyOps()), losses(CupyOps())
    error = max(abs(a - b) / a for a, b in zip(cpu, gpu, strict=True))
    require(error < 1e-2, f"after 20 steps the loss is {gpu[-1]}, on the CPU {cpu[-1]}")
    require(gpu[-1] < gpu[0], "nothing was learnt")
    return error


def deterministic_training(cupy: Any) -> float:
    """Two training runs have the same losses to the last bit."""
    first, second = (losses(CupyOps(deterministic=True)) for _ in range(2))
    require(first == second, "two runs differ")
    return 0.0


def other_device(cupy: Any) -> float:
    """With a second GPU: its arrays are not mixed with those of the current one."""
    if cupy.cuda.runtime.getDeviceCount() < 2:
        return 0.0
    with cupy.cuda.Device(1):
        elsewhere = cupy.zeros(10, dtype="float32")
        require(bool((CupyOps().relu(elsewhere) == 0).all()), "relu on GPU 1 is wrong")
    try:
        CupyOps().relu(elsewhere)
    except ValueError:
        return 0.0
    raise RuntimeError("relu took an array of GPU 1 while GPU 0 was current")


def launch_seconds(cupy: Any) -> float:
    """What a call of a kernel takes until it is queued, on the CPU's clock."""
    ops = CupyOps()
    x = ops.alloc1f(64)
    out = ops.alloc1f(64)
    from ..kernels.activations import relu

    relu(out, x)
    cupy.cuda.get_current_stream().synchronize()
    count = 1000
    start = time.perf_counter()
    for _ in range(count):
        relu(out, x)
    seconds = (time.perf_counter() - start) / count
    cupy.cuda.get_current_stream().synchronize()
    return seconds
