"""The version, where Thinc has it."""

from __future__ import annotations

from . import __version__

__all__ = ["__release__", "__version__"]

__release__ = True
