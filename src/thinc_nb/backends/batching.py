from __future__ import annotations

from ._base import OpsBase


class BatchingOps(OpsBase):
    """Being written."""
