"""Thinc's typed, composable neural network model on fast Numba kernels.

Everything public is in `thinc_nb.api`, loaded when it is first asked for. Importing this module imports none of numba,
torch, cupy, confection, rich and matplotlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import api as api, compat as compat, config as config, types as types
    from .as_thinc import install_as_thinc as install_as_thinc
    from .checkpoints import load_checkpoint as load_checkpoint, save_checkpoint as save_checkpoint
    from .config import registry as registry
    from .model_checks import check_model as check_model

__version__ = "0.1.0"


if not TYPE_CHECKING:  # a checker that saw __getattr__ would accept any name
    _LAZY = (
        "api",
        "check_model",
        "compat",
        "config",
        "install_as_thinc",
        "load_checkpoint",
        "registry",
        "save_checkpoint",
        "types",
    )

    def __getattr__(name: str) -> object:
        """Import a public module, or what is offered here of one, when it is first used: `thinc_nb.api`."""
        if name == "install_as_thinc":
            from .as_thinc import install_as_thinc

            return install_as_thinc
        if name == "registry":
            from .config import registry

            return registry
        if name in ("load_checkpoint", "save_checkpoint"):
            from . import checkpoints

            return getattr(checkpoints, name)
        if name == "check_model":
            from .model_checks import check_model

            return check_model
        if name in _LAZY:
            from importlib import import_module

            return import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LAZY})
