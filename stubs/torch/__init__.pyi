"""What thinc_nb uses. The tensors' own operations are not described: they come from `compat.torch`, which is Any."""

from typing import Any, final, type_check_only

from typing_extensions import Self

from . import autograd as autograd, jit as jit, nn as nn

@final
class device:
    @property
    def type(self) -> str: ...
    @property
    def index(self) -> int | None: ...
    def __new__(cls, type: str | device, index: int | None = None) -> Self: ...

@type_check_only
class _TensorMeta(type): ...

class Tensor(metaclass=_TensorMeta):
    device: device
    grad: Tensor | None
    requires_grad: bool
    def __repr__(self, *, tensor_contents: str | None = None) -> str: ...
    def __getattr__(self, name: str) -> Any: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
