"""The methods that `Model` has while contracts are on anywhere, and what they check."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import numpy as np

from .._arrays import is_cupy_array, is_xp_array
from .._described import described, place_of
from .._model.tree import locate
from .._wording import fitting_width
from ..errors import ContractError
from ..model import Model
from ..types import Padded, Ragged
from . import active
from ._annotations import promises_of, unaliased
from ._messages import contract_error, hint_for, likely_member, type_name
from ._predicates import predicate_of
from ._rows import Rows, check_rows, rows_of
from ._types import FEW, complaint, padded_problem, prepared, ragged_problem

Node = Model[Any, Any]

FLOATS: Final = "fde"
_Array = np.ndarray


class Expectation:
    """One annotation, prepared for checking."""

    __slots__ = ("accepts", "annotation", "checked")

    def __init__(self, annotation: Any, checked: Any) -> None:
        self.annotation = unaliased(annotation)
        self.checked = checked
        self.accepts = predicate_of(annotation) or _never

    def require(self, model: Node, what: str, value: object, floats: str) -> None:
        """ContractError if typeguard does not take the value either."""
        if complaint(value, self.checked, floats) is None:
            return
        likely = likely_member(self.annotation, value)
        reason = complaint(value, prepared(likely), floats)
        if likely is self.annotation and " | " in type_name(likely):
            reason = None  # it is none of them, as the error says anyway
        raise contract_error(
            model, what, f"{type_name(likely)} as", value, reason, hint_for(likely, value, floats, what)
        )


def _never(value: object) -> bool:
    return False


class Contract:
    """The annotations of X, Y, dY and dX, prepared; None where nothing is expected."""

    __slots__ = ("X", "Y", "dX", "dY", "is_ours", "rows")

    def __init__(self, forward: Callable[..., Any]) -> None:
        promises = promises_of(forward)
        self.X = _expectation(promises.X)
        self.Y = _expectation(promises.Y)
        self.dY = _expectation(promises.dY)
        self.dX = _expectation(promises.dX)
        self.is_ours = str(getattr(forward, "__module__", "")).startswith("thinc_nb.layers.")
        self.rows: Rows | None = rows_of(forward)


def _expectation(annotation: Any) -> Expectation | None:
    with suppress(Exception):
        checked = prepared(annotation)
        return None if checked is Any else Expectation(annotation, checked)
    return None


# By the id of the forward function, which may not be hashable, and must not be kept alive.
_contracts: dict[int, tuple[weakref.ref[Any], Contract]] = {}


def contract_of(forward: Callable[..., Any]) -> Contract:
    """The contract of a forward function, read once."""
    key = id(forward)
    known = _contracts.get(key)
    if known is not None and known[0]() is forward:
        return known[1]
    contract = Contract(forward)
    with suppress(TypeError):  # for an object that allows no weak references
        _contracts[key] = (weakref.ref(forward, lambda _: _contracts.pop(key, None)), contract)
    return contract


def run(model: Node, X: Any, is_train: bool) -> tuple[Any, Any]:
    """Run forward, with X and Y checked. For training, the callback checks dY and dX."""
    forward = model._func
    known = _contracts.get(id(forward))
    contract = known[1] if known is not None and known[0]() is forward else contract_of(forward)
    # Layers that only run others, as our combinators do, have the widths of those, which check them themselves.
    is_asked = not model._layers or bool(model._params) or not (contract.is_ours or contract.X is None)
    try:
        if contract.X is None:
            if type(X) is not _Array:
                _check_consistent(model, "X", X)
        elif not contract.X.accepts(X):
            contract.X.require(model, "X", X, FLOATS)
        if is_asked:
            _check_input(model, contract.X, X)
        result = forward(model, X, is_train=is_train)
        if type(result) is not tuple or len(result) != 2:
            _check_pair(model, result)
        Y, callback = result
        if contract.Y is None:
            if type(Y) is not _Array:
                _check_consistent(model, "Y", Y)
        elif not contract.Y.accepts(Y):
            contract.Y.require(model, "Y", Y, "f" + _float_chars(model, X))
        if is_asked:
            _check_output(model, Y)
        if contract.rows is not None and (type(X) is not _Array or type(Y) is not _Array or X.shape[:1] != Y.shape[:1]):
            check_rows(model, contract.rows, X, Y)
        if is_train:
            if not callable(callback):
                raise ContractError(f"layer {model.name!r} promises a callback beside Y, got {described(callback)}")
            callback = _checked_callback(model, contract, callback, X, Y)
    except Exception as error:
        locate(error, model)
        raise
    return Y, callback


def _check_input(model: Node, expected: Expectation | None, X: Any) -> None:
    """Check X against the width of the layer and its weights."""
    width = model._dims.get("nI")
    if width is not None and (type(X) is not _Array or (X.ndim == 2 and X.shape[1] != width)):
        _check_width(model, "X", "nI", width, X)
    for parameter in model._params.values():
        W = parameter.value
        if type(X) is not _Array or type(W) is not _Array or X.dtype is not W.dtype:
            _check_weights(model, expected, X, W)
        break


def _check_output(model: Node, Y: Any) -> None:
    """Check Y against the width of the layer and the device of its weights."""
    width = model._dims.get("nO")
    if width is not None and (type(Y) is not _Array or (Y.ndim == 2 and Y.shape[1] != width)):
        _check_width(model, "Y", "nO", width, Y)
    for parameter in model._params.values():
        W = parameter.value
        if W is not None and (type(Y) is not _Array or type(W) is not _Array):
            _check_place(model, "Y", Y, W, "give it with model.ops, whose arrays are where the weights are")
        break


def _check_consistent(model: Node, what: str, value: Any) -> None:
    """Check that the parts of a Ragged or Padded fit together, whatever the annotation says."""
    if type(value) is Ragged and (problem := ragged_problem(value)):
        raise contract_error(model, what, "Ragged as", value, problem)
    if type(value) is Padded and (problem := padded_problem(value)):
        raise contract_error(model, what, "Padded as", value, problem)


def _check_pair(model: Node, result: object) -> None:
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise ContractError(
            f"layer {model.name!r} promises the pair (Y, backprop), got {described(result)}\n"
            "  hint: forward returns its output and a function from dY to dX"
        )


def _float_chars(model: Node, X: Any) -> str:
    """The dtypes that floats of a layer may have besides float32: those of its weights and of its input."""
    parameters = (parameter for node in model.walk() for parameter in node._params.values())
    chars = {parameter.value.dtype.char for parameter in parameters if parameter.value is not None}
    chars.update(array.dtype.char for array in _arrays(X))
    return "".join(sorted(chars & {"d", "e"}))


def _arrays(X: Any) -> list[Any]:
    if isinstance(X, (Ragged, Padded)):
        return _arrays(X.data)
    if isinstance(X, (list, tuple)):
        return [array for item in X for array in _arrays(item)]
    return [X] if is_xp_array(X) else []


def _check_weights(model: Node, expected: Expectation | None, X: Any, W: Any) -> None:
    """Check that the input is where the weights are, and that floats have their dtype where floats are asked for."""
    if W is None:
        return
    if type(X) is _Array and type(W) is _Array:
        asks_for_floats = expected is not None and getattr(expected.annotation, "kind", None) == "f"
        if asks_for_floats and X.dtype != W.dtype and W.dtype.kind == "f":
            hint = f"convert it, X.astype({str(W.dtype)!r})"
            raise contract_error(model, "X", f"{W.dtype}, the dtype of its weights, as", X, hint=hint)
        return
    _check_place(model, "X", X, W, "bring it there, model.ops.asarray(X), or move the model, to_cpu() or to_gpu(0)")


def _check_place(model: Node, what: str, value: Any, W: Any, hint: str) -> None:
    """Check that arrays are on the device of the weights."""
    for array in _arrays(value):
        if is_cupy_array(array) != is_cupy_array(W):
            where, place = place_of(W), place_of(array)
            raise contract_error(
                model, what, f"an array on {where}, where its weights are, as", value, f"is on {place}", hint
            )


def _check_width(model: Node, what: str, dim: str, width: int, value: Any) -> None:
    """Check the last axis of a table of floats. Of other values nothing is known."""
    kind = type(value)
    if kind is Ragged:
        if len(value.data_shape) == 2:
            _check_width(model, what, dim, width, value.data)
        return
    if kind is list or kind is tuple:
        if kind is list:
            for item in value:
                _check_width(model, what, dim, width, item)
        return
    rank = 2
    if kind is Padded:
        value, rank = value.data, 3
    if not is_xp_array(value) or value.ndim != rank or value.shape[-1] == width or value.dtype.kind != "f":
        return
    # Lists and Padded without sequences have no width.
    if value.size or value.shape[-1]:
        hint = fitting_width(value.shape[-1], dim) if what == "X" else None
        raise contract_error(model, what, f"width {width} ({dim}) of", value, hint=hint)


def _checked_callback(
    model: Node, contract: Contract, callback: Callable[..., Any], X: Any, Y: Any
) -> Callable[..., Any]:
    """The callback with dY and dX checked. A gradient has the form of the value that it is the gradient of."""
    # Copied: a list may be changed by whoever has it.
    if type(X) is list:
        X = list(X)
    if type(Y) is list:
        Y = list(Y)

    def backprop(*args: Any, **kwargs: Any) -> Any:
        try:
            if args:
                dY = args[0]
                if not _is_alike(dY, Y):
                    _check_gradient(model, "dY", contract.dY, dY, "Y", Y, contract.Y is not None)
            dX = callback(*args, **kwargs)
            if not _is_alike(dX, X):
                _check_gradient(model, "dX", contract.dX, dX, "X", X, contract.X is not None)
        except Exception as error:
            locate(error, model)
            raise
        return dX

    return backprop


def _is_alike(gradient: Any, value: Any) -> bool:
    """Whether both are floats of one shape and dtype, with the same lengths: the common case."""
    kind = type(value)
    if type(gradient) is not kind:
        return False
    if kind is _Array:
        return gradient.dtype is value.dtype and gradient.shape == value.shape and value.dtype.kind == "f"
    if kind is list:
        return bool(value) and len(gradient) == len(value) and all(map(_is_alike, gradient, value))
    if kind is Ragged:
        return _is_alike(gradient.data, value.data) and _is_equal(gradient.lengths, value.lengths)
    return False


def _is_equal(one: Any, other: Any) -> bool:
    """Whether lengths are equal. False also means that it would take long to see."""
    if one is other:
        return True
    return type(one) is _Array and type(other) is _Array and one.size < FEW and one.tolist() == other.tolist()


def _check_gradient(
    model: Node, what: str, expected: Expectation | None, gradient: Any, of: str, value: Any, is_typed: bool
) -> None:
    """Check a gradient against its annotation, and against the value that it is the gradient of if that is annotated.

    Without annotations nothing is promised: the callback may take whatever the next layer gives.
    """
    if expected is None:
        _check_consistent(model, what, gradient)
    is_nothing = gradient is None or (isinstance(gradient, (list, tuple)) and not gradient)
    if not is_nothing and (is_typed or expected is not None):
        _check_alike(model, what, gradient, of, value)
    if expected is not None and not expected.accepts(gradient):
        expected.require(model, what, gradient, FLOATS)


def _check_alike(model: Node, what: str, gradient: Any, of: str, value: Any) -> None:
    """Check that the arrays of floats in a value have gradients of their shape, dtype and device."""
    if is_xp_array(value):
        if value.dtype.kind == "f":
            _check_array_alike(model, what, gradient, of, value)
    elif isinstance(value, (Ragged, Padded)):
        if value.data.dtype.kind != "f":
            return
        if type(gradient) is not type(value):
            raise contract_error(model, what, f"{described(value)}, like {of}, as", gradient)
        _check_array_alike(model, what, gradient.data, of, value.data)
        if not np.array_equal(*map(_on_host, (gradient.lengths, value.lengths))):
            raise contract_error(model, what, f"the lengths of {of} of", gradient, "has others")
    elif isinstance(value, (list, tuple)) and _has_floats(value):
        if not isinstance(gradient, (list, tuple)) or len(gradient) != len(value):
            raise contract_error(model, what, f"{described(value)}, like {of}, as", gradient)
        for part, item in zip(gradient, value, strict=True):
            if part is not None:
                _check_alike(model, what, part, of, item)


def _check_array_alike(model: Node, what: str, gradient: Any, of: str, value: Any) -> None:
    if is_xp_array(gradient) and is_cupy_array(gradient) == is_cupy_array(value):
        if gradient.shape == value.shape and gradient.dtype == value.dtype:
            return
        # An empty batch may have lost its width.
        if gradient.size == 0 and value.size == 0 and gradient.ndim == value.ndim:
            return
    hint = None
    if is_xp_array(gradient) and gradient.shape == value.shape:
        hint = f"convert it, {what}.astype({str(value.dtype)!r})"
        if is_cupy_array(gradient) != is_cupy_array(value):
            hint = f"{of} is on {place_of(value)}, the gradient on {place_of(gradient)}"
    raise contract_error(model, what, f"{described(value)}, like {of}, as", gradient, hint=hint)


def _has_floats(value: Any) -> bool:
    return any(array.dtype.kind == "f" for array in _arrays(value))


def _on_host(array: Any) -> Any:
    return array.get() if is_cupy_array(array) else array


# The methods.


def _call(self: Node, X: Any, is_train: bool = False) -> Any:
    if not active():
        return _PLAIN["__call__"](self, X, is_train)
    return run(self, X, is_train)


def _begin_update(self: Node, X: Any) -> Any:
    if not active():
        return _PLAIN["begin_update"](self, X)
    return run(self, X, True)


def _predict(self: Node, X: Any) -> Any:
    if not active():
        return _PLAIN["predict"](self, X)
    return run(self, X, False)[0]


_PLAIN: dict[str, Callable[..., Any]] = {name: getattr(Model, name) for name in ("__call__", "begin_update", "predict")}
_CHECKED: dict[str, Callable[..., Any]] = {"__call__": _call, "begin_update": _begin_update, "predict": _predict}


def exchange_methods(checked: bool) -> None:
    """Give `Model` the methods that check, or its own methods back."""
    for name, method in (_CHECKED if checked else _PLAIN).items():
        setattr(Model, name, method)
