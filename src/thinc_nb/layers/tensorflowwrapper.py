"""Layers that run a Keras model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import compat
from .._interop import assert_tensorflow_installed, is_tensorflow_array, is_xp_array, tensorflow2xp, xp2tensorflow
from ..model import Model
from ..shims.tensorflow import TensorFlowShim, keras_registry, maybe_handshake_model
from ..types import ArgsKwargs
from ..util import convert_recursive
from .pytorchwrapper import Converter

__all__ = ["TensorFlowWrapper", "forward", "keras_subclass"]


def keras_subclass(
    name: str,
    X: Any,
    Y: Any,
    input_shape: tuple[int, ...],
    compile_args: dict[str, Any] | None = None,
) -> Callable[[Any], Any]:
    """Decorate a subclass of ``tf.keras.Model`` so that layers with it can be copied, and load weights before they ran.

    name: under which the class is registered in `keras_model_fns`. X, Y: an example batch, on which a new model runs
    once to have its weights. input_shape, compile_args: kept with the class, as ``eg_shape`` and ``eg_compile``.
    """

    def decorate(cls: Any) -> Any:
        created = cls.__init__

        @functools.wraps(created)
        def create(self: Any, *args: Any, **kwargs: Any) -> None:
            created(self, *args, **kwargs)
            # Not as attributes that Keras would track and wrap.
            object.__setattr__(self, "eg_args", (args, kwargs))

        cls.__init__ = create
        cls.catalogue_name, cls.eg_x, cls.eg_y, cls.eg_shape = name, X, Y, input_shape
        cls.eg_compile = compile_args if compile_args is not None else {"optimizer": "adam", "loss": "mse"}
        keras_registry()(name, func=cls)
        return cls

    return decorate


def TensorFlowWrapper(
    tensorflow_model: Any,
    convert_inputs: Converter | None = None,
    convert_outputs: Converter | None = None,
    optimizer: Any = None,
    model_class: type[Model[Any, Any]] = Model,
    model_name: str = "tensorflow",
) -> Model[Any, Any]:
    """Run a Keras model.

    X, an array → an array; a tuple, or `ArgsKwargs`, → the model is called with its items; outputs may be nested.
    convert_inputs(model, X, is_train) → (`ArgsKwargs` of tensors, callback from their gradients to that of X), and
    convert_outputs(model, (X, outputs), is_train) → (Y, callback from dY to the gradients of the outputs) replace this.
    Enable TensorFlow first, ``thinc_nb.api.enable_tensorflow()``: ImportError otherwise. TypeError for another object.
    """
    assert_tensorflow_installed()
    if not isinstance(tensorflow_model, compat.tensorflow.keras.models.Model):
        raise TypeError(f"TensorFlowWrapper: expected a keras.models.Model, got a {type(tensorflow_model).__name__}")
    if hasattr(tensorflow_model, "eg_x"):
        maybe_handshake_model(tensorflow_model)
    return model_class(
        model_name,
        forward,
        shims=[TensorFlowShim(tensorflow_model, optimizer=optimizer)],
        attrs={
            "convert_inputs": convert_inputs or _convert_inputs,
            "convert_outputs": convert_outputs or _convert_outputs,
        },
    )


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """To tensors, through the Keras model, and back to arrays."""
    inputs, get_dX = model.attrs["convert_inputs"](model, X, is_train)
    outputs, tensorflow_backprop = model.shims[0](inputs, is_train)
    Y, get_gradients = model.attrs["convert_outputs"](model, (X, outputs), is_train)

    def backprop(dY: Any) -> Any:
        return get_dX(tensorflow_backprop(get_gradients(dY)))

    return Y, backprop


def _convert_inputs(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], Any]]:
    converted = convert_recursive(is_xp_array, xp2tensorflow, X)

    def to_xp(gradients: Any) -> Any:
        return convert_recursive(is_tensorflow_array, tensorflow2xp, gradients)

    if isinstance(converted, ArgsKwargs):
        return converted, to_xp
    if isinstance(converted, tuple):
        return ArgsKwargs(converted, {}), lambda gradients: to_xp(gradients.args)
    return ArgsKwargs((converted,), {}), lambda gradients: to_xp(gradients.args[0])


def _convert_outputs(model: Model[Any, Any], X_Y: tuple[Any, Any], is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    _, outputs = X_Y
    Y = convert_recursive(is_tensorflow_array, tensorflow2xp, outputs)
    return Y, lambda dY: convert_recursive(is_xp_array, xp2tensorflow, dY)
