"""Interfaces to models of other frameworks, which a `Model` holds as parts of itself."""

from __future__ import annotations

from .shim import Shim

__all__ = ["Shim"]
