"""Kernels: a body written once, compiled for the device that its arrays live on.

    @elementwise                    @rowwise                              @blockwise(cpu=16, cuda=1)
    def relu(i, out, x):            def reduce_sum(r, out, x, starts):    def softmax(block, start, stop, out, x):
        out[i] = max(x[i], ZERO)        ...                                   ...

A body is the work of one item: an index into flat arrays (`elementwise`), a row (`rowwise`; a sequence or an entry of
a table are rows too) or a few rows at once (`blockwise`). It uses the words of ``_words``, constants that are
module-level floats, helpers marked `inline`, and plain arithmetic. Never a float literal: a constant gets the body's
precision, a literal does not.

Its annotations are its contract: they give the types it is compiled for ahead of time, and arguments annotated `float`
are passed in the body's precision. The first argument decides how many items there are; the first `Reals` argument
decides the device and the precision. Outputs come first, as in NumPy's C API.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, TypeAlias

import numpy as np
from numpy import ndarray

from . import _threads
from ._contents import is_ours
from ._interrupt import uninterrupted
from ._words import Precision

P = ParamSpec("P")
Shape: TypeAlias = Literal["items", "rows", "blocks"]
_compiling = threading.RLock()
PATIENCE = 30.0
"""Seconds that a fork waits for kernels that are being compiled or loaded."""
SINGLE, DOUBLE = np.dtype("float32"), np.dtype("float64")
TABLES = frozenset({"table", "d_table"})
"""The names of arrays of which an item may read or write any row, not only its own."""


class Kernel(Generic[P]):
    """A body and the loops compiled from it. Calling it runs it over all items, in place, on the arrays' device.

    Nothing is checked: the caller (Ops) makes sure that arrays are C-contiguous and that indices are within bounds.
    """

    def __init__(self, body: Callable[..., None], shape: Shape, *, cpu_rows: int = 1, cuda_rows: int = 1):
        self.body = body
        self.shape: Shape = shape
        self.by_item = shape == "items"
        self.cpu_rows = cpu_rows
        self.cuda_rows = cuda_rows
        # The file's name tells our own modules apart. A module elsewhere may have the same one: its whole path counts.
        module = body.__module__.rpartition(".")[2] if is_ours(body) else body.__module__
        self.name = f"{module}.{body.__name__}"
        if body.__code__.co_freevars:
            raise TypeError(
                f"{self.name}: a body cannot use variables of the function around it, "
                f"{', '.join(body.__code__.co_freevars)}: make them arguments, or define it at the level of the module"
            )
        self.__doc__ = body.__doc__
        # Annotations stay strings, which are enough to tell the types apart. The index of the item, or the three
        # integers of a block, are left out, and so is the return type.
        parameters = [(name, kind) for name, kind in body.__annotations__.items() if name != "return"]
        self.annotations: list[tuple[str, str]] = parameters[3 if shape == "blocks" else 1 :]
        kinds = [kind for _, kind in self.annotations]
        if not all(isinstance(kind, str) for kind in kinds):
            raise TypeError(f"{self.name}: annotations must be strings: from __future__ import annotations")
        self.scalars = tuple(place for place, kind in enumerate(kinds) if kind == "float")
        self._decides = next((place for place, kind in enumerate(kinds) if kind.startswith("Reals")), 0)
        self.counter = next((place for place, kind in enumerate(kinds) if kind == "Start"), None)
        # The sizes of the arrays say how much work there is. Tables do not count: however large one is, few rows are
        # read.
        self.tables = tuple(i for i, (name, _) in enumerate(self.annotations) if name in TABLES)
        self.weighty = tuple(i for i, kind in enumerate(kinds) if kind.endswith("d") and i not in self.tables)
        # Rows may add to the same place: on CUDA additions are atomic, on the CPU one thread does all rows in turn.
        self.divisible = "atomic_add" not in body.__code__.co_names
        self.is_product = any(name.startswith("multiply") for name in body.__code__.co_names)
        self._single: Any = None
        self._double: Any = None
        KERNELS[self.name] = self

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"

    @property
    def is_compiled(self) -> bool:
        """Whether this process has compiled it for the CPU, or loaded it from disk."""
        return any(loop is not None and loop.signatures for loop in (self._single, self._double))

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
            """Run it over all items."""
            ...

        def run(self, *args: P.args, **kwargs: P.kwargs) -> None:
            """The same, as a method: Python finds it sooner than `__call__`, and with small arrays that shows."""
            ...
    else:  # Without keywords, whose dictionary takes time: for small arrays these steps take longer than the work.

        def run(self, *values):
            decides = values[self._decides]
            dtype = decides.dtype
            # The dtype is nearly always one of these two objects, and reading its `char` takes longer.
            double = dtype is not SINGLE and (dtype is DOUBLE or dtype.char == "d")
            if type(decides) is not ndarray and not isinstance(decides, ndarray):
                from ._launch import launch

                launch(self, "f64" if double else "f32", self._with(np.float64 if double else np.float32, values))
                return
            for place in self.scalars:
                if type(values[place]) is not float:
                    values = self._with(float, values)
                    break
            loop = self._double if double else self._single
            if loop is None:
                loop = self.cpu("f64" if double else "f32")
            try:
                alone = loop(_threads.board, len(values[0]), *values)
            except Exception:
                self._check_count(values)
                raise
            if alone:
                _threads.start()

        __call__ = run

    def blocks(self, rows: int, like: Any) -> int:
        """How many blocks a `blockwise` kernel makes of this many rows, on the device where `like` is."""
        return -(-rows // (self.cpu_rows if isinstance(like, np.ndarray) else self.cuda_rows))

    def cpu(self, precision: Precision) -> Any:
        """The compiled loop for one precision; it compiles, or loads from disk, for argument types as they come."""
        with _compiling, uninterrupted():
            from ._cpu import compile_loop

            _threads.prepare()
            loop = self._double if precision == "f64" else self._single
            if loop is None:
                loop = compile_loop(self, precision, f"{self.name}-{precision}")
                if precision == "f64":
                    self._double = loop
                else:
                    self._single = loop
        return loop

    def _check_count(self, values: tuple[Any, ...]) -> None:
        """TypeError for too few or too many arguments: numba would answer with a page of types."""
        names = [name for name, _ in self.annotations]
        if len(values) != len(names):
            raise TypeError(f"kernel {self.name} takes {len(names)} arguments, {', '.join(names)}, got {len(values)}")

    def _with(self, real: Callable[[float], Any], values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments with those annotated `float` as another type."""
        converted = list(values)
        for place in self.scalars:
            converted[place] = real(float(converted[place]))
        return tuple(converted)


