"""Operations for Apple hardware."""

from __future__ import annotations

import platform
from typing import Any

from .numpy_ops import NumpyOps


class MPSOps(NumpyOps):
    """Operations on the CPU beside PyTorch models on Apple's GPUs. RuntimeError on other hardware."""

    name = "mps"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if platform.system() != "Darwin":
            raise RuntimeError(f"MPSOps needs Apple hardware with Metal, and this is {platform.system()}: use NumpyOps")
        super().__init__(*args, **kwargs)
