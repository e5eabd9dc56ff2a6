"""Kernels compiled ahead are found by their first call."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from thinc_nb.kernels import KERNELS, Kernel, Warmed, cache_info, optimise, warmup
from thinc_nb.kernels._cache import KernelCache
from thinc_nb.kernels._warmup import all_kernels, compile_one


@pytest.fixture
def few_kernels(monkeypatch, tmp_path):
    """An empty cache, and three kernels to fill it with."""
    monkeypatch.setenv("THINC_NB_CACHE_DIR", str(tmp_path))
    few = {name: kernel for name, kernel in all_kernels().items() if "adam" in name}
    for name, kernel in few.items():
        monkeypatch.setitem(KERNELS, name, kernel)  # Restored afterwards.
        few[name] = Kernel(kernel.body, kernel.shape)  # Not compiled yet.
    monkeypatch.setattr("thinc_nb.kernels._warmup.all_kernels", lambda: few)
    return few


@pytest.mark.parametrize("processes", [1, 2])
def test_all_are_compiled_and_reported(few_kernels, processes):
    seen = []
    warmed = warmup(("f32", "f64"), processes=processes, progress=lambda *one: seen.append(one))
    assert {(one.kernel, one.precision) for one in warmed} == {(n, p) for n in few_kernels for p in ("f32", "f64")}
    assert [(done, total) for _, done, total in seen] == [(i + 1, 6) for i in range(6)]
    folder = cache_info().folder
    assert folder is not None
    assert len(list(folder.glob("optimise.*.kernel"))) == 6  # Beside what kernels share their work with.


def test_those_that_are_named_are_compiled(few_kernels):
    assert [one.kernel for one in warmup(names=["optimise.adam"])] == ["optimise.adam"]
    with pytest.raises(ValueError, match=r"there is no kernel optimise\.eve"):
        warmup(names=["optimise.adam", "optimise.eve"])


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs signals of POSIX")
def test_ctrl_c_ends_it_soon_and_without_a_word_of_the_other_processes(tmp_path):
    # A shell ignores Ctrl-C for what it starts in the background, and so would the program, if the tests run there.
    handled = "import signal, thinc_nb\n signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"if __name__ == '__main__':\n {handled}\n print('ready', flush=True)\n thinc_nb.warmup(processes=2)"
    program = tmp_path / "program.py"
    program.write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(program)],
        env={**os.environ, "THINC_NB_CACHE_DIR": str(tmp_path / "kernels")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("kernels/*/*.kernel")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # As a terminal does: to all of them.
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1
    assert errors.strip().endswith("KeyboardInterrupt")


def test_the_first_call_after_it_compiles_nothing(few_kernels, monkeypatch):
    compile_one("optimise.adam", "f32")
    assert cache_info().entries == 1

    def save_overload(self, signature, result):
        raise AssertionError(f"{self.name} was compiled again for {signature}")

    monkeypatch.setattr(KernelCache, "save_overload", save_overload)
    kernel = Kernel(optimise.adam.body, "items")
    kernel(*np.ones((4, 3), "f"), 0.9, 0.999, 1e-8, 0.01)


def test_a_kernel_compiled_ahead_is_loaded_once(few_kernels, monkeypatch):
    loads = []
    load_overload = KernelCache.load_overload

    def counted(self, signature, target):
        loads.append(self.name)
        return load_overload(self, signature, target)

    monkeypatch.setattr(KernelCache, "load_overload", counted)
    for loaded in (1, 2):  # Compiled, and found on disk.
        kernel = Kernel(optimise.adam.body, "items")
        monkeypatch.setitem(KERNELS, "optimise.adam", kernel)
        compile_one("optimise.adam", "f32")
        for _ in range(3):
            kernel(*np.ones((4, 3), "f"), 0.9, 0.999, 1e-8, 0.01)
        assert len(loads) == loaded


def test_every_module_s_kernels_are_known():
    names = all_kernels()
    assert {name.partition(".")[0] for name in names} >= {"activations", "dropout", "embed", "softmax", "window"}
    assert isinstance(compile_one("optimise.scale", "f32"), Warmed)
