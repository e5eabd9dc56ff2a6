"""From a body's annotations to numba's types: what lets a kernel be compiled before it has seen data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numba import types

from ._words import Precision

if TYPE_CHECKING:
    from ._compile import Kernel

_INDICES = {"items": 1, "rows": 2, "blocks": 4}


def argument_types(kernel: Kernel[...], precision: Precision) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What a grid is called with: the ranges of its items, and the kernel's own arguments."""
    arguments = tuple(_argument_type(kind, precision) for _, kind in kernel.annotations)
    return (types.int64,) * _INDICES[kernel.shape], arguments


def loop_types(kernel: Kernel[...], precision: Precision) -> tuple[Any, ...]:
    """What a compiled loop on the CPU is called with: the board of its threads, its items or rows, the arguments.

    Floats are Python's in any precision: a loop converts them in no time, Python in 0.25 µs each. The arguments are a
    plain tuple. The loop sees numba's StarArgTuple in the end, but in a compiled signature no call would recognise
    that: each loaded the kernel from disk again, in 12 ms.
    """
    kinds = argument_types(kernel, precision)[1]
    given = tuple(types.float64 if place in kernel.scalars else kind for place, kind in enumerate(kinds))
    return types.int64, types.int64, types.Tuple(given)


def _argument_type(annotation: str, precision: Precision) -> Any:
    real = types.float64 if precision == "f64" else types.float32
    scalars = {"float": real, "int": types.int64, "UInt32": types.uint32, "Start": types.uint32}
    if annotation in scalars:
        return scalars[annotation]
    elements = {
        "Reals": real,
        "Int32s": types.int32,
        "Int64s": types.int64,
        "UInt8s": types.uint8,
        "UInt32s": types.uint32,
        "UInt64s": types.uint64,
    }
    name, rank = annotation[:-2], int(annotation[-2])
    return types.Array(elements[name], rank, "C")
