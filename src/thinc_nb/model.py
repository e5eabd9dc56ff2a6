"""`Model`: a node with a forward function, dimensions, parameters, gradients, attributes and child nodes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from typing_extensions import Self, TypeVar

from . import serialize
from ._model import tree, update
from ._model.node import NodeData
from ._model.operators import HasName, apply_operator, context_operators, define_operators
from ._model.parameters import Parameter, lay_out
from ._model.summary import ShowsItself
from ._model.tree import change_attr_values, set_dropout_rate, wrap_model_recursive
from ._pydantic import AcceptsInstances
from .backends import CupyOps, NumpyOps, Ops, get_current_ops
from .contracts import follow_environment
from .serialize import deserialize_attr, serialize_attr
from .util import DATA_VALIDATION, validate_fwd_input_output

if TYPE_CHECKING:
    from contextlib import _GeneratorContextManager  # a context manager that can also decorate a function

    from ._model.plan import Plan
    from .optimizers import Optimizer
    from .shims.shim import Shim
    from .types import ArrayXd, FloatsXd, Padded, Ragged

__all__ = [
    "Model",
    "change_attr_values",
    "create_init",
    "deserialize_attr",
    "empty_init",
    "serialize_attr",
    "set_dropout_rate",
    "wrap_model_recursive",
]

# A model takes its input and gives its output.
InT = TypeVar("InT", contravariant=True)
OutT = TypeVar("OutT", covariant=True)
# Widths of input and output. They exist for the type checker only: the plugin fills in the numbers it knows.
NI_co = TypeVar("NI_co", bound=int, default=Any, covariant=True)
NO_co = TypeVar("NO_co", bound=int, default=Any, covariant=True)

_is_initializing: ContextVar[bool] = ContextVar("thinc_nb_is_initializing", default=False)


def empty_init(model: Model[Any, Any], *args: Any, **kwargs: Any) -> Model[Any, Any]:
    """The `init` of models that need none."""
    return model


class Model(NodeData, ShowsItself, AcceptsInstances, Generic[InT, OutT, NI_co, NO_co]):
    """A layer, or a tree of layers: ``forward(model, X, is_train) -> (Y, backprop)`` and what it needs.

    There is one class for all layers: a constructor function returns an instance with its `forward`. `InT` and `OutT`
    are what forward takes and gives; the other two parameters are the widths, known to the type checker alone.

    name: the kind of layer. id: number of the node, unique. ops: array operations on its device. init: what
    `initialize` calls.
    """

    __slots__ = (
        "__weakref__",
        "_attrs",
        "_dims",
        "_func",
        "_layers",
        "_params",
        "_plan",
        "_refs",
        "_shims",
        "id",
        "init",
        "name",
        "ops",
    )

    global_id: ClassVar[int] = 0
    global_id_lock: ClassVar[threading.Lock] = threading.Lock()
    _context_operators = context_operators

    name: str
    id: int
    ops: Ops
    init: Callable[..., Any] | None
    _func: Callable[..., Any]
    _dims: dict[str, int | None]
    _params: dict[str, Parameter]
    _refs: dict[str, Model[Any, Any] | None]
    _layers: list[Model[Any, Any]]
    _shims: list[Shim]
    _attrs: dict[str, Any]
    _plan: Plan | None

    def __init__(
        self,
        name: str,
        forward: Callable[[Any, InT, bool], tuple[OutT, Callable[..., Any]]],
        *,
        init: Callable[..., Any] | None = None,
        dims: Mapping[str, int | None] = {},
        params: Mapping[str, FloatsXd | None] = {},
        grads: Mapping[str, FloatsXd | None] = {},
        layers: Sequence[Model[Any, Any]] = (),
        shims: Sequence[Shim] = (),
        attrs: Mapping[str, Any] = {},
        refs: Mapping[str, Model[Any, Any] | None] = {},
        ops: NumpyOps | CupyOps | Ops | None = None,
    ) -> None:
        """dims, params, refs: None marks what is declared but not known yet. grads: initial gradients, by parameter."""
        self.name = name
        self.id = _next_id()
        self.ops = get_current_ops() if ops is None else ops
        self.init = empty_init if init is None else init
        self._func = forward
        self._dims = self._checked_dims(dims)
        self._params = {}
        for key, value in params.items():
            self.set_param(key, value)
        self._refs = dict(refs)
        self._layers = list(layers)
        self._shims = list(shims)
        self._attrs = dict(attrs)
        self._plan = None
        for key, grad in grads.items():
            if grad is not None:
                self.set_grad(key, grad)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} id={self.id}>"

    # Running. These three are the only places that call forward: run-time contracts are installed by swapping them.

    if TYPE_CHECKING:  # A call that leaves is_train out is more often a mistake than meant: checkers report it.

        def __call__(self, X: InT, is_train: bool) -> tuple[OutT, Callable[[OutT], InT]]:
            """Run forward: the output, and the callback from the gradient of the output to that of the input."""
            ...
    else:

        def __call__(self, X, is_train=False):
            """Run forward: the output, and the callback. Without `is_train`, as for prediction."""
            try:
                result = self._func(self, X, is_train=is_train)
                if type(result) is not tuple or len(result) != 2 or (is_train and not callable(result[1])):
                    result = tree.pair_of(self, result, is_train)
                return result
            except Exception as error:
                tree.locate(error, self)
                raise

    def begin_update(self, X: InT) -> tuple[OutT, Callable[[OutT], InT]]:
        """Run forward for training: the output, and the callback, which also adds to the parameters' gradients."""
        try:
            result = self._func(self, X, is_train=True)
            if type(result) is not tuple or len(result) != 2 or not callable(result[1]):
                result = tree.pair_of(self, result, is_train=True)
        except Exception as error:
            tree.locate(error, self)
            raise
        located: tuple[OutT, Callable[[OutT], InT]] = tree.with_located_gradients(self, result)
        return located

    def predict(self, X: InT) -> OutT:
        """Run forward not for training; only the output."""
        try:
            result = self._func(self, X, is_train=False)
            if type(result) is not tuple or len(result) != 2:
                result = tree.pair_of(self, result, is_train=False)
        except Exception as error:
            tree.locate(error, self)
            raise
        Y: OutT = result[0]
        return Y

    def initialize(self, X: InT | None = None, Y: OutT | None = None) -> Self:
        """Finish the model: call `init`, which infers missing dimensions from example data and allocates parameters.

        The outermost call then lays the parameters of the tree out together (see `_model.parameters`). After an error
        dimensions and parameters are what they were. Returns the model.
        """
        if DATA_VALIDATION.get():
            validate_fwd_input_output(self.name, self._func, X, Y)
        if _is_initializing.get():
            self._run_init(X, Y)
            return self
        token = _is_initializing.set(True)
        try:
            with tree.restored_after_error(self):
                self._run_init(X, Y)
                lay_out(self)
        finally:
            _is_initializing.reset(token)
        return self

    def _run_init(self, X: InT | None, Y: OutT | None) -> None:
        if self.init is None:
            return
        try:
            self.init(self, X=X, Y=Y)
        except Exception as error:
            tree.locate(error, self)
            raise

    def finish_update(self, optimizer: Optimizer, *, max_norm: float | None = None) -> None:
        """Update all parameters that have a gradient: ``optimizer((node.id, name), weights, gradient)`` returns both.

        Gradients that are zero count too, as they do in Thinc: momentum moves on. An optimizer that leaves zeros in
        the gradient, in place or returned, has cleared it; one whose `clears_gradients` is true is taken at its word.

        max_norm: first scale all gradients so that their joint L2 norm is at most this. The optimizer's `grad_clip` is
        of the norm of each parameter's gradient.
        """
        update.finish_update(self, optimizer, max_norm)

    @contextmanager
    def use_params(self, params: Mapping[tuple[int, str], FloatsXd]) -> Iterator[None]:
        """Use other weights inside the block: arrays by ``(node.id, name)``; keys of other models are passed over.

        Afterwards the weights are what they were, also after an error. UnsetError for a parameter that has no value,
        ValueError for an array of another shape, TypeError for what is no array, or no mapping.
        """
        with update.other_params(self, params):
            yield

    def explain(self) -> str:
        """A report on the model as it last ran: which layers ran as one, and on which kernels. See `fusion`."""
        from .fusion import explain

        return explain(self)

    # The tree

    @property
    def layers(self) -> list[Model[Any, Any]]:
        """The child nodes. The list can be changed, but not replaced."""
        return self._layers

    @property
    def shims(self) -> list[Shim]:
        """The interfaces to models of other frameworks. The list can be changed, but not replaced."""
        return self._shims

    def walk(self, *, order: str = "bfs") -> Iterator[Model[Any, Any]]:
        """Each node of the tree once: ``"bfs"`` breadth first, ``"dfs_pre"`` or ``"dfs_post"`` depth first.

        ValueError for another order.
        """
        return tree.walk(self, order)

    def remove_node(self, node: Model[Any, Any]) -> None:
        """Take a node out of all lists of layers. References to nodes that are no longer in the tree become None."""
        tree.remove_node(self, node)

    def replace_node(self, old: Model[Any, Any], new: Model[Any, Any]) -> bool:
        """Put `new` wherever `old` is, in lists of layers and references. Returns whether `old` was in the tree."""
        return tree.replace_node(self, old, new)

    def replace_callbacks(
        self,
        forward: Callable[[Any, InT, bool], tuple[OutT, Callable[..., Any]]],
        *,
        init: Callable[..., Any] | None = None,
    ) -> None:
        """Replace the forward function, and `init`: without one, initialize does nothing."""
        self._func = forward
        self.init = init

    def copy(self) -> Self:
        """A copy of the tree with ids of its own: parameters, gradients, attributes, shims, references within the tree.

        Attributes are deep-copied; what cannot be (a lock, an open file) is shared.
        """
        return tree.copy_tree(self)

    def _blank_copy(self) -> Self:
        """A node of the same class, name, functions and dimensions, with an id of its own and nothing else."""
        twin = type(self).__new__(type(self))
        Model.__init__(twin, self.name, self._func, init=self.init, dims=self._dims, ops=self.ops)
        twin.init = self.init
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return tree.deep_copy(self, memo)

    # Devices

    def to_gpu(self, gpu_id: int) -> Any:
        """Move the tree to a GPU: parameters, gradients, arrays in attributes, shims. Returns the cupy.cuda.Device.

        ModuleNotFoundError without CuPy.
        """
        try:
            import cupy
        except ImportError as error:
            raise ModuleNotFoundError(
                f"model {self.name!r} cannot go to a GPU: CuPy is not installed: "
                "pip install 'thinc_nb[cuda13x]', or cuda12x"
            ) from error
        device = cupy.cuda.Device(gpu_id)
        with device:
            self._to_ops(CupyOps(device_type="gpu", device_id=gpu_id))
        return device

    def to_cpu(self) -> None:
        """Move the tree to the CPU."""
        self._to_ops(NumpyOps())

    def _to_ops(self, ops: Ops) -> None:
        """Run the tree with other operations, and have everything where they want it."""
        tree.move_tree(self, ops)

    # Bytes: see serialize.py

    def to_dict(self) -> dict[str, Any]:
        """The model as the dictionary that `to_bytes` writes. The arrays in it are copies."""
        return serialize.to_dict(self)

    def to_bytes(self) -> bytes:
        """The model as bytes, in Thinc's format. Attributes that cannot be written are left out, with a warning."""
        return serialize.to_bytes(self)

    def to_disk(self, path: Path | str) -> None:
        """Write `to_bytes` to a file: entirely, or not at all. Arrays are not copied."""
        serialize.to_disk(self, Path(path))

    def from_dict(self, msg: Mapping[str, Any]) -> Self:
        """Load what `to_dict` gave; returns the model.

        SerializationError (a ValueError), and no change, if it does not fit.
        """
        serialize.from_dict(self, msg)
        return self

    def from_bytes(self, bytes_data: bytes) -> Self:
        """Load what `to_bytes` gave; returns the model. Errors as for `from_dict`."""
        serialize.from_bytes(self, bytes_data)
        return self

    def from_disk(self, path: Path | str) -> Self:
        """Load a file that `to_disk` wrote; errors as for `from_bytes`, or OSError. Returns the model."""
        serialize.from_disk(self, Path(path))
        return self

    def can_from_dict(self, msg: Mapping[str, Any], *, strict: bool = True) -> bool:
        """Whether `from_dict` would work, and dims and shapes agree; with `strict`, names and attributes too."""
        return serialize.can_from_dict(self, msg, strict=strict)

    def can_from_bytes(self, bytes_data: bytes, *, strict: bool = True) -> bool:
        """As `can_from_dict`, for bytes: never an error, whatever they hold."""
        return serialize.can_from_bytes(self, bytes_data, strict=strict)

    def can_from_disk(self, path: Path | str, *, strict: bool = True) -> bool:
        """As `can_from_bytes`, for a file; False if it cannot be read."""
        return serialize.can_from_disk(self, Path(path), strict=strict)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: getattr(self, name) for name in Model.__slots__ if name not in ("__weakref__", "_plan")}
        return state | getattr(self, "__dict__", {})

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
        self._plan = None
        # The id is kept, as an optimizer that was pickled along knows it; new models must not get it again.
        with Model.global_id_lock:
            Model.global_id = max(Model.global_id, self.id)

    # Operators

    @classmethod
    def define_operators(cls, operators: Mapping[str, Callable[..., Any] | HasName]) -> _GeneratorContextManager[None]:
        """Bind functions of two models to operators inside a ``with`` block: ``{">>": chain, "|": concatenate}``.

        All of ``+ - * @ / // % ** << >> & ^ |``. An inner block replaces all bindings of an outer one until it ends.
        Bindings are those of one thread or asyncio task. An operator without binding raises TypeError.
        """
        return define_operators(operators)

    def __add__(self, other: object) -> Model[Any, Any]:
        return apply_operator("+", self, other)

    def __sub__(self, other: object) -> Model[Any, Any]:
        return apply_operator("-", self, other)

    def __mul__(self, other: object) -> Model[Any, Any]:
        return apply_operator("*", self, other)

    def __matmul__(self, other: object) -> Model[Any, Any]:
        return apply_operator("@", self, other)

    def __truediv__(self, other: object) -> Model[Any, Any]:
        return apply_operator("/", self, other)

    def __floordiv__(self, other: object) -> Model[Any, Any]:
        return apply_operator("//", self, other)

    def __mod__(self, other: object) -> Model[Any, Any]:
        return apply_operator("%", self, other)

    def __pow__(self, other: object) -> Model[Any, Any]:
        return apply_operator("**", self, other)

    def __lshift__(self, other: object) -> Model[Any, Any]:
        return apply_operator("<<", self, other)

    def __rshift__(self, other: object) -> Model[Any, Any]:
        return apply_operator(">>", self, other)

    def __and__(self, other: object) -> Model[Any, Any]:
        return apply_operator("&", self, other)

    def __xor__(self, other: object) -> Model[Any, Any]:
        return apply_operator("^", self, other)

    def __or__(self, other: object) -> Model[Any, Any]:
        return apply_operator("|", self, other)


