"""Launching kernels on the GPU.

numba's own launch takes tens of microseconds: it looks at every argument anew, and knows nothing of CuPy's streams.
Here a kernel is compiled to PTX once, kept on disk beside the loops of the CPU, loaded by CuPy and launched by it.
Under the simulator numba launches.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
import threading
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._cache import cache_folder, write_whole
from ._contents import contents_of
from ._cuda import LANES, MAX_BLOCKS, ROWS_PER_BLOCK, SIMULATED, THREADS, ArrayKinds, compile_grid, compile_ptx
from ._words import Precision

if TYPE_CHECKING:
    from ._compile import Kernel

# numba is told which device to compile for by a setting of the process.
_compiling = threading.Lock()


def launch(kernel: Kernel[...], precision: Precision, args: tuple[Any, ...]) -> None:
    """Run a kernel over arrays on the GPU, on CuPy's current stream. ValueError if they are on another GPU."""
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
        return
    device = _current_device()
    kinds, values = packed(kernel, args, device)
    _raw_kernel(kernel, precision, kinds, device)(grid, threads, (*map(np.int64, head), *values))


def entry_of(ptx: str) -> str:
    """The name of the kernel in its PTX."""
    found = re.search(r"\.visible \.entry (\w+)\(", ptx)
    if found is None:
        raise ValueError("there is no kernel in this PTX")
    return found[1]


def packed(kernel: Kernel[...], args: tuple[Any, ...], device: int) -> tuple[ArrayKinds, list[Any]]:
    """The arguments as numba's calling convention wants them, and what kinds of arrays are among them.

    An array becomes its owner (none), parent (none), number of items, size of an item, address, shape and strides.
    Scalars become the types that the kernel is compiled for: of another size they would shift all that comes after.
    """
    kinds: list[tuple[str, int] | None] = []
    values: list[Any] = []
    for (name, kind), arg in zip(kernel.annotations, args, strict=True):
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            kinds.append(None)
            values.append(scalar(arg))
        elif kind == "float":
            kinds.append(None)
            values.append(arg)  # Of the kernel's precision: see Kernel.
        else:
            if arg.data.device_id != device:
                raise ValueError(
                    f"{kernel.name}: '{name}' is on GPU {arg.data.device_id}, but GPU {device} is the current one: "
                    f"call within cupy.cuda.Device({arg.data.device_id})"
                )
            kinds.append((arg.dtype.char, arg.ndim))
            values += (_NO_POINTER, _NO_POINTER, np.int64(arg.size), np.int64(arg.itemsize), np.uint64(arg.data.ptr))
            values += map(np.int64, arg.shape)
            values += map(np.int64, arg.strides)
    return tuple(kinds), values


_NO_POINTER = np.uint64(0)
_SCALARS: dict[str, Any] = {"int": np.int64, "UInt32": np.uint32, "Start": np.uint32}


@cache
def _raw_kernel(kernel: Kernel[...], precision: Precision, kinds: ArrayKinds, device: int) -> Any:
    import cupy

    digits = cupy.cuda.Device(device).compute_capability
    path, ptx = kept_ptx(kernel, precision, (int(digits[:-1]), int(digits[-1])), kinds)
    if path is not None:
        return _load(kernel, path, ptx)
    with tempfile.TemporaryDirectory() as here:
        path = Path(here) / f"{kernel.name}.ptx"
        path.write_text(ptx)
        return _load(kernel, path, ptx)


def kept_ptx(
    kernel: Kernel[...], precision: Precision, capability: tuple[int, int], kinds: ArrayKinds | None = None
) -> tuple[Path | None, str]:
    """The kernel's PTX, from disk or compiled and kept there; None for the path if it cannot be kept.

    kinds: dtype and rank of each array among the arguments, where they are not those of the annotations.
    """
    path = ptx_path(kernel, precision, capability, kinds)
    if path is not None:
        with contextlib.suppress(OSError):
            return path, path.read_text()
    with _compiling:
        ptx = compile_ptx(kernel, precision, capability, kinds)
    if path is not None and write_whole(path, ptx.encode()):
        return path, ptx
    return None, ptx


def ptx_path(
    kernel: Kernel[...], precision: Precision, capability: tuple[int, int], kinds: ArrayKinds | None = None
) -> Path | None:
    """Where the kernel's PTX is kept; None if nothing is."""
    folder, contents = cache_folder(), contents_of(kernel)
    if folder is None or contents is None:
        return None
    # Names of dtypes that every platform agrees on: int64 is "l" on one and "q" on another.
    named = kinds and [kind and (np.dtype(kind[0]).str, kind[1]) for kind in kinds]
    parts = contents, named or declared_kinds(kernel, precision), _compiler()
    key = hashlib.sha256(repr(parts).encode()).hexdigest()
    return folder / f"{kernel.name}-{precision}-sm_{capability[0]}{capability[1]}-{key[:16]}.ptx"


def declared_kinds(kernel: Kernel[...], precision: Precision) -> list[tuple[str, int] | None]:
    """The kinds of arrays that the annotations name."""
    from ._types import argument_types

    return [
        (str(np.dtype(str(declared.dtype)).str), int(declared.ndim)) if hasattr(declared, "ndim") else None
        for declared in argument_types(kernel, precision)[1]
    ]


@cache
def _compiler() -> tuple[str, ...]:
    """What compiles for CUDA: numba's own backend, or the package that replaces it, and NVIDIA's compiler."""
    found = []
    for name in ("numba-cuda", "nvidia-nvvm", "nvidia-cuda-nvcc-cu12"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return tuple(found)


def _load(kernel: Kernel[...], path: Path, ptx: str) -> Any:
    import cupy

    try:
        return cupy.RawModule(path=str(path)).get_function(entry_of(ptx))
    except cupy.cuda.driver.CUDADriverError as error:
        asked = re.search(r"\.version (\S+)", ptx)
        raise RuntimeError(
            f"{kernel.name}: the driver cannot load this kernel ({error}). It is PTX {asked[1] if asked else '?'}: a "
            "driver older than the CUDA toolkit that compiled it does not know that. Update the driver, or install the "
            "extra of the driver's own CUDA version, cuda12x or cuda13x."
        ) from error


def _current_device() -> int:
    import cupy

    return int(cupy.cuda.runtime.getDevice())
