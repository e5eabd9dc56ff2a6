"""Loading a document into a tree of nodes: read and check everything, then assign."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from typing_extensions import TypeVar

from .._arrays import is_cupy_array, is_xp_array
from .._described import explain
from .._model.parameters import Home, Parameter, lay_out, new_homes, without_overlaps
from .._model.tree import path_to
from ..errors import SerializationError, StructureError
from .msgpack_stream import Blob, StoredArray
from .shapes import check_shapes, shape_rules

if TYPE_CHECKING:
    from ..model import Model
    from ..shims.shim import Shim
    from ..types import ArrayXd

    Node = Model[Any, Any]

__all__ = [
    "Entry",
    "Plan",
    "ReadAttr",
    "apply_plans",
    "as_bytes",
    "entries_of",
    "plan_all",
    "prepare",
    "tree_difference",
]

_T = TypeVar("_T")
Failed: TypeAlias = "Callable[[Shim, str], None]"
ReadAttr: TypeAlias = "Callable[[Any, bytes, str, Model[Any, Any]], Any]"

_PARTS = ("nodes", "attrs", "params", "shims")
# More than any layer has: 2^40 rows of one float are 4 TB.
_MAX_DIM = 1 << 40


@dataclass
class Plan:
    """What loading would change in one node. Everything in it is checked."""

    node: Node
    name: str
    dims: dict[str, int]
    refs: dict[str, Node | None]
    attrs: dict[str, Any]
    params: dict[str, StoredArray | ArrayXd | None]
    shims: list[tuple[Shim, bytes | Blob]]


class Entry:
    """One node's part of a document, checked piece by piece. A problem is a SerializationError that names the node."""

    def __init__(self, root: Node, node: Node, found: Mapping[str, Any], i: int) -> None:
        self.root = root
        self.node = node
        head = self.typed(found["nodes"][i], dict, "entry in 'nodes'")
        self.name = self.typed(head.get("name"), str, "name")
        self.dims = self.named(head.get("dims"), "dims")
        self.refs = self.named(head.get("refs"), "refs")
        self.attrs = self.named(found["attrs"][i], "attrs")
        self.params = self.named(found["params"][i], "params")
        self.shims: list[Any] = self.typed(found["shims"][i], list, "shims")

    @classmethod
    def without_data(cls, root: Node, node: Node) -> Entry:
        """An entry that changes nothing, for checking a node whose data comes from elsewhere."""
        head = {"name": node.name, "dims": {}, "refs": {}}
        return cls(root, node, {"nodes": [head], "attrs": [{}], "params": [{}], "shims": [[]]}, 0)

    def problem(self, text: str, kind: type[SerializationError] = SerializationError) -> SerializationError:
        return kind(f"cannot load {path_to(self.root, self.node)}: {text}")

    def typed(self, value: Any, kind: type[_T], what: str) -> _T:
        if not isinstance(value, kind):
            raise self.problem(f"{what} should be a {kind.__name__}, not {type(value).__name__}")
        return value

    def named(self, value: Any, what: str) -> dict[str, Any]:
        for name in self.typed(value, dict, what):
            self.typed(name, str, f"a key of {what}")
        return dict(value)

    def attr_bytes(self) -> Iterator[tuple[str, bytes]]:
        """The names of the attributes, and their bytes in the document."""
        for name, data in self.attrs.items():
            yield name, as_bytes(data)

    def plan(self, nodes: list[Node], read_attr: ReadAttr) -> Plan:
        for data in self.shims:
            if not isinstance(data, Blob):
                self.typed(data, bytes, "the bytes of a shim")
        if len(self.shims) > len(self.node.shims):
            problem = f"there is data for {len(self.shims)} shims, but it has {len(self.node.shims)}"
            raise self.problem(problem, StructureError)
        plan = Plan(
            node=self.node,
            name=self.name,
            dims={name: self.dim(name, value) for name, value in self.dims.items() if value is not None},
            refs={name: None if place is None else self.ref(name, place, nodes) for name, place in self.refs.items()},
            attrs={},
            params={name: self.param(name, value) for name, value in self.params.items()},
            shims=list(zip(self.node.shims, self.shims, strict=False)),
        )
        self.check_shapes(plan)
        plan.attrs.update((name, self.attr(name, data, read_attr)) for name, data in self.attrs.items())
        return plan

    def dim(self, name: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
            raise self.problem(f"dimension {name!r} should be a size, not {value!r:.80}")
        if self.node.has_dim(name) is False:
            raise self.problem(f"it has no dimension {name!r}", StructureError)
        present = self.node.maybe_get_dim(name)
        if present is not None and present != value:
            raise self.problem(f"Attempt to change dimension {name!r} from {present} to {value}, its size in the data")
        if present is None and value > _MAX_DIM:
            raise self.problem(f"dimension {name!r} should be at most {_MAX_DIM}, not {value}")
        return value

    def ref(self, name: str, place: Any, nodes: list[Node]) -> Node:
        if type(place) is not int or not 0 <= place < len(nodes):
            raise self.problem(
                f"reference {name!r} should be the number of one of {len(nodes)} nodes, not {place!r:.80}"
            )
        return nodes[place]

    def attr(self, name: str, data: Any, read_attr: ReadAttr) -> Any:
        if not isinstance(data, Blob):
            self.typed(data, bytes, f"attribute {name!r}")
        present = self.node.attrs.get(name)
        try:
            value = read_attr(present, as_bytes(data), name, self.node)
        except Exception as error:  # functions that users registered may raise anything
            raise self.problem(f"attribute {name!r} cannot be read: {explain(error)}") from error
        here, there = _kind(present), _kind(value)
        if here is not None and there is not None and here != there:
            raise self.problem(f"attribute {name!r} is a {here} here and a {there} in the data")
        return value

    def param(self, name: str, value: Any) -> StoredArray | ArrayXd | None:
        if value is None:
            return None
        if not isinstance(value, StoredArray) and not is_xp_array(value):
            raise self.problem(f"parameter {name!r} should be an array, not {type(value).__name__}")
        if value.dtype.kind not in "fiubc":
            raise self.problem(f"parameter {name!r} should hold numbers, but its dtype is {value.dtype}")
        present = self.node.maybe_get_param(name)
        if present is not None and tuple(present.shape) != tuple(value.shape):
            raise self.problem(f"parameter {name!r} has the shape {present.shape} here and {value.shape} in the data")
        must_be_floats = present is not None and present.dtype.kind == "f"
        if (must_be_floats or name in shape_rules(self.node)) and value.dtype.kind != "f":
            raise self.problem(f"parameter {name!r} should hold floats, but its dtype is {value.dtype}")
        return value

    def check_shapes(self, plan: Plan) -> None:
        """Check that the shapes of all parameters, new ones and those that stay, fit the dimensions."""
        dims = {**self.node._dims, **plan.dims}
        present = {name: self.node.maybe_get_param(name) for name in self.node.param_names}
        after: dict[str, Any] = {**present, **plan.params}
        shapes = {name: tuple(array.shape) for name, array in after.items() if array is not None}
        try:
            check_shapes(shape_rules(self.node), dims, shapes)
        except ValueError as error:
            raise self.problem(str(error)) from None


def _kind(value: object) -> str | None:
    """The sort of value that an attribute has; None for a sort that any other may replace."""
    if isinstance(value, (bool, int, float, complex, np.generic)):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (bytes, bytearray)):
        return "byte string"
    if isinstance(value, dict):
        return "dictionary"
    return "list or array" if isinstance(value, (list, tuple)) or is_xp_array(value) else None


