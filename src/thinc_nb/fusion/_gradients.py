"""Gradients of weights, written where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .._parameters import GradientState

if TYPE_CHECKING:
    from ._plan import Node


def arrays_of(node: Node, names: tuple[str, ...], dtype: Any = None) -> tuple[Any, ...] | None:
    """Parameters that a kernel can take as they are: contiguous numpy arrays of one precision. None if one is not."""
    values = []
    for name in names:
        parameter = node._params.get(name)
        value: Any = None if parameter is None else parameter.value
        if type(value) is not np.ndarray or not value.flags.c_contiguous or value.dtype.char not in "fd":
            return None
        if dtype is None:
            dtype = value.dtype
        elif value.dtype != dtype:
            return None
        values.append(value)
    return tuple(values)


def is_ready(X: Any, ndim: int, dtype: Any) -> bool:
    """Whether a kernel can take X as it is."""
    return type(X) is np.ndarray and X.ndim == ndim and X.dtype == dtype and X.flags.c_contiguous and len(X) > 0


def add_product(node: Node, name: str, a: Any, b: Any) -> None:
    """Add a @ b to the gradient of a parameter, of the shape (rows, …); into a clean one it is written directly."""
    parameter = node._params[name]
    value: Any = parameter.value
    if value is not None and parameter.has_no_gradient:
        grad = parameter.need_grad(value)
        if grad.flags.c_contiguous and grad.dtype == a.dtype and grad.size == a.shape[0] * b.shape[1]:
            node.ops._matmul(a, b, grad.reshape((a.shape[0], b.shape[1])))
            parameter.state = GradientState.WRITTEN
            return
    product: Any = node.ops.gemm(a, b)
    node.inc_grad(name, product if value is None else product.reshape(value.shape))