LOCKS = {"numba.core.compiler_lock": "global_compiler_lock._lock", "llvmlite.binding.ffi": "lib._lock._lock"}
"""The locks that are held while numba compiles, in the order in which it takes them."""
_forking = threading.local()


def _close() -> None:
    """Before a fork: wait until nobody compiles or loads. A lock held then would stay locked in the child for ever."""
    _forking.held = []
    for module, name in LOCKS.items():
        if module in sys.modules:
            lock = attrgetter(name)(sys.modules[module])
            if lock.acquire(timeout=PATIENCE):
                _forking.held.append(lock)


def _open() -> None:
    """After a fork: let others compile and load again."""
    while _forking.held:
        _forking.held.pop().release()


def _start_anew() -> None:
    """In a forked child: the lock may be held by a thread that does not exist here."""
    global _compiling
    _compiling = threading.RLock()
    _open()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close, after_in_parent=_open, after_in_child=_start_anew)

KERNELS: dict[str, Kernel[...]] = {}
"""Every kernel that has been imported, by name."""


def elementwise(body: Callable[Concatenate[int, P], None]) -> Kernel[P]:
    """A kernel over the elements of flat arrays: vectorised on the CPU, a grid of threads on CUDA.

    An output may be the same array as an input, but must not overlap one in part. When threads share the work, each
    gets its part of every array that has a multiple of as many elements as there are items, and all of any other array.
    An array named `table` or `d_table` is never divided.
    """
    return Kernel(body, "items")


def rowwise(body: Callable[Concatenate[int, P], None]) -> Kernel[P]:
    """A kernel over rows: vectorised within a row on the CPU, a warp for each row on CUDA."""
    return Kernel(body, "rows")


def blockwise(*, cpu: int, cuda: int) -> Callable[[Callable[Concatenate[int, int, int, P], None]], Kernel[P]]:
    """A kernel over blocks of this many rows: ``body(block, start, stop, *arrays)``.

    For work that is better done for a few rows at once (a vectorised loop gains little from short rows), and for sums
    over rows: each block has a partial sum of its own, so that the result depends neither on threads nor on atomics.
    """

    def make(body: Callable[Concatenate[int, int, int, P], None]) -> Kernel[P]:
        return Kernel(body, "blocks", cpu_rows=cpu, cuda_rows=cuda)

    return make
