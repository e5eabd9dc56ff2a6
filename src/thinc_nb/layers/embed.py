"""Embeddings: a table of vectors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .._model.tree import infer_dim
from ..errors import InputIndexError
from ..initializers import Initializer, uniform_init
from ..model import Model
from ..types import NO, Floats2d, FloatsXd, Ints1d, Ints2d, IntsXd
from ._checks import fitted_gradient
from ._embedding import check_ids, check_table, column_of, dropout_rows
from .dropout import checked_rate


def Embed(
    nO: NO | None = None,
    nV: int | None = None,
    *,
    column: int | None = None,
    initializer: Initializer | None = None,
    dropout: float | None = None,
) -> Model[Ints1d | Ints2d, Floats2d, Any, NO]:
    """Vectors from a table: row X[i] of E for each id.

    X (batch,) integers below nV, or with `column` that column of X (batch, columns) → Y (batch, nO). E (nV, nO) is
    drawn by `initializer` (uniform within ±0.1). dropout: the chance to drop an element, the same ones for the whole
    batch. IndexError for ids outside the table; negative ids count from its end.
    """
    # In Thinc's order: it is that of the bytes.
    attrs: dict[str, Any] = {} if dropout is None else {"dropout_rate": checked_rate(dropout)}
    if column is None:
        attrs["column"] = None
    model: Model[Any, Floats2d] = Model(
        "embed",
        forward,
        init=partial(init, initializer or uniform_init),
        dims={"nO": nO, "nV": nV},
        params={"E": None},
        attrs=attrs,
    )
    return model if column is None else column_of(model, column)


def forward(model: Model[IntsXd, FloatsXd], X: IntsXd, is_train: bool) -> tuple[FloatsXd, Callable[[FloatsXd], IntsXd]]:
    """Rows of E."""
    ops = model.ops
    E = model.get_param("E")
    ids = check_ids(model, X)
    rows = _rows(model, ids, E.shape[0])
    Y: Any = ops._gather_add(E, rows).reshape((*ids.shape, E.shape[1]))
    mask = dropout_rows(model, E, is_train)
    if mask is not None:
        Y *= mask

    def backprop(dY: FloatsXd) -> IntsXd:
        dY = fitted_gradient(model, dY, Y)
        values: Any = dY if mask is None else dY * mask
        ops.scatter_add_rows(model.grad_buffer("E"), rows, values.reshape((len(rows), E.shape[1])))
        no_gradient: IntsXd = ops.alloc_i(X.shape)
        return no_gradient

    return Y, backprop


def _rows(model: Model[Any, Any], ids: Any, nV: int) -> Any:
    """The ids as places in the table: (n, 1) int32, negative ones counted from its end."""
    check_table(model, nV)
    if ids.size and not (-nV <= int(ids.min()) and int(ids.max()) < nV):
        wrong = int(ids.min()) if int(ids.min()) < -nV else int(ids.max())
        raise InputIndexError(f"layer {model.name!r} has a table of {nV} rows (nV), got the id {wrong}")
    rows = ids.astype("int32").reshape((-1, 1))
    rows[rows < 0] += nV
    return rows


def init(initializer: Initializer, model: Model[Any, Any], X: object = None, Y: object = None) -> None:
    """Infer the width of the output, then draw E. The number of rows has to be known."""
    if Y is not None:
        infer_dim(model, "nO", Y)
    check_table(model, model.get_dim("nV"))
    model.set_param("E", initializer(model.ops, (model.get_dim("nV"), model.get_dim("nO"))))
