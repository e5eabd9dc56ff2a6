"""What layers say when they are given something that does not fit."""

from __future__ import annotations

from typing import Any

from .._arrays import is_xp_array
from ..model import Model
from ..types import ArrayXd, Padded, Ragged


def described(X: object) -> str:
    """How an error names a value: dtype and shape of an array, otherwise the type."""
    if is_xp_array(X):
        return f"{X.dtype} {tuple(X.shape)}"
    if isinstance(X, Ragged):
        return f"a Ragged of {len(X)} sequences with data {described(X.data)}"
    if isinstance(X, Padded):
        return f"a Padded of {len(X)} sequences with data {described(X.data)}"
    if isinstance(X, (list, tuple)) and X:
        return f"a {type(X).__name__} of {len(X)}, the first {described(X[0])}"
    return f"a {type(X).__name__}"


def check_rows(model: Model[Any, Any], X: Any, W: ArrayXd) -> None:
    """Check that X is an array (batch, nI) of the dtype of the weights W (…, nI)."""
    if not is_xp_array(X):
        raise TypeError(f"layer {model.name!r} takes an array (batch, {W.shape[-1]}), got {described(X)}{_advice(X)}")
    if X.ndim != 2 or X.shape[1] != W.shape[-1]:
        raise ValueError(
            f"layer {model.name!r} takes an array (batch, {W.shape[-1]}), got {described(X)}: "
            f"the width must be {W.shape[-1]}, that of its weights"
        )
    if X.dtype != W.dtype:
        raise ValueError(
            f"layer {model.name!r} has {W.dtype} weights and takes {W.dtype} input, got {described(X)}: "
            f"convert it, X.astype({str(W.dtype)!r})"
        )


def check_gradient(model: Model[Any, Any], dY: Any, Y: ArrayXd) -> None:
    """Check that the gradient dY has the shape and dtype of the output Y."""
    if not is_xp_array(dY):
        raise TypeError(f"the gradient of layer {model.name!r} must be an array {tuple(Y.shape)}, got {described(dY)}")
    if dY.shape != Y.shape or dY.dtype != Y.dtype:
        raise ValueError(
            f"the gradient of layer {model.name!r} must have the shape and dtype of its output: "
            f"expected {described(Y)}, got {described(dY)}"
        )


def wrong_type(model: Model[Any, Any], expected: str, X: object) -> TypeError:
    """The error for input of a type that a layer does not take."""
    return TypeError(f"layer {model.name!r} takes {expected}, got {described(X)}")


def _advice(X: object) -> str:
    if isinstance(X, (list, tuple, Ragged, Padded)):
        return ": wrap the layer, with_array(layer), to run it on sequences"
    return ""
