"""The numerics: every kernel's body, written once and compiled for the device that its arrays live on.

Nothing is compiled at import. A kernel compiles when it is first called with new argument types, and is kept on disk.
"""

from __future__ import annotations

from ._cache import CacheInfo, cache_folder, cache_info
from ._compile import KERNELS, Kernel, blockwise, elementwise, rowwise
from ._threads import get_num_threads, set_num_threads
from ._warmup import Warmed, warmup

__all__ = [
    "KERNELS",
    "CacheInfo",
    "Kernel",
    "Warmed",
    "blockwise",
    "cache_folder",
    "cache_info",
    "elementwise",
    "get_num_threads",
    "rowwise",
    "set_num_threads",
    "warmup",
]