PLAIN_CALL = Model.__call__
"""Contracts replace it; fused forms run only while they have not."""


def create_init(initializers: Mapping[str, Callable[..., FloatsXd]]) -> Callable[..., Model[Any, Any]]:
    """An `init` that infers nI and nO from example data and sets parameters: ``create_init({"W": zero_init, ...})``.

    Initializers are called with ops and shape: "W" is (nO, nI) and "b" (nO,), with nP after nO in a model that has it;
    any other parameter keeps the shape that it has. UnsetError if a dimension or a shape is not known.
    """

    def init(model: Model[Any, Any], X: object = None, Y: object = None) -> Model[Any, Any]:
        for name, data in (("nI", X), ("nO", Y)):
            if data is not None and model.has_dim(name) is not False:
                tree.infer_dim(model, name, data)
        values = {}
        for name, initializer in initializers.items():
            if name in ("W", "b"):
                dims = ["nO", "nP", "nI"] if name == "W" else ["nO", "nP"]
                shape = tuple(model.get_dim(dim) for dim in dims if dim != "nP" or model.has_dim(dim) is not False)
            else:
                shape = model.get_param(name).shape
            values[name] = initializer(model.ops, shape)
        for name, value in values.items():
            model.set_param(name, value)
        return model

    return init


def _next_id() -> int:
    with Model.global_id_lock:
        Model.global_id += 1
        return Model.global_id


