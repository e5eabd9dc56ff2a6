"""What thinc_nb uses."""

from typing import Any

def get_host_cpu_features() -> str: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
