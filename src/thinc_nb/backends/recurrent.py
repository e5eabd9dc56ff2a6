from __future__ import annotations

from ._base import OpsBase


class RecurrentOps(OpsBase):
    """Being written."""
