"""PyTorch modules as parts of a model."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from typing_extensions import Self

from .. import compat
from .._described import explain
from .._interop import assert_pytorch_installed, get_torch_default_device, is_torch_array, torch2xp, xp2torch
from .._saving.msgpack import decode, encode
from ..errors import SerializationError
from ..types import ArgsKwargs, FloatsXd
from ..util import convert_recursive, iterate_recursive
from .pytorch_grad_scaler import PyTorchGradScaler
from .shim import Shim

if TYPE_CHECKING:
    import torch

    from ..optimizers import Optimizer

__all__ = ["PyTorchShim", "default_deserialize_torch_model", "default_serialize_torch_model"]

Serializer: TypeAlias = Callable[[Any], bytes]
Deserializer: TypeAlias = Callable[[Any, bytes, Any], Any]

# One lock for all shims, held only briefly: a lock of its own would keep a shim from being copied or pickled.
_modes = threading.Lock()


class PyTorchShim(Shim):
    """Holds a `torch.nn.Module`, or None if `deserialize_model` is going to make one.

    Its parameters are updated by the model's optimizer, under the keys ``(shim.id, name)``. device: where the module is
    put, by default where the current ops are. mixed_precision: run it under `torch.autocast`; grad_scaler then defaults
    to an enabled `PyTorchGradScaler`. serialize_model (module → bytes) and deserialize_model (module, bytes, device →
    module): how the weights are stored, if not as the module's state_dict. ImportError without torch, TypeError if
    `model` is no module.
    """

    loads_atomically: ClassVar[bool] = True

    def __init__(
        self,
        model: torch.nn.Module | None,
        config: Mapping[str, Any] | None = None,
        optimizer: Any = None,
        mixed_precision: bool = False,
        grad_scaler: PyTorchGradScaler | None = None,
        device: torch.device | None = None,
        serialize_model: Serializer | None = None,
        deserialize_model: Deserializer | None = None,
    ) -> None:
        assert_pytorch_installed()
        if model is not None and not isinstance(model, compat.torch.nn.Module):
            raise TypeError(f"{type(self).__name__}: the model must be a torch.nn.Module, got a {type(model).__name__}")
        super().__init__(model, config, optimizer)
        self._device: Any = get_torch_default_device() if device is None else compat.torch.device(device)
        self._mixed_precision = mixed_precision
        self._grad_scaler = PyTorchGradScaler(mixed_precision) if grad_scaler is None else grad_scaler
        self._serialize_model: Serializer = serialize_model or default_serialize_torch_model
        self._deserialize_model: Deserializer = deserialize_model or default_deserialize_torch_model
        self._predicting = 0
        self._frozen: list[Any] | None = None
        if model is not None:
            self._model.to(self._device)
        if self._device.type == "cuda":
            _share_gpu_memory()

    @property
    def device(self) -> torch.device:
        """Where the module's parameters are; where it would be put, if it has none."""
        found = next(self._module().parameters(), None) if self._model is not None else None
        device: torch.device = self._device if found is None else found.device
        return device

    @property
    def mixed_precision(self) -> bool:
        """Whether the module runs under `torch.autocast`."""
        return self._mixed_precision

    def _module(self) -> Any:
        if self._model is None:
            raise ValueError(f"{type(self).__name__} has no module yet: give it one, or load one from bytes")
        return self._model

    # Running

    def __call__(self, inputs: ArgsKwargs, is_train: bool) -> tuple[Any, Callable[[ArgsKwargs], ArgsKwargs]]:
        """Call the module with tensors; its outputs, and the callback of `begin_update`."""
        if is_train:
            return self.begin_update(inputs)
        return self.predict(inputs), _no_backprop

    def predict(self, inputs: ArgsKwargs) -> Any:
        """The module's outputs in evaluation mode, without gradients. Afterwards its mode is restored.

        Threads may predict at the same time, but not while one trains: they share the mode of the module.
        """
        module = self._module()
        with self._evaluating(module), compat.torch.no_grad(), self._autocast():
            return module(*inputs.args, **inputs.kwargs)

    @contextmanager
    def _evaluating(self, module: Any) -> Iterator[None]:
        """Evaluation mode until the last thread inside has left; then each part's mode is what it was."""
        with _modes:
            self._predicting += 1
            if self._predicting == 1:
                self._frozen = None
                parts = list(module.modules())
                if any(part.training for part in parts):
                    self._frozen = [part for part in parts if not part.training]
                    module.eval()
        try:
            yield
        finally:
            with _modes:
                self._predicting -= 1
                if self._predicting == 0 and self._frozen is not None:
                    module.train()
                    for part in self._frozen:
                        part.training = False

    def begin_update(self, inputs: ArgsKwargs) -> tuple[Any, Callable[[ArgsKwargs], ArgsKwargs]]:
        """The module's outputs in training mode, and a callback, which works once.

        Parts of the module that are in evaluation mode stay so if the module itself is in training mode.
        The callback takes the arguments of `torch.autograd.backward`, adds to the parameters' gradients and gives the
        gradients of the inputs: zeros for an input that did not matter, None for one that is not trained. If the
        gradients overflow in mixed precision it gives zeros, and `finish_update` will change nothing.
        """
        module = self._module()
        if not module.training:
            module.train()
        # A surrounding no_grad, as in the backward pass of `as_torch_module`, must not cut the graph.
        with compat.torch.enable_grad(), self._autocast():
            outputs = module(*inputs.args, **inputs.kwargs)

        def backprop(grads: ArgsKwargs) -> ArgsKwargs:
            kwargs = dict(grads.kwargs)
            if self._grad_scaler.enabled:
                kwargs["grad_tensors"] = self._grad_scaler.scale(_grad_tensors(kwargs))
            if any(True for _ in iterate_recursive(is_torch_array, list(grads.args))):
                compat.torch.autograd.backward(*grads.args, **kwargs)
            self._own_gradients(kwargs.get("grad_tensors"))
            result: ArgsKwargs = convert_recursive(is_torch_array, _gradient_of, inputs)
            found: list[Any] = list(iterate_recursive(is_torch_array, result))
            if self._grad_scaler.unscale(found):
                for gradient in found:
                    gradient.zero_()
            return result

        return outputs, backprop

    def _autocast(self) -> Any:
        return compat.torch.autocast(device_type=self.device.type, enabled=self._mixed_precision)

    def _own_gradients(self, given: Any) -> None:
        """Copy gradients that torch made views of the gradients passed in, so that each parameter has its own."""
        storages = {_address(tensor) for tensor in iterate_recursive(is_torch_array, given)}
        for parameter in self._module().parameters():
            if parameter.grad is not None and not parameter.grad.is_sparse and _address(parameter.grad) in storages:
                parameter.grad = parameter.grad.clone()

    # Parameters

    def param_size(self) -> tuple[int, int]:
        """The number of values in the module's parameters, and their bytes; lazy ones have none yet."""
        parameters = [] if self._model is None else list(self._model.parameters())
        made = [parameter for parameter in parameters if not compat.torch.nn.parameter.is_lazy(parameter)]
        return sum(each.numel() for each in made), sum(each.numel() * each.element_size() for each in made)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the parameters that have a gradient: ``optimizer((shim.id, name), weights, gradient)``, in place."""
        found = [
            (name, parameter) for name, parameter in self._module().named_parameters() if parameter.grad is not None
        ]
        for _, parameter in found:
            if parameter.grad.is_sparse:
                parameter.grad = parameter.grad.to_dense()
        if (
            not self._grad_scaler.unscale([parameter.grad for _, parameter in found])
            and not self._grad_scaler.found_inf
        ):
            for name, parameter in found:
                self._update(optimizer, name, parameter)
        for _, parameter in found:
            parameter.grad.zero_()
        self._grad_scaler.update()

    def _update(self, optimizer: Any, name: str, parameter: Any) -> None:
        given = _updatable(parameter)
        weights, _ = optimizer((self.id, name), torch2xp(given), torch2xp(_updatable(parameter.grad)))
        updated = xp2torch(weights, device=parameter.device)
        if updated.data_ptr() != parameter.data_ptr():
            parameter.data.copy_(updated)

    @contextmanager
    def use_params(self, params: Mapping[Any, FloatsXd]) -> Iterator[None]:
        """Use other weights inside the block: arrays by ``(shim.id, name)``, or ``"pytorch_{shim.id}_{name}"``.

        Other keys are passed over. ValueError for an array of another shape. Afterwards the weights are what they were.
        """
        replaced = []
        for name, parameter in self._module().named_parameters() if self._model is not None else ():
            value = params.get((self.id, name), params.get(f"pytorch_{self.id}_{name}"))
            if value is None:
                continue
            if value.shape != tuple(parameter.shape):
                raise ValueError(
                    f"cannot use other weights for parameter {name!r} of a PyTorch module: "
                    f"expected shape {tuple(parameter.shape)}, got {value.shape}"
                )
            replaced.append((parameter, xp2torch(value, device=parameter.device).to(parameter.dtype), parameter.data))
        try:
            for parameter, other, _ in replaced:
                parameter.data = other
            yield
        finally:
            for parameter, _, before in replaced:
                parameter.data = before

    def copy(self) -> Self:
        """A copy with an id and gradient scaler of its own, whose module is a deep copy."""
        twin = super().copy()
        twin._grad_scaler = copy.deepcopy(self._grad_scaler)
        twin._predicting, twin._frozen = 0, None
        return twin

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the module to ``"cpu"``, or to this CUDA device, ``"gpu"``. ValueError for other devices."""
        torch = compat.torch
        if device_type == "cpu":
            device = torch.device("cpu")
        elif device_type == "gpu":
            if not torch.cuda.is_available():
                raise ValueError(f"{type(self).__name__}: torch finds no CUDA device, the module cannot go to a GPU")
            device = torch.device("cuda", device_id)
            _share_gpu_memory()
        else:
            raise ValueError(f"Invalid device_type: {device_type}. Try 'cpu' or 'gpu'")
        if self._model is not None:
            self._model.to(device)
        self._device = device

    # Bytes

    def to_bytes(self) -> bytes:
        """The settings, and what `serialize_model` gives, as MessagePack."""
        return encode({"config": self.cfg, "state": self._serialize_model(self._model)})

    def from_bytes(self, bytes_data: bytes) -> Self:
        """Load what `to_bytes` gave; returns the shim. SerializationError, and no change, if it does not fit."""
        config, state = self._decoded(bytes_data, "state")
        module = self._model
        needs_copy = module is not None and self._deserialize_model is not default_deserialize_torch_model
        with _restored_after_error(module if needs_copy else None):
            try:
                loaded = self._deserialize_model(module, state, self.device)
            except SerializationError:
                raise
            except Exception as error:  # functions that users passed in may raise anything
                raise SerializationError(f"the PyTorch module cannot be loaded: {explain(error)}") from error
            if not isinstance(loaded, compat.torch.nn.Module):
                raise SerializationError(
                    f"deserialize_model must return the module that it loaded, got a {type(loaded).__name__}"
                )
        self._model, self.cfg = loaded, config
        return self

    def training_state(self) -> dict[str, Any] | None:
        """The state of the gradient scaler, if there is one that is enabled."""
        return self._grad_scaler.state_dict() if self._grad_scaler.enabled else None

    def plan_training_state(self, state: Mapping[str, Any]) -> Callable[[], None]:
        """Check such a state, and return the function that sets it. SerializationError if it does not fit."""
        copy.copy(self._grad_scaler).load_state_dict(state)
        return lambda: self._grad_scaler.load_state_dict(state)

    def _decoded(self, bytes_data: bytes, part: str) -> tuple[dict[str, Any], bytes]:
        """The settings and the bytes under the name `part`."""
        try:
            found = decode(bytes_data)
        except ValueError as error:
            raise SerializationError(f"the bytes are not those of a {type(self).__name__}: {explain(error)}") from error
        if not isinstance(found, dict) or not isinstance(found.get(part), bytes):
            raise SerializationError(
                f"the bytes are not those of a {type(self).__name__}: there is no {part!r} in them"
            )
        config = found.get("config")
        if not isinstance(config, dict):
            raise SerializationError(f"'config' should be a dict, not {type(config).__name__}")
        return config, found[part]


