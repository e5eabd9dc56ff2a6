"""Says how to run these tests where they cannot run, and holds them to the kernels that they name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if os.environ.get("NUMBA_ENABLE_CUDASIM") != "1":
    raise pytest.UsageError(
        "tests/cuda_sim needs the CUDA simulator: NUMBA_ENABLE_CUDASIM=1 python -m pytest -m cuda_sim tests/cuda_sim"
    )

HERE = Path(__file__).parent
NAMED = pytest.StashKey[dict[Path, set[str]]]()
"""The kernels that the tests of each file name, before some of them are left out."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    named: dict[Path, set[str]] = {}
    for item in items:
        if HERE in item.path.parents:
            named.setdefault(item.path, set()).update(kernels_of(item))
    config.stash[NAMED] = named


def kernels_of(item: pytest.Item) -> set[str]:
    return {name for marker in item.iter_markers("kernels") for name in marker.args}


@pytest.fixture
def named_kernels(request: pytest.FixtureRequest) -> set[str]:
    """The kernels that all tests of this folder name. Skips if only some of its files were collected."""
    named = request.config.stash[NAMED]
    if named.keys() != set(HERE.glob("test_*.py")):
        pytest.skip("only a part of the folder was collected")
    return set().union(*named.values())


@pytest.fixture(autouse=True)
def launches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """The names of the kernels that the simulator ran. In the end those that the test names are among them."""
    from thinc_nb.kernels import _launch

    ran: set[str] = set()
    compile_grid = _launch.compile_grid

    def noting(kernel: Any, precision: Any) -> Any:
        ran.add(kernel.name)
        return compile_grid(kernel, precision)

    monkeypatch.setattr(_launch, "compile_grid", noting)
    yield ran
    missing = kernels_of(request.node) - ran
    assert not missing, f"the test names kernels that it has not run: {sorted(missing)}"
