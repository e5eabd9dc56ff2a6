"""What all tests share: Hypothesis profiles, contracts, a seeded generator, and the CUDA simulator's own process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import numpy as np
import pytest

from thinc_nb.contracts import set_contracts

CUDA_SIM = Path(__file__).parent / "cuda_sim"
SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"

# The first example of a property may compile a kernel, which takes seconds with an empty cache: no deadline. In CI the
# examples are the same on every run, so a failure there is about the change.
hypothesis.settings.register_profile("default", deadline=None, max_examples=50)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "default"))

# numba decides at its import whether numba.cuda is the simulator.
collect_ignore = [] if SIMULATED else ["cuda_sim"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in tests/cuda_sim."""
    for item in items:
        if CUDA_SIM in item.path.parents:
            item.add_marker(pytest.mark.cuda_sim)


@pytest.fixture(autouse=True)
def contracts_unless_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every layer that a test runs is held to its contract, unless the test is marked `without_contracts`."""
    set_contracts(request.node.get_closest_marker("without_contracts") is None)
    yield
    set_contracts(False)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that starts from the same state in every test."""
    return np.random.default_rng(20240229)


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """A CuPy without a GPU: see tests/fake_cupy.py. Under the simulator its arrays go through numba's threads."""
    import fake_cupy
    from thinc_nb import compat
    from thinc_nb.kernels import _launch

    fake = fake_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    for name, value in {"cupy": fake, "has_cupy": True, "has_cupy_gpu": True, "has_gpu": True}.items():
        monkeypatch.setitem(vars(compat), name, value)
    if SIMULATED:
        from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

        compile_grid = _launch.compile_grid

        def seen_by_numba(args: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(FakeCUDAArray(arg._host) if isinstance(arg, fake_cupy.ndarray) else arg for arg in args)

        class Grid:
            def __init__(self, *kernel: Any) -> None:
                self.grid = compile_grid(*kernel)

            def __getitem__(self, size: Any) -> Any:
                return lambda *args: self.grid[size](*args[:-1], seen_by_numba(args[-1]))

        monkeypatch.setattr(_launch, "compile_grid", Grid)
    _launch._raw_kernel.cache_clear()
    fake_cupy.launches.clear()
    yield fake
    _launch._raw_kernel.cache_clear()
