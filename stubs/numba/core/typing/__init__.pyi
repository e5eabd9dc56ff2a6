"""What thinc_nb uses."""

from typing import Any

from .templates import Signature as Signature

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
