from __future__ import annotations

from ._base import OpsBase


class ReductionOps(OpsBase):
    """Being written."""
