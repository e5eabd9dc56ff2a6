"""`CBlas`: Thinc's compiled table of BLAS functions, for compiled code that calls through it. Nothing of ours does."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name != "CBlas":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        compiled = import_module("thinc.backends.cblas")
    except ImportError as error:
        raise ImportError("CBlas is Thinc's, compiled, and needs Thinc: pip install thinc") from error
    return compiled.CBlas
