"""What thinc_nb uses."""

from collections.abc import Callable
from typing import Any

# Any: the function is given numba's own typing context and calls its code generators.
def intrinsic(func: Callable[..., Any], /) -> Callable[..., Any]: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
