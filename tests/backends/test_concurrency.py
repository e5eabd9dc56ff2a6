"""Every operation from many Python threads, in children that were forked or spawned, and in turn with PyTorch."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest

from thinc_nb.backends import NumpyOps, _blas
from thinc_nb.gpu_check._cases import all_cases
from thinc_nb.gpu_check._device import losses
from thinc_nb.kernels import _threads, get_num_threads

SHAPE = (50, 24)
forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture
def threads(monkeypatch):
    """Two threads of our own, for all arrays but the smallest."""
    before = get_num_threads()
    _threads.share(2, 500)
    monkeypatch.setattr(_blas, "MIN_OPERATIONS", 10_000)
    yield
    _threads.share(before)


def results(reverse: bool = False) -> dict[str, list[np.ndarray]]:
    """What every operation makes of the same arrays."""
    ops, found = NumpyOps(), {}
    cases = list(all_cases(*SHAPE))
    with np.errstate(all="ignore"):
        for case in reversed(cases) if reverse else cases:
            if case.label != "get_dropout_mask":  # Draws from numpy's global generator.
                found[case.label] = case.run(ops, "float32")
    return found


def test_sixteen_python_threads_may_call_every_operation_at_once(threads):
    expected = results()
    assert len(expected) > 80
    found: list[dict[str, list[np.ndarray]]] = []
    start = threading.Barrier(16)

    def work(seat: int) -> None:
        start.wait()
        found.append(results(reverse=seat % 2 == 1))

    workers = [threading.Thread(target=work, args=(seat,)) for seat in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 16
    for each in found:
        for label, arrays in expected.items():
            for result, truth in zip(each[label], arrays, strict=True):
                np.testing.assert_array_equal(result, truth, err_msg=label)


@forks
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_trains_as_its_parent_did(threads, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"there is no {method} here")
    expected = losses(NumpyOps())
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert pool.submit(losses, NumpyOps()).result(timeout=120) == pytest.approx(expected, rel=1e-4)
    assert losses(NumpyOps()) == expected


def in_child(queue: Any) -> None:
    ops = NumpyOps()
    x = np.ones((300, 300), "f")
    queue.put(float(ops.relu(ops.gemm(x, x)).sum()))


@forks
def test_children_forked_while_threads_work_find_no_lock_held(threads):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("there is no fork here")
    ops, done = NumpyOps(), threading.Event()

    def work() -> None:
        x = np.ones((300, 300), "f")
        while not done.is_set():
            ops.relu(ops.gemm(x, x))

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        context = multiprocessing.get_context("fork")
        queue = context.SimpleQueue()
        for _ in range(8):
            child = context.Process(target=in_child, args=(queue,))
            child.start()
            child.join(timeout=60)
            held = child.exitcode is None
            if held:
                child.kill()
            assert not held
            assert queue.get() == 300.0**3
    finally:
        done.set()
        for worker in workers:
            worker.join()


def fastest(call: Callable[[], object], between: Callable[[], object], repeats: int = 80) -> float:
    """Seconds of the fastest of many calls, each after something else."""
    times = []
    for _ in range(repeats):
        between()
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def test_products_in_turn_with_pytorch_do_not_collapse():
    # When the threads of two libraries spin for each other's processors, every product takes twenty times as long: even
    # the fastest of many does. What other processes do to the machine's speed disturbs some of them.
    torch = pytest.importorskip("torch")
    ops = NumpyOps()
    x, w = np.ones((1000, 288), "f"), np.ones((288, 288), "f")
    tensor, weight = torch.ones(1000, 288), torch.ones(288, 288)
    alone = fastest(lambda: ops.gemm(x, w), lambda: None)
    in_turn = fastest(lambda: ops.gemm(x, w), lambda: tensor @ weight)
    assert in_turn < 6 * alone
