"""with_ragged: a layer for Ragged, on other batches of sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from typing import TYPE_CHECKING, Any

from .._arrays import is_xp_array
from ..backends import Ops
from ..model import Model
from ..types import NI, NO, ArrayXd, ListXd, Padded, Ragged
from ._checks import as_items, check_gradient_kind, check_layers
from ._sequences import as_list, from_list, lengths_of

if TYPE_CHECKING:
    from ..model import Endo

_TAKEN = "a Ragged, Padded or list of arrays"


def with_ragged(layer: Model[Ragged, Ragged, NI, NO]) -> Endo[Padded | Ragged | ListXd, NI, NO]:
    """Run a layer on the Ragged of a batch.

    X, a Ragged, Padded, list of arrays, or tuple of a Ragged's data and lengths → the same with other data.
    """
    check_layers("with_ragged", layer)
    model: Any = Model(f"with_ragged({layer.name})", forward, init=init, layers=[layer])
    lifted: Endo[Padded | Ragged | ListXd, NI, NO] = model
    return lifted


def forward(
    model: Model[Any, Any], X: Ragged | Padded | Sequence[ArrayXd], is_train: bool
) -> tuple[Any, Callable[[Any], Any]]:
    """To Ragged, run, and back."""
    if isinstance(X, Ragged):
        return model.layers[0](X, is_train)
    ops = model.ops
    Yr, callback = model.layers[0](_to_ragged(model, X), is_train)

    def backprop(dY: Any) -> Any:
        check_gradient_kind(model, dY, Sized, "a Ragged, Padded or list of arrays")
        # Without sequences the gradient has no width, but the output has.
        dYr = _to_ragged(model, dY) if len(dY) else Yr
        return _from_ragged(ops, callback(dYr), X)

    return _from_ragged(ops, Yr, X), backprop


def _to_ragged(model: Model[Any, Any], X: Any) -> Ragged:
    if isinstance(X, Ragged):
        return X
    if _is_parts(X):
        return Ragged(*X)
    sequences = as_list(model.ops, X) if isinstance(X, Padded) else as_items(model, _TAKEN, X)
    flat: Any = model.ops.flatten(sequences)
    return Ragged(flat, lengths_of(model, sequences))


def _from_ragged(ops: Ops, Yr: Ragged, like: Any) -> Any:
    """A Ragged in the form that `like` has."""
    if _is_parts(like):
        return Yr.data, Yr.lengths
    return from_list(ops, as_list(ops, Yr), like)


def _is_parts(X: object) -> bool:
    """Whether it is data and lengths; a tuple of two sequences has floats, or two dimensions, in the second too."""
    return (
        isinstance(X, tuple)
        and len(X) == 2
        and all(map(is_xp_array, X))
        and X[1].ndim == 1
        and X[1].dtype.kind in "iu"
        and X[0].ndim > 1
    )


def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
    """Initialize the layer with the examples as Ragged."""
    model.layers[0].initialize(
        X=None if X is None else _to_ragged(model, X),
        Y=None if Y is None else _to_ragged(model, Y),
    )
