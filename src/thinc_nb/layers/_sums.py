"""Sums of batches: of the outputs of layers side by side, and of the gradients of an input that several layers took."""

from __future__ import annotations

from typing import Any

from .._arrays import is_xp_array
from .._described import described
from ..backends import Ops
from ..errors import InputError
from ..types import Padded, Ragged


def added(what: str, ops: Ops, a: Any, b: Any) -> Any:
    """a + b, item by item: arrays of one shape, or lists, tuples, Ragged or Padded of such.

    A new batch, for what layers gave may be what their callbacks need. ValueError, with `what` first, if they differ.
    """
    if is_xp_array(a) and is_xp_array(b):
        if a.shape != b.shape and 0 in (a.shape[-1:] + b.shape[-1:]) and not a.size and not b.size:
            # A Padded without sequences has lost its width.
            return a if a.shape[-1] else b
        if a.shape != b.shape:
            raise InputError(f"{what}: cannot add {described(a)} and {described(b)}")
        if a.dtype != b.dtype:
            return a + b
        out = ops.alloc(a.shape, dtype=a.dtype, zeros=False)
        ops.xp.add(a, b, out=out)
        return out
    if isinstance(a, Ragged) and isinstance(b, Ragged):
        return Ragged(added(what, ops, a.dataXd, b.dataXd), a.lengths)
    if isinstance(a, Padded) and isinstance(b, Padded):
        return Padded(added(what, ops, a.data, b.data), a.size_at_t, a.lengths, a.indices)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        items = [added(what, ops, x, y) for x, y in zip(a, b, strict=True)]
        return tuple(items) if isinstance(a, tuple) and isinstance(b, tuple) else items
    if a is None and b is None:
        return None
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and 0 in (len(a), len(b)):
        # The gradient of a layer whose input has none, documents for example; Thinc joins the lists.
        return a or b
    return _of_other_kinds(what, a, b)


def _of_other_kinds(what: str, a: Any, b: Any) -> Any:
    containers = (Ragged, Padded, list, tuple)
    if isinstance(a, containers) or isinstance(b, containers):
        raise InputError(f"{what}: cannot add {described(a)} and {described(b)}")
    return a + b
