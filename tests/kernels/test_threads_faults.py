"""What may go wrong around shared work: nothing to start threads with, forks, interrupts and ends at any moment."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from llvmlite.binding import ffi
from numba.core.compiler_lock import global_compiler_lock

from thinc_nb.backends import NumpyOps
from thinc_nb.kernels import _board, _threads
from thinc_nb.kernels._threads import Workers, get_num_threads

ops = NumpyOps()
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


@pytest.fixture
def workers():
    started = Workers(2, 10)
    yield started
    started.stop()


@pytest.fixture
def threads():
    """Set the number of threads; everything is large enough for them."""
    before = get_num_threads()
    yield lambda count: _threads.share(count, 10)
    _threads.share(before)


def runs_both(workers):
    """Whether work is shared: whoever has one of the ranges waits for the other, which takes two threads."""
    both = threading.Barrier(2, timeout=60)
    workers.run(lambda start, stop: both.wait(), [(0, 1), (1, 2)])


def are_asleep(workers):
    deadline = time.monotonic() + 60
    while not all(workers.asleep):
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("what", ["files", "threads"])
@pytest.mark.parametrize("there", [0, 1])
def test_where_the_system_gives_no_more_work_is_shared_with_those_that_are(monkeypatch, what, there):
    given = []

    def limited(wanted):
        def refuse(*args):
            given.append(1)
            if len(given) > there:
                raise OSError(24, "Too many open files") if what == "files" else RuntimeError("can't start new thread")
            return wanted(*args)

        return refuse

    workers = Workers(3, 10)
    target, name = (_threads, "_pipe") if what == "files" else (threading.Thread, "start")
    with monkeypatch.context() as patch:
        patch.setattr(target, name, limited(getattr(target, name)))
        seen = []
        for _ in range(3):
            workers.run(lambda start, stop: seen.append(start), [(0, 1), (1, 2), (2, 3)])
    assert sorted(seen) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len(given) == there + 1
    assert len(workers.asleep) == len(workers._pipes) == there
    workers.set(2, 10)
    runs_both(workers)
    workers.stop()


@posix
def test_a_worker_whose_pipe_was_closed_ends():
    code = (
        "import os, time, numpy; from thinc_nb.kernels import _threads, activations; _threads.share(3);"
        "x = numpy.ones(1 << 20, 'f'); work = lambda: [activations.relu(x, x) for _ in range(30)]; work();"
        "[os.close(end) for pipe in _threads._workers._pipes for end in pipe];"
        "work(); time.sleep(1); start = time.process_time(); time.sleep(0.5);"
        "print(time.process_time() - start < 0.1, (x == 1).all())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["True", "True"], "")


def test_work_in_python_wakes_up_all_that_it_has_pieces_for_also_those_about_to_sleep(workers):
    for turn in range(400):
        # About as long as workers stay awake.
        end = time.perf_counter() + _threads.AWAKE * (0.5 + turn % 40 / 20)
        while time.perf_counter() < end:
            pass
        runs_both(workers)


def test_no_more_are_woken_up_than_there_are_pieces_for():
    workers = Workers(8, 10)
    runs_both(workers)
    for _ in range(10):
        are_asleep(workers)
        workers.run(lambda start, stop: None, [(0, 1), (1, 2)])
        assert workers.asleep.count(False) <= 1
    workers.stop()


def test_a_signals_handler_may_use_what_its_thread_is_just_starting(workers):
    seen = []
    with workers._starting:
        workers.run(lambda start, stop: seen.append(start), [(0, 1), (1, 2)])
    assert (sorted(seen), workers.asleep) == ([0, 1], [])
    runs_both(workers)


def test_who_asks_for_a_board_does_not_wait_for_those_who_start_threads(workers):
    # A handler of a signal that came in `start` is the thread that it would wait for.
    asking = threading.Thread(target=workers.set, args=(1, 10), daemon=True)
    with workers._starting:
        asking.start()
        asking.join(timeout=20)
        assert not asking.is_alive()


def test_threads_asked_for_while_others_are_started_are_started(workers, monkeypatch):
    start_one = Workers._start_one

    def ask_for_more(self, functions):
        start_one(self, functions)
        self.set(4, 10)

    monkeypatch.setattr(Workers, "_start_one", ask_for_more)
    workers.set(1, 10)
    runs_both(workers)
    assert len(workers.asleep) == 4
    assert workers._words[_board.SHARE // 8] != 0


def test_threads_asked_for_when_the_last_one_has_been_started_are_started(workers, monkeypatch):
    write = Workers._write

    def ask_for_more(self, place, value):
        if place == _board.SHARE and value != 0 and len(self._threads) == 1:
            self.set(4, 10)
        write(self, place, value)

    monkeypatch.setattr(Workers, "_write", ask_for_more)
    workers.set(1, 10)
    runs_both(workers)
    assert len(workers.asleep) == 4
    assert workers._words[_board.SHARE // 8] != 0


def test_the_end_does_not_wait_for_one_who_never_ends_starting_threads(workers):
    runs_both(workers)
    with workers._starting:
        ending = threading.Thread(target=workers.stop, daemon=True)
        ending.start()
        ending.join(timeout=20)
        assert not ending.is_alive()


def test_at_the_end_nothing_is_started_anew(workers):
    runs_both(workers)
    workers.stop()
    workers.set(5, 10)
    workers.start()
    seen = []
    workers.run(lambda start, stop: seen.append(start), [(0, 1), (1, 2)])
    assert (sorted(seen), len(workers.asleep)) == ([0, 1], 2)


def test_there_is_one_board_whoever_asks_first(monkeypatch):
    def slow(limit, grain):
        time.sleep(0.05)
        return Workers(limit, grain)

    monkeypatch.setattr(_threads, "_workers", None)
    monkeypatch.setattr(_threads, "board", 0)
    monkeypatch.setattr(_threads, "Workers", slow)
    found = []
    asking = [threading.Thread(target=lambda: found.append(_threads.prepare())) for _ in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


@posix
def test_an_interrupt_at_any_moment_leaves_work_shared(workers):
    def interrupt(number, frame):
        while frame is not None:
            if frame.f_code is Workers.run.__code__:
                raise KeyboardInterrupt
            frame = frame.f_back

    runs_both(workers)
    ranges = [(piece, piece + 1) for piece in range(6)]
    before = signal.signal(signal.SIGALRM, interrupt)
    rng = random.Random(0)
    gc.disable()  # Hypothesis is told of each collection, and who raises there is not heard.
    try:
        for _ in range(400):
            with contextlib.suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 60e-6))
                for _ in range(20):
                    workers.run(lambda start, stop: None, ranges)
            assert workers._words[_board.BUSY // 8] == _board.FREE
            assert not workers._sharing
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()


def wait_for(child):
    deadline = time.monotonic() + 60
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "the child hangs"
        time.sleep(0.002)


@forks
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("lock", [global_compiler_lock._lock, ffi.lib._lock._lock], ids=["numba", "llvmlite"])
def test_a_fork_waits_for_what_is_being_compiled_or_loaded(lock):
    held, enough = threading.Event(), 0.3

    def load():
        with lock:
            held.set()
            time.sleep(enough)

    loading = threading.Thread(target=load)
    loading.start()
    held.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.acquire(timeout=5) else 1)
    assert wait_for(child) == 0
    loading.join()
    assert lock.acquire(timeout=5)
    lock.release()


@forks
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_in_the_middle_of_shared_work_is_an_error_in_the_child(threads, monkeypatch):
    threads(2)  # Of two others each might have one of the ranges, and this thread none.
    both, first = threading.Barrier(2, timeout=60), threading.get_ident()
    children = []

    def call(start, stop):
        both.wait()
        if threading.get_ident() == first:
            children.append(os.fork())
        both.wait() if children != [0] else None

    try:
        _threads.run(call, [(0, 1), (1, 2)])
    except RuntimeError as error:
        os._exit(0 if children == [0] and "forked in the middle" in str(error) else 1)
    if children == [0]:
        os._exit(2)
    assert wait_for(children[0]) == 0


# --- everything at once ---------------------------------------------------------------------------------------------


def task(seed):
    """Some operation on arrays of some size, that may be done again and again."""
    rng = np.random.default_rng(seed)
    rows, width, units = int(rng.integers(0, 300)), int(rng.integers(1, 130)), int(rng.integers(1, 90))
    dtype = "f" if seed % 4 else "d"
    X, dY = rng.standard_normal((2, rows, width)).astype(dtype)
    W, V = rng.standard_normal((units, width)).astype(dtype), rng.standard_normal((rows, units)).astype(dtype)
    sizes = np.sort(rng.integers(1, 40, 5))[::-1].astype("i")
    steps = rng.standard_normal((int(sizes.sum()), width)).astype(dtype)
    params = (rng.standard_normal(8 * units * (width + units + 2)) * 0.1).astype(dtype)
    initial = np.zeros((1, 2, units), dtype)
    d_steps = rng.standard_normal((len(steps), 2 * units)).astype(dtype)
    lengths = np.array([rows - rows // 3, rows // 3], "i")

    def lstm():
        Y, state = ops.lstm_forward_training(params, initial, initial, steps, sizes)
        return [Y.copy(), *ops.backprop_lstm(d_steps, sizes, params, state)]

    choices = (
        lambda: [ops.gelu(X), ops.backprop_gelu(dY, X), ops.mish(X)],
        lambda: [ops.softmax(X), ops.sigmoid(X), ops.seq2col(X, 1)],
        lambda: [ops.gemm(X, W, trans2=True), ops.gemm(X, V, trans1=True), ops.gemm(V, W)],
        lambda: [ops.reduce_sum(X, lengths), ops.reduce_mean(X, lengths)],
        lambda: list(ops.maxout(np.stack((X, dY), axis=2))),
        lambda: [ops.affine(X, W, W[:, 0].copy())],
        lstm,
    )
    return choices[seed % len(choices)]


def hold_everything(seconds, threads):
    """Sixteen threads with work of all kinds, while the number of threads changes and the process forks."""
    tasks = [task(seed) for seed in range(56)]
    threads(1)
    expected = [[array.tobytes() for array in each()] for each in tasks]
    threads(4)
    wrong = []
    end = time.monotonic() + seconds

    def work(seed):
        rng = random.Random(seed)
        while time.monotonic() < end and not wrong:
            chosen = rng.randrange(len(tasks))
            if [array.tobytes() for array in tasks[chosen]()] != expected[chosen]:
                wrong.append(f"task {chosen}")

    def change():
        rng = random.Random(0)
        while time.monotonic() < end:
            _threads.share(rng.choice([1, 2, 3, 8, 30]), rng.choice([10, 1000, 1 << 14]))
            time.sleep(0.002)

    def fork():
        while time.monotonic() < end and not wrong:
            child = os.fork()
            if child == 0:
                with contextlib.suppress(BaseException):
                    if all([a.tobytes() for a in tasks[n]()] == expected[n] for n in range(0, len(tasks), 5)):
                        os._exit(0)
                os._exit(1)
            status = wait_for(child)
            if status:
                wrong.append(f"child: {status}")

    running = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(16)]
    running.append(threading.Thread(target=change, daemon=True))
    if hasattr(os, "fork"):
        running.append(threading.Thread(target=fork, daemon=True))
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(timeout=seconds + 120)
    assert not wrong
    assert not any(thread.is_alive() for thread in running)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_sixteen_threads_with_all_kinds_of_work_get_the_bits_of_one(threads):
    hold_everything(2, threads)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_they_do_for_a_minute(threads):
    hold_everything(60, threads)
