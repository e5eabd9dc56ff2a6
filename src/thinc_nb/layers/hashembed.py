"""Hashed embeddings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .._arrays import is_xp_array
from ..initializers import Initializer, uniform_init
from ..model import Model
from ..types import NO, Floats2d, Ints1d, Ints2d
from ._checks import fitted_gradient
from ._embedding import check_ids, check_table, column_of, dropout_rows
from .dropout import checked_rate


def HashEmbed(
    nO: NO,
    nV: int,
    *,
    seed: int | None = None,
    column: int | None = None,
    initializer: Initializer | None = None,
    dropout: float | None = None,
) -> Model[Ints1d | Ints2d, Floats2d, Any, NO]:
    """Vectors for ids of any size from a table of nV rows: each id's vector is the sum of four rows, named by hashes.

    X (batch,) integers, 64-bit ids or less, or with `column` that column of X (batch, columns) → Y (batch, nO); floats
    and truth values count as the integers in them. Two ids seldom share all four rows. E (nV, nO) is drawn by
    `initializer` (uniform within ±0.1). seed: of the hashes; the node's id if not given. dropout: the chance to drop an
    element, the same ones for the whole batch.
    Source: Svenstrup, Hansen & Winther, 2017; hashes: MurmurHash3 (Appleby, 2011).
    """
    if seed is not None and not hasattr(seed, "__index__"):
        raise TypeError(f"HashEmbed: the seed must be an integer, got {type(seed).__name__} {seed!r}")
    attrs: dict[str, Any] = {"column": column, "seed": seed}
    if dropout is not None:
        attrs["dropout_rate"] = checked_rate(dropout)
    model: Model[Any, Floats2d] = Model(
        "hashembed",
        forward,
        init=partial(init, initializer or uniform_init),
        dims={"nO": nO, "nV": nV, "nI": None},
        params={"E": None},
        attrs=attrs,
    )
    if seed is None:
        model.attrs["seed"] = model.id
    return model if column is None else column_of(model, column)


def forward(model: Model[Ints1d, Floats2d], X: Ints1d, is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], Ints1d]]:
    """The sum of four rows of E for each id."""
    ops = model.ops
    E = model.get_param("E")
    ids = check_ids(model, _as_integers(X), ndim=1)
    rows = ops.hash_rows(ids, model.attrs["seed"], E.shape[0])
    Y: Floats2d = ops._gather_add(E, rows)
    mask = dropout_rows(model, E, is_train)
    if mask is not None:
        Y *= mask

    def backprop(dY: Floats2d) -> Ints1d:
        dY = fitted_gradient(model, dY, Y)
        if mask is not None:
            dY = dY * mask
        ops.scatter_add_rows(model.grad_buffer("E"), rows, dY)
        no_gradient: Ints1d = ops.alloc_i(X.shape)
        return no_gradient

    return Y, backprop


def _as_integers(X: Any) -> Any:
    """Ids that came as floats or truth values, as rows of features do, as integers: as in Thinc, floats are cut off.

    Floats that no integer of 64 bits is near stay what they are, and so does a matrix, which is an error.
    """
    if not is_xp_array(X) or X.ndim != 1 or X.dtype.kind not in "fb":
        return X
    numbers: Any = X.astype("float64")
    return numbers.astype("int64") if (abs(numbers) < 2.0**63).all() else X


def init(initializer: Initializer, model: Model[Any, Any], X: object = None, Y: object = None) -> None:
    """Draw E. Its dimensions have to be known."""
    check_table(model, model.get_dim("nV"))
    model.set_param("E", initializer(model.ops, (model.get_dim("nV"), model.get_dim("nO"))))
