"""Models as bytes, in the format of Thinc 9.1.

A document holds four lists with an entry for each node, breadth first: `nodes` (index, name, dims, refs), `attrs`,
`params` and `shims`. Loading reads and checks everything first and assigns afterwards: what does not fit changes
nothing. Arrays are written from where they are and read to where they will be, without copies in between.
"""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._arrays import is_xp_array
from ._described import explain
from ._model.tree import path_to
from ._saving.files import write_atomically
from ._saving.loading import Entry, apply_plans, entries_of, plan_all
from ._saving.msgpack import decode, encode
from ._saving.msgpack_stream import BytesSource, Deferred, FileSource, Source, little_endian, pieces, read_skeleton
from .errors import SerializationError, SerializationTypeError

if TYPE_CHECKING:
    from .model import Model

    Node = Model[Any, Any]

__all__ = [
    "can_from_bytes",
    "can_from_dict",
    "can_from_disk",
    "deserialize_attr",
    "from_bytes",
    "from_dict",
    "from_disk",
    "serialize_attr",
    "to_bytes",
    "to_dict",
    "to_disk",
    "write_atomically",
]


@functools.singledispatch
def serialize_attr(_: Any, value: Any, name: str, model: Model[Any, Any]) -> bytes:
    """The value of an attribute as bytes. Register a function for a type to have its values written your way.

    The first argument is the value; its type selects the function. TypeError means that the attribute is left out.
    """
    return encode(value)


@functools.singledispatch
def deserialize_attr(_: Any, value: Any, name: str, model: Model[Any, Any]) -> Any:
    """The attribute that the bytes `value` hold. The first argument, its current value, selects the function."""
    return decode(value)


# Writing


def to_dict(model: Node) -> dict[str, Any]:
    """The document, as a dictionary with arrays that are copies."""
    document = _warned(model_document(model))
    document["params"] = [{name: _own(value) for name, value in params.items()} for params in document["params"]]
    document["shims"] = [[shim.make() for shim in shims] for shims in document["shims"]]
    return document


def _own(value: Any) -> Any:
    copy = little_endian(value)
    return copy.copy() if copy is value and is_xp_array(value) else copy


def to_bytes(model: Node) -> bytes:
    """The document, encoded. ValueError for a reference to a node outside of the tree, or an array of 4 GiB."""
    return b"".join(pieces(_warned(model_document(model))))


def to_disk(model: Node, path: Path) -> None:
    """Write `to_bytes` to a file, entirely or not at all, without ever having all of it in memory."""
    write_atomically(path, pieces(_warned(model_document(model))))


def _warned(found: tuple[dict[str, Any], list[str]]) -> dict[str, Any]:
    document, problems = found
    for problem in problems:
        warnings.warn(problem, stacklevel=4)  # the caller of Model.to_bytes, to_dict or to_disk
    return document


def model_document(model: Node) -> tuple[dict[str, Any], list[str]]:
    """The document, with the model's own arrays, and `Deferred` bytes of shims; and what is left out of it."""
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
        "params": [{name: parameter.value for name, parameter in node._params.items()} for node in nodes],
        "shims": [[Deferred(shim.to_bytes) for shim in node._shims] for node in nodes],
    }
    return document, problems


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
    """Whether nothing is lost without this attribute: the program that makes the model to load into makes it too.

    So it is for functions, classes, modules and slices, containers in which there is one of them, and empty ones.
    spaCy's models have many: indices, functions that resize, an empty set of classes.
    """
    if isinstance(value, _CONTAINERS) and len(value) == 0:
        return True
    return _holds_program(value)


_CONTAINERS = (Mapping, tuple, list, set, frozenset)


def _holds_program(value: Any) -> bool:
    if isinstance(value, (slice, types.ModuleType)) or callable(value):
        return True
    items = value.values() if isinstance(value, Mapping) else value
    return isinstance(value, _CONTAINERS) and any(_holds_program(item) for item in items)


# Reading


def from_dict(model: Node, msg: object) -> None:
    """Load a document into a model."""
    apply_plans(model, plan_all(model, msg, deserialize_attr))


def from_bytes(model: Node, bytes_data: bytes) -> None:
    """Load an encoded document into a model."""
    from_dict(model, _skeleton(_in_memory(bytes_data)))


def from_disk(model: Node, path: Path) -> None:
    """Load a file. The arrays go from the file to their places; nothing else of their size is allocated.

    Weights that are replaced are let go before the new ones are read, for which the file is read twice; if only the
    second reading fails they are unset, and the SerializationError says so.
    """
    with path.open("rb") as file:
        if file.seekable():
            from_dict(model, _skeleton(FileSource(file), f"the content of {str(path)!r} is not that"))
        else:
            from_bytes(model, file.read())


def _in_memory(bytes_data: Any) -> BytesSource:
    try:
        return BytesSource(bytes_data)
    except TypeError as error:
        raise SerializationTypeError(f"a model is read from bytes, not from a {type(bytes_data).__name__}") from error


def _skeleton(source: Source, refusal: str = "the bytes are not those") -> dict[str, Any]:
    try:
        document = read_skeleton(source)
    except ValueError as error:
        raise SerializationError(f"{refusal} of a model: {explain(error)}") from error
    if not isinstance(document, dict):
        raise SerializationError(f"{refusal} of a model: a {type(document).__name__} is no map")
    return document


def can_from_dict(model: Node, msg: object, *, strict: bool = True) -> bool:
    """Whether the document fits the model; never an error."""
    nodes = list(model.walk())
    try:
        return all(_fits(entry, nodes, strict=strict) for entry in entries_of(model, msg))
    except SerializationError:
        return False


def can_from_bytes(model: Node, bytes_data: bytes, *, strict: bool = True) -> bool:
    """Whether the bytes fit the model; never an error."""
    try:
        document = _skeleton(_in_memory(bytes_data))
    except SerializationError:
        return False
    return can_from_dict(model, document, strict=strict)


def can_from_disk(model: Node, path: Path, *, strict: bool = True) -> bool:
    """Whether the file fits the model; False if it cannot be read. Arrays are not read."""
    try:
        with path.open("rb") as file:
            if not file.seekable():
                return can_from_bytes(model, file.read(), strict=strict)
            return can_from_dict(model, _skeleton(FileSource(file)), strict=strict)
    except (OSError, SerializationError):
        return False


def _fits(entry: Entry, nodes: list[Node], *, strict: bool) -> bool:
    node = entry.node
    plan = entry.plan(nodes, deserialize_attr)
    if len(plan.shims) != len(node.shims) or (strict and entry.name != node.name):
        return False
    for name, value in entry.dims.items():
        if node.has_dim(name) is False or (node.has_dim(name) and node.get_dim(name) != value):
            return False
    if not all(name in node.param_names for name in plan.params):
        return False
    return not strict or all(_same_attr(node, name, data) for name, data in entry.attr_bytes() if name in node.attrs)


def _same_attr(node: Node, name: str, data: bytes) -> bool:
    value = node.attrs[name]
    try:
        return bool(serialize_attr(value, value, name, node) == data)
    except Exception:  # noqa: BLE001 (functions that users registered may raise anything: not the same)
        return False
