"""Products on our own threads: the same bits for any number, and BLAS as it was afterwards."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from thinc_nb.backends import NumpyOps, _blas
from thinc_nb.kernels import _threads, get_num_threads

ops = NumpyOps()


@pytest.fixture
def threads(monkeypatch):
    """Set the number of threads; every product is large enough for them."""
    monkeypatch.setattr(_blas, "MIN_OPERATIONS", 1)
    before = get_num_threads()
    yield _threads.share
    _threads.share(before)


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("shape", "trans1", "trans2"),
    [
        ((300, 70, 50), False, True),
        ((50, 70, 300), False, True),
        ((130, 500, 131), True, False),
        ((1, 5, 1), False, False),
    ],
)
def test_products_do_not_depend_on_the_number_of_threads(rng, threads, shape, trans1, trans2, dtype):
    n, k, m = shape
    x = rng.standard_normal((k, n) if trans1 else (n, k)).astype(dtype)
    y = rng.standard_normal((m, k) if trans2 else (k, m)).astype(dtype)
    left, right = x.T if trans1 else x, y.T if trans2 else y

    def by_blas() -> np.ndarray:
        out = np.empty((n, m), dtype)
        _blas.matmul(left, right, out)
        return out

    truth = left.astype("d") @ right.astype("d")
    # Whichever of the two a product goes to.
    for product in (by_blas, lambda: ops.gemm(x, y, trans1=trans1, trans2=trans2)):
        threads(1)
        expected = product()
        np.testing.assert_allclose(expected, truth, rtol=1e-3, atol=1e-4)
        for count in (2, 3, 8):
            threads(count)
            np.testing.assert_array_equal(product(), expected)


def test_all_threads_heed_what_the_caller_said_of_inf_and_nan(threads):
    threads(3)
    x, y = np.full((300, 70), np.inf, "f"), np.zeros((70, 300), "f")
    seen = []
    for _ in range(30):
        with np.errstate(invalid="ignore"):
            _blas.matmul(x, y, np.empty((300, 300), "f"))
        with pytest.raises(FloatingPointError), np.errstate(invalid="raise"):
            _blas.matmul(x, y, np.empty((300, 300), "f"))
        with np.errstate(invalid="call", call=lambda *what: seen.append(what)):
            _blas.matmul(x, y, np.empty((300, 300), "f"))
    assert seen


def test_blas_has_its_threads_back_afterwards_even_after_an_error(rng):
    before = blas_threads()
    x = rng.standard_normal((64, 64)).astype("f")
    ops.gemm(x, x)
    assert blas_threads() == before
    with _blas._SINGLE:
        assert blas_threads() <= {1}
    with pytest.raises(TypeError), _blas._SINGLE:
        raise TypeError
    assert blas_threads() == before


def test_blas_has_its_threads_back_after_many_threads_used_it(rng, threads):
    threads(2)
    x = rng.standard_normal((100, 100)).astype("f")
    expected = ops.gemm(x, x)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        wrong = []

        def work() -> None:
            for _ in range(50):
                if not np.array_equal(ops.gemm(x, x), expected):
                    wrong.append(1)

        workers = [threading.Thread(target=work) for _ in range(16)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not wrong
        assert blas_threads() == before


def child(queue: multiprocessing.Queue, x: np.ndarray) -> None:
    queue.put((blas_threads(), float(ops.gemm(x, x)[0, 0]), blas_threads()))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_forked_within_a_product_has_its_threads(rng, threads):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("there is no fork here")
    threads(2)
    x = rng.standard_normal((100, 100)).astype("f")
    expected = float(ops.gemm(x, x)[0, 0])
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with _blas._SINGLE:
            process = context.Process(target=child, args=(queue, x))
            process.start()
        found = queue.get(timeout=60)
        process.join()
        assert found == (before, expected, before)
        assert blas_threads() == before


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_does_not_wait_for_ever_for_a_product_that_does_not_end(monkeypatch):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("there is no fork here")
    monkeypatch.setattr(_blas, "PATIENCE", 0.2)
    inside, end = threading.Event(), threading.Event()
    before = blas_threads()

    def stuck() -> None:
        with _blas._SINGLE:
            inside.set()
            end.wait(60)

    def in_child(queue: multiprocessing.Queue) -> None:
        with _blas._SINGLE:  # Nobody is inside here: the other thread stayed behind.
            queue.put(blas_threads())

    thread = threading.Thread(target=stuck)
    thread.start()
    try:
        assert inside.wait(60)
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=in_child, args=(queue,))
        start = time.perf_counter()
        process.start()
        waited = time.perf_counter() - start
        assert queue.get(timeout=60) <= {1}
        process.join()
        assert 0.2 <= waited < 20
        # The parent goes on: others come in and leave while that one is still inside.
        with _blas._SINGLE:
            pass
    finally:
        end.set()
        thread.join()
    assert blas_threads() == before


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_waits_for_a_product_that_ends_and_no_longer(monkeypatch):
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("there is no fork here")
    monkeypatch.setattr(_blas, "PATIENCE", 60.0)
    inside = threading.Event()
    ended = []

    def slow() -> None:
        with _blas._SINGLE:
            inside.set()
            time.sleep(0.2)
            ended.append(time.perf_counter())

    thread = threading.Thread(target=slow)
    thread.start()
    assert inside.wait(60)
    process = multiprocessing.get_context("fork").Process(target=ended.copy)
    process.start()
    started = time.perf_counter()
    thread.join()
    process.join()
    assert process.exitcode == 0
    assert 0 <= started - ended[0] < 20


INTERRUPTED = """
import contextlib, random, signal, sys
import numpy as np
from thinc_nb.backends import _blas

x = np.ones((64, 64), "f")
out, other = np.empty_like(x), np.empty_like(x)
for library in _blas._libraries():
    library.set(2)
rng = random.Random(0)

def handle(number, frame):
    if rng.random() < 0.5:
        raise KeyboardInterrupt
    _blas.matmul(x, x, other)

signal.signal(signal.SIGALRM, handle)
for _ in range(3000):
    with contextlib.suppress(KeyboardInterrupt):
        try:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 60e-6))
            for _ in range(20):
                _blas.matmul(x, x, out)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    _blas.matmul(x, x, out)
    assert not _blas._SINGLE._inside
    assert {library.get() for library in _blas._libraries()} <= {2}
print("done")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_after_an_interrupt_at_any_moment_products_go_on_and_blas_has_its_threads():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
