"""Launching kernels on the GPU.

numba's own launch takes tens of microseconds: it looks at every argument anew, and knows nothing of CuPy's streams.
Here a kernel is compiled to PTX once, kept on disk beside the loops of the CPU, loaded by CuPy and launched by it.
Under the simulator numba launches.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._cache import cache_folder, write_whole
from ._cuda import LANES, MAX_BLOCKS, ROWS_PER_BLOCK, SIMULATED, THREADS, ArrayKinds, compile_grid, compile_ptx
from ._words import Precision

if TYPE_CHECKING:
    from ._compile import Kernel


def launch(kernel: Kernel[...], precision: Precision, args: tuple[Any, ...]) -> None:
    """Run a kernel over arrays on the GPU, on CuPy's current stream."""
    rows = int(args[0].size) if kernel.shape == "items" else len(args[0])
    if rows == 0:
        return
    head: tuple[int, ...]
    if kernel.shape == "items":
        head, threads, blocks = (rows,), (THREADS, 1), -(-rows // THREADS)
    else:
        items = rows if kernel.shape == "rows" else kernel.blocks(rows, args[0])
        head = (0, items) if kernel.shape == "rows" else (0, items, kernel.cuda_rows, rows)
        threads, blocks = (LANES, ROWS_PER_BLOCK), -(-items // ROWS_PER_BLOCK)
    grid = (min(blocks, MAX_BLOCKS),)
    if SIMULATED:
        compile_grid(kernel, precision)[grid, threads](*head, args)
    else:
        kinds = tuple((arg.dtype.str, arg.ndim) if _is_array(arg) else None for arg in args)
        compiled = _raw_kernel(kernel, precision, kinds, _current_device())
        compiled(grid, threads, [*map(np.int64, head), *_flattened(args)])


def entry_of(ptx: str) -> str:
    """The name of the kernel in its PTX."""
    found = re.search(r"\.visible \.entry (\w+)\(", ptx)
    if found is None:
        raise ValueError("there is no kernel in this PTX")
    return found[1]


def _flattened(args: tuple[Any, ...]) -> Iterator[Any]:
    """Arguments as numba's calling convention wants them.

    An array is its owner (none), parent (none), number of items, size of an item, address, shape and strides.
    """
    for arg in args:
        if _is_array(arg):
            yield from (_NO_POINTER, _NO_POINTER, np.int64(arg.size), np.int64(arg.itemsize), np.uint64(arg.data.ptr))
            yield from map(np.int64, arg.shape)
            yield from map(np.int64, arg.strides)
        else:
            yield np.int64(arg) if type(arg) is int else arg


_NO_POINTER = np.uint64(0)


def _is_array(arg: Any) -> bool:
    # Python's scalars have no ndim, numpy's are of 0 dimensions.
    return bool(getattr(arg, "ndim", None))


@cache
def _raw_kernel(kernel: Kernel[...], precision: Precision, kinds: ArrayKinds, device: int) -> Any:
    import cupy

    digits = cupy.cuda.Device(device).compute_capability
    capability = int(digits[:-1]), int(digits[-1])
    folder = cache_folder()
    named = f"{kernel.name}-{precision}-sm_{digits}-{hashlib.sha256(repr(kinds).encode()).hexdigest()[:16]}.ptx"
    kept = None if folder is None else folder / named
    if kept is not None and kept.is_file():
        return _load(kept, kept.read_text())
    ptx = compile_ptx(kernel, precision, capability, kinds)
    if kept is not None and write_whole(kept, ptx.encode()):
        return _load(kept, ptx)
    with tempfile.TemporaryDirectory() as here:
        path = Path(here) / named
        path.write_text(ptx)
        return _load(path, ptx)


def _load(path: Path, ptx: str) -> Any:
    import cupy

    return cupy.RawModule(path=str(path)).get_function(entry_of(ptx))


def _current_device() -> int:
    import cupy

    return int(cupy.cuda.runtime.getDevice())
