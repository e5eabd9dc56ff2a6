"""Thinc's typed, composable neural network model on fast Numba kernels.

Everything public is in `thinc_nb.api`, loaded when it is first asked for. Importing this module imports none of numba,
torch, cupy, rich and matplotlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import ModuleType

    from . import api as api, compat as compat, types as types

__version__ = "0.1.0"


if not TYPE_CHECKING:  # a checker that saw __getattr__ would accept any name
    _LAZY = ("api", "compat", "types")

    def __getattr__(name: str) -> ModuleType:
        """Import a public module when it is first used: `thinc_nb.api`."""
        if name in _LAZY:
            from importlib import import_module

            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LAZY})
