"""with_padded: a layer for Padded, on other batches of sequences."""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import is_xp_array
from ..backends import Ops
from ..model import Model
from ..types import NI, NO, Floats3d, List2d, Padded, Ragged
from ._checks import check_gradient_kind, check_layers, wrong_type
from ._sequences import as_list, from_list, wrapper_dims
from ._typing import AnySeq

if TYPE_CHECKING:
    from ..model import Endo


def with_padded(layer: Model[Padded, Padded, NI, NO]) -> Endo[Padded | Ragged | List2d | Floats3d, NI, NO]:
    """Run a layer on the Padded of a batch.

    X, a Padded, Ragged, list of arrays, array (steps, sequences, width), or tuple of a Padded's four arrays → the same
    with other data.
    """
    check_layers("with_padded", layer)
    model: Any = Model(f"with_padded({layer.name})", forward, init=init, layers=[layer], dims=wrapper_dims(layer))
    lifted: Endo[Padded | Ragged | List2d | Floats3d, NI, NO] = model
    return lifted


def forward(model: Model[Any, Any], X: AnySeq, is_train: bool) -> tuple[Any, Callable[[AnySeq], Any]]:
    """To Padded, run, and back."""
    if isinstance(X, Padded):
        return model.layers[0](X, is_train)
    ops = model.ops
    Yp, callback = model.layers[0](_to_padded(model, X), is_train)

    def backprop(dY: Any) -> Any:
        check_gradient_kind(model, dY, Sized, "a Padded, Ragged or list of arrays")
        # Without sequences the gradient has no width, but the output has.
        dYp = _to_padded(model, dY) if len(dY) else Yp
        return _from_padded(ops, callback(dYp), X)

    return _from_padded(ops, Yp, X), backprop


def _to_padded(model: Model[Any, Any], X: Any) -> Padded:
    ops = model.ops
    if isinstance(X, Padded):
        return X
    if isinstance(X, Ragged) or _is_list(X):
        sequences: Any = as_list(ops, X)
        return ops.list2padded(sequences)
    if _is_parts(X):
        return Padded(*X)
    if is_xp_array(X) and X.ndim > 1:
        # The layer inside may take other than three axes: torch's LSTM takes (steps, width), one sequence.
        steps, sequences = X.shape[:2]
        return Padded(
            X,
            ops.asarray1i(np.full(steps, sequences).tolist()),
            ops.asarray1i(np.full(sequences, steps).tolist()),
            ops.xp.arange(sequences),
        )
    raise wrong_type(model, "a Padded, Ragged, list of arrays (n, width), or array (steps, sequences, width)", X)


def _from_padded(ops: Ops, Yp: Padded, like: Any) -> Any:
    """A Padded in the form that `like` has."""
    if _is_parts(like):
        return Yp.data, Yp.size_at_t, Yp.lengths, Yp.indices
    if is_xp_array(like):
        return Yp.data
    return from_list(ops, ops.padded2list(Yp), like)


def _is_parts(X: object) -> bool:
    """Whether it is the four arrays of a Padded; a tuple of four sequences has the same rank in each."""
    return isinstance(X, tuple) and len(X) == 4 and all(map(is_xp_array, X)) and [x.ndim for x in X] == [3, 1, 1, 1]


def _is_list(X: object) -> bool:
    return isinstance(X, (list, tuple)) and not _is_parts(X)


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize the layer with the examples as Padded."""
    model.layers[0].initialize(
        X=None if X is None else _to_padded(model, X),
        Y=None if Y is None else _to_padded(model, Y),
    )
