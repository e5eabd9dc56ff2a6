"""Fusion on, whatever the environment says, and two rows at a time on any processor."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from thinc_nb.backends import _products
from thinc_nb.fusion import fusion


@pytest.fixture
def fusion_on() -> Iterator[None]:
    with fusion(True):
        yield


@pytest.fixture(scope="module")
def pairs_everywhere() -> Iterator[None]:
    """Two rows at a time on any processor, where it might not pay."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_products, "has_wide_vectors", lambda: True)
        yield
