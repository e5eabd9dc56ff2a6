"""Array types, the containers for batches of sequences, and the type variables of models."""

from __future__ import annotations

import math
import sys
from abc import abstractmethod
from collections.abc import Callable, Container, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from types import ModuleType
from typing import (  # noqa: UP035  # Dict, List and Tuple are among the names offered
    TYPE_CHECKING,
    Any,
    Dict,
    Generic,
    List,
    Literal,
    Optional,
    Protocol,
    Tuple,
    TypeAlias,
    Union,
    cast,
    overload,
)

import numpy  # noqa: ICN001  # one of the names offered
import numpy as np
from typing_extensions import TypeVar

from ._arrays import (
    Array1d,
    Array2d,
    Array3d,
    Array4d,
    ArrayXd,
    Floats1d,
    Floats2d,
    Floats3d,
    Floats4d,
    FloatsXd,
    Ints1d,
    Ints2d,
    Ints3d,
    Ints4d,
    IntsXd,
    get_array_module,
    is_xp_array,
    to_cpu,
    validate_array,
)
from ._pydantic import AcceptsInstances, function_schema

# fmt: off
__all__ = [
    # Arrays
    "Floats1d", "Floats2d", "Floats3d", "Floats4d", "FloatsXd", "Ints1d", "Ints2d", "Ints3d", "Ints4d", "IntsXd",
    "Array1d", "Array2d", "Array3d", "Array4d", "ArrayXd", "List1d", "List2d", "List3d", "List4d", "ListXd",
    "DTypes", "DTypesFloat", "DTypesInt", "DeviceTypes", "Shape", "OneAx", "TwoAx", "ThreeAx", "FourAx", "Slicish",
    "Xp", "Tru", "Fal", "validate_array", "get_array_module", "is_xp_array", "to_cpu",
    # Containers
    "Ragged", "Padded", "Pairs", "ArgsKwargs", "Unserializable", "SizedGenerator", "Batchable", "Generator",
    "Decorator",
    # Type variables
    "ArrayT", "Array1dT", "FloatsXdT", "SelfT", "InT", "OutT", "XY_YZ_OutT", "XY_XY_OutT", "NI", "NO", "N",
    # Of typing and others, for `from thinc_nb.types import ...` in code written for Thinc
    "Any", "Callable", "Container", "Dict", "Generic", "Iterable", "Iterator", "List", "Literal", "Optional",
    "Protocol", "Sequence", "Sized", "Tuple", "TypeVar", "Union", "abstractmethod", "cast",
    "dataclass", "numpy", "overload", "sys",
]
# fmt: on


