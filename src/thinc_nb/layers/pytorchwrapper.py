"""Layers that run a PyTorch module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from .. import compat
from .._described import described
from .._interop import is_torch_array, is_xp_array, torch2xp, xp2torch
from ..model import Model
from ..shims.pytorch import Deserializer, PyTorchShim, Serializer
from ..shims.pytorch_grad_scaler import PyTorchGradScaler
from ..types import ArgsKwargs, Padded
from ..util import convert_recursive
from ._checks import wrong_type

if TYPE_CHECKING:
    import torch

__all__ = [
    "PyTorchRNNWrapper",
    "PyTorchWrapper",
    "PyTorchWrapper_v2",
    "PyTorchWrapper_v3",
    "convert_pytorch_default_inputs",
    "convert_pytorch_default_outputs",
    "convert_rnn_inputs",
    "convert_rnn_outputs",
    "forward",
]

Converter: TypeAlias = Callable[[Model[Any, Any], Any, bool], tuple[Any, Callable[[Any], Any]]]


def PyTorchWrapper(
    pytorch_model: torch.nn.Module,
    convert_inputs: Converter | None = None,
    convert_outputs: Converter | None = None,
) -> Model[Any, Any]:
    """`PyTorchWrapper_v3` with its first three arguments."""
    return PyTorchWrapper_v3(pytorch_model, convert_inputs, convert_outputs)


def PyTorchWrapper_v2(
    pytorch_model: torch.nn.Module,
    convert_inputs: Converter | None = None,
    convert_outputs: Converter | None = None,
    mixed_precision: bool = False,
    grad_scaler: PyTorchGradScaler | None = None,
    device: torch.device | None = None,
) -> Model[Any, Any]:
    """`PyTorchWrapper_v3` with its first six arguments."""
    return PyTorchWrapper_v3(pytorch_model, convert_inputs, convert_outputs, mixed_precision, grad_scaler, device)


def PyTorchWrapper_v3(
    pytorch_model: torch.nn.Module,
    convert_inputs: Converter | None = None,
    convert_outputs: Converter | None = None,
    mixed_precision: bool = False,
    grad_scaler: PyTorchGradScaler | None = None,
    device: torch.device | None = None,
    serialize_model: Serializer | None = None,
    deserialize_model: Deserializer | None = None,
) -> Model[Any, Any]:
    """Run a PyTorch module.

    X, an array → an array; a tuple or list → the module is called with its items; a dict → with keyword arguments;
    `ArgsKwargs` → with both. Outputs may be nested. Tensors and arrays share memory.

    convert_inputs(model, X, is_train) → (`ArgsKwargs` of tensors, callback from their gradients to that of X), and
    convert_outputs(model, (X, outputs), is_train) → (Y, callback from dY to the arguments of `torch.autograd.backward`)
    replace this. The other arguments are those of `PyTorchShim`, and so are the errors.
    """
    return Model(
        "pytorch",
        forward,
        attrs={
            "convert_inputs": convert_inputs or convert_pytorch_default_inputs,
            "convert_outputs": convert_outputs or convert_pytorch_default_outputs,
        },
        shims=[
            PyTorchShim(
                pytorch_model,
                mixed_precision=mixed_precision,
                grad_scaler=grad_scaler,
                device=device,
                serialize_model=serialize_model,
                deserialize_model=deserialize_model,
            )
        ],
        dims={"nI": None, "nO": None},
    )


def PyTorchRNNWrapper(
    pytorch_model: torch.nn.Module,
    convert_inputs: Converter | None = None,
    convert_outputs: Converter | None = None,
) -> Model[Padded, Padded]:
    """Run a recurrent PyTorch module, which takes (steps, sequences, width) and gives (output, states).

    Padded → Padded. The padding, zeros, goes through the module too, as in Thinc: with two directions, the outputs of a
    sequence depend on how much of it there is. convert_inputs and convert_outputs are as in `PyTorchWrapper_v3`.
    """
    return PyTorchWrapper_v3(
        pytorch_model,
        convert_inputs=convert_inputs or convert_rnn_inputs,
        convert_outputs=convert_outputs or convert_rnn_outputs,
    )


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """To tensors, through the module, and back to arrays."""
    convert_inputs: Converter = model.attrs["convert_inputs"]
    convert_outputs: Converter = model.attrs["convert_outputs"]
    inputs, get_dX = convert_inputs(model, X, is_train)
    outputs, torch_backprop = model.shims[0](inputs, is_train)
    Y, get_grads = convert_outputs(model, (X, outputs), is_train)

    def backprop(dY: Any) -> Any:
        return get_dX(torch_backprop(get_grads(dY)))

    return Y, backprop


def convert_pytorch_default_inputs(
    model: Model[Any, Any], X: Any, is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], Any]]:
    """X as the arguments of a call, and the callback from their gradients to that of X."""

    def to_torch(array: Any) -> Any:
        # torch has gradients of real and complex numbers only.
        return xp2torch(array, requires_grad=is_train and array.dtype.kind in "fc", device=_shim(model).device)

    converted = convert_recursive(is_xp_array, to_torch, X)
    if isinstance(converted, ArgsKwargs):
        return converted, _to_xp
    if isinstance(converted, dict):
        return ArgsKwargs((), converted), lambda grads: _to_xp(grads.kwargs)
    if isinstance(converted, (tuple, list)):
        return ArgsKwargs(tuple(converted), {}), lambda grads: _to_xp(_like(X, grads.args))
    return ArgsKwargs((converted,), {}), lambda grads: _to_xp(grads.args[0])


def convert_pytorch_default_outputs(
    model: Model[Any, Any], X_Ytorch: tuple[Any, Any], is_train: bool
) -> tuple[Any, Callable[[Any], ArgsKwargs]]:
    """The outputs as arrays, and the callback from their gradients to the arguments of `torch.autograd.backward`.

    Gradients may be None for outputs that do not matter. Outputs in reduced precision come as float32 where that
    precision was torch's choice, or is one that arrays lack.
    """
    _, outputs = X_Ytorch

    def to_array(tensor: Any) -> Any:
        torch = compat.torch
        reduced = (torch.bfloat16, torch.float16) if _shim(model).mixed_precision else (torch.bfloat16,)
        return torch2xp(tensor.float() if tensor.dtype in reduced else tensor)

    def backprop(dY: Any) -> ArgsKwargs:
        pairs = list(_pairs(model, outputs, dY))
        tensors = tuple(tensor for tensor, _ in pairs)
        return ArgsKwargs((tensors,), {"grad_tensors": tuple(_as_tensor(d, tensor) for tensor, d in pairs)})

    return convert_recursive(is_torch_array, to_array, outputs), backprop


def _pairs(model: Model[Any, Any], outputs: Any, dY: Any) -> Iterator[tuple[Any, Any]]:
    """Each output that has a gradient, with its gradient."""
    if is_torch_array(outputs):
        if dY is not None and outputs.requires_grad:
            if not is_xp_array(dY) or dY.shape != tuple(outputs.shape):
                raise _wrong_gradient(model, f"an array {tuple(outputs.shape)}", dY)
            yield outputs, dY
    elif isinstance(outputs, dict):
        if not isinstance(dY, dict) or not dY.keys() <= outputs.keys():
            raise _wrong_gradient(model, f"a dict with keys of {list(outputs)}", dY)
        for key, value in dY.items():
            yield from _pairs(model, outputs[key], value)
    elif isinstance(outputs, (tuple, list)):
        if not isinstance(dY, (tuple, list)) or len(dY) != len(outputs):
            raise _wrong_gradient(model, f"a {type(outputs).__name__} of {len(outputs)}", dY)
        for output, value in zip(outputs, dY, strict=True):
            yield from _pairs(model, output, value)


def convert_rnn_inputs(
    model: Model[Any, Any], Xp: Any, is_train: bool
) -> tuple[ArgsKwargs, Callable[[ArgsKwargs], Padded]]:
    """The data of a Padded, and no initial states, as the arguments of a call, and the callback for their gradients."""
    if not isinstance(Xp, Padded):
        raise wrong_type(model, "a Padded", Xp)
    shim = _shim(model)
    data: Any = Xp.data
    if not data.shape[0]:
        # torch's modules do not take sequences without steps: one of zeros stands in.
        data = model.ops.alloc3f(1, data.shape[1], getattr(shim._model, "input_size", data.shape[2]))
    inputs = ArgsKwargs((xp2torch(data, requires_grad=is_train, device=shim.device), None), {})

    def backprop(grads: ArgsKwargs) -> Padded:
        dX = torch2xp(grads.args[0])
        return Padded(dX[: Xp.data.shape[0]], Xp.size_at_t, Xp.lengths, Xp.indices)

    return inputs, backprop


def convert_rnn_outputs(
    model: Model[Any, Any], inputs_outputs: tuple[Padded, tuple[Any, Any]], is_train: bool
) -> tuple[Padded, Callable[[Padded], ArgsKwargs]]:
    """The output as the data of a Padded; the final states are left out."""
    Xp, (outputs, _) = inputs_outputs
    outputs = outputs[: Xp.data.shape[0]]

    def backprop(dYp: Any) -> ArgsKwargs:
        if not isinstance(dYp, Padded) or dYp.data.shape != tuple(outputs.shape):
            raise _wrong_gradient(model, f"a Padded with data {tuple(outputs.shape)}", dYp)
        return ArgsKwargs((outputs,), {"grad_tensors": _as_tensor(dYp.data, outputs)})

    return Padded(torch2xp(outputs), Xp.size_at_t, Xp.lengths, Xp.indices), backprop


def _shim(model: Model[Any, Any]) -> PyTorchShim:
    shim = model.shims[0] if model.shims else None
    if not isinstance(shim, PyTorchShim):
        raise TypeError(f"layer {model.name!r} has no PyTorchShim, which tells the device of its module")
    return shim


def _wrong_gradient(model: Model[Any, Any], expected: str, dY: object) -> ValueError:
    return ValueError(f"the gradient of layer {model.name!r} should be {expected}, as its output, got {described(dY)}")


def _like(X: Any, items: tuple[Any, ...]) -> Any:
    """The items in a list or (named) tuple like X."""
    return type(X)(*items) if hasattr(X, "_fields") else type(X)(items)


def _to_xp(grads: Any) -> Any:
    return convert_recursive(is_torch_array, torch2xp, grads)


def _as_tensor(gradient: Any, output: Any) -> Any:
    return xp2torch(gradient, device=output.device).to(output.dtype)
