"""Windows over sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._arrays import is_xp_array
from ..backends._base import check_integer
from ..model import Model
from ..types import Floats2d, Ragged
from ._checks import wrong_type

if TYPE_CHECKING:
    from ..model import Endo


def expand_window(window_size: int = 1) -> Endo[Floats2d | Ragged, Any, Any]:
    """Each row beside its neighbours, `window_size` on each side: the input of a convolution over a sequence.

    X (n, width), one sequence, or Ragged → (n, width * (2 * window_size + 1)), or Ragged. Neighbours beyond the ends
    of a sequence are zero. TypeError or ValueError if `window_size` is no integer, or negative.
    """
    check_integer("expand_window: window_size", window_size, 0)
    model: Any = Model("expand_window", forward, attrs={"window_size": window_size})
    expanded: Endo[Floats2d | Ragged, Any, Any] = model
    return expanded


def ExtractWindow(window_size: int = 3) -> Endo[Floats2d | Ragged, Any, Any]:
    """`expand_window` under its older name, and with another default."""
    return expand_window(window_size)


def forward(model: Model[Any, Any], X: Floats2d | Ragged, is_train: bool) -> tuple[Any, Callable[[Any], Any]]:
    """`seq2col` of the rows, with the lengths of the sequences if there are any."""
    ops = model.ops
    nW = model.attrs["window_size"]
    if isinstance(X, Ragged):
        lengths = X.lengths

        def backprop_ragged(dY: Ragged) -> Ragged:
            return Ragged(ops.backprop_seq2col(dY.data, nW, lengths=lengths), lengths)

        return Ragged(ops.seq2col(X.data, nW, lengths=lengths), lengths), backprop_ragged
    if not is_xp_array(X):
        raise wrong_type(model, "an array (n, width) or a Ragged", X)

    def backprop(dY: Floats2d) -> Floats2d:
        return ops.backprop_seq2col(dY, nW)

    return ops.seq2col(X, nW), backprop
