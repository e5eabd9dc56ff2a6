"""uniqued: a layer on the distinct rows of its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._arrays import is_xp_array
from .._described import described
from ..errors import InputIndexError
from ..model import Model
from ..types import NI, NO, Floats2d, Ints2d
from ._checks import check_gradient, check_layers, wrong_type
from ._sequences import take_over_dims


def uniqued(layer: Model[Ints2d, Floats2d, NI, NO], *, column: int = 0) -> Model[Ints2d, Floats2d, NI, NO]:
    """Run a layer on one row for each distinct value of a column, and give every row the result for its value.

    X (batch, columns) integers → Y (batch, nO). Rows that agree in that column have to agree in all that matters to the
    layer. Saves work where values repeat, as words do.
    """
    check_layers("uniqued", layer)
    dims = {"nO": None, "nI": None}
    return Model(f"uniqued({layer.name})", forward, init=init, layers=[layer], dims=dims, attrs={"column": column})


def forward(model: Model[Ints2d, Floats2d], X: Ints2d, is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], Any]]:
    """The layer on the first row of each value, its output spread over all rows."""
    column: int = model.attrs["column"]
    layer = model.layers[0]
    if not is_xp_array(X):
        raise wrong_type(model, "an array (batch, columns) of integers", X)
    if X.ndim != 2 or not -X.shape[1] <= column < X.shape[1]:
        raise InputIndexError(
            f"layer {model.name!r} takes an array (batch, columns) with a column {column}, got {described(X)}"
        )
    if X.size < 2:
        return layer(X, is_train)
    ops = model.ops
    _, first, inverse, counts = ops.xp.unique(X[:, column], return_index=True, return_inverse=True, return_counts=True)
    Y_uniq, callback = layer(ops.as_contig(X[first]), is_train)

    Y = ops.as_contig(Y_uniq[inverse])

    def backprop(dY: Floats2d) -> Ints2d:
        check_gradient(model, dY, Y)
        d_uniq = ops.alloc((len(first), *dY.shape[1:]), dtype=dY.dtype)
        ops.scatter_add(d_uniq, inverse, dY)
        dX_uniq: Any = callback(d_uniq)
        # Shared evenly between the rows that were one.
        shares = dX_uniq / counts[:, None]
        dX: Ints2d = shares.astype(dX_uniq.dtype, copy=False)[inverse]
        return dX

    return Y, backprop


def init(model: Model[Ints2d, Floats2d], X: Ints2d | None = None, Y: Floats2d | None = None) -> None:
    """Initialize the layer with the examples."""
    layer = model.layers[0]
    layer.initialize(X=X, Y=Y)
    take_over_dims(model, layer)
