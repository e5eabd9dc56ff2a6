"""Check how many rows Y has: as many as X, or one for each sequence of X, for layers that promise it.

Annotations and dimensions do not tell: a layer from Floats2d to Floats2d may pool, or take only some of the rows. Our
own layers are listed here by their modules; others are declared with `keeps_rows`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from .._arrays import is_xp_array
from .._described import described
from ..model import Model
from ..types import Padded, Ragged
from . import ROWS
from ._messages import contract_error

Rows = Literal["kept", "pooled"]

_OURS: Final = "thinc_nb.layers."
FEW: Final = 8  # sequences whose lengths an error lists
# Not listed: chain, add, concatenate, siamese and the like, whose rows are those of their layers, which are checked
# themselves.
# fmt: off
KEEPING: Final = frozenset(
    {
        "bidirectional", "clipped_linear", "dish", "dropout", "embed", "expand_window", "gelu", "hard_swish",
        "hard_swish_mobilenet", "hashembed", "layernorm", "linear", "list2array", "list2padded", "list2ragged",
        "logistic", "lstm", "maxout", "mish", "multisoftmax", "noop", "padded2list", "parametricattention",
        "parametricattention_v2", "premap_ids", "ragged2list", "relu", "remap_ids", "residual", "sigmoid",
        "sigmoid_activation", "softmax", "softmax_activation", "swish", "uniqued", "with_array", "with_array2d",
        "with_flatten", "with_flatten_v2",
    }
)
# fmt: on
POOLING: Final = frozenset({"reduce_first", "reduce_last", "reduce_max", "reduce_mean", "reduce_sum"})


def rows_of(forward: Callable[..., Any]) -> Rows | None:
    """What a forward function promises of the rows of Y; None if it promises nothing."""
    declared: Rows | None = getattr(forward, ROWS, None)
    module = str(getattr(forward, "__module__", ""))
    if declared is not None or not module.startswith(_OURS):
        return declared
    layer = module.removeprefix(_OURS)
    return "kept" if layer in KEEPING else "pooled" if layer in POOLING else None


def check_rows(model: Model[Any, Any], rows: Rows, X: Any, Y: Any) -> None:
    """ContractError if Y has other rows than its layer promises. Values without rows pass."""
    if rows == "pooled":
        if isinstance(X, Ragged) and is_xp_array(Y) and Y.shape[0] != len(X.lengths):
            raise contract_error(model, "Y", f"a row for each of the {len(X.lengths)} sequences of X in", Y)
        return
    if type(X) is Ragged and type(Y) is Ragged and X.lengths is Y.lengths:
        return
    of_X, of_Y = _lengths(X), _lengths(Y)
    if of_X is not None and of_Y is not None and not _alike(X, Y, of_X, of_Y):
        reason = None if is_xp_array(Y) or max(len(of_X), len(of_Y)) > FEW else f"has {of_Y} rows, not {of_X}"
        raise contract_error(model, "Y", f"rows like those of X, {described(X)}, in", Y, reason)


def _alike(X: Any, Y: Any, of_X: list[int], of_Y: list[int]) -> bool:
    if is_xp_array(X) or is_xp_array(Y):
        return sum(of_X) == sum(of_Y)  # all rows, whatever the sequences
    if isinstance(X, Padded) != isinstance(Y, Padded):  # whose sequences are sorted, the longest first
        return sorted(of_X) == sorted(of_Y)
    return of_X == of_Y


def _lengths(value: Any) -> list[int] | None:
    """The number of rows of each sequence, or of an array in a list of one; None for values without rows."""
    if is_xp_array(value):
        return [value.shape[0]] if value.ndim else None
    if isinstance(value, (Ragged, Padded)):
        lengths: list[int] = value.lengths.tolist()
        return lengths
    if isinstance(value, list) and all(is_xp_array(item) and item.ndim for item in value):
        return [item.shape[0] for item in value]
    return None
