from collections.abc import Callable
from typing import TypeVar

_F = TypeVar("_F", bound=Callable[..., object])

def once_differentiable(fn: _F) -> _F: ...
