"""What a node knows apart from its layers: dimensions, parameters, gradients, references and attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import is_xp_array
from ..errors import InputError, UnsetError
from .parameters import WRITTEN, Parameter

if TYPE_CHECKING:
    from ..model import Model
    from ..types import FloatsXd

__all__ = ["NodeData"]


class NodeData:
    """The part of `Model` that is about named values of one node. Names that are declared may have no value yet."""

    __slots__ = ()

    # The slots are those of Model: a class without slots of its own can be one base of several.
    name: str
    id: int
    _dims: dict[str, int | None]
    _params: dict[str, Parameter]
    _refs: dict[str, Model[Any, Any] | None]
    _attrs: dict[str, Any]

    def walk(self, *, order: str = "bfs") -> Iterator[Model[Any, Any]]:
        """Each node of the tree; see `Model.walk`."""
        raise NotImplementedError

    # Dimensions

    @property
    def dim_names(self) -> tuple[str, ...]:
        """The names of the dimensions, set or not."""
        return tuple(self._dims)

    def has_dim(self, name: str) -> bool | None:
        """True if the dimension is set, None if it is declared but not set, False if it is not declared."""
        return _ternary(self._dims, name)

    def get_dim(self, name: str) -> int:
        """The dimension. UnsetError (a KeyError and a ValueError) if it is not declared or not set."""
        value = self._dims.get(name)
        if value is None:
            raise self._unset("dimension", name, self._dims, "give the layer its size, or initialize with example data")
        return value

    def maybe_get_dim(self, name: str) -> int | None:
        """The dimension, or None."""
        return self._dims.get(name)

    def set_dim(self, name: str, value: int, *, force: bool = False) -> None:
        """Set a dimension that is declared. UnsetError if it is not; ValueError if it has another value already.

        InputError (a TypeError and a ValueError) for what is no integer. force: change it nevertheless, as long as no
        parameter has been allocated.
        """
        if name not in self._dims:
            raise UnsetError(
                f"Cannot set unknown dimension {name!r} for model {self.name!r}. To do: declare it in Model(dims=...)"
            )
        self._check_dim(name, value)
        old = self._dims[name]
        if old is not None and old != value:
            if not force:
                raise ValueError(f"Attempt to change dimension {name!r} for model {self.name!r} from {old} to {value}")
            if any(parameter.value is not None for parameter in self._params.values()):
                raise ValueError(
                    f"Attempt to change dimension {name!r} for model {self.name!r} from {old} to {value}, "
                    "but its parameters are already allocated: build a new layer, or see resizable()"
                )
        self._dims[name] = value

    def _checked_dims(self, dims: Mapping[str, int | None]) -> dict[str, int | None]:
        checked = dict(dims)
        for name, value in checked.items():
            self._check_dim(name, value)
        return checked

    def _check_dim(self, name: str, value: object) -> None:
        if value is not None and not isinstance(value, (int, np.integer)):
            raise InputError(
                f"dimension {name!r} of model {self.name!r} must be an integer, got {type(value).__name__} {value!r}"
            )
        if value is not None and value < 0:
            raise ValueError(f"dimension {name!r} of model {self.name!r} must not be negative, got {value}")

    # Parameters

    @property
    def param_names(self) -> tuple[str, ...]:
        """The names of the parameters, set or not."""
        return tuple(self._params)

    def has_param(self, name: str) -> bool | None:
        """True if the parameter is set, None if it is declared but not set, False if it is not declared."""
        parameter = self._params.get(name)
        if parameter is None:
            return False
        return True if parameter.value is not None else None

    def get_param(self, name: str) -> FloatsXd:
        """The weights themselves, not a copy. UnsetError (a KeyError and a ValueError) if there are none."""
        parameter = self._params.get(name)
        if parameter is None or parameter.value is None:
            raise self._unset("parameter", name, self._params, "initialize the model first")
        return parameter.value

    def maybe_get_param(self, name: str) -> FloatsXd | None:
        """The weights, or None if there are none."""
        parameter = self._params.get(name)
        return None if parameter is None else parameter.value

    def set_param(self, name: str, value: FloatsXd | None) -> None:
        """Set the weights, or with None unset them. An undeclared name is declared.

        The model keeps `value` itself, so changing that array changes the model, until the parameters are next laid out
        (`initialize`, loading, `to_gpu`, `to_cpu`). A gradient of another shape or dtype is dropped. TypeError for
        anything but an array.
        """
        given: object = value
        if isinstance(given, np.number):
            value = np.asarray(given)
        if value is not None and not is_xp_array(value):
            raise TypeError(
                f"parameter {name!r} of model {self.name!r} must be a numpy or cupy array, got {type(value).__name__}"
            )
        parameter = self._params.get(name)
        if parameter is None:
            self._params[name] = Parameter(value)
        else:
            parameter.set(value)

    # Gradients

    @property
    def grad_names(self) -> tuple[str, ...]:
        """The names of the parameters whose gradient is allocated, zero or not."""
        return tuple(name for name, parameter in self._params.items() if parameter.grad is not None)

    def has_grad(self, name: str) -> bool | None:
        """True if the gradient was written since it was last zeroed, None if it is zero, False if there is none."""
        parameter = self._params.get(name)
        if parameter is None or parameter.grad is None:
            return False
        return True if parameter.state is WRITTEN else None

    def get_grad(self, name: str) -> FloatsXd:
        """The gradient itself, not a copy. UnsetError (a KeyError and a ValueError) if none is allocated."""
        grad = self.maybe_get_grad(name)
        if grad is None:
            raise self._unset("gradient", name, self._params, "run begin_update and its callback first")
        return grad

    def maybe_get_grad(self, name: str) -> FloatsXd | None:
        """The gradient, or None."""
        parameter = self._params.get(name)
        return None if parameter is None else parameter.read_grad()

    def set_grad(self, name: str, value: FloatsXd | None) -> None:
        """Set the gradient, which must have the shape of the weights, or with None have none.

        The model keeps `value` itself (a copy if its dtype is another): the optimizer zeroes it. ValueError for another
        shape, TypeError for numbers that the weights' dtype cannot hold, UnsetError for an undeclared name.
        """
        parameter = self._parameter_for_grad(name, value)
        if value is None:
            parameter.drop_grad()
            return
        expected = parameter.grad if parameter.value is None else parameter.value
        if expected is not None:
            if expected.shape != value.shape:
                raise self._bad_grad(name, value, expected)
            self._check_grad_dtype(name, value, expected)
        parameter.set_grad(value)

    def inc_grad(self, name: str, value: FloatsXd | float) -> None:
        """Add to the gradient. `value` has the shape of the weights, or broadcasts to it; it may be a number.

        ValueError for another shape, TypeError for numbers that the weights' dtype cannot hold (complex ones in floats,
        floats in integers), UnsetError for an undeclared name.
        """
        parameter = self._params.get(name)
        # What is nearly always given, without asking further.
        known = None if parameter is None else parameter.value
        if parameter is not None and type(value) is np.ndarray and known is not None and known.shape == value.shape:
            if known.dtype is not value.dtype:
                self._check_grad_dtype(name, value, known)
            parameter.add_grad(value)
            return
        if isinstance(value, (int, float, np.number)):
            value = np.asarray(value)
        parameter = self._parameter_for_grad(name, value)
        expected = parameter.grad if parameter.value is None else parameter.value
        if expected is not None:
            if expected.shape != value.shape and not _broadcasts(value.shape, expected.shape):
                raise self._bad_grad(name, value, expected)
            self._check_grad_dtype(name, value, expected)
        parameter.add_grad(value)

    def grad_buffer(self, name: str) -> FloatsXd:
        """The gradient's array, for a kernel that adds to it in place (scatter_add).

        It holds zeros if the gradient is zero, and counts as written from now on. UnsetError if the parameter is not
        set.
        """
        parameter = self._params.get(name)
        if parameter is None:
            raise self._unset("parameter", name, self._params, "initialize the model first")
        grad = parameter.read_grad()
        if grad is None:
            parameter.need_grad(self.get_param(name))
            grad = parameter.read_grad()
        if grad is None:
            raise self._unset("gradient", name, self._params, "set the parameter first")
        parameter.state = WRITTEN
        return grad

    def get_gradients(self) -> dict[tuple[int, str], tuple[FloatsXd, FloatsXd]]:
        """The gradients that are not zero, of all nodes: ``(node.id, name)`` to ``(weights, gradient)``."""
        return {
            (node.id, name): (node.get_param(name), node.get_grad(name))
            for node in self.walk()
            for name in node._params
            if node.has_grad(name)
        }

    def _parameter_for_grad(self, name: str, value: object) -> Parameter:
        parameter = self._params.get(name)
        if parameter is None:
            raise self._unset("parameter", name, self._params, "initialize the model first")
        if value is not None and not is_xp_array(value):
            raise TypeError(
                f"the gradient of {name!r} of model {self.name!r} must be an array, got {type(value).__name__}"
            )
        return parameter

    def _check_grad_dtype(self, name: str, value: FloatsXd, expected: FloatsXd) -> None:
        """TypeError if numbers would lose more than precision: their imaginary part, say."""
        if not np.can_cast(value.dtype, expected.dtype, "same_kind"):
            raise TypeError(
                f"the gradient of parameter {name!r} of model {self.name!r} must fit the dtype of the weights: "
                f"expected {expected.dtype} {expected.shape}, got {value.dtype} {value.shape}"
            )

    def _bad_grad(self, name: str, value: FloatsXd, expected: FloatsXd) -> ValueError:
        return ValueError(
            f"the gradient of parameter {name!r} of model {self.name!r} must have the shape of the weights: "
            f"expected {expected.dtype} {expected.shape}, got {value.dtype} {value.shape}"
        )

    # References

    @property
    def ref_names(self) -> tuple[str, ...]:
        """The names of the references, set or not."""
        return tuple(self._refs)

    def has_ref(self, name: str) -> bool | None:
        """True if the reference is set, None if it is declared but not set, False if it is not declared."""
        return _ternary(self._refs, name)

    def get_ref(self, name: str) -> Model[Any, Any]:
        """The node referred to. UnsetError (a KeyError and a ValueError) if there is none."""
        value = self._refs.get(name)
        if value is None:
            raise self._unset("reference", name, self._refs, "set it with set_ref")
        return value

    def maybe_get_ref(self, name: str) -> Model[Any, Any] | None:
        """The node referred to, or None."""
        return self._refs.get(name)

    def set_ref(self, name: str, value: Model[Any, Any] | None) -> None:
        """Refer to a node of this tree by a name, or with None only declare the name.

        ValueError for a node that is not in the tree, InputError (a TypeError and a ValueError) for what is no node.
        """
        if value is not None and not isinstance(value, NodeData):
            raise InputError(f"reference {name!r} of model {self.name!r} must be a Model, got {type(value).__name__}")
        if value is not None and not any(node is value for node in self.walk()):
            raise ValueError(
                f"Cannot add reference to node not in tree: {name!r} of model {self.name!r} should refer to "
                f"{value.name!r}. Add the node to the layers first"
            )
        self._refs[name] = value

    # Attributes

    @property
    def attrs(self) -> dict[str, Any]:
        """Settings that are not parameters, by name. The dictionary can be changed, but not replaced."""
        return self._attrs

    @property
    def attr_names(self) -> tuple[str, ...]:
        """The names of the attributes."""
        return tuple(self._attrs)

    def has_attr(self, name: str) -> bool | None:
        """True if there is such an attribute, None if it is None, False if there is none."""
        return _ternary(self._attrs, name)

    def get_attr(self, name: str) -> Any:
        """The attribute. UnsetError (a KeyError and a ValueError) if there is none."""
        if name not in self._attrs:
            raise self._unset("attribute", name, {}, "set it with set_attr")
        return self._attrs[name]

    def set_attr(self, name: str, value: Any) -> None:
        """Set an attribute, new or not."""
        self._attrs[name] = value

    def _unset(self, kind: str, name: str, declared: Mapping[str, object], advice: str) -> UnsetError:
        """The error for a name without a value; `advice` is what gives it one."""
        problem = "value unset" if name in declared else "it is not declared"
        if declared and name not in declared:
            advice = f"ask for one that is: {', '.join(map(repr, declared))}"
        elif name not in declared and kind in _DECLARED_BY:
            advice = f"ask the node that has it, in model.layers, or declare it in Model({_DECLARED_BY[kind]}=...)"
        said = f"Cannot get {kind} {name!r} for model {self.name!r}: {problem}"
        if kind == "parameter":  # Thinc's words, which tests look for
            said = f"Unknown param: {name!r} for model {self.name!r}: it is not declared"
            if name in declared:
                said = f"Parameter {name!r} for model {self.name!r} has not been allocated yet"
        return UnsetError(f"{said}. To do: {advice}")


_DECLARED_BY = {"dimension": "dims", "parameter": "params", "gradient": "params"}


def _ternary(values: Mapping[str, object], name: str) -> bool | None:
    if name not in values:
        return False
    return True if values[name] is not None else None


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) <= len(to) and all(a in (1, b) for a, b in zip(reversed(shape), reversed(to), strict=False))