def __getattr__(name: str) -> Any:
    # Asking for CuPy may import it, so it happens when somebody asks.
    if name in ("cupy", "has_cupy"):
        from . import compat

        return getattr(compat, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


DTypesFloat: TypeAlias = Literal["f", "float32", "float16", "float64"]
DTypesInt: TypeAlias = Literal["i", "int32", "int64", "uint32", "uint64"]
DTypes: TypeAlias = Literal["f", "i", "float16", "float32", "float64", "int32", "int64", "uint32", "uint64"]
DeviceTypes: TypeAlias = Literal["cpu", "gpu", "tpu"]

List1d: TypeAlias = list[Array1d]
List2d: TypeAlias = list[Array2d]
List3d: TypeAlias = list[Array3d]
List4d: TypeAlias = list[Array4d]
ListXd: TypeAlias = list[ArrayXd]

Shape: TypeAlias = tuple[int, ...]
OneAx: TypeAlias = int | tuple[int]
TwoAx: TypeAlias = tuple[int, int]
ThreeAx: TypeAlias = tuple[int, int, int]
FourAx: TypeAlias = tuple[int, int, int, int]
Slicish: TypeAlias = slice | list[int] | ArrayXd
Xp: TypeAlias = ModuleType
Tru = Literal[True]
Fal = Literal[False]

ArrayT = TypeVar("ArrayT", bound=ArrayXd)
Array1dT = TypeVar("Array1dT", bound=Array1d)
FloatsXdT = TypeVar("FloatsXdT", bound=FloatsXd)
SelfT = TypeVar("SelfT")

# What a model takes and gives, in functions of users: invariant, as in Thinc, since a checker refuses others in the
# signature of a callback.
InT = TypeVar("InT")
OutT = TypeVar("OutT")
# Combinators of users may return these: the mypy plugin replaces them by the output type of what is combined.
XY_YZ_OutT = TypeVar("XY_YZ_OutT", default=Any)
XY_XY_OutT = TypeVar("XY_XY_OutT", default=Any)
# Widths. A constructor relates its arguments to its model's widths with these:
# `def Linear(nO: NO | None = None, ...) -> Model[Floats2d, Floats2d, NI, NO]`.
NI = TypeVar("NI", bound=int, default=Any)
NO = TypeVar("NO", bound=int, default=Any)
N = TypeVar("N", bound=int, default=Any)

_DIn = TypeVar("_DIn")
_P = TypeVar("_P", bound=Sequence[Any] | ArrayXd, default=Any)
_ItemT = TypeVar("_ItemT", default=Any)

if TYPE_CHECKING:
    Generator: TypeAlias = Iterator[_ItemT]
else:

    class Generator(Iterator):
        """An iterator, with a check for pydantic. Only for annotations; any iterator is accepted."""

        @classmethod
        def _validate(cls, value):
            if not hasattr(value, "__iter__") or isinstance(value, (str, bytes)):
                raise TypeError("not a valid iterator")
            return value

        @classmethod
        def __get_pydantic_core_schema__(cls, source, handler):
            return function_schema(cls._validate)

        @classmethod
        def __get_validators__(cls):
            yield cls._validate


class Decorator(Protocol):
    """What a registry gives: called with a name, a function that registers and returns its argument."""

    def __call__(self, name: str) -> Callable[[_DIn], _DIn]:
        """Return the decorator for `name`."""
        ...


def _same(a: object, b: object) -> bool:
    """Equality that also knows arrays: same library, shape, dtype and values."""
    if a is b:
        return True
    if is_xp_array(a) and is_xp_array(b):
        return type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    return not is_xp_array(a) and not is_xp_array(b) and a == b


def _positions(index: Any, size: int, what: str) -> Ints1d:
    """The positions that a slice, a list or an array of integers or booleans selects of `size` items, on the CPU."""
    if isinstance(index, tuple):
        raise IndexError(f"{what} arrays do not support 2d indexing.")
    if isinstance(index, slice):
        return np.arange(size)[index]
    picked = to_cpu(index) if is_xp_array(index) else np.asarray(index)
    if picked.size == 0:
        return np.arange(0)
    if picked.ndim != 1 or picked.dtype.kind not in "iub":
        raise IndexError(
            f"{what} can be indexed with an integer, a slice, or a 1d list or array of integers or booleans, "
            f"not {picked.dtype} {picked.shape}"
        )
    places: Ints1d = np.arange(size)[picked]
    return places


@dataclass(init=False)
class SizedGenerator(Generic[_ItemT]):
    """A generator that has a length and can be iterated again: each iteration calls `get_items`."""

    get_items: Callable[[], Iterator[_ItemT]]
    length: int

    def __init__(self, get_items: Callable[[], Iterator[_ItemT]], length: int) -> None:
        self.get_items = get_items
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[_ItemT]:
        yield from self.get_items()


@dataclass
class Padded(AcceptsInstances):  # noqa: PLW1641  # mutable, so not hashable
    """A batch of sequences, padded to one length, longest first, time outermost.

    data: (steps, sequences, width). size_at_t: (steps,) how many sequences reach each step. lengths: (sequences,),
    falling. indices: (sequences,) the place of each sequence in the batch as it was before sorting.
    """

    data: Array3d
    size_at_t: Ints1d
    lengths: Ints1d
    indices: Ints1d

    def copy(self) -> Padded:
        """A copy whose arrays are copies."""
        return Padded(self.data.copy(), self.size_at_t.copy(), self.lengths.copy(), self.indices.copy())

    def __len__(self) -> int:
        return len(self.lengths)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Padded):
            return NotImplemented
        names = ("data", "size_at_t", "lengths", "indices")
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    def __getitem__(self, index: int | slice | list[int] | Ints1d) -> Padded:
        """The selected sequences, by their place in `data`, as a batch of its own: longest first, `indices` from 0.

        IndexError if there is no such sequence, or for an index of more than one dimension.
        """
        xp = get_array_module(self.data)
        if isinstance(index, (int, np.integer)):
            index = [int(index)]
        places = _positions(index, len(self), "Padded")
        lengths = to_cpu(self.lengths)[places]
        order = np.argsort(-lengths.astype(np.int64), kind="stable")
        places, lengths = places[order], lengths[order]
        ranks = np.argsort(np.argsort(to_cpu(self.indices)[places], kind="stable"), kind="stable")
        size_at_t = (lengths > np.arange(self.data.shape[0])[:, None]).sum(axis=1)
        if len(places) and (np.diff(places) == 1).all():
            data = self.data[:, places[0] : places[-1] + 1]
        else:
            data = self.data[:, xp.asarray(places)]
        return Padded(
            data,
            xp.asarray(size_at_t, dtype=self.size_at_t.dtype),
            xp.asarray(lengths),
            xp.asarray(ranks, dtype=self.indices.dtype),
        )


