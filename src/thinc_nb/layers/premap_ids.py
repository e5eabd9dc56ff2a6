"""premap_ids: ids to rows of a table, with the table prepared for arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .._arrays import get_array_module, is_xp_array
from .._described import described
from ..errors import InputError, InputIndexError
from ..model import Model
from ..types import Ints1d, Ints2d, IntsXd
from ._checks import wrong_type


class IdTable(Mapping[int, int]):
    """A mapping from ids to integers, and a function of whole arrays of ids; it cannot be changed.

    Models do not save it, as they save no functions: whoever makes the model to load into gives the table, as in Thinc.
    """

    def __init__(self, table: Mapping[int, int]) -> None:
        keys = np.fromiter(table, dtype="uint64", count=len(table))
        order = np.argsort(keys)
        self._keys = keys[order]
        self._values = np.fromiter(table.values(), dtype="int64", count=len(table))[order]

    def __getitem__(self, key: int) -> int:
        place = int(np.searchsorted(self._keys, np.uint64(key)))
        if place == len(self._keys) or int(self._keys[place]) != key:
            raise KeyError(key)
        return int(self._values[place])

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys.tolist())

    def __len__(self) -> int:
        return len(self._keys)

    def __call__(self, ids: Any, default: int) -> Any:
        """The integer for each id (n,), `default` for those that are not in the table."""
        xp = get_array_module(ids)
        keys, values = xp.asarray(self._keys), xp.asarray(self._values)
        wanted = ids.astype("int64").view("uint64") if ids.dtype.kind == "i" else ids.astype("uint64", copy=False)
        if len(keys) == 0:
            return xp.full(len(ids), default, dtype="int64")
        places = xp.minimum(xp.searchsorted(keys, wanted), len(keys) - 1)
        return xp.where(keys[places] == wanted, values[places], default)


def premap_ids(
    mapping_table: Mapping[int, int], default: int = 0, *, column: int | None = None
) -> Model[Ints1d | Ints2d, Ints2d]:
    """What a table says for each id, `default` if it is not there: (n,) integers → (n, 1) int32.

    column: the column of an array (n, columns) that holds the ids. The table is copied when the layer is made, and is
    not saved with the model. ValueError if it holds anything but integers; OverflowError for negative ids in it.
    """
    for key, value in mapping_table.items():
        numbers: tuple[object, object] = (key, value)
        if not all(isinstance(number, (int, np.integer)) for number in numbers):
            raise ValueError(
                f"mapping_table has to be of type Mapping[int, int], but found {key!r}, {type(key)} "
                f"and {value!r}, {type(value)}"
            )
        if key < 0:
            raise OverflowError(f"premap_ids: ids in mapping_table must not be negative, got {key}")
    attrs = {"mapping_table": IdTable(mapping_table), "default": default, "column": column}
    return Model("premap_ids", forward, attrs=attrs)


def forward(model: Model[Any, Ints2d], ids: IntsXd, is_train: bool) -> tuple[Ints2d, Callable[[Ints2d], Any]]:
    """Look up all ids at once; their gradient is zeros."""
    if not is_xp_array(ids) or ids.dtype.kind not in "iu":
        raise wrong_type(model, "an array of integer ids", ids)
    column = model.attrs["column"]
    if column is not None and (ids.ndim != 2 or not -ids.shape[1] <= column < ids.shape[1]):
        raise InputIndexError(
            f"layer {model.name!r} takes an array (n, columns) with a column {column}, got {described(ids)}"
        )
    if column is None and ids.ndim != 1:
        raise InputError(
            f"layer {model.name!r} takes ids in 1 dimension, got {described(ids)}: choose a column with column=..."
        )
    wanted = ids if column is None else ids[:, column]
    table = model.attrs["mapping_table"]
    if not isinstance(table, IdTable):  # one that was set by hand
        table = IdTable(table)
    found: Ints2d = table(wanted, model.attrs["default"]).astype("int32").reshape((-1, 1))

    def backprop(dY: Ints2d) -> Any:
        return model.ops.alloc_i(ids.shape)

    return found, backprop
