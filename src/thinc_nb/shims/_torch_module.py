"""The module that `as_torch_module` makes. This file imports torch."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from .._arrays import get_array_module, is_cupy_array, is_xp_array
from .._interop import torch2xp, xp2torch
from .._model.parameters import GradientState, Parameter, lay_out
from .._model.tree import path_to
from ..errors import UnsetError
from ..layers._ending import is_softmax, last_node
from ..model import Model
from ..types import ArgsKwargs, Padded, Pairs, Ragged
from .pytorch import PyTorchShim

# One call takes its gradients at a time: others would add to them meanwhile.
_backward = threading.RLock()


class Node(torch.nn.Module):
    """The parameters of one node, the nodes below it, and the modules of its shims."""

    layers: Any
    shims: Any
    _title = ""

    def extra_repr(self) -> str:
        """The name of the node."""
        return self._title


class ModelModule(Node):
    """A model as a module: see `as_torch_module`. model: the model itself."""

    model: Model[Any, Any]

    def __init__(self, model: Model[Any, Any]) -> None:
        super().__init__()
        self.model = model
        lay_out(model)
        self._links: list[_Link] = []
        self._fill(self, model, {})
        self.ends_in_softmax = is_softmax(last_node(model))
        softmaxes = sum(map(is_softmax, model.walk()))
        if softmaxes > self.ends_in_softmax:
            warnings.warn(
                f"as_torch_module: there is a Softmax inside {model.name!r}, and its layers take the gradient of the "
                "scores, not that of the probabilities, which torch gives: only at the end of a model is it converted. "
                "Use chain(Linear(nO), softmax_activation()) instead",
                stacklevel=3,
            )

    def _fill(self, module: Node, node: Model[Any, Any], made: dict[int, Node]) -> None:
        made[id(node)] = module
        module._title = repr(node.name)
        for name in node.param_names:
            if not node.has_param(name):
                raise UnsetError(
                    f"as_torch_module: parameter {name!r} of {path_to(self.model, node)} is not set: "
                    "initialize the model first"
                )
            self._links.append(_Link(node, name, module))
        if shims := [shim for shim in node.shims if isinstance(shim, PyTorchShim) and shim._model is not None]:
            if any(shim._grad_scaler.enabled for shim in shims):
                raise ValueError(
                    f"as_torch_module: {path_to(self.model, node)} scales its gradients itself; make it without "
                    "grad_scaler, and scale those of the whole module with torch.amp.GradScaler"
                )
            module.shims = torch.nn.ModuleList([shim._model for shim in shims])
        below = []
        for layer in node.layers:
            if id(layer) not in made:
                self._fill(Node(), layer, made)
            below.append(made[id(layer)])
        if below:
            module.layers = torch.nn.ModuleList(below)

    def forward(self, X: Any) -> Any:
        """The model's output for X, in tensors."""
        self.synchronise()
        inputs: list[Any] = []
        form = _take_apart(X, _is_tensor, inputs)
        parameters = list(self.parameters())
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (*inputs, *parameters)):
            call = _Call(self, form, len(inputs))
            outputs = _Run.apply(call, *inputs, *parameters)
            return _put_together(call.output_form, outputs)
        Y, _ = self.model(_put_together(form, [torch2xp(tensor) for tensor in inputs]), self.training)
        return _put_together(*_as_tensors(Y, inputs))

    def synchronise(self) -> None:
        """Share memory again where one side has replaced a parameter: loaded it, or moved it to another dtype.

        This happens by itself before the module runs, and before its state is saved or loaded. If both sides have a new
        parameter, the model's counts. ValueError if the parameters of the module have gone to a device where the model
        is not.
        """
        for link in self._links:
            link.synchronise()

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """As for every module."""
        self.synchronise()
        return super().state_dict(*args, **kwargs)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.synchronise()
        super()._load_from_state_dict(*args, **kwargs)

    @contextmanager
    def _own_gradients(self) -> Iterator[list[Parameter]]:
        """The model's parameters. Inside the block their gradients are only those of what runs there."""
        parameters = [link.node._params[link.name] for link in self._links]
        with _backward:
            before = [(parameter.grad, parameter.state) for parameter in parameters]
            for parameter in parameters:
                value: Any = parameter.value
                parameter.grad = get_array_module(value).empty_like(value)
                parameter.state = GradientState.CLEAN
            try:
                yield parameters
            finally:
                for parameter, (grad, state) in zip(parameters, before, strict=True):
                    parameter.grad, parameter.state = grad, state