@dataclass(init=False)
class Ragged(AcceptsInstances):  # noqa: PLW1641  # mutable, so not hashable
    """A batch of sequences of different lengths, stored one after the other.

    data: (sum of lengths, width). lengths: (sequences,) integers. Data of another rank is held as rows; `dataXd` gives
    it back in its own shape, `data_shape` (whose first entry is -1). Nothing is checked or copied.
    """

    data: Array2d
    lengths: Ints1d
    data_shape: tuple[int, ...]
    starts_ends: Ints1d | None = None

    def __init__(self, data: ArrayXd, lengths: Ints1d) -> None:
        self.lengths = lengths
        # Said here, not above: fields of a dataclass are public.
        self._bounds_of: Ints1d | None = None
        try:
            shape = data.shape
        except AttributeError:
            raise TypeError(f"Ragged: data must be an array, got {type(data).__name__}") from None
        if len(shape) == 2:
            self.data = data
            self.data_shape = (-1, shape[1])
        else:
            self.data_shape = (-1, *shape[1:])
            # The width is spelt out: numpy cannot infer it for an empty batch.
            rows: int = shape[0] if shape else 1
            self.data = data.reshape(rows, math.prod(shape[1:]))

    @property
    def dataXd(self) -> ArrayXd:
        """The data in the shape that it was given in."""
        if len(self.data_shape) == 2:
            return self.data
        return self.data.reshape((self.data.shape[0], *self.data_shape[1:]))

    def __len__(self) -> int:
        return len(self.lengths)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ragged):
            return NotImplemented
        same_shape = self.data_shape == other.data_shape
        return same_shape and _same(self.data, other.data) and _same(self.lengths, other.lengths)

    def __getitem__(self, index: int | slice | list[int] | Array1d) -> Ragged:
        """The selected sequences. Neighbours in order share their memory with this batch, others are copied.

        IndexError if there is no such sequence, or for an index of more than one dimension.
        """
        if isinstance(index, (int, np.integer)):
            place = int(index) + len(self) if index < 0 else int(index)
            if not 0 <= place < len(self):
                raise IndexError(f"index {index} is out of bounds for a Ragged of {len(self)} sequences")
            index = slice(place, place + 1)
        bounds = self._get_starts_ends()
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step == 1:
                stop = max(start, stop)
                return self._like(self.data[int(bounds[start]) : int(bounds[stop])], self.lengths[start:stop])
        xp = get_array_module(self.data)
        places = _positions(index, len(self), "Ragged")
        starts = to_cpu(bounds)[places].astype(np.int64)
        lengths = to_cpu(self.lengths)[places]
        ends = lengths.cumsum(dtype=np.int64)
        # Row k of the result, which lies in sequence s, is row starts[s] + (k - rows before s).
        rows = np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0)
        return self._like(self.data[xp.asarray(rows)], xp.asarray(lengths))

    def _like(self, data: Array2d, lengths: Ints1d) -> Ragged:
        part = Ragged(data, lengths)
        part.data_shape = self.data_shape
        return part

    def _get_starts_ends(self) -> Ints1d:
        """Where each sequence starts, and the end of the last. Kept until `lengths` is another array."""
        if self.starts_ends is None or self._bounds_of is not self.lengths:
            xp = get_array_module(self.lengths)
            bounds: Ints1d = xp.zeros(len(self) + 1, dtype=self.lengths.dtype)
            bounds[1:] = self.lengths.cumsum()
            self.starts_ends, self._bounds_of = bounds, self.lengths
            return bounds
        return self.starts_ends

    def _get_starts(self) -> Ints1d:
        return self._get_starts_ends()[:-1]

    def _get_ends(self) -> Ints1d:
        return self._get_starts_ends()[1:]


@dataclass
class Pairs(Generic[_P]):
    """Two sequences of one length, indexed and sliced together."""

    one: _P
    two: _P

    def __getitem__(self, index: Any) -> Pairs[_P]:
        one: Any = self.one
        two: Any = self.two
        return Pairs(one[index], two[index])

    def __len__(self) -> int:
        return len(self.one)


@dataclass
class ArgsKwargs(AcceptsInstances):
    """Positional and keyword arguments of a call, as one object; how models take the inputs of other frameworks."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @classmethod
    def from_items(cls, items: Iterable[tuple[int | str, Any]]) -> ArgsKwargs:
        """Make it from the pairs that `items()` gives: integer keys are positional, in the order in which they come."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for key, value in items:  # Once: it may be an iterator.
            if isinstance(key, int):
                args.append(value)
            else:
                kwargs[key] = value
        return cls(tuple(args), kwargs)

    def keys(self) -> Iterator[int | str]:
        """The positions of the positional arguments, then the names of the others."""
        yield from range(len(self.args))
        yield from self.kwargs

    def values(self) -> Iterator[Any]:
        """The arguments, positional ones first."""
        yield from self.args
        yield from self.kwargs.values()

    def items(self) -> Iterator[tuple[int | str, Any]]:
        """Pairs of key and argument, positional ones first."""
        yield from enumerate(self.args)
        yield from self.kwargs.items()


@dataclass
class Unserializable:
    """Holds an object that should not be written to disk."""

    obj: Any


Batchable: TypeAlias = Pairs[Any] | Ragged | Padded | ArrayXd | list[Any] | tuple[Any, ...]
