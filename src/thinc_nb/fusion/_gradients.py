"""What forms share: parameters as kernels take them, and gradients written where they belong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from .._model.parameters import WRITTEN, Parameter

if TYPE_CHECKING:
    from .._model.plan import Node


def arrays_of(params: dict[str, Parameter], names: Sequence[str]) -> tuple[Any, ...] | None:
    """The parameters, as a kernel takes them: contiguous numpy arrays of one precision. Otherwise None."""
    values: list[Any] = []
    for name in names:
        parameter = params.get(name)
        value: Any = None if parameter is None else parameter.value
        if type(value) is not np.ndarray or not value.flags.c_contiguous or value.dtype.char not in "fd":
            return None
        if values and value.dtype != values[0].dtype:
            return None
        values.append(value)
    return tuple(values)


class Weights:
    """Parameters of a node, for a kernel. Arrays that were found fit once are not looked at again."""

    __slots__ = ("_known", "_names", "_params")

    def __init__(self, node: Node, *names: str) -> None:
        # Without a reference to the node, which may be the one that holds the plan, and so this.
        self._params, self._names = node._params, names
        # Weak references, so that weights which the node has no more are freed.
        self._known: tuple[tuple[str, ref[Any]], ...] = ()

    def arrays(self) -> Sequence[Any] | None:
        """As `arrays_of`."""
        params = self._params
        values = []
        for name, known in self._known:
            parameter = params.get(name)
            if parameter is None or (value := parameter.value) is None or known() is not value:
                break
            values.append(value)
        else:
            if values:
                return values
        found = arrays_of(params, self._names)
        self._known = () if found is None else tuple(zip(self._names, map(ref, found), strict=True))
        return found


def is_ready(X: Any, ndim: int, dtype: Any) -> bool:
    """Whether a kernel can take X as it is."""
    if type(X) is not np.ndarray or X.ndim != ndim or not len(X) or not X.flags.c_contiguous:
        return False
    return X.dtype is dtype or bool(X.dtype == dtype)


def total_of(sums: Any) -> Any:
    """The sum of (blocks, width), the sums of blocks. Few rows make one block; the ufunc is faster than `sum`."""
    return sums[0] if len(sums) == 1 else np.add.reduce(sums, axis=0)


def add_product(node: Node, name: str, a: Any, b: Any) -> None:
    """Add a @ b to the gradient of a parameter of shape (rows, …). A zero gradient is overwritten, without a copy."""
    add_written(node, name, (a.shape[0], b.shape[1]), a.dtype, lambda out: node.ops._matmul(a, b, out))


def add_written(node: Node, name: str, shape: tuple[int, int], dtype: Any, write: Callable[[Any], None]) -> None:
    """Add an array of this shape, filled by `write`, to the gradient of a parameter of the same size."""
    parameter = node._params[name]
    value: Any = parameter.value
    if value is not None and parameter.has_no_gradient:
        grad = parameter.need_grad(value)
        if grad.flags.c_contiguous and grad.dtype == dtype and grad.size == shape[0] * shape[1]:
            write(grad.reshape(shape))
            parameter.state = WRITTEN
            return
    product: Any = node.ops._empty(shape, dtype)
    write(product)
    node.inc_grad(name, product if value is None else product.reshape(value.shape))
