"""Models as bytes, in the format of Thinc 9.1.

A document holds four lists with an entry for each node, breadth first: `nodes` (index, name, dims, refs), `attrs`,
`params` and `shims`. Loading reads and checks everything first and assigns afterwards: what does not fit changes
nothing.
"""

from __future__ import annotations

import functools
import os
import secrets
import stat
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from typing_extensions import TypeVar

from . import _msgpack
from ._arrays import is_cupy_array, is_xp_array
from ._parameters import lay_out
from ._tree import path_to
from .errors import SerializationError

if TYPE_CHECKING:
    from .model import Model
    from .shims.shim import Shim
    from .types import FloatsXd

    Node = Model[Any, Any]

__all__ = [
    "can_from_bytes",
    "can_from_dict",
    "decode_document",
    "deserialize_attr",
    "from_dict",
    "serialize_attr",
    "to_bytes",
    "to_dict",
    "write_atomically",
]

_T = TypeVar("_T")


@functools.singledispatch
def serialize_attr(_: Any, value: Any, name: str, model: Model[Any, Any]) -> bytes:
    """The value of an attribute as bytes. Register a function for a type to have its values written your way.

    The first argument is the value; its type selects the function. TypeError means that the attribute is left out.
    """
    return _msgpack.encode(value)


@functools.singledispatch
def deserialize_attr(_: Any, value: Any, name: str, model: Model[Any, Any]) -> Any:
    """The attribute that the bytes `value` hold. The first argument, its current value, selects the function."""
    return _msgpack.decode(value)


# Writing


def to_dict(model: Node) -> dict[str, Any]:
    """The document, as a dictionary with arrays that are copies."""
    document = _document(model)
    document["params"] = [
        {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in params.items()}
        for params in document["params"]
    ]
    return document


def to_bytes(model: Node) -> bytes:
    """The document, encoded. ValueError for a reference to a node outside of the tree."""
    return _msgpack.encode(_document(model))


def _document(model: Node) -> dict[str, Any]:
    nodes = list(model.walk())
    places = {id(node): i for i, node in enumerate(nodes)}
    outside = [
        f"{name!r} of {path_to(model, node)}"
        for node in nodes
        for name, ref in node._refs.items()
        if ref is not None and id(ref) not in places
    ]
    if outside:
        raise SerializationError(f"Cannot get references: {', '.join(outside)}, the nodes are not in the tree")
    problems: list[str] = []
    document = {
        "nodes": [
            {
                "index": i,
                "name": node.name,
                "dims": dict(node._dims),
                "refs": {name: None if ref is None else places[id(ref)] for name, ref in node._refs.items()},
            }
            for i, node in enumerate(nodes)
        ],
        "attrs": [_attrs_of(node, model, problems) for node in nodes],
        "params": [
            {name: _little_endian(parameter.value) for name, parameter in node._params.items()} for node in nodes
        ],
        "shims": [[shim.to_bytes() for shim in node._shims] for node in nodes],
    }
    for problem in problems:
        warnings.warn(problem, stacklevel=4)  # the caller of Model.to_bytes, to_dict or to_disk
    return document


def _attrs_of(node: Node, root: Node, problems: list[str]) -> dict[str, bytes]:
    """The attributes that can be written; the others are listed in `problems`."""
    written: dict[str, bytes] = {}
    for name, value in node._attrs.items():
        try:
            written[name] = serialize_attr(value, value, name, node)
        except TypeError as error:
            if not _is_program(value):
                problems.append(f"attribute {name!r} of {path_to(root, node)} is not written: {error}")
    return written


def _is_program(value: Any) -> bool:
    """Functions and slices are part of the program that makes the model to load into: nothing is lost without them."""
    if isinstance(value, tuple):
        return any(_is_program(item) for item in value)
    return isinstance(value, slice) or callable(value)


