"""Work on batches of any form: their arrays of floats, first rows, copies, comparisons."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._arrays import get_array_module, is_cupy_array, is_xp_array
from ..backends import get_array_ops
from ..types import ArgsKwargs, Padded, Pairs, Ragged

Array = Any


def map_floats(convert: Callable[[Array], Array], value: Any) -> Any:
    """The value with each array of floats in it converted. Other parts are those of the value."""
    if is_xp_array(value):
        return convert(value) if value.dtype.kind == "f" else value
    if isinstance(value, Ragged):
        part = Ragged(map_floats(convert, value.data), value.lengths)
        part.data_shape = value.data_shape
        return part
    if isinstance(value, Padded):
        return Padded(map_floats(convert, value.data), value.size_at_t, value.lengths, value.indices)
    if isinstance(value, Pairs):
        return Pairs(map_floats(convert, value.one), map_floats(convert, value.two))
    if isinstance(value, ArgsKwargs):
        kwargs = {name: map_floats(convert, item) for name, item in value.kwargs.items()}
        return ArgsKwargs(tuple(map_floats(convert, item) for item in value.args), kwargs)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_floats(convert, item) for item in value))
    if type(value) in (list, tuple):
        return type(value)(map_floats(convert, item) for item in value)
    if type(value) is dict:
        return {name: map_floats(convert, item) for name, item in value.items()}
    return value


def floats(value: Any) -> list[Array]:
    """The arrays of floats in a value, in order."""
    found: list[Array] = []

    def note(array: Array) -> Array:
        found.append(array)
        return array

    map_floats(note, value)
    return found


def with_floats(value: Any, arrays: Iterator[Array]) -> Any:
    """The value with other arrays of floats."""
    return map_floats(lambda _: next(arrays), value)


def copied(value: Any) -> Any:
    """A copy that shares no array. A value that cannot be copied, such as a generator, is returned itself."""
    try:
        return copy.deepcopy(value)
    except TypeError:
        return value


def padding_masks(value: Any) -> list[Array]:
    """For each array of floats the number 1, or for a Padded an array that is 0 in the padding and 1 elsewhere."""
    if isinstance(value, Padded):
        steps, sequences = value.data.shape[:2]
        reached = np.arange(sequences) < on_host(value.size_at_t)[:, None]
        mask = reached.reshape((steps, sequences) + (1,) * (value.data.ndim - 2)).astype("float64")
        return [mask] if value.data.dtype.kind == "f" else []
    if isinstance(value, (list, tuple)):
        return [mask for item in value for mask in padding_masks(item)]
    return [1.0] * len(floats(value))


def first_rows(value: Any, n: int) -> Any:
    """The first n items of a batch. ValueError if it does not show what its items are."""
    if is_xp_array(value) or isinstance(value, (Ragged, Padded, list)):
        return value[:n]
    if isinstance(value, (tuple, Pairs, ArgsKwargs)):
        return _first_of_parts(value, n)
    raise ValueError(f"it cannot be told what the rows of a {type(value).__name__} are")


def _first_of_parts(value: Any, n: int) -> Any:
    if isinstance(value, Pairs):
        return Pairs(*_first_of_parts((value.one, value.two), n))
    if isinstance(value, ArgsKwargs):
        parts = _first_of_parts(tuple(value.values()), n)
        return ArgsKwargs(parts[: len(value.args)], dict(zip(value.kwargs, parts[len(value.args) :], strict=True)))
    sizes = {row_count(part) for part in value}
    if len(sizes) == 1 and None not in sizes:
        return tuple(first_rows(part, n) for part in value)
    # SparseLinear's batches: the features of all items one after another, and how many each item has.
    if all(is_xp_array(part) and part.ndim == 1 for part in value) and value[-1].dtype.kind in "iu":
        used = int(value[-1][:n].sum())
        if all(len(part) == int(value[-1].sum()) for part in value[:-1]):
            return (*(part[:used] for part in value[:-1]), value[-1][:n])
    raise ValueError("it cannot be told what the rows of these parts are")


def row_count(value: Any) -> int | None:
    """How many items a batch has, if that can be told."""
    if is_xp_array(value):
        return value.shape[0] if value.ndim else None
    return len(value) if isinstance(value, (Ragged, Padded, list)) else None


def with_an_empty_sequence(value: Any) -> Any:
    """The first two sequences of a batch, the first without its items. ValueError if it has no sequences."""
    if isinstance(value, Ragged) and len(value):
        xp = get_array_module(value.lengths)
        rest = value[1:2]
        part = Ragged(rest.data, xp.concatenate([xp.zeros(1, dtype=value.lengths.dtype), rest.lengths]))
        part.data_shape = value.data_shape
        return part
    if isinstance(value, list) and value and is_xp_array(value[0]):
        return [value[0][:0], *value[1:2]]
    if isinstance(value, Padded) and len(value) and value.data.ndim == 3:
        ops = get_array_ops(value.data)
        sequences = ops.padded2list(value)
        return ops.list2padded([sequences[0][:0], *sequences[1:2]])
    raise ValueError("the input has no sequences")


def same(a: Any, b: Any) -> bool:
    """Whether two results are equal: arrays bit by bit, NaN equal to NaN. Of other objects types are compared."""
    if is_xp_array(a) or is_xp_array(b):
        if not is_xp_array(a) or not is_xp_array(b) or a.dtype != b.dtype or a.shape != b.shape:
            return False
        return bool(np.array_equal(on_host(a), on_host(b), equal_nan=a.dtype.kind == "f"))
    if isinstance(a, Ragged) and isinstance(b, Ragged):
        return same(a.data, b.data) and same(a.lengths, b.lengths)
    if isinstance(a, Padded) and isinstance(b, Padded):
        return same(a.data, b.data) and same(a.lengths, b.lengths) and same(a.indices, b.indices)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (str, bytes, int, float)):
        return bool(a == b)
    return type(a) is type(b)


def on_host(array: Array) -> Any:
    """The array as numpy's."""
    return array.get() if is_cupy_array(array) else array
