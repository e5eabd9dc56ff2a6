"""Lists of sequences as one array, and back: one after the other, or padded to one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np

from .._arrays import is_xp_array, to_cpu
from ..types import (
    ArrayT,
    ArrayXd,
    DTypes,
    Floats2d,
    Floats3d,
    Ints1d,
    Ints2d,
    Ints3d,
    List2d,
    Padded,
)
from ._base import OpsBase, described


class SequenceOps(OpsBase):
    """`flatten`, `pad`, `list2padded` and their inverses."""

    @overload
    def flatten(self, X: Sequence[ArrayT], dtype: None = None, pad: int = 0, ndim_if_empty: int = 2) -> ArrayT: ...

    @overload
    def flatten(
        self, X: Sequence[ArrayXd] | None, dtype: DTypes | None = None, pad: int = 0, ndim_if_empty: int = 2
    ) -> Any: ...

    def flatten(
        self, X: Sequence[ArrayXd] | None, dtype: DTypes | None = None, pad: int = 0, ndim_if_empty: int = 2
    ) -> Any:
        """The sequences one after the other in a new array: k arrays (n_i, …) → (sum of n_i, …).

        `pad` rows of zeros go before each sequence and after the last. Empty sequences add neither rows nor padding,
        and do not count for the shape and dtype of the result unless all are empty. No sequences at all give an empty
        array of `ndim_if_empty` dimensions, float32 unless `dtype` says otherwise. ValueError if the sequences differ
        in more than length and dtype.
        """
        if X is None or len(X) == 0:
            return self.xp.zeros((0,) * ndim_if_empty, dtype=dtype or "float32")
        _check_arrays("flatten: X", X)
        arrays = [x for x in X if x.size]
        if not arrays:
            rows = sum(len(x) for x in X if x.shape[1:] == X[0].shape[1:])
            return self.xp.zeros((rows, *X[0].shape[1:]), dtype=dtype or X[0].dtype)
        first = arrays[0]
        if pad > 0:
            zeros = self.xp.zeros((pad, *first.shape[1:]), dtype=first.dtype)
            arrays = [zeros, *(x for array in arrays for x in (array, zeros))]
        for x in arrays:
            if x.shape[1:] != first.shape[1:]:
                raise ValueError(
                    f"flatten: sequences must differ in length only, got {described(first)} and {described(x)}"
                )
        given = {x.dtype for x in arrays}
        result = np.dtype(dtype) if dtype else given.pop() if len(given) == 1 else np.result_type(*given)
        if result.hasobject:
            # Recycled memory holds no valid references.
            return self.xp.concatenate(arrays).astype(result, copy=False)
        out = self._empty((sum(x.shape[0] for x in arrays), *first.shape[1:]), result)
        return self.xp.concatenate(arrays, out=out, casting="unsafe")

    def unflatten(self, X: ArrayT, lengths: Ints1d | Sequence[int], pad: int = 0) -> list[ArrayT]:
        """The inverse of flatten: (n, …) → one array (length, …) for each length. They are views of X.

        ValueError if a length is negative, or if lengths and padding do not add up to n.
        """
        sizes = _host_lengths("unflatten", lengths)
        rows: Any = self.xp.asarray(X)
        sequences: list[ArrayT] = []
        end = 0
        for size in sizes:
            start = end + pad if size and pad > 0 else end
            end = start + size
            sequences.append(rows[start:end])
        if pad > 0 and end:
            end += pad
        if end != len(rows):
            padding = f" with {pad} rows of padding around sequences" if pad > 0 else ""
            raise ValueError(f"unflatten: lengths add up to {end}{padding}, but X is {described(rows)}")
        return sequences

    @overload
    def pad(self, seqs: Sequence[Floats2d], round_to: int = 1) -> Floats3d: ...

    @overload
    def pad(self, seqs: Sequence[Ints2d], round_to: int = 1) -> Ints3d: ...

    @overload
    def pad(self, seqs: Sequence[ArrayXd], round_to: int = 1) -> Any: ...

    def pad(self, seqs: Sequence[ArrayXd], round_to: int = 1) -> Any:
        """The sequences in one array, zeros after the shorter ones: k arrays (n_i, …) → (k, longest n_i, …).

        The second dimension is rounded up to a multiple of `round_to`. ValueError for an empty list, and if the
        sequences differ in more than length.
        """
        if round_to < 1:
            raise ValueError(f"pad: round_to must be at least 1, got {round_to}")
        if len(seqs) == 0:
            raise ValueError("pad: there must be at least one sequence")
        steps = _longest("pad", seqs)
        steps = -(-steps // round_to) * round_to
        first = seqs[0]
        out = self._new((len(seqs), steps, *first.shape[1:]), first.dtype)
        for row, sequence in zip(out, seqs, strict=True):
            row[: len(sequence)] = sequence
            row[len(sequence) :] = 0
        return out

    @overload
    def unpad(self, padded: Floats3d, lengths: Sequence[int] | Ints1d) -> list[Floats2d]: ...

    @overload
    def unpad(self, padded: Ints3d, lengths: Sequence[int] | Ints1d) -> list[Ints2d]: ...

    @overload
    def unpad(self, padded: ArrayXd, lengths: Sequence[int] | Ints1d) -> list[Any]: ...

    def unpad(self, padded: ArrayXd, lengths: Sequence[int] | Ints1d) -> list[Any]:
        """The inverse of pad: (k, n, …) → k arrays (length, …). They are views of `padded`.

        ValueError if there are not k lengths from 0 to n.
        """
        sizes = _host_lengths("unpad", lengths)
        if padded.ndim < 2 or len(sizes) != len(padded):
            raise ValueError(f"unpad: padded is {described(padded)}, but there are {len(sizes)} lengths")
        if sizes and max(sizes) > padded.shape[1]:
            position = sizes.index(max(sizes))
            raise ValueError(
                f"unpad: the length at position {position} is {sizes[position]}, but padded is {described(padded)}"
            )
        rows: Any = padded
        return [row[:size] for row, size in zip(rows, sizes, strict=True)]

    def list2padded(self, seqs: Sequence[Floats2d] | Sequence[Ints2d]) -> Padded:
        """The sequences (n_i, width) as a Padded: sorted by length, longest first, of equals the later ones first.

        An empty list gives float32 data (0, 0, 0). ValueError if the sequences differ in more than length.
        """
        count = len(seqs)
        if count == 0:
            none: Any = self.xp.zeros((0,), dtype="int32")
            return Padded(self.xp.zeros((0, 0, 0), dtype="float32"), none, none.copy(), none.copy())
        steps = _longest("list2padded", seqs)
        if seqs[0].ndim != 2:
            raise ValueError(f"list2padded: sequences must have 2 dimensions, got {described(seqs[0])}")
        rising = np.array([len(sequence) for sequence in seqs], dtype="int32")
        order = rising.argsort(kind="stable")
        rising = rising[order]
        size_at_t = count - rising.searchsorted(np.arange(steps), side="right")
        order, lengths = order[::-1], rising[::-1]
        data = self._new((steps, count, seqs[0].shape[1]), seqs[0].dtype)
        for place, (index, size) in enumerate(zip(order.tolist(), lengths.tolist(), strict=True)):
            data[:size, place] = seqs[index]
            data[size:, place] = 0
        xp = self.xp
        return Padded(
            data,
            xp.asarray(size_at_t, dtype="int32"),
            xp.asarray(lengths.copy()),
            xp.asarray(order, dtype="int32"),
        )

    def padded2list(self, padded: Padded) -> List2d:
        """The inverse of list2padded: a new array (length, width) for each sequence, in the order before sorting.

        ValueError if lengths or indices do not fit the data.
        """
        data: Any = padded.data
        sizes = _host_lengths("padded2list", padded.lengths)
        indices = to_cpu(padded.indices).tolist()
        if data.ndim != 3 or len(sizes) != data.shape[1] or sorted(indices) != list(range(len(sizes))):
            raise ValueError(
                f"padded2list: data is {described(data)}, so there must be a length and an index for each of its "
                f"sequences, got {len(sizes)} lengths and indices {indices}"
            )
        if sizes and max(sizes) > len(data):
            raise ValueError(f"padded2list: data is {described(data)}, but a sequence has length {max(sizes)}")
        sequences: list[Any] = [None] * len(sizes)
        for place, (size, index) in enumerate(zip(sizes, indices, strict=True)):
            sequences[index] = data[:size, place].copy()
        return sequences

    def _new(self, shape: tuple[int, ...], dtype: Any) -> Any:
        # Recycled memory holds no valid references.
        return self.xp.zeros(shape, dtype=dtype) if dtype.hasobject else self._empty(shape, dtype)


def _check_arrays(what: str, arrays: Sequence[Any]) -> None:
    for place, x in enumerate(arrays):
        if not is_xp_array(x) or x.ndim == 0:
            raise ValueError(f"{what} must hold arrays of at least 1 dimension, got {described(x)} at position {place}")


def _longest(what: str, seqs: Sequence[ArrayXd]) -> int:
    """The length of the longest sequence. ValueError if they differ in more than length."""
    _check_arrays(f"{what}: seqs", seqs)
    first = seqs[0]
    for x in seqs:
        if x.shape[1:] != first.shape[1:] or x.dtype != first.dtype:
            raise ValueError(f"{what}: sequences must differ in length only, got {described(first)} and {described(x)}")
    return max(len(x) for x in seqs)


def _host_lengths(what: str, lengths: Ints1d | Sequence[int]) -> list[int]:
    """Lengths as Python integers. TypeError if they are no integers, ValueError if one is negative."""
    sizes = to_cpu(lengths) if is_xp_array(lengths) else np.asarray(lengths)
    if sizes.size and sizes.dtype.kind not in "iub":
        raise TypeError(f"{what}: lengths must be integers, got {described(sizes)}")
    if sizes.ndim != 1:
        raise ValueError(f"{what}: lengths must have 1 dimension, got {described(sizes)}")
    listed: list[int] = sizes.tolist()
    if listed and min(listed) < 0:
        position = listed.index(min(listed))
        raise ValueError(f"{what}: lengths must not be negative, got {listed[position]} at position {position}")
    return listed