def _little_endian(value: Any) -> Any:
    if is_cupy_array(value):
        value = value.get()
    if isinstance(value, np.ndarray) and value.dtype.str[0] == ">":
        return value.astype(value.dtype.newbyteorder("<"))
    return value


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file entirely or not at all: to a temporary file beside it, flushed to the disk and renamed.

    What is not a regular file (a pipe, a device) is written directly. OSError if writing fails; the old file is then
    untouched.
    """
    path = path.resolve()
    try:
        old_mode = path.stat().st_mode
    except FileNotFoundError:
        old_mode = None
    if old_mode is not None and not stat.S_ISREG(old_mode):
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if old_mode is not None:
            temporary.chmod(stat.S_IMODE(old_mode))
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


# Reading


@dataclass
class _Plan:
    """What loading would change in one node. Everything in it is checked and converted."""

    node: Node
    name: str
    dims: dict[str, int]
    refs: dict[str, Node | None]
    attrs: dict[str, Any]
    params: dict[str, FloatsXd | None]
    shims: list[tuple[Shim, bytes]]

    def apply(self) -> None:
        self.node.name = self.name
        self.node._dims.update(self.dims)
        self.node._refs.update(self.refs)
        self.node._attrs.update(self.attrs)
        for name, value in self.params.items():
            self.node.set_param(name, value)


class _Entry:
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

    def problem(self, text: str) -> SerializationError:
        return SerializationError(f"cannot load {path_to(self.root, self.node)}: {text}")

    def typed(self, value: Any, kind: type[_T], what: str) -> _T:
        if not isinstance(value, kind):
            raise self.problem(f"{what} should be a {kind.__name__}, not {type(value).__name__}")
        return value

    def named(self, value: Any, what: str) -> dict[str, Any]:
        for name in self.typed(value, dict, what):
            self.typed(name, str, f"a key of {what}")
        return dict(value)

    def plan(self, nodes: list[Node], *, with_arrays: bool = True) -> _Plan:
        """What loading would change. Without arrays, those of the document stand in for copies on the node's device."""
        shims = [self.typed(data, bytes, "the bytes of a shim") for data in self.shims]
        if len(shims) > len(self.node.shims):
            raise self.problem(f"there is data for {len(shims)} shims, but it has {len(self.node.shims)}")
        return _Plan(
            node=self.node,
            name=self.name,
            dims={name: self.dim(name, value) for name, value in self.dims.items() if value is not None},
            refs={name: None if place is None else self.ref(name, place, nodes) for name, place in self.refs.items()},
            attrs={name: self.attr(name, data) for name, data in self.attrs.items()},
            params={name: self.param(name, value, copy=with_arrays) for name, value in self.params.items()},
            shims=list(zip(self.node.shims, shims, strict=False)),
        )

    def dim(self, name: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
            raise self.problem(f"dimension {name!r} should be a size, not {value!r:.80}")
        if self.node.has_dim(name) is False:
            raise self.problem(f"it has no dimension {name!r}")
        present = self.node.maybe_get_dim(name)
        if present is not None and present != value:
            raise self.problem(f"dimension {name!r} is {present} here and {value} in the data")
        return value

    def ref(self, name: str, place: Any, nodes: list[Node]) -> Node:
        if type(place) is not int or not 0 <= place < len(nodes):
            raise self.problem(
                f"reference {name!r} should be the number of one of {len(nodes)} nodes, not {place!r:.80}"
            )
        return nodes[place]

    def attr(self, name: str, data: Any) -> Any:
        data = self.typed(data, bytes, f"attribute {name!r}")
        try:
            return deserialize_attr(self.node.attrs.get(name), data, name, self.node)
        except Exception as error:  # functions that users registered may raise anything
            raise self.problem(f"attribute {name!r} cannot be read: {_reason(error)}") from error

    def param(self, name: str, value: Any, *, copy: bool) -> FloatsXd | None:
        if value is None:
            return None
        if not is_xp_array(value):
            raise self.problem(f"parameter {name!r} should be an array, not {type(value).__name__}")
        if value.dtype.kind not in "fiubc":
            raise self.problem(f"parameter {name!r} should hold numbers, but its dtype is {value.dtype}")
        if not copy:
            return value
        if is_cupy_array(value):
            own = value.copy()
        else:
            own = np.array(value, dtype=value.dtype.newbyteorder("="), order="C")
        try:
            result: FloatsXd = self.node.ops.asarray(own)
        except Exception as error:  # whatever a device says when it has no room
            raise self.problem(f"parameter {name!r} cannot move to {self.node.ops.device_type}: {error}") from error
        return result


def decode_document(bytes_data: bytes) -> dict[str, Any]:
    """The document as a dictionary. SerializationError if the bytes hold none, TypeError for what is not bytes."""
    try:
        document = _msgpack.decode(bytes_data)
    except ValueError as error:
        raise SerializationError(f"the bytes are not those of a model: {_reason(error)}") from error
    if not isinstance(document, dict):
        raise SerializationError(f"the bytes are not those of a model: they hold a {type(document).__name__}")
    return document


def from_dict(model: Node, msg: Mapping[str, Any]) -> None:
    """Load a document into a model."""
    nodes = list(model.walk())
    plans = [entry.plan(nodes) for entry in _entries(model, msg)]
    # Shims come first: they alone can still fail.
    _load_shims(model, [(plan.node, shim, data) for plan in plans for shim, data in plan.shims])
    for plan in plans:
        plan.apply()
    lay_out(model)


def can_from_dict(model: Node, msg: Mapping[str, Any], *, strict: bool = True) -> bool:
    """Whether the document fits the model; never an error."""
    nodes = list(model.walk())
    try:
        return all(_fits(entry, nodes, strict=strict) for entry in _entries(model, msg))
    except SerializationError:
        return False


def can_from_bytes(model: Node, bytes_data: bytes, *, strict: bool = True) -> bool:
    """Whether the bytes fit the model; never an error."""
    try:
        document = decode_document(bytes_data)
    except (SerializationError, TypeError):
        return False
    return can_from_dict(model, document, strict=strict)


def _fits(entry: _Entry, nodes: list[Node], *, strict: bool) -> bool:
    node = entry.node
    plan = entry.plan(nodes, with_arrays=False)
    if len(plan.shims) != len(node.shims) or (strict and entry.name != node.name):
        return False
    for name, value in entry.dims.items():
        if node.has_dim(name) is False or (node.has_dim(name) and node.get_dim(name) != value):
            return False
    for name, array in plan.params.items():
        present = node.maybe_get_param(name)
        if name not in node.param_names or (array is not None and present is not None and array.shape != present.shape):
            return False
    return not strict or all(_same_attr(node, name, data) for name, data in entry.attrs.items() if name in node.attrs)


def _same_attr(node: Node, name: str, data: bytes) -> bool:
    value = node.attrs[name]
    try:
        return bool(serialize_attr(value, value, name, node) == data)
    except Exception:  # noqa: BLE001 (functions that users registered may raise anything: not the same)
        return False


def _entries(model: Node, msg: object) -> list[_Entry]:
    """The document by node, with the shape of the document checked."""
    if not isinstance(msg, Mapping) or "nodes" not in msg:
        raise SerializationError(
            "Trying to read a Model that was created with an incompatible version: there is no 'nodes' in it"
        )
    nodes = list(model.walk())
    for key in ("nodes", "attrs", "params", "shims"):
        part = msg.get(key)
        if not isinstance(part, Sequence) or isinstance(part, (str, bytes)):
            raise SerializationError(f"cannot load {model.name!r}: {key!r} should be a list, not {type(part).__name__}")
        if len(part) != len(nodes):
            raise SerializationError(
                f"Cannot deserialize model: mismatched structure: {model.name!r} has {len(nodes)} nodes, "
                f"the data has {len(part)} entries in {key!r}"
            )
    return [_Entry(model, node, msg, i) for i, node in enumerate(nodes)]


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _load_shims(model: Node, found: list[tuple[Node, Shim, bytes]]) -> None:
    """Load shims one after the other; if one fails, bring back what those before it held."""
    undo: list[tuple[Shim, bytes]] = []
    for node, shim, data in found:
        try:
            before = shim.to_bytes() if not shim.loads_atomically or len(found) > 1 else None
        except Exception:  # noqa: BLE001 (a framework may raise anything: there is nothing to bring back)
            before = None
        if before is not None:
            undo.append((shim, before))
        try:
            shim.from_bytes(data)
        except Exception as error:
            for loaded, old in reversed(undo):
                with suppress(Exception):
                    loaded.from_bytes(old)
            path = path_to(model, node)
            raise SerializationError(f"cannot load {path}: {type(shim).__name__}: {_reason(error)}") from error
