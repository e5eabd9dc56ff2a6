"""Names for the parts of a tree that are the same in every process: the way to them from the root.

The second layer of the first layer of a model has the path ``layers.0.layers.1.``, its parameter W the path
``layers.0.layers.1.W``, and its first shim ``layers.0.layers.1.shims.0``. A layer that occurs at several places has the
path of the first one, breadth first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from ..model import Model
    from ..shims.shim import Shim

    Node = Model[Any, Any]

__all__ = ["Key", "node_paths", "parameter_keys", "parameter_paths", "shim_paths"]

Key: TypeAlias = tuple[int, str]


def node_paths(model: Node) -> dict[str, Node]:
    """The nodes by path, breadth first; that of the root is empty."""
    paths = {id(model): ""}
    for node in model.walk():
        for i, layer in enumerate(node.layers):
            paths.setdefault(id(layer), f"{paths[id(node)]}layers.{i}.")
    return {paths[id(node)]: node for node in model.walk()}


def parameter_paths(model: Node) -> dict[str, tuple[Node, str]]:
    """Node and name of each parameter, set or not, by path. ValueError if a name looks like the path to another one."""
    found: dict[str, tuple[Node, str]] = {}
    for path, node in node_paths(model).items():
        for name in node.param_names:
            if path + name in found:
                raise ValueError(f"two parameters of model {model.name!r} have the path {path + name!r}: rename one")
            found[path + name] = (node, name)
    return found


def shim_paths(model: Node) -> dict[str, tuple[Node, Shim]]:
    """Each shim by path, with its node."""
    return {
        f"{path}shims.{i}": (node, shim)
        for path, node in node_paths(model).items()
        for i, shim in enumerate(node.shims)
    }


def parameter_keys(model: Node) -> dict[str, Key]:
    """The keys under which optimizers know the parameters, by path."""
    return {path: (node.id, name) for path, (node, name) in parameter_paths(model).items()}
