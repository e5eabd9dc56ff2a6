"""Keras models as parts of a model."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import Self

from .. import compat
from .._interop import assert_tensorflow_installed, is_tensorflow_array
from .._saving.msgpack import decode, encode
from ..errors import InputError, SerializationError
from ..types import ArgsKwargs, FloatsXd
from ..util import convert_recursive, iterate_recursive
from .shim import Shim

if TYPE_CHECKING:
    from ..optimizers import Optimizer

__all__ = ["TensorFlowShim", "keras_model_fns", "maybe_handshake_model"]

if TYPE_CHECKING:
    keras_model_fns: Any
else:

    def __getattr__(name):
        # catalogue is imported when somebody wants a table.
        if name == "keras_model_fns":
            return keras_registry()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@functools.cache
def keras_registry() -> Any:
    """`keras_model_fns`: the classes that `keras_subclass` has decorated, by name."""
    import catalogue

    return catalogue.create("thinc_nb", "keras", entry_points=True)


def maybe_handshake_model(keras_model: Any) -> Any:
    """Give a Keras model weights, which it has once it has run: on the example of `keras_subclass`.

    ValueError if it has none and there is no example. Returns the model.
    """
    if not keras_model.weights:
        example = getattr(keras_model, "eg_x", None)
        if example is None:
            raise ValueError(
                f"the Keras model {type(keras_model).__name__} has no weights yet: run it once, give it an "
                "Input layer, or decorate its class with keras_subclass"
            )
        keras_model(compat.tensorflow.convert_to_tensor(example))
    return keras_model


class TensorFlowShim(Shim):
    """Holds a Keras model.

    Its variables are updated by the model's optimizer under the keys ``(shim.id, "number_path")``. The bytes hold its
    weights in order, not the model: it has to be there, with weights, to load them. ImportError without TensorFlow.
    """

    loads_atomically: ClassVar[bool] = True

    gradients: list[Any] | None

    def __init__(self, model: Any, config: Mapping[str, Any] | None = None, optimizer: Any = None) -> None:
        assert_tensorflow_installed()
        super().__init__(model, config, optimizer)
        self.gradients = None

    # Running

    def __call__(self, inputs: ArgsKwargs, is_train: bool) -> tuple[Any, Callable[[Any], ArgsKwargs]]:
        """Call the model: its outputs, and the callback of `begin_update`."""
        if is_train:
            return self.begin_update(inputs)
        return self.predict(inputs), _no_backprop

    def predict(self, inputs: ArgsKwargs) -> Any:
        """The model's outputs, not in training."""
        return self._model(*inputs.args, **{"training": False, **inputs.kwargs})

    def begin_update(self, inputs: ArgsKwargs) -> tuple[Any, Callable[[Any], ArgsKwargs]]:
        """The model's outputs in training, and the callback from their gradients to those of the inputs.

        The callback works once. It adds to the gradients of the variables. Gradients may be None for outputs that do
        not matter; those of inputs that are no floats are None.
        """
        tensorflow = compat.tensorflow
        tensors = [tensor for tensor in iterate_recursive(is_tensorflow_array, inputs) if tensor.dtype.is_floating]
        with tensorflow.GradientTape() as tape:
            tape.watch(tensors)
            outputs = self._model(*inputs.args, **{"training": True, **inputs.kwargs})
        variables = [variable.value for variable in self._model.trainable_variables]

        def backprop(d_outputs: Any) -> ArgsKwargs:
            targets = list(iterate_recursive(is_tensorflow_array, outputs))
            given = _flat(outputs, d_outputs)
            used = [i for i, gradient in enumerate(given) if gradient is not None]
            found = tape.gradient(
                [targets[i] for i in used],
                [*tensors, *variables],
                output_gradients=[tensorflow.cast(given[i], targets[i].dtype) for i in used],
                unconnected_gradients=tensorflow.UnconnectedGradients.ZERO,
            )
            dense = [tensorflow.convert_to_tensor(gradient) for gradient in found]
            self._add_gradients(dense[len(tensors) :])
            by_input = {id(tensor): gradient for tensor, gradient in zip(tensors, dense, strict=False)}
            result: ArgsKwargs = convert_recursive(is_tensorflow_array, lambda x: by_input.get(id(x)), inputs)
            return result

        return outputs, backprop

    def _add_gradients(self, gradients: list[Any]) -> None:
        before = self.gradients
        self.gradients = gradients if before is None else [a + b for a, b in zip(before, gradients, strict=True)]

    # Parameters

    def _named(self) -> Iterator[tuple[str, Any]]:
        for i, variable in enumerate(self._model.trainable_variables):
            yield f"{i}_{getattr(variable, 'path', variable.name)}", variable

    def param_size(self) -> tuple[int, int]:
        """The number of values in the Keras model's weights, and their bytes."""
        weights = self._model.get_weights()
        return sum(each.size for each in weights), sum(each.nbytes for each in weights)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the variables: ``optimizer((shim.id, name), weights, gradient)``, with arrays of numpy."""
        if self.gradients is None:
            return
        update: Any = optimizer
        for (name, variable), gradient in zip(self._named(), self.gradients, strict=True):
            weights, _ = update((self.id, name), np.array(variable), np.array(gradient))
            variable.assign(weights)
        self.gradients = None

    @contextmanager
    def use_params(self, params: Mapping[Any, FloatsXd]) -> Iterator[None]:
        """Use other variables inside the block: arrays by ``(shim.id, name)``. ValueError for another shape."""
        replaced = [(v, params[self.id, name], np.array(v)) for name, v in self._named() if (self.id, name) in params]
        for variable, other, _ in replaced:
            if other.shape != tuple(variable.shape):
                raise ValueError(
                    f"cannot use other weights for {variable.name!r} of a Keras model: expected shape "
                    f"{tuple(variable.shape)}, got {other.shape}"
                )
        try:
            for variable, other, _ in replaced:
                variable.assign(other)
            yield
        finally:
            for variable, _, before in replaced:
                variable.assign(before)

    def copy(self) -> Self:
        """A copy with an id of its own, whose model is a clone with the same weights."""
        twin = copy.copy(self)
        with Shim.global_id_lock:
            Shim.global_id += 1
            twin.id = Shim.global_id
        twin.cfg = dict(self.cfg)
        twin._model = self._cloned()
        return twin

    def _cloned(self) -> Any:
        old = self._model
        if hasattr(old, "eg_args"):
            args, kwargs = old.eg_args
            clone = type(old)(*args, **kwargs)
            if old.weights:
                maybe_handshake_model(clone)
        else:
            clone = compat.tensorflow.keras.models.clone_model(old)
        clone.set_weights(old.get_weights())
        return clone

    def to_device(self, device_type: str, device_id: int) -> None:
        """Put a clone of the model on the ``"cpu"`` or this ``"gpu"``. ValueError for a device that is not there."""
        tensorflow = compat.tensorflow
        if device_type not in ("cpu", "gpu"):
            raise ValueError(f"Invalid device_type: {device_type}. Try 'cpu' or 'gpu'")
        place = max(device_id, 0)
        if len(tensorflow.config.list_physical_devices(device_type.upper())) <= place:
            raise ValueError(f"TensorFlowShim: TensorFlow finds no such device, {device_type} {place}")
        on_device = {device.device.rpartition(":device:")[2] for device in (v.value for v in self._model.weights)}
        if on_device - {f"{device_type.upper()}:{place}"}:
            with tensorflow.device(f"/{device_type.upper()}:{place}"):
                self._model = self._cloned()

    # Bytes

    def to_bytes(self) -> bytes:
        """The settings, and the weights, as MessagePack."""
        weights = [np.asarray(value) for value in self._model.get_weights()]
        return encode({"config": self.cfg, "state": encode(weights)})

    def from_bytes(self, bytes_data: bytes) -> Self:
        """Load what `to_bytes` gave; returns the shim. SerializationError, and no change, if it does not fit."""
        try:
            found: Any = decode(bytes_data)
            state: Any = decode(found["state"])
            config, weights = found["config"], list(state)
        except (ValueError, TypeError, KeyError) as error:
            raise SerializationError(f"the bytes are not those of a TensorFlowShim: {error}") from error
        if weights:
            maybe_handshake_model(self._model)
        shapes = [tuple(variable.shape) for variable in self._model.weights]
        given = [getattr(value, "shape", None) for value in weights]
        if not isinstance(config, dict) or shapes != given or any(value.dtype.kind not in "fiub" for value in weights):
            raise SerializationError(f"the weights of the Keras model have shapes {shapes}, those in the bytes {given}")
        self._model.set_weights(weights)
        self.cfg, self.gradients = config, None
        return self


def _flat(outputs: Any, gradients: Any) -> list[Any]:
    """The gradients in the order of the outputs; None where there is none."""
    if is_tensorflow_array(outputs):
        if gradients is not None and tuple(getattr(gradients, "shape", ())) != tuple(outputs.shape):
            raise InputError(
                f"the gradient of a Keras model should have the shape of its output, {tuple(outputs.shape)}, "
                f"got {getattr(gradients, 'shape', type(gradients).__name__)}"
            )
        return [gradients if outputs.dtype.is_floating else None]
    if isinstance(outputs, dict):
        found = gradients if isinstance(gradients, dict) else {}
        return [d for key, output in outputs.items() for d in _flat(output, found.get(key))]
    if isinstance(outputs, (list, tuple)):
        if gradients is not None and (not isinstance(gradients, (list, tuple)) or len(gradients) != len(outputs)):
            raise InputError(f"the gradient of a Keras model should be a {type(outputs).__name__} of {len(outputs)}")
        given = gradients if gradients is not None else [None] * len(outputs)
        return [d for output, gradient in zip(outputs, given, strict=True) for d in _flat(output, gradient)]
    return []


def _no_backprop(d_outputs: Any) -> ArgsKwargs:
    raise ValueError("outputs that were predicted have no gradients: run the Keras model with is_train=True")
