"""SparseLinear: a linear model over hashed features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from .._arrays import is_xp_array
from .._model.tree import infer_dim
from ..errors import InputError
from ..model import Model
from ..types import NO, Floats1d, Floats2d, Ints1d
from ._checks import check_gradient, wrong_type

SparseBatch: TypeAlias = tuple[Ints1d, Floats1d, Ints1d]


def SparseLinear(nO: NO | None = None, length: int = 1 << 18) -> Model[SparseBatch, Floats2d, Any, NO]:
    """`SparseLinear_v2` with other places for the weights: those of saved models of the first version.

    Its outputs share most of their weights: the one for a feature is beside that for the next output, not in a table
    of its own. `length` should be a power of 2.
    """
    return _sparse_linear(nO, length, v1_indexing=True)


def SparseLinear_v2(nO: NO | None = None, length: int = 1 << 18) -> Model[SparseBatch, Floats2d, Any, NO]:
    """Weighted features summed: Y[i] = b + Σ value * (two weights of the feature, chosen by hashes).

    (keys, values, lengths) → Y (batch, nO): keys (n,) uint64 and values (n,) are the features of all items one after
    the other, lengths (batch,) says how many each has. W (nO * length,) and b (nO,) start as zeros. Hashes: MurmurHash3
    (Appleby, 2011).
    """
    return _sparse_linear(nO, length, v1_indexing=False)


def _sparse_linear(nO: int | None, length: int, *, v1_indexing: bool) -> Model[SparseBatch, Floats2d]:
    if length < 1:
        raise ValueError(f"SparseLinear: the length must be at least 1, got {length}")
    return Model(
        "sparse_linear",
        forward,
        init=init,
        params={"W": None, "b": None},
        dims={"nO": nO, "length": length},
        attrs={"v1_indexing": v1_indexing},
    )


def forward(
    model: Model[SparseBatch, Floats2d], keys_values_lengths: SparseBatch, is_train: bool
) -> tuple[Any, Callable[[Floats2d], tuple[Any, Floats1d, Ints1d]]]:
    """The sums of the weights of each item's features, times their values."""
    ops, given = model.ops, keys_values_lengths
    W, b = model.get_param("W"), model.get_param("b")
    length, masked = model.get_dim("length"), model.attrs["v1_indexing"]
    found = None
    if type(given) is tuple and len(given) == 3:
        found = ops._sparse_linear_few(W, b, *given, length, masked)
    if found is None:
        found = ops._sparse_linear(W, b, *_checked(model, given), length, masked)
    Y, kept = found

    def backprop(dY: Floats2d) -> tuple[Any, Floats1d, Ints1d]:
        check_gradient(model, dY, Y)
        keys, values, lengths = given
        d_values = ops._backprop_sparse_linear(dY, model.grad_buffer("W"), kept)
        model.inc_grad("b", dY.sum(axis=0))
        return ops.xp.zeros_like(keys), d_values.astype(values.dtype, copy=False), lengths

    return Y, backprop


def _checked(model: Model[Any, Any], batch: Any) -> tuple[Any, Any, Any]:
    if not isinstance(batch, (tuple, list)) or len(batch) != 3:
        raise wrong_type(model, "three arrays (keys, values, lengths)", batch)
    keys, values, lengths = batch
    if not (is_xp_array(keys) and is_xp_array(values) and is_xp_array(lengths)):
        raise wrong_type(model, "three arrays (keys, values, lengths)", batch)
    if keys.ndim != 1 or keys.dtype.kind not in "iu" or values.shape != keys.shape:
        raise InputError(
            f"layer {model.name!r} takes as many integer keys as values, both in 1 dimension, got keys {keys.dtype} "
            f"{keys.shape} and values {values.dtype} {values.shape}"
        )
    return keys, values, lengths


def init(model: Model[SparseBatch, Floats2d], X: SparseBatch | None = None, Y: Floats2d | None = None) -> None:
    """Infer the width of the output, then set W and b to zeros."""
    if Y is not None:
        infer_dim(model, "nO", Y)
    nO, length = model.get_dim("nO"), model.get_dim("length")
    model.set_param("W", model.ops.alloc1f(nO * length))
    model.set_param("b", model.ops.alloc1f(nO))
