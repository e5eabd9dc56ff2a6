from __future__ import annotations

from ._base import OpsBase


class ActivationOps(OpsBase):
    """Being written."""
