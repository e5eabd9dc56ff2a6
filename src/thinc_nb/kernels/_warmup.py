"""Compiling kernels ahead of their first call, in several processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from . import _threads
from ._cache import cache_folder
from ._compile import KERNELS, Kernel
from ._words import Precision


@dataclass(frozen=True)
class Warmed:
    """One kernel that is ready now. `seconds` is what it took, a few milliseconds if it was on disk."""

    kernel: str
    precision: Precision
    seconds: float


def all_kernels() -> dict[str, Kernel[...]]:
    """Every kernel of the package by name, imported if it was not yet."""
    import pkgutil

    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not module.name.startswith("_"):
            import_module(f"{__package__}.{module.name}")
    return {name: kernel for name, kernel in KERNELS.items() if kernel.body.__module__.startswith(f"{__package__}.")}


def warmup(
    precisions: Iterable[Precision] = ("f32",),
    *,
    processes: int | None = None,
    progress: Callable[[Warmed, int, int], None] | None = None,
) -> list[Warmed]:
    """Compile all kernels for the CPU, for the argument types of their annotations, and keep them on disk.

    processes: how many compile at once, as many as there are threads by default; 1 compiles here. Without a folder to
        keep them in (THINC_NB_CACHE_DIR="") there is only this process.
    progress: called with each kernel that is ready, how many are, and how many there will be.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    names = sorted(all_kernels())
    jobs: list[tuple[str, Precision]] = [(name, precision) for precision in precisions for name in names]
    count = min(processes or _threads.num_threads, len(jobs))
    warmed: list[Warmed] = []

    def ready(one: Warmed) -> None:
        warmed.append(one)
        if progress is not None:
            progress(one, len(warmed), len(jobs))

    if count <= 1 or cache_folder() is None:
        for job in jobs:
            ready(compile_one(*job))
        return warmed
    # Spawned, since a fork of a process with threads may hold their locks for ever.
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(compile_one, *job) for job in jobs]):
            ready(future.result())
    return warmed


def compile_one(name: str, precision: Precision) -> Warmed:
    """Compile one kernel, or find it on disk."""
    from ._types import argument_types, star_arguments

    start = time.perf_counter()
    kernel = KERNELS.get(name) or all_kernels()[name]
    head, arguments = argument_types(kernel, precision)
    kernel.cpu(precision).compile((*head, star_arguments(arguments)))
    return Warmed(name, precision, time.perf_counter() - start)
