"""Batches of sequences in the forms that layers take, and the parts that the `with_...` layers share."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._arrays import is_xp_array
from .._described import described
from ..backends import Ops
from ..errors import InputError
from ..model import Model
from ..types import Ints1d, Padded, Ragged
from ._checks import wrong_type

INT32 = np.dtype("int32")


def lengths_of(model: Model[Any, Any], Xs: Any, expected: str = "a list of arrays") -> Ints1d:
    """The lengths of a list of arrays: (len(Xs),) int32. InputError that says what was expected if they have none."""
    try:
        lengths: Ints1d = model.ops.xp.array(list(map(len, Xs)), INT32)
    except TypeError:
        raise wrong_type(model, expected, Xs) from None
    return lengths


def wrapper_dims(layer: Model[Any, Any]) -> dict[str, int | None]:
    """The dimensions that a layer which runs `layer` in another form takes over: all of them."""
    return {name: layer.maybe_get_dim(name) for name in layer.dim_names}


def take_over_dims(model: Model[Any, Any], layer: Model[Any, Any]) -> None:
    """Set the dimensions that both have and that have become known."""
    for name in model.dim_names:
        value = layer.maybe_get_dim(name)
        if value is not None:
            model.set_dim(name, value)


def as_array(ops: Ops, X: Any) -> Any:
    """The array that holds all rows of a batch; what is no batch of sequences as it is."""
    if isinstance(X, Ragged):
        return X.dataXd
    if isinstance(X, Padded):
        return X.data
    if isinstance(X, (list, tuple)):
        return ops.flatten(X)
    return X


def joined(model: Model[Any, Any], Ys: Any) -> Any:
    """The items of all lists of a list as one array, from which a layer inside with_flatten learns its width.

    InputError if there are none, or they do not fit together.
    """
    xp = model.ops.xp
    try:
        return xp.concatenate([xp.atleast_1d(Y if is_xp_array(Y) else xp.asarray(Y)) for Y in Ys])
    except (TypeError, ValueError) as error:
        raise InputError(
            f"layer {model.name!r} takes a list of one array or more as the example Y, got {described(Ys)}: {error}. "
            "To do: leave Y out, and give the layer inside its width nO"
        ) from error


def as_list(ops: Ops, X: Any) -> Any:
    """The sequences of a batch, each an array (n, width): as in Thinc, a Ragged of one axis has width 1."""
    if isinstance(X, Ragged):
        return ops.unflatten(X.data, X.lengths)
    if isinstance(X, Padded):
        return ops.padded2list(X)
    return X


def from_list(ops: Ops, Ys: Any, like: Any) -> Any:
    """The sequences in the form of the batch `like`: Ragged, Padded or a list."""
    if isinstance(like, Ragged):
        flat: Any = ops.flatten(Ys)
        return Ragged(flat, like.lengths)
    if isinstance(like, Padded):
        return ops.list2padded(Ys)
    return Ys
