"""What looks at many arrays at once."""

from __future__ import annotations

from functools import cache
from types import ModuleType


@cache
def matrices() -> ModuleType:
    """`kernels._matrices`, with numba, which is imported where it is used."""
    from ..kernels import _matrices

    return _matrices


@cache
def views() -> ModuleType:
    """`kernels._views`, as above."""
    from ..kernels import _views

    return _views