def default_serialize_torch_model(model: Any) -> bytes:
    """The state_dict of a module, as `torch.save` writes it."""
    if model is None:
        raise SerializationError("there is no PyTorch module whose weights could be written")
    file = BytesIO()
    compat.torch.save(model.state_dict(), file)
    return file.getvalue()


def default_deserialize_torch_model(model: Any, state_bytes: bytes, device: torch.device) -> Any:
    """Load a state_dict into a module, which is returned. Only tensors are read, never other objects.

    SerializationError, and no change, for bytes that hold none or that of another module.
    """
    if model is None:
        raise SerializationError("there is no module to load the weights into")
    state = _load_weights(state_bytes, device)
    fits = _fits(model.state_dict(), state)
    # Hooks of the module may rename what an older version of it wrote, so even a state that does not fit is tried.
    with _restored_after_error(None if fits else model):
        try:
            model.load_state_dict(state)
        except Exception as error:  # hooks may raise anything
            raise SerializationError(f"the weights are not those of this module: {explain(error)}") from error
    return model


def _load_weights(data: bytes, device: Any) -> dict[str, Any]:
    check_archive(data)
    try:
        state = compat.torch.load(BytesIO(data), map_location=device, weights_only=True)
    except Exception as error:  # torch raises whatever its readers do
        raise SerializationError(f"the weights cannot be read: {explain(error)}") from error
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise SerializationError(f"the weights should be a dict by name, not {type(state).__name__}")
    return state


