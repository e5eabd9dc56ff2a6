"""Compiling kernels ahead of their first call, in several processes; what is on disk already is only loaded."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

from . import _threads
from ._cache import cache_folder
from ._compile import KERNELS, Kernel
from ._words import Precision

Job: TypeAlias = tuple[str, Precision, tuple[int, int] | None]


@dataclass(frozen=True)
class Warmed:
    """One kernel that is ready now. `seconds` is what it took, a few milliseconds if it was on disk.

    target: "cpu", or the architecture of a GPU such as "sm_90".
    """

    kernel: str
    precision: Precision
    seconds: float
    target: str = "cpu"


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
    capability: tuple[int, int] | None = None,
    names: Iterable[str] | None = None,
    processes: int | None = None,
    progress: Callable[[Warmed, int, int], None] | None = None,
) -> list[Warmed]:
    """Compile all kernels for the argument types of their annotations, and keep them on disk.

    capability: of the GPU to compile for, such as (9, 0); None compiles for the CPU.
    names: the kernels, if not all. ValueError for one that there is not.
    processes: how many compile at once, with this one, as many as there are threads by default. Without a folder to
        keep them in (THINC_NB_CACHE_DIR="") there is only this process.
    progress: called with each kernel that is ready, how many are, and how many there will be.
    """
    known = all_kernels()
    chosen = sorted(known if names is None else set(names))
    if unknown := [name for name in chosen if name not in known]:
        raise ValueError(f"there is no kernel {', '.join(unknown)}")
    jobs: list[Job] = [(name, precision, capability) for precision in precisions for name in chosen]
    warmed: list[Warmed] = []

    def ready(one: Warmed) -> None:
        warmed.append(one)
        if progress is not None:
            progress(one, len(warmed), len(jobs))

    if capability is None:
        # What they share their work with, and what is compiled beside them.
        from . import _board, _matrices

        _matrices.warm(only_flatten=names is not None)
        if _threads.num_threads > 1:
            _board.functions()
    # A process takes a second to start: none is needed for what is only loaded.
    missing = [job for job in jobs if not is_kept(*job)]
    for job in jobs:
        if job not in missing:
            ready(compile_one(*job))
    count = min(processes or _threads.num_threads, len(missing))
    if count <= 1 or cache_folder() is None:
        for job in missing:
            ready(compile_one(*job))
        return warmed
    # What takes longest comes first, so that nobody is waited for in the end.
    missing.sort(key=lambda job: len(known[job[0]].body.__code__.co_code), reverse=True)
    _compile_together(missing, count - 1, ready)
    return warmed


def _compile_together(jobs: list[Job], others: int, ready: Callable[[Warmed], None]) -> None:
    """Compile here and in so many other processes: they begin with the first jobs, this one with the last."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    # Spawned, since a fork of a process with threads may hold their locks for ever.
    pool = ProcessPoolExecutor(others, mp_context=multiprocessing.get_context("spawn"), initializer=_ignore_interrupts)
    try:
        with _interrupts_kept_from_children():
            futures = [pool.submit(compile_one, *job) for job in jobs]
        taken = []
        for job, future in zip(reversed(jobs), reversed(futures), strict=True):
            if future.cancel():
                taken.append(future)
                ready(compile_one(*job))
        for future in as_completed(set(futures).difference(taken)):
            ready(future.result())
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """In a process that helps: Ctrl-C, which all processes of a terminal get, is for the one that is helped."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _interrupts_kept_from_children() -> Iterator[None]:
    """Put off Ctrl-C; processes that are started do not get any, even while they import what they need."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def is_kept(name: str, precision: Precision, capability: tuple[int, int] | None) -> bool:
    """Whether a kernel is on disk."""
    kernel = KERNELS.get(name) or all_kernels()[name]
    if capability is not None:
        from ._launch import ptx_path

        path = ptx_path(kernel, precision, capability)
        return path is not None and path.is_file()
    from ._types import loop_types

    loop = kernel.cpu(precision)
    kept: bool = loop._cache.holds(loop_types(kernel, precision), loop.targetctx)
    return kept


def compile_one(name: str, precision: Precision, capability: tuple[int, int] | None = None) -> Warmed:
    """Compile one kernel, or find it on disk."""
    start = time.perf_counter()
    kernel = KERNELS.get(name) or all_kernels()[name]
    if capability is None:
        from ._types import loop_types

        kernel.cpu(precision).compile(loop_types(kernel, precision))
        return Warmed(name, precision, time.perf_counter() - start)
    from ._launch import kept_ptx

    kept_ptx(kernel, precision, capability)
    return Warmed(name, precision, time.perf_counter() - start, "sm_{}{}".format(*capability))
