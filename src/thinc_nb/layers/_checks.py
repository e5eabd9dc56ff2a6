"""What layers say when they are given something that does not fit."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from .._arrays import is_cupy_array, is_xp_array
from .._described import described
from ..errors import InputError, InputKindError
from ..model import Model
from ..types import ArrayXd, Padded, Ragged


def check_rows(model: Model[Any, Any], X: Any, W: ArrayXd, *, any_dtype: bool = False) -> Any:
    """X, if it is an array (batch, nI) of the device and dtype of the weights W (…, nI); otherwise InputError.

    An empty batch that has lost its width, (0, 0), gets it: lists and Padded without sequences have none. any_dtype:
    for layers that multiply no matrices, which as in Thinc take all real numbers.
    """
    if type(X) is not type(W):
        _check_kind(model, X, W)
    if X.ndim != 2 or X.shape[1] != W.shape[-1]:
        if X.shape == (0, 0):
            return X.reshape((0, W.shape[-1]))
        problem = f"the width must be {W.shape[-1]}, that of its weights"
        if X.ndim != 2:
            problem = "there must be 2 dimensions" + (", see with_reshape and with_array2d" if X.ndim > 2 else "")
        raise InputError(f"layer {model.name!r} takes an array (batch, {W.shape[-1]}), got {described(X)}: {problem}")
    if X.dtype != W.dtype and not (any_dtype and X.dtype.kind in "fiub"):
        raise InputError(
            f"layer {model.name!r} has {W.dtype} weights and takes {W.dtype} input, got {described(X)}: "
            f"convert it, X.astype({str(W.dtype)!r})"
        )
    return X


def _check_kind(model: Model[Any, Any], X: Any, W: ArrayXd) -> None:
    """Check that X is an array on the device of the weights. Subclasses of arrays are arrays."""
    if not is_xp_array(X):
        raise wrong_type(model, f"an array (batch, {W.shape[-1]})", X)
    if is_cupy_array(X) != is_cupy_array(W):
        weights, data = ("the CPU", "a GPU") if is_cupy_array(X) else ("a GPU", "the CPU")
        raise InputError(
            f"layer {model.name!r} has its weights on {weights}, got {described(X)} on {data}: "
            "bring it there, model.ops.asarray(X), or move the model, to_cpu() or to_gpu(0)"
        )


def check_gradient(model: Model[Any, Any], dY: Any, Y: ArrayXd) -> None:
    """Check that the gradient dY has the shape and dtype of the output Y."""
    if not is_xp_array(dY):
        raise wrong_gradient(model, f"an array {tuple(Y.shape)}", dY)
    if dY.shape != Y.shape or dY.dtype != Y.dtype:
        # The last words are Thinc's, which tests look for.
        other = "Shape" if dY.shape != Y.shape else "Type"
        raise InputError(
            f"the gradient of layer {model.name!r} must have the shape and dtype of its output: "
            f"expected {described(Y)}, got {described(dY)} ({other} mismatch in backprop)"
        )


def check_gradient_kind(model: Model[Any, Any], dY: object, kinds: Any, expected: str) -> None:
    """Check that the gradient dY is an instance of one of `kinds`; `expected` is what they are called."""
    if not isinstance(dY, kinds):
        raise wrong_gradient(model, expected, dY)


def gradients_of_parts(model: Model[Any, Any], dYs: Any, count: int) -> list[Any]:
    """The gradients of as many outputs as there are. InputError before any of them is used if there are others."""
    try:
        gradients = list(dYs)
    except TypeError:
        gradients = None
    if gradients is None or len(gradients) != count:
        raise wrong_gradient(model, f"a list or tuple of {count}", dYs)
    return gradients


def wrong_gradient(model: Model[Any, Any], expected: str, dY: object) -> InputKindError:
    """The error for a gradient that is not what the output is."""
    return InputKindError(f"the gradient of layer {model.name!r} must be {expected}, got {described(dY)}")


def fitted_gradient(model: Model[Any, Any], dY: Any, Y: ArrayXd) -> Any:
    """The gradient dY in the dtype of the output Y, for layers that multiply no matrices; InputError for other shapes.

    What NumPy computes of a float32 output and Python's or its own numbers is often float64.
    """
    if is_xp_array(dY) and dY.dtype != Y.dtype and dY.dtype.kind == "f":
        dY = dY.astype(Y.dtype)
    check_gradient(model, dY, Y)
    return dY


def as_items(model: Model[Any, Any], expected: str, X: Any) -> Any:
    """X, if it is a list or tuple, or an array of sequences of one length. Otherwise InputError.

    A matrix is a list of its rows, as in Thinc: sequences of ids, or of single numbers.
    """
    if isinstance(X, (list, tuple)):
        return X
    if is_xp_array(X) and (X.ndim > 1 or X.shape == (0,)):
        return list(X)
    raise wrong_type(model, expected, X)


def as_numbers(model: Model[Any, Any], X: Any) -> Any:
    """X, if it is an array, or a list or tuple of numbers or of such of one length, which becomes one. InputError."""
    if is_xp_array(X):
        return X
    if isinstance(X, (list, tuple)):
        try:
            array = model.ops.xp.asarray(X)
        except ValueError:  # Of several lengths.
            array = None
        if array is not None and array.dtype.kind in "fiub":
            return array.astype("float64") if array.dtype.kind != "f" else array
    raise wrong_type(model, "an array", X)


def wrong_type(model: Model[Any, Any], expected: str, X: object) -> InputKindError:
    """The error for input of a type that a layer does not take."""
    return InputKindError(f"layer {model.name!r} takes {expected}, got {described(X)}{_advice(expected, X)}")


def check_layers(combinator: str, *layers: object) -> None:
    """Check that what is to be put together are layers: a TypeError names the first that is none, and its place."""
    for place, layer in enumerate(layers, start=1):
        if not isinstance(layer, Model):
            which = "the layer" if len(layers) == 1 else f"layer {place}"
            raise TypeError(f"{combinator}: {which} must be a Model, got {described(layer)}{_instead(layer)}")


def _instead(layer: object) -> str:
    if isinstance(layer, (list, tuple)):
        return ": give the layers one by one, with a star before the list"
    return f": call it, {layer.__name__}(...)" if isinstance(layer, FunctionType) else ""


# By how a layer says what it takes: what makes it take other batches.
_REMEDIES = {
    "an array": "wrap the layer, with_array(layer), to run it on sequences",
    "a Ragged": "put list2ragged() before the layer, or wrap it, with_ragged(layer)",
    "a Padded": "put list2padded() before the layer, or wrap it, with_padded(layer)",
    "a list": "put ragged2list() or padded2list() before the layer, or wrap it, with_list(layer)",
}


def _advice(expected: str, X: object) -> str:
    if type(X).__module__ == "torch":
        return ": convert it, torch2xp(X)"
    if not isinstance(X, (list, tuple, Ragged, Padded)) and not is_xp_array(X):
        return ""
    if expected.startswith("a list") and isinstance(X, (list, tuple)):
        return ""
    if expected.startswith("an array of integer ids") and is_xp_array(X):
        return ": convert it, ids.astype('int64')" if X.dtype.kind == "f" else ""
    return next((f": {remedy}" for start, remedy in _REMEDIES.items() if expected.startswith(start)), "")
