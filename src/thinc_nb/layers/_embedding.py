"""What Embed and HashEmbed share."""

from __future__ import annotations

from typing import Any

from .._arrays import is_xp_array
from .._described import described
from ..errors import InputError
from ..model import Model
from ..types import Floats1d, Floats2d, FloatsXd
from ._checks import wrong_type
from .array_getitem import ints_getitem
from .chain import chain

MOST_ROWS = 2**31 - 1


def column_of(model: Model[Any, Floats2d], column: int) -> Model[Any, Floats2d]:
    """The layer on one column of a matrix of ids."""
    getter: Model[Any, Any] = ints_getitem((slice(0, None), column))
    on_column = chain(getter, model)
    on_column.attrs["column"] = column
    return on_column


def check_table(model: Model[Any, Any], nV: int) -> None:
    """InputError for a table of more rows than indices of 32 bits, which the kernels read, can name."""
    if nV > MOST_ROWS:
        raise InputError(f"layer {model.name!r} may have a table of at most {MOST_ROWS} rows (nV), got {nV}")


def check_ids(model: Model[Any, Any], ids: Any, ndim: int | None = None) -> Any:
    """The ids, if they are an array of integers; otherwise InputError.

    A batch without rows that has lost width and dtype, (0, 0) floats, gets them: lists without sequences have none.
    """
    if is_xp_array(ids) and (ids.shape == (0, 0) or (ndim == 1 and ids.ndim > 1 and len(ids) == 0)):
        return ids.reshape(-1).astype("int64")
    if is_xp_array(ids) and ndim is not None and ids.ndim != ndim:
        raise InputError(
            f"layer {model.name!r} takes ids of {ndim} dimension, got {described(ids)}: "
            f"choose a column of them with column=..."
        )
    if not is_xp_array(ids) or ids.dtype.kind not in "iub":
        raise wrong_type(model, "an array of integer ids", ids)
    return ids


def dropout_rows(model: Model[Any, Any], E: FloatsXd, is_train: bool) -> Floats1d | None:
    """The mask (nO,) that is applied to all rows of a batch, or None if nothing is dropped."""
    rate = model.attrs.get("dropout_rate")
    if not is_train or rate is None or rate <= 0:
        return None
    mask: Floats1d = model.ops.get_dropout_mask((E.shape[1],), rate)
    return mask.astype(E.dtype, copy=False)