def as_bytes(data: bytes | Blob) -> bytes:
    """Bytes, which may have to be fetched."""
    return data.read() if isinstance(data, Blob) else data


def entries_of(model: Node, msg: object) -> list[Entry]:
    """An entry for each node. SerializationError if the document as a whole does not have the right structure."""
    if not isinstance(msg, Mapping) or "nodes" not in msg:
        is_checkpoint = isinstance(msg, Mapping) and str(msg.get("format", "")).startswith("thinc_nb checkpoint")
        raise SerializationError(
            "Trying to read a Model that was created with an incompatible version: there is no 'nodes' in it"
            + ("; it is a checkpoint, which load_checkpoint reads" if is_checkpoint else "")
        )
    nodes = list(model.walk())
    for key in _PARTS:
        if key not in msg:
            raise StructureError(f"cannot load {model.name!r}: there is no {key!r} in the data")
        part = msg[key]
        if not isinstance(part, Sequence) or isinstance(part, (str, bytes)):
            raise SerializationError(f"cannot load {model.name!r}: {key!r} should be a list, not {type(part).__name__}")
        if len(part) != len(nodes):
            raise SerializationError(
                f"Cannot deserialize model: mismatched structure: {model.name!r} has {len(nodes)} nodes, "
                f"the data has {len(part)} entries in {key!r}"
            )
    return [Entry(model, node, msg, i) for i, node in enumerate(nodes)]


