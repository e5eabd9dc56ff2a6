"""The words of a kernel body: what the two devices say differently.

A body imports these names and nothing else of ours that does work. They have no meaning until a body is bound to a
device and a precision (see ``_compile``): on the CPU ``exp`` is a polynomial that vectorises and ``lane()`` is 0; on
CUDA ``exp`` is libdevice's and ``lane()`` is the thread's place in its warp. ``_cpu`` and ``_cuda`` hold the meanings.

The array types say what a body takes. ``Reals`` follow the precision the body is bound to (float32 or float64); the
others are what they say. They are what lets a kernel be compiled, for either device, before it has seen any data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, Literal, ParamSpec, TypeAlias, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R", covariant=True)

Precision: TypeAlias = Literal["f32", "f64"]
REALS: Final[dict[Precision, Any]] = {"f32": np.float32, "f64": np.float64}
"""The numpy scalar type of each precision."""

Reals1d: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.float32]]"
Reals2d: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.float32]]"
Reals3d: TypeAlias = "np.ndarray[tuple[int, int, int], np.dtype[np.float32]]"
# For a type checker all integers are alike, as in the public array types; the name says which a kernel is compiled for.
Int32s1d: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.integer[Any]]]"
Int32s2d: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.integer[Any]]]"
Int64s1d: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.integer[Any]]]"
Int64s2d: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.integer[Any]]]"
UInt8s2d: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.integer[Any]]]"
UInt32s2d: TypeAlias = "np.ndarray[tuple[int, int], np.dtype[np.integer[Any]]]"
UInt64s1d: TypeAlias = "np.ndarray[tuple[int], np.dtype[np.integer[Any]]]"
UInt32: TypeAlias = np.uint32
Start: TypeAlias = np.uint32
"""The index of the first item that a call does, for bodies that need it: 0, or where a part of the work begins."""
Real: TypeAlias = Any
"""A scalar of the body's precision. Not np.float32: numpy types the sum of a float32 and a float as floating[Any]."""
Key: TypeAlias = Any
"""An integer as wide as a Real, in the same order as the Reals it was made from."""


class Word(Generic[P, R]):
    """A name whose meaning is the device's."""

    def __init__(self, function: Callable[P, R]):
        self.name = function.__name__
        self.__doc__ = function.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        raise RuntimeError(f"'{self.name}' has no meaning outside a compiled kernel")


class Inline(Generic[P, R]):
    """A small function that bodies share. It is bound together with the body that uses it, and inlined there."""

    def __init__(self, function: Callable[P, R]):
        self.function = function
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)


def inline(function: Callable[P, R]) -> Inline[P, R]:
    """Mark a small function for use inside bodies."""
    return Inline(function)


# --- arithmetic -----------------------------------------------------------------------------------------------------


@Word
def exp(x: Real) -> Real:
    """e to the power of x; inf above the range, 0 below it, NaN for NaN."""


@Word
def log(x: Real) -> Real:
    """The natural logarithm."""


@Word
def log_of_normal(x: Real) -> Real:
    """The logarithm of a positive number of full precision; what others give has no meaning. Half the time of log."""


@Word
def tanh(x: Real) -> Real:
    """The hyperbolic tangent."""


@Word
def erf(x: Real) -> Real:
    """The error function."""


@Word
def sqrt(x: Real) -> Real:
    """The square root, correctly rounded."""


@Word
def real(x: Any) -> Real:
    """An integer as a Real."""


@Word
def order_key(x: Real) -> Key:
    """An integer in the order of the reals: integer max vectorises, float max does not (6 times, measured)."""


@Word
def from_order_key(key: Key) -> Real:
    """The real that a key was made from."""


@Word
def lowest_key() -> Key:
    """A key below that of every real, -inf included."""


# --- a row shared by the lanes of a warp ----------------------------------------------------------------------------


@Word
def lane() -> int:
    """Which of the row's lanes this is; 0 on the CPU."""
    return 0


@Word
def lanes() -> int:
    """How many lanes share the row; 1 on the CPU."""
    return 1


@Word
def sum_lanes(x: Real) -> Real:
    """The sum of the lanes' values, known to each of them."""


@Word
def max_lanes(key: Key) -> Key:
    """The largest of the lanes' keys, known to each of them."""


@Word
def atomic_add(array: Any, index: Any, value: Real) -> None:
    """array[index] += value, safe when several rows share an index."""


@Word
def sync_lanes() -> None:
    """Let each lane see what the others wrote before."""


@Word
def apart() -> None:
    """Promise that any two arrays have nothing in common, or are the same and an element is read before it is written.

    A loop within a row is then compiled with vectors alone. Otherwise it asks whether arrays overlap, and runs without
    vectors if they do: softmax in place took half as long again.
    """


@Word
def prefetch(a: Any) -> None:
    """Begin to load a row that will be read soon: its first line of the cache. The processor goes on from there."""


# --- sums over a row ------------------------------------------------------------------------------------------------
# Every lane gets the result. The order of additions depends neither on where rows lie nor on how many there are.


@Word
def sum_of(a: Any) -> Real:
    """The sum of a row."""


@Word
def sum_of_squares(a: Any, center: Real) -> Real:
    """The sum of (a - center)²."""


@Word
def add_rows(total: Any, x: Any, first: int, end: int) -> None:
    """Add the rows of x from `first` to before `end` to a row, four of them at a time."""


@Word
def sums_of_products(a: Any, b: Any, c: Any, center: Real) -> Any:
    """Two sums: of a b, and of a b (c - center)."""


# --- entries of a table that hashes choose --------------------------------------------------------------------------


@Word
def murmur3(key: Any, seed: Any) -> Any:
    """MurmurHash3 (x86, 32 bits) of the 8 bytes of a key: uint32 of uint64 and uint32."""


@Word
def weigh_pairs(out: Any, table: Any, bias: Any, one: Any, other: Any, weights: Any) -> None:
    """out[j] = bias[j] + the sum over i of weights[i] * (table[one[i] + j] + table[other[i] + j]). Lanes share the j.

    The order of additions depends on the number of weights only. Places are uint32.
    """


@Word
def flush_tiny() -> int:
    """Treat numbers too small for full precision, with which CPUs are slow, as 0 from here on. For `restore_tiny`."""
    return 0


@Word
def restore_tiny(before: int) -> None:
    """End what `flush_tiny` began."""


# --- products -------------------------------------------------------------------------------------------------------
# The columns of results and of `b` lie beside each other. The lanes share the work: a body that reads the result has to
# call sync_lanes first.


@Word
def multiply(out: Any, a: Any, b: Any) -> None:
    """out = a @ b, in tiles that stay in registers."""


@Word
def multiply_transposed(out: Any, a: Any, b: Any) -> None:
    """out = a @ b.T."""


@Word
def multiply_columns(out: Any, a: Any, b: Any) -> None:
    """out = a.T @ b."""


@Word
def multiply_pairs(out: Any, t: Any, strips: Any, first: int, end: int) -> None:
    """The product of windows with some strips of weights, two rows at a time: see pairs.py."""


@Word
def turn_weights(strip: Any, w: Any, first: int) -> None:
    """Fill a strip of weights, as `multiply_pairs` takes them, for the outs from `first` on."""


@Word
def copy_transposed(out: Any, x: Any) -> None:
    """out = x.T."""
