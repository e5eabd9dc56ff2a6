"""Large kernels are split over threads: same results, errors reported, safe under forks and from many threads."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from thinc_nb.kernels import (
    _board,
    _threads,
    activations,
    dropout,
    embed,
    maxout,
    normalise,
    optimise,
    set_num_threads,
    softmax,
)
from thinc_nb.kernels._threads import Workers, get_num_threads


@pytest.fixture
def threads():
    """Set the number of threads; everything is large enough for them."""
    before = get_num_threads()
    yield lambda count: _threads.share(count, 10)
    _threads.share(before)


@pytest.fixture
def workers():
    started = Workers(2, 10)
    yield started
    started.stop()


def test_no_items_beside_a_large_array_is_nothing_to_share(threads):
    threads(2)
    optimise.chunk_squares(np.empty(0, "f"), np.empty((0, 2), "int64"), np.zeros(1000, "f"))


def results(rng_seed: int) -> list[np.ndarray]:
    """What kernels of each shape make of the same arrays."""
    rng = np.random.default_rng(rng_seed)
    x, dy = rng.standard_normal((2, 1037, 31)).astype("f")
    gain, bias = rng.standard_normal((2, 31)).astype("f")
    pieces = rng.standard_normal(1037 * 31 * 3).astype("f")
    flat = x.reshape(-1)
    gelu, dropped, best = np.zeros((3, flat.size), "f")
    which = np.zeros(flat.size, "i")
    activations.gelu(gelu, flat)
    dropout.dropout(dropped, flat, np.uint32(7), np.uint32(1 << 30), 4 / 3, np.uint32(0))
    maxout.maxout_3(best, which, pieces)
    probabilities, normal, dx = np.zeros((3, *x.shape), "f")
    softmax.softmax(probabilities, probabilities.reshape(-1), x, 1.0)
    mean, rstd = np.zeros((2, len(x)), "f")
    normalise.layer_norm(normal, x, gain, bias, mean, rstd)
    partial = np.zeros((2, normalise.backprop_layer_norm.blocks(len(x), x), 31), "f")
    normalise.backprop_layer_norm(dx, dy, x, gain, mean, rstd, partial[0], partial[1])
    table = np.zeros((5, 31), "f")
    embed.scatter_add(rng.integers(0, 5, len(x)).astype("i"), x, table)
    return [gelu, dropped, best, which, probabilities, normal, mean, rstd, dx, partial, table]


def test_results_do_not_depend_on_the_number_of_threads(threads):
    threads(1)
    expected = results(0)
    for count in (2, 3, 7, 64):
        threads(count)
        for result, truth in zip(results(0), expected, strict=True):
            np.testing.assert_array_equal(result, truth)


def test_sixteen_python_threads_may_use_kernels_at_once(threads):
    threads(1)
    expected = [results(seed) for seed in range(16)]
    threads(3)
    found: dict[int, list[np.ndarray]] = {}
    workers = [threading.Thread(target=lambda seed=seed: found.update({seed: results(seed)})) for seed in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for seed in range(16):
        for result, truth in zip(found[seed], expected[seed], strict=True):
            np.testing.assert_array_equal(result, truth)


def child(queue: multiprocessing.Queue) -> None:
    queue.put(float(results(0)[0].sum()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_process_works_after_threads_were_used(threads, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"there is no {method} here")
    threads(3)
    expected = float(results(0)[0].sum())
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=child, args=(queue,))
    process.start()
    assert queue.get(timeout=60) == expected
    process.join()
    assert process.exitcode == 0


def test_a_large_table_makes_no_large_work(threads):
    threads(2)
    results(0)
    before = _threads.prepare().shared
    table, out = np.ones((1000, 4), "f"), np.zeros((1, 4), "f")
    embed.gather_add(out, table, np.zeros((1, 4), "i"))
    assert (out == 4).all()
    assert _threads.prepare().shared == before
    results(0)
    assert _threads.prepare().shared > before


def test_one_thread_is_no_other(threads):
    code = (
        "import threading, numpy; from thinc_nb.kernels import _threads, activations;"
        "_threads.share(1); x = numpy.ones(1 << 20, 'f');"
        "[activations.relu(x, x) for _ in range(3)]; _threads.run(lambda *_: None, [(0, 1), (1, 2)]);"
        "print(threading.active_count(), _threads.board);"
        "_threads.share(3); [activations.relu(x, x) for _ in range(3)]; print(threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == (["1", "0", "3"], "")


def test_more_threads_are_started_when_more_are_wanted(threads):
    for count in (2, 4, 3, 6):
        threads(count)
        results(0)
        results(0)
    assert len(_threads.prepare().asleep) >= 5


@pytest.mark.skipif(_threads.default_num_threads() < 2, reason="on one processor a thread would only be in the way")
def test_threads_that_sleep_are_woken_up_by_a_kernel(threads):
    threads(2)
    X, Y = np.ones(1 << 22, "f"), np.empty(1 << 22, "f")
    activations.gelu(Y, X)
    workers, done = _threads.prepare(), _board.DONE // 8
    # Where other processes leave no processor for a worker it comes too late, again and again. What ends the trying is
    # the time that this process had, and each time it is woken up, however often that was for nothing.
    deadline = time.process_time() + 10
    while True:
        while not all(workers.asleep):
            time.sleep(0.001)
            assert time.process_time() < deadline
        workers._words[_board.SKIP // 8] = 0
        activations.gelu(Y, X)
        if workers._words[done]:
            return
        assert time.process_time() < deadline


def test_threads_sleep_when_there_is_no_work(threads):
    threads(3)
    results(0)
    results(0)
    workers = _threads.prepare()
    deadline = time.monotonic() + 30
    while not all(workers.asleep):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    used = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - used < 0.05
    for _ in range(300):  # They are woken up, and left alone while they come too late.
        time.sleep(0.0002)
        results(0)


def test_every_range_is_run_once(workers):
    for count in (1, 3, 100):
        seen = []
        ranges = [(piece, piece + 1) for piece in range(count)]
        for _ in range(20):
            workers.run(lambda start, stop, seen=seen: seen.append((start, stop)), ranges)
        assert sorted(seen) == sorted(ranges * 20)


def test_ranges_are_shared(workers):
    # Whoever has one waits for the other: that takes two threads.
    both = threading.Barrier(2, timeout=60)
    workers.run(lambda start, stop: both.wait(), [(0, 1), (1, 2)])


@pytest.mark.parametrize("failing", [0, 6])
def test_an_error_in_any_thread_is_raised_here_after_all_are_done(failing, workers):
    seen = []

    def call(start: int, stop: int) -> None:
        seen.append(start)
        if start == failing:
            raise ArithmeticError(f"at {start}")

    with pytest.raises(ArithmeticError, match=f"at {failing}"):
        workers.run(call, [(0, 3), (3, 6), (6, 7)])
    assert sorted(seen) == [0, 3, 6]
    workers.run(lambda start, stop: seen.append(start), [(10, 11), (11, 12)])
    assert sorted(seen)[-2:] == [10, 11]


def test_an_interrupt_leaves_nothing_pinned_up(workers):
    both = threading.Barrier(2, timeout=60)

    def call(start: int, stop: int) -> None:
        if start < 2:
            both.wait()

    class Interrupted(list):
        def __getitem__(self, place):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workers.run(call, Interrupted([(0, 1), (1, 2), (2, 3)]))
    workers.run(call, [(0, 1), (1, 2), (2, 3)])


def test_one_setting_rules_kernels_and_blas():
    before = get_num_threads()
    blas = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    try:
        set_num_threads(1)
        assert get_num_threads() == 1
        assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} <= {1}
    finally:
        set_num_threads(max([before, *blas]))
        _threads.num_threads = before
    with pytest.raises(ValueError, match="at least 1, got 0"):
        set_num_threads(0)
    with pytest.raises(TypeError, match="the number of threads must be an integer, got str '2'"):
        set_num_threads("2")


@pytest.mark.parametrize(
    ("value", "shown"),
    [("3", "3 {3}"), (" 3 ", "3 {3}"), ("0", "at least 1, got '0'"), ("many", "got 'many'"), ("-1", "got '-1'")],
)
def test_the_environment_sets_the_number(value, shown):
    code = (
        "from thinc_nb.backends import NumpyOps; from thinc_nb.kernels import get_num_threads;"
        "from threadpoolctl import threadpool_info;"
        "print(get_num_threads(), {i['num_threads'] for i in threadpool_info() if i['user_api'] == 'blas'})"
    )
    env = {**os.environ, "THINC_NB_NUM_THREADS": value}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert shown in done.stdout + done.stderr


def test_work_inside_of_work_does_not_wait_for_itself(workers):
    done: list[tuple[int, int]] = []

    def inner(start: int, stop: int) -> None:
        done.append((start, stop))

    def outer(start: int, stop: int) -> None:
        workers.run(inner, [(start, start + 1), (start + 1, stop)])

    workers.run(outer, [(0, 2), (2, 4)])
    assert sorted(done) == [(0, 1), (1, 2), (2, 3), (3, 4)]


def test_kernels_inside_of_work_are_right(threads):
    threads(1)
    expected = results(3)
    threads(3)
    found: list[list[np.ndarray]] = []
    _threads.run(lambda start, stop: found.append(results(3)), [(0, 1), (1, 2), (2, 3), (3, 4)])
    assert len(found) == 4
    for each in found:
        for result, truth in zip(each, expected, strict=True):
            np.testing.assert_array_equal(result, truth)


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise SystemExit(3)", "os._exit(3)", "os.kill(os.getpid(), 2)"])
def test_a_process_ends_at_once_whatever_its_threads_do(ending):
    code = (
        "import os, signal, sys, threading, numpy; from thinc_nb.kernels import _threads, activations;"
        # A shell starts its jobs in the background with this signal ignored.
        "signal.signal(signal.SIGINT, signal.default_int_handler);"
        "_threads.share(4); x = numpy.ones(1 << 20, 'f');"
        "work = lambda: [activations.relu(x, x) for _ in range(200)];"
        "work(); threading.Thread(target=lambda: [work() for _ in range(100000)], daemon=True).start(); work();"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + ending], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == (0 if not ending else -2 if "kill" in ending else 3), done.stderr
    assert "kill" in ending or not done.stderr
