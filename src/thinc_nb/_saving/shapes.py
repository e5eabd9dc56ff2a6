"""The shapes of the parameters of this package's layers, in terms of their dimensions.

Data from a file are compared with them before anything is assigned. Layers from elsewhere may shape their parameters as
they like, so nothing is checked there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from ..model import Model

__all__ = ["check_shapes", "shape_rules"]

Shape: TypeAlias = tuple[int, ...]
Rules: TypeAlias = dict[str, tuple[str | int, ...]]

# By the names of parameters and dimensions. A dimension is given by name or number.
_RULES: dict[tuple[frozenset[str], frozenset[str]], Rules] = {
    (frozenset({"W", "b"}), frozenset({"nO", "nI"})): {"W": ("nO", "nI"), "b": ("nO",)},
    (frozenset({"W", "b"}), frozenset({"nO", "nI", "nP"})): {"W": ("nO", "nP", "nI"), "b": ("nO", "nP")},
    (frozenset({"W", "b"}), frozenset({"nO", "length"})): {"W": ("nO*length",), "b": ("nO",)},
    (frozenset({"G", "b"}), frozenset({"nO", "nI"})): {"G": ("nI",), "b": ("nI",)},
    (frozenset({"E"}), frozenset({"nO", "nV"})): {"E": ("nV", "nO")},
    (frozenset({"E"}), frozenset({"nO", "nV", "nI"})): {"E": ("nV", "nO")},
    (frozenset({"Q"}), frozenset({"nO"})): {"Q": ("nO",)},
    (frozenset({"W"}), frozenset({"nO", "nI"})): {"W": ("nI",)},
    (frozenset({"LSTM", "HC0"}), frozenset({"nO", "nI", "depth", "dirs"})): {
        "LSTM": ("weights of the LSTM",),
        "HC0": (2, "depth", "dirs", "nO/dirs"),
    },
}


def shape_rules(node: Model[Any, Any]) -> Rules:
    """The dimensions of each parameter, by name; nothing for a layer that is not of this package."""
    module = getattr(node._func, "__module__", None) or ""
    if not module.startswith("thinc_nb.layers."):
        return {}
    return _RULES.get((frozenset(node.param_names), frozenset(node.dim_names)), {})


def check_shapes(rules: Rules, dims: Mapping[str, int | None], shapes: Mapping[str, Shape]) -> dict[str, int]:
    """Compare shapes of parameters with the dimensions that are known. Returns the dimensions that the shapes tell.

    ValueError that names the first parameter whose shape is another one.
    """
    known = {name: int(size) for name, size in dims.items() if size is not None}
    for name in rules:
        if name in shapes:
            _check_shape(name, rules[name], known, shapes[name])
    return {name: size for name, size in known.items() if name in dims}


def _check_shape(name: str, rule: tuple[str | int, ...], known: dict[str, int], shape: Shape) -> None:
    expected = [_size(part, known) for part in rule]
    agrees = len(shape) == len(rule) and all(want in (None, got) for want, got in zip(expected, shape, strict=False))
    if not agrees:
        shown = ", ".join(
            str(part) if want is None or part == want else f"{part}={want}"
            for part, want in zip(rule, expected, strict=True)
        )
        raise ValueError(f"parameter {name!r} should have the shape ({shown}), not {shape}")
    for part, got in zip(rule, shape, strict=True):
        if isinstance(part, str):
            known.setdefault(part, got)


def _size(part: str | int, dims: Mapping[str, int]) -> int | None:
    """The size that a part of a rule stands for; None if a dimension in it is not known."""
    if isinstance(part, int):
        return part
    if part in dims:
        return dims[part]
    if part == "nO*length" and {"nO", "length"} <= dims.keys():
        return dims["nO"] * dims["length"]
    if part == "nO/dirs" and {"nO", "dirs"} <= dims.keys():
        return dims["nO"] // dims["dirs"] if dims["dirs"] else 0
    if part == "weights of the LSTM" and {"nO", "nI", "depth", "dirs"} <= dims.keys() and dims["dirs"]:
        return _lstm_size(dims["nI"], dims["nO"], dims["depth"], dims["dirs"])
    return None


def _lstm_size(nI: int, nO: int, depth: int, dirs: int) -> int:
    """Each direction of each layer has four gates, with weights and biases for its input and for its own state."""
    units = nO // dirs
    first = 4 * units * (nI + units + 2)
    others = 4 * units * (nO + units + 2)
    return dirs * (first + (depth - 1) * others) if depth > 0 else 0
