"""Makes the modules of this folder importable for the tests beside them, and marks all of them."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

THINC_IS_MISSING = find_spec("thinc") is None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder compares with Thinc; without it, none runs."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.peer)
            item.add_marker(pytest.mark.skipif(THINC_IS_MISSING, reason="Thinc is not installed"))
