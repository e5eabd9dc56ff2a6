"""What thinc_nb uses: settings read from NUMBA_* environment variables."""

from typing import Any

ENABLE_CUDASIM: int
DISABLE_JIT: int
CACHE_DIR: str
NUMBA_NUM_THREADS: int
CUDA_LOW_OCCUPANCY_WARNINGS: int
CPU_FEATURES: str | None

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