class _Link:
    """A parameter of the model and the parameter of the module that shares its memory."""

    def __init__(self, node: Model[Any, Any], name: str, module: Node) -> None:
        self.node = node
        self.name = name
        self.module = module
        self.array: Any = node.get_param(name)
        tensor = _as_tensor(self.array)
        self.address = tensor.data_ptr()
        module.register_parameter(name, torch.nn.Parameter(tensor, requires_grad=tensor.is_floating_point()))

    @property
    def parameter(self) -> Any:
        """The module's parameter. torch makes a new one when the module goes to another device."""
        return self.module._parameters[self.name]

    def synchronise(self) -> None:
        array, parameter = self.node.get_param(self.name), self.parameter
        if array is not self.array:
            parameter.data = _as_tensor(array)
            self.array = array
        elif parameter.data_ptr() != self.address:
            device = "cuda" if self.node.ops.device_type == "gpu" else "cpu"
            if parameter.device.type != device:
                raise ValueError(
                    f"parameter {self.name!r} of layer {self.node.name!r} has gone to {parameter.device}, but the "
                    f"model runs on {device}: move the model, model.to_gpu(0) or model.to_cpu(), then call "
                    "as_torch_module again"
                )
            self.array = torch2xp(parameter.data)
            self.node.set_param(self.name, self.array)
        self.address = parameter.data_ptr()


class _Call:
    """One run of the model, between autograd's forward and backward. inputs: how many tensors there are in X."""

    def __init__(self, module: ModelModule, form: Any, inputs: int) -> None:
        self.module = module
        self.form = form
        self.inputs = inputs
        self.output_form: Any = None
        self.backprop: Any = None
        self.fixed: dict[int, Any] = {}