def plan_all(model: Node, msg: object, read_attr: ReadAttr) -> list[Plan]:
    """What loading the document would change, by node. SerializationError, which shows where the two trees differ."""
    nodes = list(model.walk())
    try:
        return [entry.plan(nodes, read_attr) for entry in entries_of(model, msg)]
    except SerializationError as error:
        if difference := tree_difference(nodes, msg):
            raise type(error)(f"{error}\n{difference}") from error.__cause__
        raise


_MOST_NAMES = 1000
_MOST_LINES = 20


def tree_difference(nodes: Sequence[Node], msg: object) -> str:
    """Where the names of the nodes, breadth first, differ from those in the document; empty if they do not."""
    entries = msg.get("nodes") if isinstance(msg, Mapping) else None
    if not isinstance(entries, Sequence):
        return ""
    found = [entry.get("name") if isinstance(entry, Mapping) else None for entry in entries[:_MOST_NAMES]]
    theirs = [name if isinstance(name, str) else "?" for name in found]
    ours = [node.name for node in nodes[:_MOST_NAMES]]
    if ours == theirs:
        return ""
    lines = [
        line if len(line) <= 100 else f"{line[:70]}…{line[-25:]}"
        for line in difflib.unified_diff(ours, theirs, lineterm="", n=1)
        if not line.startswith(("---", "+++", "@@"))
    ]
    if len(lines) > _MOST_LINES:
        lines[_MOST_LINES:] = [f"… and {len(lines) - _MOST_LINES} more lines"]
    return "\n".join(["Nodes, breadth first; - only in the model, + only in the data:", *lines])


# Assigning


def apply_plans(model: Node, plans: Sequence[Plan]) -> None:
    """Load what is planned: `prepare`, and the function that it returns."""
    prepare(model, plans)()


def prepare(model: Node, plans: Sequence[Plan], failed: Failed | None = None) -> Callable[[], None]:
    """Read or check everything, and return the function that assigns it.

    Nothing changes before that function is called. It loads the shims first; if one fails, nothing has changed. With
    `failed`, a shim that fails is not an error: `failed` is called with it and the reason, and the rest is loaded.
    """
    weights = _Weights(model, plans)
    weights.prepare()

    def finish() -> None:
        weights.check_unchanged()
        shims = [(plan.node, shim, data) for plan in plans for shim, data in plan.shims]
        for group in [shims] if failed is None else [[one] for one in shims]:
            try:
                _load_shims(model, group)
            except SerializationError as error:
                if failed is None:
                    raise
                failed(group[0][1], str(error))
        weights.assign()
        for plan in plans:
            node = plan.node
            node.name = plan.name
            node._dims.update(plan.dims)
            node._refs.update(plan.refs)
            node._attrs.update(plan.attrs)
        lay_out(model)

    return finish


