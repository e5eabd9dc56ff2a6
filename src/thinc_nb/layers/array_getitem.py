"""Indexing an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from .._arrays import is_xp_array
from .._described import described
from ..backends import Ops
from ..errors import InputIndexError
from ..model import Model
from ..types import ArrayXd, FloatsXd, IntsXd
from ._checks import wrong_type

if TYPE_CHECKING:
    from ..model import ByIndex

AxisIndex: TypeAlias = int | slice | Sequence[int]
Index: TypeAlias = AxisIndex | tuple[AxisIndex, ...]


def array_getitem(index: Index) -> ByIndex[ArrayXd]:
    """Y = X[index]: an integer, a slice, a list of integers, or a tuple of these, one for each axis."""
    part: ByIndex[ArrayXd] = _getitem("array-getitem", index)
    return part


def floats_getitem(index: Index) -> ByIndex[FloatsXd]:
    """`array_getitem` for floats."""
    part: ByIndex[FloatsXd] = _getitem("floats-getitem", index)
    return part


def ints_getitem(index: Index) -> ByIndex[IntsXd]:
    """`array_getitem` for integers."""
    part: ByIndex[IntsXd] = _getitem("ints-getitem", index)
    return part


def _getitem(name: str, index: Index) -> Any:
    return Model(name, forward, attrs={"index": index})


def forward(model: Model[Any, Any], X: ArrayXd, is_train: bool) -> tuple[Any, Callable[[Any], ArrayXd]]:
    """X[index]; the gradient of what was not taken is zero."""
    if not is_xp_array(X):
        raise wrong_type(model, "an array", X)
    index: Any = model.attrs["index"]
    try:
        Y = X[index]
    except IndexError as error:
        if X.shape[:1] == (0,) and isinstance(index, tuple) and not isinstance(index[0], int):
            # Batches without rows may have lost their width: there is no column to take, and no row to take it of.
            return X, lambda dY: model.ops.alloc(X.shape, dtype=X.dtype)
        raise InputIndexError(
            f"layer {model.name!r} takes X[{_written(index)}], got {described(X)}: {error}"
        ) from error

    def backprop(dY: Any) -> ArrayXd:
        dX: ArrayXd = model.ops.alloc(X.shape, dtype=X.dtype)
        if _may_repeat(index):
            # What was taken several times gets the sum.
            add_at(model.ops, dX, index, dY)
        else:
            dX[index] = dY
        return dX

    return Y, backprop


def _written(index: object) -> str:
    """The index as it stands between brackets."""
    if isinstance(index, tuple):
        return ", ".join(map(_written, index))
    if isinstance(index, slice):
        parts = (index.start, index.stop) if index.step is None else (index.start, index.stop, index.step)
        return ":".join("" if part is None else str(part) for part in parts)
    return str(index)


def add_at(ops: Ops, array: Any, index: Any, values: Any) -> None:
    """array[index] += values, where an index may name a place several times."""
    if array.dtype.char in "fd":
        # By our own kernel, which can add in order on a GPU too (`deterministic`).
        places = ops.xp.arange(array.size).reshape(array.shape)[index]
        ops.scatter_add(array.reshape(-1), places, ops.as_contig(values))
    else:
        ops.xp.add.at(array, index, values)


def _may_repeat(index: object) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, list) or is_xp_array(part) for part in parts)
