"""What thinc_nb uses: pickling that keeps functions by value."""

from typing import Any

def dumps(obj: object) -> bytes: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
