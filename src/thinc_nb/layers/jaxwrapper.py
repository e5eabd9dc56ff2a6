"""Layers that run a JAX function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._interop import import_jax, is_jax_array, is_xp_array, jax2xp, xp2jax
from ..model import Model
from ..shims.jax import JaxShim
from ..types import ArgsKwargs
from ..util import convert_recursive
from .pytorchwrapper import Converter

__all__ = ["JaxWrapper", "convert_jax_default_inputs", "convert_jax_default_outputs", "forward"]


def JaxWrapper(
    func: Callable[..., Any],
    params: Any,
    convert_inputs: Converter | None = None,
    convert_outputs: Converter | None = None,
    *,
    jit: bool = True,
    model_name: str = "jax",
) -> Model[Any, Any]:
    """Run a JAX function ``func(params, X)``, with its parameters: arrays nested in dicts, lists and tuples.

    X, an array → an array; a tuple or list → the function is called with its items; a dict → with keyword arguments;
    `ArgsKwargs` → with both. Outputs may be nested. A function with an argument `is_train` is told. JAX computes in
    float32 unless jax_enable_x64 is set.

    convert_inputs(model, X, is_train) → (`ArgsKwargs` of JAX arrays, callback from their gradients to that of X), and
    convert_outputs(model, (X, outputs), is_train) → (Y, callback from dY to the gradients of the outputs) replace this.
    jit, and errors, are those of `JaxShim`.
    """
    return Model(
        model_name,
        forward,
        attrs={
            "convert_inputs": convert_inputs or convert_jax_default_inputs,
            "convert_outputs": convert_outputs or convert_jax_default_outputs,
        },
        shims=[JaxShim(func, params, jit=jit)],
        dims={"nI": None, "nO": None},
    )


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """To arrays of JAX, through the function, and back."""
    inputs, get_dX = model.attrs["convert_inputs"](model, X, is_train)
    outputs, pull_back = model.shims[0](inputs, is_train)
    Y, get_gradients = model.attrs["convert_outputs"](model, (X, outputs), is_train)

    def backprop(dY: Any) -> Any:
        return get_dX(pull_back(get_gradients(dY)))

    return Y, backprop


def convert_jax_default_inputs(
    model: Model[Any, Any], X: Any, is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], Any]]:
    """X as the arguments of a call, and the callback from their gradients to that of X."""
    converted = convert_recursive(is_xp_array, xp2jax, X)

    def back(gradients: Any, like: Any) -> Any:
        """Arrays in the dtype of the inputs, which JAX may have narrowed."""
        leaves, form = import_jax().tree_util.tree_flatten(like)
        found = form.flatten_up_to(gradients)
        return form.unflatten(
            [None if d is None else jax2xp(d).astype(x.dtype, copy=False) for d, x in zip(found, leaves, strict=True)]
        )

    if isinstance(X, ArgsKwargs):
        return converted, lambda grads: ArgsKwargs(back(grads.args, X.args), back(grads.kwargs, X.kwargs))
    if isinstance(X, dict):
        return ArgsKwargs((), converted), lambda grads: back(grads.kwargs, X)
    if isinstance(X, (tuple, list)):
        return ArgsKwargs(tuple(converted), {}), lambda grads: back(type(converted)(grads.args), X)
    return ArgsKwargs((converted,), {}), lambda grads: back(grads.args[0], X)


def convert_jax_default_outputs(
    model: Model[Any, Any], X_Y: tuple[Any, Any], is_train: bool
) -> tuple[Any, Callable[[Any], Any]]:
    """The outputs as arrays of their own, and the callback from their gradients to those of JAX."""
    _, outputs = X_Y
    return convert_recursive(is_jax_array, jax2xp, outputs), lambda dY: convert_recursive(is_xp_array, xp2jax, dY)
