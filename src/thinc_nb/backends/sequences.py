"""Lists of sequences as one array, and back: one after the other, or padded to one length."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from operator import attrgetter, itemgetter
from typing import Any, overload

import numpy as np

from .._arrays import is_xp_array
from .._described import described
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
from ._base import OpsBase, check_integer, host_lengths
from ._lists import matrices, views
from ._memory import LARGEST_HELD, SMALLEST

MANY = 4
"""Sequences that are sooner looked at all at once."""


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
        pad = check_integer("flatten: pad", pad, -(2**31))
        if pad <= 0 and dtype is None and isinstance(X, (list, tuple)):
            joined = self._joined(X)
            if joined is not None:
                return joined
        wanted = None if dtype is None else _dtype("flatten: dtype", dtype)
        sequences = [] if X is None else _arrays("flatten: X", X)
        if not sequences:
            shape = (0,) * check_integer("flatten: ndim_if_empty", ndim_if_empty, 0, 32)
            return self.xp.zeros(shape, dtype=wanted or "float32")
        arrays = list(filter(_SIZE, sequences))
        if not arrays:
            first = sequences[0]
            rows = sum(len(x) for x in sequences if x.shape[1:] == first.shape[1:])
            return self.xp.zeros((rows, *first.shape[1:]), dtype=wanted or first.dtype)
        first = arrays[0]
        if pad > 0:
            zeros = self.xp.zeros((pad, *first.shape[1:]), dtype=first.dtype)
            arrays = [zeros, *(x for array in arrays for x in (array, zeros))]
        given = _dtypes(arrays)
        try:
            result = wanted or (first.dtype if len(given) == 1 else np.result_type(*given))
        except TypeError as error:
            raise TypeError(f"flatten: X holds dtypes that have none in common: {error}") from error
        for dtype_in in given:
            if dtype_in.kind not in "biufc" and result.kind in "biufc":
                raise TypeError(f"flatten: X holds {dtype_in}, which does not make {result}")
        try:
            if result.hasobject:
                # Recycled memory holds no valid references.
                return self.xp.concatenate(arrays).astype(result, copy=False)
            out = self._empty((sum(map(len, arrays)), *first.shape[1:]), result)
            return self.xp.concatenate(arrays, out=out, casting="same_kind" if given == {result} else "unsafe")
        except ValueError as error:
            # Asked afterwards: looking at the shapes of many short sequences takes a quarter of the copy's time.
            other = _unlike(arrays)
            if other is None:
                raise
            raise ValueError(
                f"flatten: sequences must differ in length only, got {described(first)} and {described(other)}"
            ) from error

    def _joined(self, arrays: Sequence[Any]) -> Any:
        """The usual case of `flatten`, arrays of one dtype, with few questions; None if it is another case.

        There are many short sequences in a batch, and each question takes as long as copying some of them.
        """
        if len(arrays) == 1:
            only = arrays[0]
            if type(only) is np.ndarray and only.ndim == 2 and only.nbytes < SMALLEST and not only.dtype.hasobject:
                return only.copy()
        if len(arrays) >= MANY and self.xp is np:
            # A tuple of its own: nobody takes an array out of it before it is copied.
            joined = matrices().concatenated(tuple(arrays), self._empty)
            if joined is not None:
                return joined
        if set(map(type, arrays)) != {np.ndarray} or arrays[0].ndim != 2 or arrays[0].dtype.hasobject:
            return None
        try:
            out = self._empty((sum(map(len, arrays)), arrays[0].shape[1]), arrays[0].dtype)
            return np.concatenate(arrays, out=out, casting="no")
        except (ValueError, TypeError):
            return None

    def unflatten(self, X: ArrayT, lengths: Ints1d | Sequence[int], pad: int = 0) -> list[ArrayT]:
        """The inverse of flatten: (n, …) → one array (length, …) for each length. They are views of X.

        ValueError if a length is negative, or if lengths and padding do not add up to n.
        """
        sizes = host_lengths("unflatten: lengths", lengths)
        pad = check_integer("unflatten: pad", pad, -(2**31))
        rows = self._to_slice("unflatten: X", X)
        if rows.ndim == 0:
            raise ValueError(f"unflatten: X must have at least 1 dimension, got {described(rows)}")
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
        round_to = check_integer("pad: round_to", round_to, 1)
        known = self._known(seqs)
        if known is not None:
            shape = (len(known.arrays), -(-known.steps // round_to) * round_to, *known.sides)
            # What is larger takes no memory where there are only zeros.
            if prod(shape) * known.dtype.itemsize <= LARGEST_HELD:
                filled = self._empty(shape, known.dtype)
                matrices().fill(known, filled)
                return filled
        sequences = _alike("pad", seqs)
        if not sequences:
            raise ValueError("pad: Cannot pad empty sequence")
        first = sequences[0]
        steps = -(-max(map(len, sequences)) // round_to) * round_to
        out = self._zeros((len(sequences), steps, *first.shape[1:]), first.dtype)
        for place, sequence in enumerate(sequences):
            out[place, : len(sequence)] = sequence
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
        rows = self._to_slice("unpad: padded", padded)
        if type(lengths) is list and len(lengths) >= MANY and rows.ndim >= 2 and len(lengths) == len(rows):
            made = self._beginnings(rows, lengths)
            if made is not None:
                return made
        # There are many short sequences in a batch, so a list is taken as it is: what is no integer is no index either.
        sizes = lengths if type(lengths) is list else host_lengths("unpad: lengths", lengths)
        if rows.ndim < 2 or len(sizes) != len(rows):
            raise ValueError(f"unpad: padded is {described(rows)}, but there are {len(sizes)} lengths")
        try:
            if not sizes or (min(sizes) >= 0 and max(sizes) <= rows.shape[1]):
                return [rows[place, :size] for place, size in enumerate(sizes)]
        except (TypeError, IndexError, ValueError):  # the last where there are arrays in the list
            host_lengths("unpad: lengths", sizes)
            raise
        sizes = host_lengths("unpad: lengths", sizes)
        position = sizes.index(max(sizes))
        raise ValueError(
            f"unpad: the length at position {position} is {sizes[position]}, but padded is {described(rows)}"
        )

    def list2padded(self, seqs: Sequence[Floats2d] | Sequence[Ints2d]) -> Padded:
        """The sequences (n_i, width) as a Padded: sorted by length, longest first, of equals the later ones first.

        An empty list gives float32 data (0, 0, 0). ValueError if the sequences differ in more than length.
        """
        known = self._known(seqs)
        if known is not None and len(known.sides) == 1:
            made = matrices().sorted_by_length(known, self._empty)
            if made is not None:
                return Padded(*made)
        sequences = _alike("list2padded", seqs)
        if not sequences:
            none: Any = self.xp.zeros((0,), dtype="int32")
            return Padded(self.xp.zeros((0, 0, 0), dtype="float32"), none, none.copy(), none.copy())
        first = sequences[0]
        if first.ndim != 2:
            raise ValueError(f"list2padded: sequences must have 2 dimensions, got {described(first)}")
        count, steps = len(sequences), max(map(len, sequences))
        rising = np.array([len(sequence) for sequence in sequences], dtype="int32")
        order = rising.argsort(kind="stable")
        rising = rising[order]
        size_at_t = count - rising.searchsorted(np.arange(steps), side="right")
        order, lengths = order[::-1], rising[::-1]
        data = self._new((steps, count, first.shape[1]), first.dtype)
        blank = self.xp.zeros((), dtype=first.dtype)
        for place, (index, size) in enumerate(zip(order.tolist(), lengths.tolist(), strict=True)):
            data[:size, place] = sequences[index]
            data[size:, place] = blank
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
        if not isinstance(padded, Padded):
            raise TypeError(f"padded2list: padded must be a Padded, got {described(padded)}")
        given: Any = padded.data
        if self.xp is np and type(given) is np.ndarray and given.dtype.isnative:
            known = matrices().in_order(given, padded.lengths, padded.indices, self._empty)
            if known is not None:
                all_rows, rows_of_each = known
                made = views().parts(all_rows, rows_of_each)
                return self.unflatten(all_rows, rows_of_each) if made is None else made
        data: Any = self._array("padded2list: data", padded.data, None)
        sizes = host_lengths("padded2list: lengths", padded.lengths)
        indices = host_lengths("padded2list: indices", padded.indices)
        if data.ndim != 3 or len(sizes) != data.shape[1] or sorted(indices) != list(range(len(sizes))):
            raise ValueError(
                f"padded2list: data is {described(data)}, so there must be a length and an index for each of its "
                f"sequences, got {len(sizes)} lengths and indices {indices}"
            )
        if sizes and max(sizes) > len(data):
            raise ValueError(f"padded2list: data is {described(data)}, but a sequence has length {max(sizes)}")
        # One copy of all rows, and each sequence a part of it: many small copies take four times as long, and to copy
        # what is between the sequences twice.
        rows = self._rows_of_sequences(data, sizes)
        sequences: list[Any] = [None] * len(sizes)
        end = 0
        for size, index in zip(sizes, indices, strict=True):
            sequences[index] = rows[end : end + size]
            end += size
        return sequences

    def _to_slice(self, what: str, X: Any) -> Any:
        """X as an array, in its byte order, so that slices are views of it."""
        return X if type(X) is self.xp.ndarray else self._array(what, X, None)

    def _beginnings(self, rows: Any, lengths: list[int]) -> list[Any] | None:
        """The rows of each sequence, in compiled code; None where there is something to convert, or to complain of."""
        # Asked before numpy, which takes a quarter longer to find out, and makes integers of what is none.
        if self.xp is not np or set(map(type, lengths)) != {int}:
            return None
        try:
            made: list[Any] | None = views().beginnings(rows, np.array(lengths, "int64"))
        except OverflowError:
            return None
        return made

    def _known(self, arrays: Any) -> Any:
        """What compiled code knows of a list of arrays that are alike; None of others."""
        # A tuple of its own: nobody takes an array out of it before it is copied.
        return matrices().alike(tuple(arrays)) if self.xp is np and isinstance(arrays, (list, tuple)) else None

    def _rows_of_sequences(self, data: Any, sizes: list[int]) -> Any:
        """The first `size` steps of each sequence of (steps, sequences, width), one sequence after the other."""
        steps, count, width = data.shape
        lengths = np.array(sizes, dtype="int64")
        first = np.arange(count) - (lengths.cumsum() - lengths) * count
        places = np.arange(sum(sizes)) * count + first.repeat(lengths)
        rows = data.reshape(steps * count, width)
        if self.xp is not np:
            return rows[self.xp.asarray(places)]
        # All places lie within. Were numpy to check that, it would copy twice.
        return rows.take(places, axis=0, out=self._new((len(places), width), data.dtype), mode="clip")

    def _new(self, shape: tuple[int, ...], dtype: Any) -> Any:
        # Recycled memory holds no valid references.
        return self.xp.zeros(shape, dtype=dtype) if dtype.hasobject else self._empty(shape, dtype)


# Looked up in C: there are many short sequences in a batch.
_SIZE, _NDIM, _SHAPE, _DTYPE = map(attrgetter, ("size", "ndim", "shape", "dtype"))
_TRAILING = itemgetter(slice(1, None))


def _arrays(what: str, arrays: Any) -> list[Any]:
    """The arrays of a list, or of an array's first dimension. Errors name what is none."""
    if (is_xp_array(arrays) and arrays.ndim == 0) or (not is_xp_array(arrays) and not isinstance(arrays, Sequence)):
        raise TypeError(f"{what} must be a list of arrays, got {described(arrays)}")
    listed = list(arrays)
    if set(map(type, listed)) == {np.ndarray} and 0 not in map(_NDIM, listed):
        return listed
    for place, x in enumerate(listed):
        if not (isinstance(x, np.ndarray) or is_xp_array(x)) or x.ndim == 0:
            raise ValueError(f"{what} must hold arrays of at least 1 dimension, got {described(x)} at position {place}")
    return listed


