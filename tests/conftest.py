"""What all tests share: Hypothesis profiles, a seeded generator, and the CUDA simulator's process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import numpy as np
import pytest

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


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator that starts from the same state in every test."""
    return np.random.default_rng(20240229)
