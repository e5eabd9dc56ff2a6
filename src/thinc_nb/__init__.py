"""Thinc's typed, composable neural network model on fast Numba kernels.

Everything public is in `thinc_nb.api`, loaded when it is first asked for. Importing this module imports none of numba,
torch, cupy, confection, rich and matplotlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import about as about, api as api, compat as compat, config as config, types as types
    from ._warmup import warmup as warmup
    from .as_thinc import install_as_thinc as install_as_thinc
    from .checkpoints import load_checkpoint as load_checkpoint, save_checkpoint as save_checkpoint
    from .config import registry as registry
    from .model_checks import check_model as check_model

__version__ = "0.1.0"


if not TYPE_CHECKING:  # a checker that saw __getattr__ would accept any name
    _MODULES = ("about", "api", "compat", "config", "types")
    _OFFERED = {
        "check_model": "model_checks",
        "install_as_thinc": "as_thinc",
        "load_checkpoint": "checkpoints",
        "registry": "config",
        "save_checkpoint": "checkpoints",
        "warmup": "_warmup",
    }

    def __getattr__(name: str) -> object:
        """Import a public module, or what is offered here of one, when it is first used: `thinc_nb.api`."""
        from importlib import import_module

        if name in _OFFERED:
            return getattr(import_module(f".{_OFFERED[name]}", __name__), name)
        if name in _MODULES:
            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULES, *_OFFERED})