def _alike(what: str, seqs: Any) -> list[Any]:
    """The sequences. ValueError if they differ in more than length."""
    listed = _arrays(f"{what}: seqs", seqs)
    other = _unlike(listed)
    if other is None and len(_dtypes(listed)) > 1:
        other = next(x for x in listed if x.dtype != listed[0].dtype)
    if other is not None:
        raise ValueError(
            f"{what}: sequences must differ in length only, got {described(listed[0])} and {described(other)}"
        )
    return listed


def _unlike(arrays: list[Any]) -> Any:
    """The first array that differs from the first one in more than length and dtype, or None."""
    trailing = list(map(_TRAILING, map(_SHAPE, arrays)))
    # list.count compares as fast as it can be done, and nearly always there is no such array.
    if not trailing or trailing.count(trailing[0]) == len(trailing):
        return None
    return next(x for x in arrays if x.shape[1:] != trailing[0])


def _dtypes(arrays: list[Any]) -> set[np.dtype[Any]]:
    """Which dtypes there are. Hashing a dtype takes five times as long as comparing it with itself."""
    dtypes = list(map(_DTYPE, arrays))
    return set(dtypes[:1] if dtypes and dtypes.count(dtypes[0]) == len(dtypes) else dtypes)


def _dtype(what: str, dtype: Any) -> np.dtype[Any]:
    try:
        known: np.dtype[Any] = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"{what} must be the name of a dtype, got {dtype!r}") from None
    return known
