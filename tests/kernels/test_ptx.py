"""Every kernel compiles for CUDA without a GPU, and float32 kernels do no float64 arithmetic there."""

from __future__ import annotations

import pkgutil
import re
from importlib import import_module

import pytest

import thinc_nb.kernels
from thinc_nb.kernels import KERNELS
from thinc_nb.kernels._words import Reals1d

for module in pkgutil.iter_modules(thinc_nb.kernels.__path__):
    if not module.name.startswith("_"):
        import_module(f"thinc_nb.kernels.{module.name}")
EXACT = {"positions.sines_and_cosines"}
"""Those that compute in float64 whatever they are given."""
OURS = sorted(name for name, kernel in KERNELS.items() if kernel.body.__module__.startswith("thinc_nb."))


def float64_instructions(ptx: str) -> list[str]:
    return re.findall(r"^\s*\S*\.f64\b.*$", ptx, flags=re.MULTILINE)


@pytest.mark.parametrize("capability", [(8, 0), (9, 0)], ids="sm_{0[0]}{0[1]}".format)
@pytest.mark.parametrize("name", OURS)
def test_a_float32_kernel_has_no_float64_instruction(name, capability):
    from thinc_nb.kernels._launch import kept_ptx

    _, ptx = kept_ptx(KERNELS[name], "f32", capability)
    assert f".target sm_{capability[0]}{capability[1]}" in ptx
    assert ".entry" in ptx
    # Nothing is left to link with, such as a function of libdevice.
    assert ".extern .func" not in ptx
    assert bool(float64_instructions(ptx)) == (name in EXACT)


@pytest.mark.parametrize("name", OURS)
def test_a_kernel_compiles_for_float64(name):
    from thinc_nb.kernels._launch import kept_ptx

    _, ptx = kept_ptx(KERNELS[name], "f64", (9, 0))
    assert ".entry" in ptx
    assert ".extern .func" not in ptx


def test_a_literal_in_a_body_would_be_seen():
    from thinc_nb.kernels import Kernel
    from thinc_nb.kernels._cuda import compile_ptx

    def shrink(i: int, x: Reals1d) -> None:
        x[i] = 0.1 * x[i]

    kernel = Kernel(shrink, "items")
    del KERNELS[kernel.name]
    assert float64_instructions(compile_ptx(kernel, "f32", (9, 0)))
