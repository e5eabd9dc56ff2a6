"""The tree of nodes: walking, changing and copying it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import TYPE_CHECKING, Any

from typing_extensions import TypeVar

from .._arrays import is_xp_array
from .._described import described
from .._wording import fitting_width
from ..errors import ForwardError, InputError, ModelError
from ..util import convert_recursive, get_width, iterate_recursive
from .node import NodeData
from .parameters import lay_out

if TYPE_CHECKING:
    from ..backends import Ops
    from ..model import Model
    from ..shims.shim import Shim

    Node = Model[Any, Any]

__all__ = [
    "callback_through",
    "change_attr_values",
    "check_dropout_rate",
    "copy_tree",
    "deep_copy",
    "infer_dim",
    "infer_shared_dim",
    "locate",
    "move_tree",
    "pair_of",
    "path_to",
    "remove_node",
    "replace_node",
    "require_model",
    "set_dropout_rate",
    "walk",
    "with_located_gradients",
    "wrap_model_recursive",
]

ModelT = TypeVar("ModelT", bound="Model[Any, Any]")


def require_model(function: str, model: object) -> None:
    """TypeError that names the function if it was given something else for a model."""
    if not isinstance(model, NodeData):
        raise TypeError(f"{function}: the model must be a Model, got {described(model)}")


def walk(root: Node, order: str) -> Iterator[Node]:
    """Each node of the tree once, however many parents it has. ValueError if there is no such order."""
    if order == "bfs":
        return _walk_breadth_first(root)
    if order in ("dfs_pre", "dfs_post"):
        return _walk_depth_first(root, post_order=order == "dfs_post")
    raise ValueError(f"Invalid order, must be one of: bfs, dfs_pre, dfs_post; got {order!r}")


def _walk_breadth_first(root: Node) -> Iterator[Node]:
    queue = [root]
    seen = {id(root)}
    for node in queue:  # which grows meanwhile
        yield node
        for layer in node._layers:
            if id(layer) not in seen:
                seen.add(id(layer))
                queue.append(layer)


def _walk_depth_first(root: Node, *, post_order: bool) -> Iterator[Node]:
    seen = {id(root)}
    stack = [(root, iter(root.layers))]
    if not post_order:
        yield root
    while stack:
        node, rest = stack[-1]
        child = next((layer for layer in rest if id(layer) not in seen), None)
        if child is None:
            stack.pop()
            if post_order:
                yield node
        else:
            seen.add(id(child))
            if not post_order:
                yield child
            stack.append((child, iter(child.layers)))


def path_to(root: Node, node: Node) -> str:
    """The path by which an error names a node: the names from the root to it, with places in lists of layers."""
    parents: dict[int, tuple[Node, int]] = {}
    for parent in walk(root, "bfs"):
        for i, layer in enumerate(parent.layers):
            parents.setdefault(id(layer), (parent, i))
    parts: list[str] = []
    while node is not root and id(node) in parents:
        parent, i = parents[id(node)]
        parts.append(f"layers[{i}] {_short(node.name)}")
        node = parent
    return " -> ".join([_short(root.name), *reversed(parts)])


class _Origin:
    """The node that an error comes from. It stays behind when the error is copied, or pickled for another process."""

    __slots__ = ("node",)

    def __init__(self, node: Node | None = None) -> None:
        self.node = node

    def __reduce__(self) -> tuple[type[_Origin], tuple[()]]:
        return _Origin, ()


def locate(error: Exception, root: Node) -> None:
    """Say in an error that came out of the function of a node which node it was, as seen from `root`.

    Called by every node that the error passes, from the innermost outwards.
    """
    origin: _Origin = error.__dict__.setdefault("_layer", _Origin(root))
    if origin.node is None:  # The error has been copied: it comes from where it is raised now.
        origin.node = root
    node = origin.node
    path = path_to(root, node)
    if isinstance(error, ModelError):
        error.layer_path = None if node is root else path
        return
    # The messages of other errors are not ours to change: they get a note, which Python 3.10 does not show.
    notes = [note for note in getattr(error, "__notes__", ()) if not note.startswith(_IN_LAYER)]
    error.__dict__["__notes__"] = [*notes, f"{_IN_LAYER} {path}"]


def pair_of(node: Node, result: object, is_train: bool) -> Any:
    """The result of a forward function, if it is a pair. Else ForwardError: an array of two rows would pass for one.

    Only in training somebody calls the callback: for prediction anything may stand there, as in Thinc.
    """
    what = f"layer {node.name!r} must return its output and a callback from forward"
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise ForwardError(f"{what}, got {described(result)}")
    if is_train and not callable(result[1]):
        raise ForwardError(f"{what}, got {described(result[1])} in the place of the callback")
    return result


def with_located_gradients(root: Node, result: Any) -> Any:
    """The result of a forward function, with a callback whose errors say where they come from."""
    Y, callback = result

    def backprop(*args: Any, **kwargs: Any) -> Any:
        try:
            return callback(*args, **kwargs)
        except Exception as error:
            locate_gradient(error, root)
            raise

    return Y, backprop


def callback_through(root: Node, callbacks: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """The callback of a node that ran layers one after another: calls theirs from the last to the first."""

    def backprop(dY: Any) -> Any:
        try:
            for callback in reversed(callbacks):
                dY = callback(dY)
        except Exception as error:
            locate_gradient(error, root)
            raise
        return dY

    return backprop


def locate_gradient(error: Exception, root: Node) -> None:
    """`locate` for an error that came out of a callback.

    Callbacks are not called through their nodes, so the node is the one that the innermost function on the way works
    on.
    """
    if "_layer" not in error.__dict__:
        layer: Any = root
        trace = error.__traceback__
        while trace is not None:
            node = trace.tb_frame.f_locals.get("model")
            if isinstance(node, NodeData):
                layer = node
            trace = trace.tb_next
        error.__dict__["_layer"] = _Origin(layer)
    locate(error, root)


_IN_LAYER = "In the layer"


def _short(name: str) -> str:
    """A name, shortened: that of a combination holds the names of all its layers, and its ends tell which it is."""
    return repr(name if len(name) <= 60 else f"{name[:40]}…{name[-19:]}")


def infer_dim(node: Node, name: str, data: object) -> None:
    """Set a dimension to the width of example data. InputError if it is another one already, or the data has none."""
    try:
        width = get_width(data)
    except ValueError as error:
        raise InputError(
            f"cannot infer dimension {name!r} for model {node.name!r} from the example, {described(data)}: {error}"
        ) from error
    known = node.maybe_get_dim(name)
    if known is not None and known != width:
        raise InputError(
            f"Attempt to change dimension {name!r} for model {node.name!r} from {known} to {width}, "
            f"the width of the example, {described(data)}: {fitting_width(width, name)}"
        )
    node.set_dim(name, width)


def infer_shared_dim(root: Node, name: str, data: object) -> None:
    """Set a dimension of a node, and of its layers where it is open, to the width of example data.

    Only layers that have the dimension are asked: those of spaCy that take documents have no width of input.
    """
    if root.has_dim(name) is not False:
        infer_dim(root, name, data)
    for layer in root.layers:
        if layer.has_dim(name) is None:
            infer_dim(layer, name, data)


def remove_node(root: Node, node: Node) -> None:
    """Take `node` out of all lists of layers below `root`, then unset the references that now leave the tree."""
    for parent in list(walk(root, "bfs")):
        parent.layers[:] = [layer for layer in parent.layers if layer is not node]
    nodes = list(walk(root, "bfs"))
    inside = {id(other) for other in nodes}
    for other in nodes:
        for name, ref in other._refs.items():
            if ref is not None and id(ref) not in inside:
                other._refs[name] = None


def replace_node(root: Node, old: Node, new: Node) -> bool:
    """Put `new` where `old` is: in lists of layers and in references. Whether `old` was in the tree."""
    if not isinstance(new, NodeData):
        raise InputError(f"replace_node of model {root.name!r}: the new node must be a Model, got {described(new)}")
    nodes = list(walk(root, "bfs"))
    for node in nodes:
        if node is old:
            continue
        node.layers[:] = [new if layer is old else layer for layer in node.layers]
        for name, ref in node._refs.items():
            if ref is old:
                node._refs[name] = new
    return any(node is old for node in nodes)


@contextmanager
def restored_after_error(root: Node) -> Iterator[None]:
    """If the block fails, dimensions and parameters of the tree become what they were."""
    before = [(node, dict(node._dims), dict(node._params)) for node in walk(root, "bfs")]
    restorers = [parameter.restorer() for _, _, params in before for parameter in params.values()]
    try:
        yield
    except BaseException:
        for node, dims, params in before:
            node._dims.clear()
            node._dims.update(dims)
            node._params.clear()
            node._params.update(params)
        for restore in restorers:
            restore()
        raise


def copy_tree(root: ModelT) -> ModelT:
    """A copy of the tree with new ids: arrays, attributes, shims, gradients, and references within the tree."""
    nodes = list(walk(root, "bfs"))
    twins = {id(node): node._blank_copy() for node in nodes}
    shims: dict[int, Shim] = {}
    # So that values copied into the new tree refer to it: a node in an attribute becomes its copy. Ops are shared.
    memo: dict[int, Any] = {id(node.ops): node.ops for node in nodes}
    memo.update(twins)
    for node in nodes:
        twin = twins[id(node)]
        twin._layers.extend(twins[id(layer)] for layer in node.layers)
        for shim in node.shims:
            if id(shim) not in shims:
                shims[id(shim)] = shim.copy()
            twin._shims.append(shims[id(shim)])
        twin._refs.update((name, ref if ref is None else twins.get(id(ref), ref)) for name, ref in node._refs.items())
        twin._attrs.update((name, _copy_value(value, memo)) for name, value in node._attrs.items())
        twin._params.update((name, parameter.copy()) for name, parameter in node._params.items())
        own = getattr(node, "__dict__", {})  # attributes of a subclass
        for name, value in own.items():
            setattr(twin, name, _copy_value(value, memo))
    result = twins[id(root)]
    lay_out(result)
    if not isinstance(result, type(root)):
        raise TypeError(f"the copy of {root!r} is a {type(result).__name__}")
    return result


def _copy_value(value: object, memo: dict[int, Any]) -> object:
    try:
        return copy.deepcopy(value, memo)
    except TypeError:  # locks, open files, modules, which both models may share
        return value


def deep_copy(node: ModelT, memo: dict[int, Any]) -> ModelT:
    """What `copy.deepcopy` gives: as in Thinc the id stays the same. Operations are shared."""
    twin = type(node).__new__(type(node))
    memo[id(node)] = twin
    memo.setdefault(id(node.ops), node.ops)
    twin.__setstate__({name: copy.deepcopy(value, memo) for name, value in node.__getstate__().items()})
    return twin


def move_tree(root: Node, ops: Ops) -> None:
    """Give a tree other ops, and move its arrays to their device. If an array cannot move, nothing changes."""
    nodes = list(walk(root, "bfs"))
    moved = []
    for node in nodes:
        params = {name: parameter.converted(ops.asarray) for name, parameter in node._params.items()}
        attrs = {
            name: convert_recursive(is_xp_array, ops.asarray, value)
            for name, value in node._attrs.items()
            if next(iterate_recursive(is_xp_array, value), None) is not None
        }
        moved.append((params, attrs))
    for shim in {id(shim): shim for node in nodes for shim in node._shims}.values():
        shim.to_device(ops.device_type, ops.device_id)
    for node, (params, attrs) in zip(nodes, moved, strict=True):
        node.ops = ops
        node._params.update(params)
        node._attrs.update(attrs)
    lay_out(root)


def wrap_model_recursive(model: Node, wrapper: Callable[[Node], ModelT]) -> ModelT:
    """Wrap each node of a model with `wrapper`, the root last; the wrapped root is returned.

    References to a node become references to its wrapper.
    """
    for node in list(walk(model, "bfs")):
        if node is not model:
            replace_node(model, node, wrapper(node))
    return wrapper(model)


def check_dropout_rate(rate: object, least: float = 0.0) -> None:
    """TypeError if a dropout rate is no number, ValueError if it is not between `least` and 1."""
    if not isinstance(rate, Real):
        raise TypeError(f"the dropout rate must be a number, got {type(rate).__name__} {rate!r}")
    if not least <= float(rate) <= 1.0:
        raise ValueError(f"the dropout rate must be between 0 and 1, got {rate}")


def set_dropout_rate(model: ModelT, drop: float | None, attrs: Sequence[str] = ("dropout_rate",)) -> ModelT:
    """Set the dropout rate on every node that has one of the attributes `attrs`. Returns the model.

    None drops nothing. A rate outside of 0..1 is a ValueError, what is no number a TypeError, and changes nothing.
    """
    if drop is not None:
        check_dropout_rate(drop)
    for node in walk(model, "bfs"):
        for name in attrs:
            if name in node._attrs:
                node._attrs[name] = drop
    return model


def change_attr_values(model: ModelT, mapping: Mapping[str, Mapping[str, object]]) -> ModelT:
    """Set attributes by the name of the node: ``{"dropout": {"dropout_rate": 0.2}}``. Returns the model.

    Only attributes that a node has are changed; names that do not occur are passed over.
    """
    for node in walk(model, "bfs"):
        for name, value in mapping.get(node.name, {}).items():
            if name in node._attrs:
                node._attrs[name] = value
    return model
