"""What thinc_nb uses."""

from collections.abc import Callable
from typing import Any, Protocol, type_check_only

@type_check_only
class _Device(Protocol):
    compute_capability: tuple[int, int]

# A variable: to compile for a device that is not there, another function is put in its place.
get_current_device: Callable[[], _Device]

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
