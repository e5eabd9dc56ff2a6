"""with_reshape: a layer for matrices, on arrays of more dimensions."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any, overload

from .._arrays import is_xp_array
from ..model import Model
from ..types import NI, NO, Array2d, ArrayXd, Floats2d, Floats3d, Floats4d
from ._checks import check_layers, wrong_gradient, wrong_type
from ._sequences import take_over_dims
from ._typing import ArrT

if TYPE_CHECKING:
    from ..model import Endo


@overload
def with_reshape(
    layer: Model[Floats2d, Floats2d, NI, NO],
) -> Endo[Floats2d | Floats3d | Floats4d, NI, NO]: ...
@overload
def with_reshape(layer: Model[ArrT, ArrT, NI, NO]) -> Model[Any, Any, NI, NO]: ...
def with_reshape(layer: Model[Any, Any, NI, NO]) -> Model[Any, Any, NI, NO]:
    """Run a layer on the last axis of an array: (a, b, nI) → (a, b, nO), through (a * b, nI) and (a * b, nO)."""
    check_layers("with_reshape", layer)
    dims: dict[str, int | None] = {"nO": None, "nI": None}
    return Model(f"with_reshape({layer.name})", forward, init=init, layers=[layer], dims=dims)


def forward(model: Model[Any, Any], X: ArrayXd, is_train: bool) -> tuple[ArrayXd, Callable[[ArrayXd], ArrayXd]]:
    """The layer on rows."""
    given: object = X
    if not is_xp_array(given) or given.ndim < 2:
        raise wrong_type(model, "an array of at least 2 dimensions", X)
    Y, callback = model.layers[0](_rows(X), is_train)

    def backprop(dY: Any) -> ArrayXd:
        if not is_xp_array(dY) or dY.ndim == 0:
            raise wrong_gradient(model, f"an array {(*X.shape[:-1], Y.shape[-1])}", dY)
        dX: ArrayXd = callback(_rows(dY))
        return dX.reshape(X.shape)

    return Y.reshape((*X.shape[:-1], Y.shape[-1])), backprop


def _rows(X: Any) -> Array2d:
    rows: Array2d = X.reshape((prod(X.shape[:-1]), X.shape[-1]))
    return rows


def init(model: Model[Any, Any], X: ArrayXd | None = None, Y: ArrayXd | None = None) -> None:
    """Initialize the layer with the rows of the examples."""
    layer = model.layers[0]
    if X is None and Y is None:
        # And once more below, as in Thinc: with one seed, the parameters are the same.
        layer.initialize()
    layer.initialize(X=None if X is None else _rows(X), Y=None if Y is None else _rows(Y))
    take_over_dims(model, layer)
