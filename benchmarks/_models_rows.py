"""Which rows of an embedding stand for a word, for libraries that have no hashed embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np


def hashed_rows(ids: Any, table: int) -> Any:
    """Four rows of a table for each id, (n, 4) int64: other ones than the hashes of Thinc, as many."""
    mixed = ids[:, None] * np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 3], "uint64")
    return ((mixed >> np.uint64(33)) % np.uint64(table)).astype("int64")
