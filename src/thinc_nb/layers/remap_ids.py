"""remap_ids: words, or ids of any kind, to rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from .._arrays import is_xp_array, to_cpu
from .._described import described
from ..errors import InputError, InputIndexError
from ..model import Model
from ..types import Array2d, DTypes, Ints1d, Ints2d
from ._checks import wrong_type

_NO_TABLE: dict[Any, int] = {}


def remap_ids(
    mapping_table: Mapping[Any, int] = _NO_TABLE, default: int = 0, dtype: DTypes = "i"
) -> Model[Sequence[Any] | Ints1d, Ints2d]:
    """What a table says for each item, `default` if it is not there: n items → (n, 1) of `dtype`."""
    attrs = {"mapping_table": {} if mapping_table is _NO_TABLE else mapping_table, "dtype": dtype, "default": default}
    return Model("remap_ids", forward, attrs=attrs)


def forward(
    model: Model[Any, Ints2d], inputs: Sequence[Any] | Ints1d, is_train: bool
) -> tuple[Array2d, Callable[[Array2d], list[Any]]]:
    """Look up each item; items have no gradient, so it is an empty list."""

    def backprop(dY: Array2d) -> list[Any]:
        return []

    return _looked_up(model, _items(model, inputs, None), model.attrs["dtype"]), backprop


def remap_ids_v2(
    mapping_table: Mapping[int, int] | Mapping[str, int] | None = None, default: int = 0, *, column: int | None = None
) -> Model[Sequence[Hashable] | Ints1d | Ints2d, Ints2d]:
    """What a table says for each item, `default` if it is not there: n items → (n, 1) int32.

    column: the column of an array (n, columns) that holds the items. The table may be set later, as the attribute
    `mapping_table`; ValueError if it is not there when the layer runs.
    """
    attrs = {"mapping_table": mapping_table, "default": default, "column": column}
    return Model("remap_ids", forward_v2, attrs=attrs)


def forward_v2(
    model: Model[Any, Ints2d], inputs: Sequence[Hashable] | Ints1d | Ints2d, is_train: bool
) -> tuple[Ints2d, Callable[[Ints2d], Any]]:
    """Look up each item; the gradient is zeros for an array, an empty list for other items."""
    if model.attrs["mapping_table"] is None:
        raise InputError(f"layer {model.name!r}: 'mapping table' not set: set the attribute 'mapping_table' to a dict")

    def backprop(dY: Ints2d) -> Any:
        return model.ops.alloc(inputs.shape, dtype=inputs.dtype) if is_xp_array(inputs) else []

    return _looked_up(model, _items(model, inputs, model.attrs["column"]), "int32"), backprop


def _items(model: Model[Any, Any], inputs: Any, column: int | None) -> Sequence[Hashable]:
    if not is_xp_array(inputs):
        if not isinstance(inputs, Sequence):
            raise wrong_type(model, "a sequence of items", inputs)
        return inputs
    if column is not None:
        if inputs.ndim != 2 or not -inputs.shape[1] <= column < inputs.shape[1]:
            raise InputIndexError(
                f"layer {model.name!r} takes an array (n, columns) with a column {column}, got {described(inputs)}"
            )
        inputs = inputs[:, column]
    if inputs.ndim != 1:
        raise InputError(
            f"layer {model.name!r} takes items in 1 dimension, got {described(inputs)}: choose a column with column=..."
        )
    # Python's numbers are looked up several times as fast as those of numpy.
    items: list[Hashable] = to_cpu(inputs).tolist()
    return items


def _looked_up(model: Model[Any, Any], items: Sequence[Hashable], dtype: DTypes) -> Ints2d:
    table, default = model.attrs["mapping_table"], model.attrs["default"]
    if not hasattr(table, "get"):
        raise InputError(f"layer {model.name!r}: the attribute 'mapping_table' must be a dict, got {described(table)}")
    try:
        found = [table.get(item, default) for item in items]
    except TypeError:
        raise wrong_type(model, "a sequence of items that can be keys of a dict", items) from None
    values: Ints2d = model.ops.asarray(found, dtype=dtype).reshape((-1, 1))
    return values
