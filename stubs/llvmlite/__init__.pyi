"""What thinc_nb uses."""

from typing import Any

__version__: str

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
