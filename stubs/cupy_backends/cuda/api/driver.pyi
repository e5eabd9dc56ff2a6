"""What thinc_nb uses, as `cupy.cuda.driver`."""

from typing import Any

class CUDADriverError(RuntimeError):
    def __init__(self, status: int) -> None: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
