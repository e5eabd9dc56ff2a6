"""Only what thinc_nb uses: settings read from NUMBA_* environment variables."""

ENABLE_CUDASIM: int
DISABLE_JIT: int
CACHE_DIR: str
NUMBA_NUM_THREADS: int
CUDA_LOW_OCCUPANCY_WARNINGS: int
CPU_FEATURES: str | None
