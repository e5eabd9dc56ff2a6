"""Dropout."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._model.tree import check_dropout_rate
from ..backends import Ops
from ..model import Model
from ..types import N, Padded, Ragged
from ._typing import AnySeq

if TYPE_CHECKING:
    from ..model import Through
    from ..types import ArrayXd, ListXd
    from ._typing import AnySeq


def Dropout(rate: float = 0.0) -> Through[AnySeq, N, N]:
    """In training, set values to zero with the chance `rate` and scale the others by 1 / (1 - rate).

    X, an array of any shape, a list of arrays, Ragged or Padded → the same. Without training, with a rate of 0, or
    with the attribute `is_enabled` false, it gives back X itself. The mask is never stored: see `Ops.dropout`.
    Source: Srivastava et al., 2014. ValueError for a rate above 1.
    """
    model: Any = Model("dropout", forward, attrs={"dropout_rate": checked_rate(rate), "is_enabled": True})
    dropout: Through[AnySeq, N, N] = model
    return dropout


def forward(model: Model[Any, Any], X: AnySeq, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """X with each array masked by a key of its own."""
    rate = model.attrs["dropout_rate"]
    if rate is None or rate <= 0 or not is_train or not model.attrs["is_enabled"]:
        return X, _identity
    if isinstance(X, Ragged):
        return _ragged(model.ops, X, rate)
    if isinstance(X, Padded):
        return _padded(model.ops, X, rate)
    if isinstance(X, (list, tuple)):
        return _sequence(model.ops, X, rate)
    mask = draw_mask(model.ops, rate)
    return mask(X), mask


def checked_rate(rate: float | None) -> float | None:
    """The rate. None and negative rates drop nothing, as in Thinc; ValueError above 1, TypeError for what is none."""
    if rate is not None:
        check_dropout_rate(rate, least=-math.inf)
    return rate


def draw_mask(ops: Ops, rate: float) -> Callable[[Any], Any]:
    """A function that masks an array, always alike: for the output and for its gradient."""
    if rate >= 1:
        return lambda X: ops.alloc(X.shape, dtype=X.dtype)
    key = ops.dropout_key()
    return lambda X: ops.dropout(X, key, rate)


def _identity(dY: Any) -> Any:
    return dY


def _ragged(ops: Ops, X: Ragged, rate: float) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    mask = draw_mask(ops, rate)

    def masked(Z: Ragged) -> Ragged:
        return Ragged(mask(Z.dataXd), Z.lengths)

    return masked(X), masked


def _padded(ops: Ops, X: Padded, rate: float) -> tuple[Padded, Callable[[Padded], Padded]]:
    mask = draw_mask(ops, rate)

    def masked(Z: Padded) -> Padded:
        return Padded(mask(Z.data), Z.size_at_t, Z.lengths, Z.indices)

    return masked(X), masked


def _sequence(ops: Ops, Xs: ListXd | tuple[ArrayXd, ...], rate: float) -> tuple[ListXd, Callable[[ListXd], ListXd]]:
    masks = [draw_mask(ops, rate) for _ in Xs]

    def masked(Zs: ListXd | tuple[ArrayXd, ...]) -> ListXd:
        return [mask(Z) for mask, Z in zip(masks, Zs, strict=True)]

    return masked(Xs), masked
