"""The name of Thinc's wrapper of MXNet models, which are retired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._interop import MXNET_IS_RETIRED
from ..model import Model

__all__ = ["MXNetWrapper"]


def MXNetWrapper(
    mxnet_model: Any,
    convert_inputs: Callable[..., Any] | None = None,
    convert_outputs: Callable[..., Any] | None = None,
    model_class: type[Model[Any, Any]] = Model,
    model_name: str = "mxnet",
) -> Model[Any, Any]:
    """Raises NotImplementedError, which says that MXNet is retired."""
    raise NotImplementedError(MXNET_IS_RETIRED)
