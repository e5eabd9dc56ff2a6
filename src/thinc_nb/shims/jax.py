"""JAX functions as parts of a model."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import Self

from .._interop import import_jax, jax2xp
from .._saving.msgpack import decode, encode
from ..errors import InputError, SerializationError
from ..types import ArgsKwargs, FloatsXd
from .shim import Shim

if TYPE_CHECKING:
    from ..optimizers import Optimizer

__all__ = ["JaxShim"]


class JaxShim(Shim):
    """Holds a function ``model(params, *args, **kwargs)`` of JAX, and its parameters: arrays nested in dicts, lists ...

    If the function has an argument `is_train`, it is told. jit: compile it, once for each set of shapes. The parameters
    are updated by the model's optimizer under the keys ``(shim.id, name)``, where the name is the path, as in
    ``['dense']['W']``. params: as they are now. ImportError without jax.
    """

    loads_atomically: ClassVar[bool] = True

    def __init__(
        self,
        model: Callable[..., Any],
        params: Any,
        config: Mapping[str, Any] | None = None,
        optimizer: Any = None,
        *,
        jit: bool = True,
    ) -> None:
        jax = import_jax()
        if not callable(model):
            raise TypeError(f"JaxShim: the model must be a function of params and inputs, got a {type(model).__name__}")
        super().__init__(model, config, optimizer)
        self._tells = "is_train" in inspect.signature(model).parameters
        static = ("is_train",) if self._tells else ()
        self._run: Any = jax.jit(model, static_argnames=static) if jit else model
        self.params: Any = jax.tree_util.tree_map(jax.numpy.asarray, params)
        self._grads: Any = None

    # Running

    def __call__(self, inputs: ArgsKwargs, is_train: bool) -> tuple[Any, Callable[[Any], ArgsKwargs]]:
        """Call the function: its outputs, and the callback of `begin_update`."""
        if is_train:
            return self.begin_update(inputs)
        return self.predict(inputs), _no_backprop

    def predict(self, inputs: ArgsKwargs) -> Any:
        """The function's outputs."""
        return self._run(self.params, *inputs.args, **inputs.kwargs, **self._told(is_train=False))

    def begin_update(self, inputs: ArgsKwargs) -> tuple[Any, Callable[[Any], ArgsKwargs]]:
        """The function's outputs, and the callback from their gradients to those of the inputs.

        The callback adds to the gradients of the parameters. Gradients of outputs may be None where they do not matter,
        those of inputs that are no floats are None. InputError for a gradient that does not fit its output.
        """
        jax = import_jax()
        leaves, form = jax.tree_util.tree_flatten((inputs.args, inputs.kwargs))
        places = [i for i, leaf in enumerate(leaves) if _is_float(leaf)]
        told = self._told(is_train=True)

        def run(params: Any, floats: list[Any]) -> Any:
            merged = list(leaves)
            for i, value in zip(places, floats, strict=True):
                merged[i] = value
            args, kwargs = jax.tree_util.tree_unflatten(form, merged)
            return self._run(params, *args, **kwargs, **told)

        outputs, pull_back = jax.vjp(run, self.params, [leaves[i] for i in places])

        def backprop(dY: Any) -> ArgsKwargs:
            d_params, d_floats = pull_back(_like_outputs(outputs, dY))
            self._add_gradients(d_params)
            gradients: list[Any] = [None] * len(leaves)
            for i, gradient in zip(places, d_floats, strict=True):
                gradients[i] = gradient
            args, kwargs = jax.tree_util.tree_unflatten(form, gradients)
            return ArgsKwargs(args, kwargs)

        return outputs, backprop

    def _told(self, *, is_train: bool) -> dict[str, bool]:
        return {"is_train": is_train} if self._tells else {}

    def _add_gradients(self, gradients: Any) -> None:
        jax = import_jax()
        if self._grads is None:
            self._grads = gradients
        else:
            self._grads = jax.tree_util.tree_map(
                lambda a, b: a if a.dtype == jax.dtypes.float0 else a + b, self._grads, gradients
            )

    # Parameters

    def param_size(self) -> tuple[int, int]:
        """The number of values in the parameters, and their bytes."""
        leaves = self._named().values()
        return sum(leaf.size for leaf in leaves), sum(leaf.nbytes for leaf in leaves)

    def _named(self) -> dict[str, Any]:
        """The parameters by name."""
        tree = import_jax().tree_util
        return {tree.keystr(path): leaf for path, leaf in tree.tree_flatten_with_path(self.params)[0]}

    def _replaced(self, values: Mapping[str, Any]) -> Any:
        """The parameters, some of them replaced by name; each stays on its device and in its dtype."""
        jax = import_jax()

        def replace(path: Any, leaf: Any) -> Any:
            value = values.get(jax.tree_util.keystr(path))
            if value is None:
                return leaf
            # Copied: JAX may keep the memory that it is given, and optimizers write to theirs.
            return jax.device_put(jax.numpy.array(value, dtype=leaf.dtype, copy=True), leaf.sharding)

        return jax.tree_util.tree_map_with_path(replace, self.params)

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the parameters: ``optimizer((shim.id, name), weights, gradient)``, with arrays of numpy."""
        if self._grads is None:
            return
        update: Any = optimizer
        gradients = import_jax().tree_util.tree_leaves(self._grads)
        changed = {}
        for (name, leaf), gradient in zip(self._named().items(), gradients, strict=True):
            if _is_float(leaf):
                changed[name], _ = update((self.id, name), _updatable(leaf), _updatable(gradient))
        self.params = self._replaced(changed)
        self._grads = None

    @contextmanager
    def use_params(self, params: Mapping[Any, FloatsXd]) -> Iterator[None]:
        """Use other parameters inside the block: arrays by ``(shim.id, name)``. ValueError for another shape."""
        values = {name: params[self.id, name] for name in self._named() if (self.id, name) in params}
        for name, leaf in self._named().items():
            if name in values and values[name].shape != leaf.shape:
                raise ValueError(
                    f"cannot use other weights for parameter {name!r} of a JAX function: expected shape {leaf.shape}, "
                    f"got {values[name].shape}"
                )
        before = self.params
        self.params = self._replaced(values)
        try:
            yield
        finally:
            self.params = before

    def to_device(self, device_type: str, device_id: int) -> None:
        """Move the parameters to ``"cpu"``, or to this ``"gpu"``. ValueError for a device that JAX does not have."""
        jax = import_jax()
        if device_type not in ("cpu", "gpu"):
            raise ValueError(f"Invalid device_type: {device_type}. Try 'cpu' or 'gpu'")
        try:
            device = jax.devices(device_type)[max(device_id, 0)]
        except (RuntimeError, IndexError) as error:
            raise ValueError(f"JaxShim: jax finds no such device, {device_type} {device_id}: {error}") from error
        self.params = jax.device_put(self.params, device)

    # Bytes

    def to_bytes(self) -> bytes:
        """The settings, and the parameters by name, as MessagePack."""
        state = {name: _storable(leaf) for name, leaf in self._named().items()}
        return encode({"config": self.cfg, "state": encode(state)})

    def from_bytes(self, bytes_data: bytes) -> Self:
        """Load what `to_bytes` gave; returns the shim. SerializationError, and no change, if it does not fit."""
        try:
            found: Any = decode(bytes_data)
            config = found["config"]
            state: Any = decode(found["state"])
            values = {name: state[name] for name in self._named()}
        except (ValueError, TypeError, KeyError) as error:
            raise SerializationError(f"the bytes are not those of a JaxShim with these parameters: {error}") from error
        if not isinstance(config, dict) or state.keys() != values.keys():
            raise SerializationError(f"the parameters are {sorted(values)}, those in the bytes {sorted(state)}")
        for name, leaf in self._named().items():
            value = values[name]
            if not isinstance(value, np.ndarray) or value.shape != leaf.shape or value.dtype.kind not in "fiubc":
                raise SerializationError(
                    f"parameter {name!r} should be an array of numbers {leaf.shape}, not "
                    f"{getattr(value, 'dtype', type(value).__name__)} {getattr(value, 'shape', '')}"
                )
        self.params, self.cfg, self._grads = self._replaced(values), config, None
        return self


def _is_float(leaf: Any) -> bool:
    jax = import_jax()
    return hasattr(leaf, "dtype") and bool(jax.numpy.issubdtype(leaf.dtype, jax.numpy.inexact))


def _updatable(leaf: Any) -> Any:
    """A copy that optimizers take: in float32 or float64."""
    array = jax2xp(leaf)
    return array if array.dtype.name in ("float32", "float64") else array.astype("float32")


def _storable(leaf: Any) -> Any:
    """A numpy array. Dtypes that numpy lacks, as bfloat16, are stored as float32, which holds all their values."""
    array = np.asarray(leaf)
    return array.astype("float32") if array.dtype.kind == "V" or array.dtype.name == "bfloat16" else array


def _like_outputs(outputs: Any, dY: Any) -> Any:
    """The gradients as JAX wants them: one for each output, of its shape and dtype."""
    jax = import_jax()
    leaves, form = jax.tree_util.tree_flatten(outputs)
    if dY is None:
        dY = jax.tree_util.tree_unflatten(form, [None] * len(leaves))
    gradients, dY_form = jax.tree_util.tree_flatten(dY, is_leaf=lambda value: value is None)
    if dY_form != form:
        raise InputError(f"the gradient of a JAX function should be nested as its output is, {form}, got {dY_form}")
    return jax.tree_util.tree_unflatten(form, [_like(Y, d) for Y, d in zip(leaves, gradients, strict=True)])


def _like(Y: Any, dY: Any) -> Any:
    jax = import_jax()
    if not _is_float(Y):
        return np.zeros(Y.shape, dtype=jax.dtypes.float0)
    if dY is None:
        return jax.numpy.zeros_like(Y)
    if getattr(dY, "shape", None) != Y.shape:
        raise InputError(
            f"the gradient of a JAX function should have the shape of its output, {Y.shape}, "
            f"got {getattr(dY, 'shape', type(dY).__name__)}"
        )
    return jax.numpy.asarray(dY, dtype=Y.dtype)


def _no_backprop(dY: Any) -> ArgsKwargs:
    raise ValueError("outputs that were predicted have no gradients: run the JAX function with is_train=True")
