"""Only what thinc_nb uses."""

from . import (
    cgutils as cgutils,
    codegen as codegen,
    compiler as compiler,
    config as config,
    errors as errors,
    serialize as serialize,
    types as types,
)
