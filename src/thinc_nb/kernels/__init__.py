"""The numerics: every kernel's body, written once and compiled for the device that its arrays live on.

Nothing is compiled at import. A kernel compiles when it is first called with new argument types, and is kept on disk.
"""

from __future__ import annotations

from ._cache import CacheInfo, cache_folder, cache_info
from ._compile import KERNELS, Kernel, blockwise, elementwise, rowwise

__all__ = ["KERNELS", "CacheInfo", "Kernel", "blockwise", "cache_folder", "cache_info", "elementwise", "rowwise"]
