"""What the words mean on CUDA, and how a body becomes a grid. The one module that imports numba's ``cuda``.

Under NUMBA_ENABLE_CUDASIM=1 the same code runs in numba's simulator, with shared memory where the hardware shuffles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias
from unittest import mock

import numpy as np
from numba import cuda, types
from numba.core import config
from numba.np.numpy_support import from_dtype

from . import _keys, _murmur
from ._bind import Binder
from ._types import argument_types
from ._words import Key, Precision, Real, sum_lanes

if TYPE_CHECKING:
    from ._compile import Kernel

ArrayKinds: TypeAlias = tuple[tuple[str, int] | None, ...]
"""dtype and rank of each argument that is an array, None for the others."""

SIMULATED = bool(config.ENABLE_CUDASIM)
# The simulator runs each thread as a Python thread: few lanes show the same mistakes as many.
LANES = 4 if SIMULATED else 32
ROWS_PER_BLOCK = 1 if SIMULATED else 4
THREADS = 16 if SIMULATED else 256
# More blocks than this would only queue: the loops in a grid do the items that are left.
MAX_BLOCKS = 65_535


def body(*args: Any) -> None:
    """Stands in the grids below for the bound body."""


# The arrays come as one tuple: numba compiles *args for the CPU but not for a CUDA kernel.
def over_items(n: int, args: tuple[Any, ...]) -> None:
    for i in range(cuda.grid(1), n, cuda.gridsize(1)):
        body(i, *args)


def over_rows(start: int, stop: int, args: tuple[Any, ...]) -> None:
    first = start + cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    for r in range(first, stop, cuda.gridDim.x * cuda.blockDim.y):
        body(r, *args)


def over_blocks(first: int, last: int, block_rows: int, rows: int, args: tuple[Any, ...]) -> None:
    first = first + cuda.blockIdx.x * cuda.blockDim.y + cuda.threadIdx.y
    for block in range(first, last, cuda.gridDim.x * cuda.blockDim.y):
        body(block, block * block_rows, min((block + 1) * block_rows, rows), *args)


GRIDS: dict[str, Callable[..., None]] = {"items": over_items, "rows": over_rows, "blocks": over_blocks}


@cache
def compile_grid(kernel: Kernel[...], precision: Precision) -> Any:
    """The simulator's version of a grid over the kernel's body."""
    return cuda.jit(_bound_grid(kernel, precision))


def _bound_grid(kernel: Kernel[...], precision: Precision) -> Callable[..., None]:
    inner = compile_device(binder(precision).bind(kernel.body))
    return binder(precision).bind(GRIDS[kernel.shape], name=kernel.name.replace(".", "_"), body=inner)


def compile_ptx(
    kernel: Kernel[...], precision: Precision, capability: tuple[int, int], kinds: ArrayKinds | None = None
) -> str:
    """The kernel's PTX for a compute capability such as (9, 0). Needs no GPU.

    kinds: dtype and rank of each array among the arguments, where they are not those of the annotations.
    """
    head, declared = argument_types(kernel, precision)
    given = kinds or (None,) * len(declared)
    arguments = [
        default if kind is None else types.Array(from_dtype(np.dtype(kind[0])), kind[1], "C")
        for default, kind in zip(declared, given, strict=True)
    ]
    with _pretended_device(capability):
        ptx, _ = cuda.compile_ptx(_bound_grid(kernel, precision), (*head, types.Tuple(tuple(arguments))), cc=capability)
    return str(ptx)


@contextmanager
def _pretended_device(capability: tuple[int, int]) -> Iterator[None]:
    """numba asks the current device for its capability when it compiles a device function, even with `cc` given."""
    from numba.cuda import dispatcher

    class Device:
        compute_capability = capability

    with mock.patch.object(dispatcher, "get_current_device", Device):
        yield


@cache
def binder(precision: Precision) -> Binder:
    """What binds bodies and grids to CUDA in one precision."""
    meanings = COMMON | (_keys.SINGLE if precision == "f32" else _keys.DOUBLE)
    words = {word: compile_device(meaning) for word, meaning in meanings.items()}
    bound = Binder(precision, words, compile_device)
    for word, meaning in BOUND.items():
        words[word] = compile_device(bound.bind(meaning))
    return bound


def compile_device(function: Callable[..., Any]) -> Any:
    return cuda.jit(device=True)(function)


def _exp(x: Real) -> Real:
    return math.exp(x)


def _log(x: Real) -> Real:
    return math.log(x)


def _tanh(x: Real) -> Real:
    return math.tanh(x)


def _erf(x: Real) -> Real:
    return math.erf(x)


def _sqrt(x: Real) -> Real:
    return math.sqrt(x)


def _lane() -> int:
    return cuda.threadIdx.x


def _lanes() -> int:
    return cuda.blockDim.x


def _atomic_add(array: Any, index: Any, value: Real) -> None:
    cuda.atomic.add(array, index, value)


def _prefetch(a: Any) -> None:
    """Nothing: other warps work while one waits for memory."""


def _apart() -> None:
    """Nothing: here loops have no vectors."""


ALL_LANES = 0xFFFFFFFF


def _sum_lanes(x: Real) -> Real:
    x += cuda.shfl_xor_sync(ALL_LANES, x, 16)
    x += cuda.shfl_xor_sync(ALL_LANES, x, 8)
    x += cuda.shfl_xor_sync(ALL_LANES, x, 4)
    x += cuda.shfl_xor_sync(ALL_LANES, x, 2)
    x += cuda.shfl_xor_sync(ALL_LANES, x, 1)
    return x


def _max_lanes(key: Key) -> Key:
    key = max(key, cuda.shfl_xor_sync(ALL_LANES, key, 16))
    key = max(key, cuda.shfl_xor_sync(ALL_LANES, key, 8))
    key = max(key, cuda.shfl_xor_sync(ALL_LANES, key, 4))
    key = max(key, cuda.shfl_xor_sync(ALL_LANES, key, 2))
    return max(key, cuda.shfl_xor_sync(ALL_LANES, key, 1))


def _sync_lanes() -> None:
    cuda.syncwarp()


def _flush_tiny() -> int:
    return 0  # GPUs are as fast with tiny numbers.


def _restore_tiny(before: int) -> None:
    pass


# These use constants and words, so they are bound as bodies are. Kernels with products have few rows, so the lanes
# share the columns.
ZERO, HALF = 0.0, 0.5


def _multiply(out: Any, a: Any, b: Any) -> None:
    for i in range(out.shape[0]):
        for j in range(cuda.threadIdx.x, out.shape[1], cuda.blockDim.x):
            total = ZERO
            for k in range(b.shape[0]):
                total += a[i, k] * b[k, j]
            out[i, j] = total


def _multiply_transposed(out: Any, a: Any, b: Any) -> None:
    for i in range(out.shape[0]):
        for j in range(cuda.threadIdx.x, out.shape[1], cuda.blockDim.x):
            total = ZERO
            for k in range(b.shape[1]):
                total += a[i, k] * b[j, k]
            out[i, j] = total


def _multiply_columns(out: Any, a: Any, b: Any) -> None:
    for i in range(out.shape[0]):
        for j in range(cuda.threadIdx.x, out.shape[1], cuda.blockDim.x):
            total = ZERO
            for k in range(b.shape[0]):
                total += a[k, i] * b[k, j]
            out[i, j] = total


def _sum_of(a: Any) -> Real:
    total = ZERO
    for j in range(cuda.threadIdx.x, a.shape[0], cuda.blockDim.x):
        total += a[j]
    return sum_lanes(total)


def _sum_of_squares(a: Any, center: Real) -> Real:
    total = ZERO
    for j in range(cuda.threadIdx.x, a.shape[0], cuda.blockDim.x):
        d = a[j] - center
        total += d * d
    return sum_lanes(total)


def _sums_of_products(a: Any, b: Any, c: Any, center: Real) -> tuple[Real, Real]:
    total = about = ZERO
    for j in range(cuda.threadIdx.x, a.shape[0], cuda.blockDim.x):
        product = a[j] * b[j]
        total += product
        about += product * (c[j] - center)
    return sum_lanes(total), sum_lanes(about)


def _add_rows(total: Any, x: Any, first: int, end: int) -> None:
    rest = first + (end - first) // 4 * 4
    for r in range(first, rest, 4):
        for j in range(cuda.threadIdx.x, total.shape[0], cuda.blockDim.x):
            total[j] += (x[r, j] + x[r + 1, j]) + (x[r + 2, j] + x[r + 3, j])
    for r in range(rest, end):
        for j in range(cuda.threadIdx.x, total.shape[0], cuda.blockDim.x):
            total[j] += x[r, j]


def _multiply_pairs(out: Any, t: Any, strips: Any, first: Any, end: Any) -> None:
    width, outs, size = t.shape[1] // 4, out.shape[1] // 2, strips.shape[2]
    for i in range(out.shape[0]):
        for j in range(first * size + cuda.threadIdx.x, min(end * size, outs), cuda.blockDim.x):
            s, place = j // size, j % size
            one, other = ZERO, ZERO
            for k in range(width):
                one += t[i, width + k] * strips[s, width + k, place]
                other += t[i, 2 * width + k] * strips[s, 2 * width + k, place]
            even, odd = one + other, one - other
            for k in range(width):
                even += t[i, k] * strips[s, k, place]
                odd += t[i, 3 * width + k] * strips[s, 3 * width + k, place]
            out[i, j] = even
            out[i, outs + j] = odd


def _turn_weights(strip: Any, w: Any, first: Any) -> None:
    width = w.shape[1] // 3
    for i in range(min(strip.shape[1], w.shape[0] - first)):
        for k in range(cuda.threadIdx.x, width, cuda.blockDim.x):
            before, own, after = w[first + i, k], w[first + i, width + k], w[first + i, 2 * width + k]
            strip[k, i] = before
            strip[width + k, i] = (before + after + own) * HALF
            strip[2 * width + k, i] = (before + after - own) * HALF
            strip[3 * width + k, i] = after


def _copy_transposed(out: Any, x: Any) -> None:
    for i in range(out.shape[0]):
        for j in range(cuda.threadIdx.x, out.shape[1], cuda.blockDim.x):
            out[i, j] = x[j, i]


def _weigh_pairs(out: Any, table: Any, bias: Any, one: Any, other: Any, weights: Any) -> None:
    for j in range(cuda.threadIdx.x, out.shape[0], cuda.blockDim.x):
        total = ZERO
        for i in range(weights.shape[0]):
            total += weights[i] * (table[one[i] + j] + table[other[i] + j])
        out[j] = total + bias[j]


BOUND: dict[str, Callable[..., Any]] = {
    "add_rows": _add_rows,
    "sum_of": _sum_of,
    "sum_of_squares": _sum_of_squares,
    "sums_of_products": _sums_of_products,
    "multiply": _multiply,
    "multiply_transposed": _multiply_transposed,
    "multiply_columns": _multiply_columns,
    "multiply_pairs": _multiply_pairs,
    "turn_weights": _turn_weights,
    "copy_transposed": _copy_transposed,
    "murmur3": _murmur.murmur3_on_cuda,
    "weigh_pairs": _weigh_pairs,
}

COMMON: dict[str, Callable[..., Any]] = {
    "exp": _exp,
    "log": _log,
    "log_of_normal": _log,
    "tanh": _tanh,
    "erf": _erf,
    "sqrt": _sqrt,
    "lane": _lane,
    "lanes": _lanes,
    "sum_lanes": _sum_lanes,
    "max_lanes": _max_lanes,
    "sync_lanes": _sync_lanes,
    "atomic_add": _atomic_add,
    "flush_tiny": _flush_tiny,
    "restore_tiny": _restore_tiny,
    "prefetch": _prefetch,
    "apart": _apart,
}

if SIMULATED:
    # Python's math raises where IEEE arithmetic gives inf or NaN, and answers in float64.
    def _silently(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def word(x: Any) -> Any:
            with np.errstate(all="ignore"):
                return type(x)(function(x))

        return word

    def _erf_of(x: Any) -> float:
        return math.erf(x)

    # Two functions: the simulator tells shared arrays apart by the line that asks for them, not by dtype.
    def _sum_shared(x: Any) -> Any:
        cells = cuda.shared.array(LANES, type(x))
        cells[cuda.threadIdx.x] = x
        cuda.syncthreads()
        total = cells[0]
        for other in range(1, cuda.blockDim.x):
            total += cells[other]
        cuda.syncthreads()
        return total

    def _max_shared(key: Any) -> Any:
        cells = cuda.shared.array(LANES, type(key))
        cells[cuda.threadIdx.x] = key
        cuda.syncthreads()
        top = max(cells[other] for other in range(cuda.blockDim.x))
        cuda.syncthreads()
        return top

    def _sync_threads() -> None:
        cuda.syncthreads()

    COMMON.update(
        exp=_silently(np.exp),
        log=_silently(np.log),
        log_of_normal=_silently(np.log),
        tanh=_silently(np.tanh),
        erf=_silently(_erf_of),
        sqrt=_silently(np.sqrt),
        sum_lanes=_sum_shared,
        max_lanes=_max_shared,
        sync_lanes=_sync_threads,
    )
