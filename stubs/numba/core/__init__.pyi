"""What thinc_nb uses."""

from typing import Any

from . import (
    cgutils as cgutils,
    codegen as codegen,
    compiler as compiler,
    config as config,
    errors as errors,
    serialize as serialize,
    types as types,
)

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
