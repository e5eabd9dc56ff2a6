"""The name of Thinc's interface to MXNet, which is retired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._interop import MXNET_IS_RETIRED
from .shim import Shim

__all__ = ["MXNetShim"]


class MXNetShim(Shim):
    """Raises NotImplementedError, which says that MXNet is retired."""

    def __init__(self, model: Any, config: Mapping[str, Any] | None = None, optimizer: Any = None) -> None:
        raise NotImplementedError(MXNET_IS_RETIRED)
