"""Says how to run these tests where they cannot run."""

from __future__ import annotations

import os

import pytest

if os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
    raise pytest.UsageError(
        "tests/cuda_sim needs the CUDA simulator: NUMBA_ENABLE_CUDASIM=1 python -m pytest -m cuda_sim tests/cuda_sim"
    )
