"""The numerics: every kernel's body, written once and compiled for the device that its arrays live on.

Nothing is compiled at import. A kernel compiles when it is first called with new argument types, and is kept on disk.
"""

from __future__ import annotations

from ._cache import CacheInfo, cache_folder, cache_info, other_versions, remove_version
from ._compile import KERNELS, Kernel, blockwise, elementwise, rowwise
from ._threads import get_num_threads, set_num_threads
from ._warmup import Warmed, warmup
from ._words import (
    Int32s1d,
    Int32s2d,
    Reals1d,
    Reals2d,
    Reals3d,
    atomic_add,
    erf,
    exp,
    inline,
    lane,
    lanes,
    log,
    sqrt,
    sum_lanes,
    sync_lanes,
    tanh,
)

__all__ = [
    "KERNELS",
    "CacheInfo",
    "Int32s1d",
    "Int32s2d",
    "Kernel",
    "Reals1d",
    "Reals2d",
    "Reals3d",
    "Warmed",
    "atomic_add",
    "blockwise",
    "cache_folder",
    "cache_info",
    "elementwise",
    "erf",
    "exp",
    "get_num_threads",
    "inline",
    "lane",
    "lanes",
    "log",
    "other_versions",
    "remove_version",
    "rowwise",
    "set_num_threads",
    "sqrt",
    "sum_lanes",
    "sync_lanes",
    "tanh",
    "warmup",
]
