"""thinc_nb.warmup: after it, no operation has anything left to compile."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import thinc_nb
from thinc_nb.api import CupyOps, Linear
from thinc_nb.kernels import Warmed
from thinc_nb.kernels._warmup import all_kernels

EVERY_OPERATION = """
import sys, threading
import thinc_nb
from thinc_nb.backends import NumpyOps
from thinc_nb.kernels._cache import KernelCache
from right_calls import made, right_calls

thinc_nb.warmup()

def save_overload(self, signature, result):
    raise SystemExit(f"{self.name} was compiled again for {signature}")

KernelCache.save_overload = save_overload
ops = NumpyOps()
for name, call in right_calls(ops).items():
    made(ops, name, call)
print("nothing was compiled")
"""


def test_after_it_no_operation_compiles_anything():
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", EVERY_OPERATION], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.stdout == "nothing was compiled\n", done.stderr


@pytest.fixture
def asked(monkeypatch):
    """What the kernels' own warmup was asked for."""
    calls = []

    def warm(precisions, **rest):
        calls.append((list(precisions), rest["capability"], rest["processes"]))
        return [Warmed("a.kernel", "f32", 0.0)]

    monkeypatch.setattr("thinc_nb._warmup.warm_kernels", warm)
    return calls


def test_a_model_says_precision_and_device(asked, cupy):
    assert thinc_nb.warmup()[0].kernel == "a.kernel"
    model = Linear(2, 3)
    thinc_nb.warmup(model, processes=2)
    model.initialize()
    model.set_param("W", np.zeros((2, 3)))
    thinc_nb.warmup(model)
    model.ops = CupyOps()
    thinc_nb.warmup(model)
    assert asked == [
        (["f32"], None, None),
        (["f32"], None, 2),
        (["f32", "f64"], None, None),
        (["f32", "f64"], (9, 0), None),
    ]


def test_kernels_for_a_gpu_are_compiled_without_one(monkeypatch, tmp_path):
    from thinc_nb.kernels import warmup

    monkeypatch.setenv("THINC_NB_CACHE_DIR", str(tmp_path))
    few = {name: kernel for name, kernel in all_kernels().items() if name.startswith("maxout.maxout")}
    monkeypatch.setattr("thinc_nb.kernels._warmup.all_kernels", lambda: few)
    for _ in range(2):
        assert {(one.kernel, one.target) for one in warmup(capability=(8, 0), processes=2)} == {
            (name, "sm_80") for name in few
        }
    assert len(list(tmp_path.rglob("*.ptx"))) == len(few)