_Dom = TypeVar("_Dom", contravariant=True)
_A = TypeVar("_A")
_B = TypeVar("_B")

if TYPE_CHECKING:
    # Shapes of polymorphic layers, for the type checker; the objects are plain models.
    class Endo(Model[_Dom, Any, NI_co, NO_co], Generic[_Dom, NI_co, NO_co]):
        """Gives what it is given: Dropout, LayerNorm, with_padded ..."""

    class Through(Model[Any, Any, NI_co, NO_co], Generic[_Dom, NI_co, NO_co]):
        """Gives what it is given, too, and stands after layers of which nothing is known: Dropout, noop."""

    class FromList(Model[Sequence[ArrayXd], Any, NI_co, NO_co], Generic[NI_co, NO_co]):
        """Gives one array, of the type of those in the list that it is given: list2array."""

    class OverSeq(Model[Ragged | Padded | Sequence[_A] | _A, Any, NI_co, NO_co], Generic[_A, _B, NI_co, NO_co]):
        """A layer from array _A to array _B, lifted over lists, Ragged and Padded: with_array."""

    class AtItem(Model[tuple[Any, ...], tuple[Any, ...], Any, Any], Generic[_A, _B]):
        """A layer from _A to _B, on one item of a tuple: with_getitem."""

    class ByIndex(Model[_A, _A, Any, Any], Generic[_A]):
        """Gives a part of an array, which may have fewer axes: array_getitem."""


# At the end: switching contracts on exchanges methods of Model.
follow_environment()