def check_archive(data: bytes) -> None:
    """Check that torch's archive, a zip file, unpacks to no more than its own size. SerializationError if not.

    torch writes without compression: a compressed archive is an attempt to exhaust the memory.
    """
    import zipfile

    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            entries = archive.infolist()
    except Exception as error:  # BadZipFile, and what malformed headers lead to
        raise SerializationError(f"the weights are not a file of torch.save: {explain(error)}") from error
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise SerializationError("the file of torch.save has compressed entries, which torch does not write")
    if sum(entry.file_size for entry in entries) > len(data):
        raise SerializationError("the entries of the file of torch.save are larger than the file")


def _fits(own: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
    """Whether the state can be copied into the own one without an error."""
    return own.keys() == state.keys() and all(_alike(own[name], state[name]) for name in own)


def _alike(a: Any, b: Any) -> bool:
    return bool(is_torch_array(a) and is_torch_array(b) and a.shape == b.shape and a.layout == b.layout)


@contextmanager
def _restored_after_error(module: Any) -> Iterator[None]:
    """If the block fails, parameters and buffers of the module (if there is one) become what they were."""
    before = {} if module is None else {name: _kept(value) for name, value in module.state_dict().items()}
    try:
        yield
    except BaseException:
        if module is not None:
            module.load_state_dict(before)
        raise


def _kept(value: Any) -> Any:
    return value.clone() if is_torch_array(value) else copy.deepcopy(value)


def _updatable(tensor: Any) -> Any:
    """The tensor as optimizers take it: contiguous, float32 or float64. The same one if it is that already."""
    torch = compat.torch
    detached = tensor.detach()
    if detached.dtype not in (torch.float32, torch.float64):
        detached = detached.float()
    return detached.contiguous()


def _gradient_of(tensor: Any) -> Any:
    """The gradient of an input."""
    if not tensor.requires_grad:
        return None
    return compat.torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def _grad_tensors(kwargs: Mapping[str, Any]) -> Any:
    if "grad_tensors" not in kwargs:
        raise ValueError("convert_outputs must give the argument 'grad_tensors' of backward when gradients are scaled")
    return kwargs["grad_tensors"]


def _address(tensor: Any) -> int:
    address: int = tensor.untyped_storage().data_ptr()
    return address


def _no_backprop(grads: ArgsKwargs) -> ArgsKwargs:
    raise ValueError("outputs that were predicted have no gradients: run the PyTorch module with is_train=True")


def _share_gpu_memory() -> None:
    """Let CuPy take its memory from torch, unless the caller has chosen: else each keeps to itself what is free."""
    from ..backends import context_pools, set_gpu_allocator

    if not context_pools.get():
        set_gpu_allocator("pytorch")