class _Weights:
    """The arrays of some plans. On the CPU they are read into their places in a new block, so each is in memory once.

    They are read before anything changes, if they replace nothing or go to another device. If they replace others, old
    and new weights together would take twice the room: so they are only checked, by reading them once, and read for
    good when the old ones have been let go.
    """

    def __init__(self, model: Node, plans: Sequence[Plan]) -> None:
        self.model = model
        self.plans = plans
        self.new: list[tuple[Node, str, Home | Any]] = []
        """Nodes, names, and for each the value, its place in a block, or None."""
        self.unread: list[tuple[StoredArray, Home]] = []
        self.replaced: list[Parameter] = []
        self.moved: list[tuple[Parameter, Home]] = []
        """Parameters that stay, and their new places, since their block is given up."""

    def prepare(self) -> None:
        """Make places for all arrays; read or check them. SerializationError or OSError if that fails."""
        groups: dict[np.dtype[Any], list[tuple[Node, str, Any]]] = {}
        for plan in self.plans:
            node = plan.node
            on_cpu = node.ops.device_type == "cpu" or node.ops.xp is np
            for name, array in plan.params.items():
                if array is None:
                    self.new.append((node, name, None))
                elif on_cpu and not is_cupy_array(array):
                    groups.setdefault(array.dtype.newbyteorder("="), []).append((node, name, array))
                else:
                    self.new.append((node, name, _on_device(self.model, node, name, array)))
        stored = [one for group in groups.values() for one in group if isinstance(one[2], StoredArray)]
        parameters = [node._params[name] for node, name, _ in stored if name in node._params]
        self.replaced = [parameter for parameter in parameters if parameter.value is not None]
        staying = self._staying()
        for dtype, arrays in groups.items():
            stay = staying.pop(dtype, [])
            shapes = [array.shape for _, _, array in arrays] + [parameter.value.shape for parameter in stay]
            homes = new_homes(shapes, like=np.empty(0, dtype))
            self.moved += zip(stay, homes[len(arrays) :], strict=True)
            for (node, name, array), home in zip(arrays, homes, strict=False):
                self.new.append((node, name, home))
                if isinstance(array, StoredArray):
                    self.unread.append((array, home))
                else:
                    home.weights[...] = array
        if self.replaced:
            for array, _ in self.unread:
                array.check()
        else:
            self._read()

    def _staying(self) -> dict[np.dtype[Any], list[Any]]:
        """By dtype, the other parameters in blocks of replaced ones, which would keep these blocks alive."""
        blocks = {id(parameter.home.block) for parameter in self.replaced if parameter.home is not None}
        planned = {id(plan.node._params.get(name)) for plan in self.plans for name in plan.params}
        everything = [parameter for node in self.model.walk() for parameter in node._params.values()]
        staying: dict[np.dtype[Any], list[Any]] = {}
        for parameter in without_overlaps(everything) if blocks else ():
            home = parameter.home
            if home is not None and parameter.is_home and id(home.block) in blocks and id(parameter) not in planned:
                staying.setdefault(home.weights.dtype, []).append(parameter)
        return staying

    def _read(self) -> None:
        for array, home in self.unread:
            array.copy_to(home.weights)
        self.unread.clear()

    def check_unchanged(self) -> None:
        """SerializationError if the source has been written to since it was checked."""
        for array, _ in self.unread:
            array.check_unchanged()

    def assign(self) -> None:
        """Put all arrays in place. SerializationError if reading fails now: replaced parameters are then unset."""
        if self.unread:
            self.check_unchanged()
            for parameter, home in self.moved:
                home.weights[...] = parameter.value
                parameter.move(home)
            for parameter in self.replaced:
                parameter.value = parameter.home = None
            try:
                self._read()
            except BaseException as error:
                for parameter in self.replaced:
                    parameter.drop_grad()
                if isinstance(error, Exception):
                    raise self._lost(error) from error
                raise
        for node, name, value in self.new:
            if isinstance(value, Home):
                node.set_param(name, node.maybe_get_param(name))
                node._params[name].move(value)
            else:
                node.set_param(name, value)

    def _lost(self, error: Exception) -> SerializationError:
        shims = sum(len(plan.shims) for plan in self.plans)
        return SerializationError(
            f"the weights of {self.model.name!r} could be read once, and not a second time when they were to be put "
            f"in place: {explain(error)}. The {len(self.replaced)} parameters that they were to replace are unset now"
            f"{f'; {shims} shims are loaded' if shims else ''}; nothing else has changed. Load again"
        )


def _on_device(model: Node, node: Node, name: str, array: Any) -> Any:
    try:
        return node.ops.asarray(array.read() if isinstance(array, StoredArray) else array.copy())
    except Exception as error:  # whatever a device says when it has no room
        raise SerializationError(
            f"cannot load {path_to(model, node)}: parameter {name!r} cannot move to {node.ops.device_type}: "
            f"{explain(error)}"
        ) from error


def _load_shims(model: Node, found: Sequence[tuple[Node, Shim, bytes | Blob]]) -> None:
    """Load shims one after another. If one fails, those before it get back what they held."""
    undo: list[tuple[Shim, bytes]] = []
    for node, shim, data in found:
        try:
            before = shim.to_bytes() if not shim.loads_atomically or len(found) > 1 else None
        except Exception:  # noqa: BLE001 (a framework may raise anything: there is nothing to bring back)
            before = None
        if before is not None:
            undo.append((shim, before))
        try:
            shim.from_bytes(as_bytes(data))
        except Exception as error:
            for loaded, old in reversed(undo):
                with suppress(Exception):
                    loaded.from_bytes(old)
            path = path_to(model, node)
            raise SerializationError(f"cannot load {path}: {type(shim).__name__}: {explain(error)}") from error