class _Run(torch.autograd.Function):
    """The autograd function: takes a call, the tensors in X, and the parameters; gives the tensors in Y."""

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        call, *tensors = args
        ctx.call = call
        # Saved so that torch notices if somebody changes one before the backward pass, or runs it twice.
        ctx.save_for_backward(*tensors)
        X = _put_together(call.form, [torch2xp(tensor) for tensor in tensors[: call.inputs]])
        Y, call.backprop = call.module.model(X, call.module.training)
        call.output_form, outputs = _as_tensors(Y, tensors[: call.inputs])
        if call.module.ends_in_softmax:
            ctx.save_for_backward(*tensors, *outputs)
        call.fixed = {i: tensor for i, tensor in enumerate(outputs) if not tensor.is_floating_point()}
        ctx.mark_non_differentiable(*call.fixed.values())
        return tuple(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        call: _Call = ctx.call
        module = call.module
        tensors = ctx.saved_tensors
        if module.ends_in_softmax:
            tensors, outputs = tensors[: -len(grad_outputs)], tensors[-len(grad_outputs) :]
            # Softmax expects the gradient of its scores: torch has that of the probabilities, which is converted.
            grad_outputs = tuple(
                Y * (dY - (dY * Y).sum(-1, keepdim=True)) if Y.is_floating_point() else dY
                for Y, dY in zip(outputs, grad_outputs, strict=True)
            )
        # Parts without a gradient, such as lengths, are the same in the gradient as in the output.
        leaves = [torch2xp(call.fixed.get(i, gradient).contiguous()) for i, gradient in enumerate(grad_outputs)]
        dY = _put_together(call.output_form, leaves)
        with module._own_gradients() as parameters:
            dX = call.backprop(dY)
            taken = {
                id(link.parameter): parameter.grad
                for link, parameter in zip(module._links, parameters, strict=True)
                if parameter.state is not GradientState.CLEAN
            }
        gradients: list[Any] = [None] * call.inputs
        _find_gradients(call.form, dX, gradients)
        # Without those of shims, whose modules have added to their gradients themselves.
        gradients.extend(taken.get(id(parameter)) for parameter in module.parameters())
        return None, *(
            _as_tensor(gradient).to(tensor.dtype) if needed and gradient is not None else None
            for gradient, tensor, needed in zip(gradients, tensors, ctx.needs_input_grad[1:], strict=True)
        )


def _as_tensor(array: Any) -> Any:
    """The array as a tensor on its device, sharing memory."""
    device = f"cuda:{array.device.id}" if is_cupy_array(array) else "cpu"
    return xp2torch(array, device=device)


def _as_tensors(Y: Any, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The form of an output, and its arrays as tensors.

    An array that a layer has passed through is copied: autograd would not know that it is a part of another tensor.
    """
    arrays: list[Any] = []
    form = _take_apart(Y, is_xp_array, arrays)
    given = [torch2xp(tensor) for tensor in inputs]
    return form, [
        _as_tensor(array.copy() if any(map(partial(_may_share_memory, array), given)) else array) for array in arrays
    ]


def _may_share_memory(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(get_array_module(a).may_share_memory(a, b))


# Nested data is taken apart into its leaves and a form, in which the number of each leaf stands in its place.


class _Place(int):
    """The number of a leaf."""


class _Container:
    """A container of ours in a form: its type, and the parts to make it from."""

    def __init__(self, cls: Any, parts: tuple[Any, ...]) -> None:
        self.cls = cls
        self.parts = parts


def _parts(value: Any) -> tuple[Any, ...]:
    """The arguments that one of our containers can be made from; none for other values."""
    if isinstance(value, Ragged):
        return value.dataXd, value.lengths
    if isinstance(value, Padded):
        return value.data, value.size_at_t, value.lengths, value.indices
    if isinstance(value, Pairs):
        return value.one, value.two
    if isinstance(value, ArgsKwargs):
        return value.args, value.kwargs
    return ()


def _take_apart(value: Any, is_leaf: Callable[[Any], bool], leaves: list[Any]) -> Any:
    if is_leaf(value):
        leaves.append(value)
        return _Place(len(leaves) - 1)
    if parts := _parts(value):
        return _Container(type(value), tuple(_take_apart(part, is_leaf, leaves) for part in parts))
    if isinstance(value, dict):
        return {key: _take_apart(item, is_leaf, leaves) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return _sequence_like(value, [_take_apart(item, is_leaf, leaves) for item in value])
    return value


def _put_together(form: Any, leaves: Sequence[Any]) -> Any:
    if isinstance(form, _Place):
        return leaves[form]
    if isinstance(form, _Container):
        return form.cls(*(_put_together(part, leaves) for part in form.parts))
    if isinstance(form, dict):
        return {key: _put_together(item, leaves) for key, item in form.items()}
    if isinstance(form, (list, tuple)):
        return _sequence_like(form, [_put_together(item, leaves) for item in form])
    return form


def _sequence_like(value: Any, items: list[Any]) -> Any:
    return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)


def _find_gradients(form: Any, dX: Any, gradients: list[Any]) -> None:
    """Put each array of dX in the place of the leaf whose gradient it is."""
    if isinstance(form, _Place):
        gradients[form] = dX if is_xp_array(dX) else None
    elif isinstance(form, _Container):
        for part, gradient in zip(form.parts, _parts(dX), strict=False):
            _find_gradients(part, gradient, gradients)
    elif isinstance(form, dict) and isinstance(dX, dict):
        for key, part in form.items():
            _find_gradients(part, dX.get(key), gradients)
    elif isinstance(form, (list, tuple)) and isinstance(dX, (list, tuple)):
        for part, gradient in zip(form, dX, strict=False):
            _find_gradients(part, gradient, gradients)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor)
