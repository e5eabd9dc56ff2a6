"""Operations for Apple hardware."""

from __future__ import annotations

import platform

from ..types import DeviceTypes
from .numpy_ops import NumpyOps


class MPSOps(NumpyOps):
    """Operations on the CPU beside PyTorch models on Apple's GPUs. RuntimeError on other hardware."""

    name = "mps"

    def __init__(self, device_type: DeviceTypes = "cpu", device_id: int = -1, *, use_blis: bool = True) -> None:
        if platform.system() != "Darwin":
            raise RuntimeError(f"MPSOps needs Apple hardware with Metal, and this is {platform.system()}: use NumpyOps")
        super().__init__(device_type, device_id, use_blis=use_blis)
