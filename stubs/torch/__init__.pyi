# What thinc_nb uses of torch. The tensors' own operations are not listed: they come from `compat.torch`, which is Any.
from typing import Any

from . import autograd as autograd, jit as jit, nn as nn

class device:
    type: str
    index: int | None
    def __init__(self, type: str | device, index: int | None = None) -> None: ...

class Tensor:
    device: device
    grad: Tensor | None
    requires_grad: bool
    def __getattr__(self, name: str) -> Any: ...

def __getattr__(name: str) -> Any: ...
