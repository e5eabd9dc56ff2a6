"""`thinc-nb info`: versions, devices, threads, cache folder and what is compiled."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterator
from typing import Any, Final

from .. import __version__
from ._errors import OK
from ._parser import OneLineParser

__all__ = ["add_arguments", "collect", "run"]

_PACKAGES: Final = ("numpy", "numba", "llvmlite", "threadpoolctl", "rich", "matplotlib", "cupy", "torch")


def add_arguments(parser: OneLineParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace, clock: Callable[[], float]) -> int:
    """Run the command."""
    facts = collect()
    if options.json:
        print(json.dumps(facts, indent=2))
    else:
        print("\n".join(_lines(facts)))
    return OK


def collect() -> dict[str, Any]:
    """Everything that `info` knows, as values that JSON can hold."""
    return {
        "thinc_nb": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "platform": platform.platform(),
        "packages": _versions(),
        "blas": _blas(),
        "devices": _devices(),
        "threads": {"cpus": _usable_cpus(), **_thread_settings()},
        "cache": _cache(),
    }


def _versions() -> dict[str, str | None]:
    return {name: _version(name) for name in _PACKAGES}


def _version(name: str) -> str | None:
    """By the name of the import: CuPy's packages are called cupy-cuda12x and the like."""
    # Python 3.10 knows only some packages' imports, so the name itself comes first.
    for candidate in (name, *importlib.metadata.packages_distributions().get(name, ())):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(candidate)
    return None


def _blas() -> list[dict[str, Any]]:
    """The BLAS libraries that NumPy has loaded."""
    import numpy as np  # noqa: F401  (loads its BLAS, which is what threadpoolctl looks for)
    from threadpoolctl import threadpool_info

    keys = ("internal_api", "version", "architecture", "num_threads")
    return [
        {key: library.get(key) for key in keys} for library in threadpool_info() if library.get("user_api") == "blas"
    ]


def _devices() -> list[str]:
    from .. import compat

    name = platform.processor() or platform.machine()
    devices = [f"cpu ({name})"]
    if compat.has_cupy_gpu:
        runtime = compat.cupy.cuda.runtime
        for index in range(runtime.getDeviceCount()):
            properties = runtime.getDeviceProperties(index)
            devices.append(f"gpu {index} ({properties['name'].decode()})")
    return devices


def _usable_cpus() -> int:
    """CPUs this process may run on: less than the machine has, inside many containers."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _thread_settings() -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {name: os.environ[name] for name in names if name in os.environ}


def _cache() -> dict[str, Any]:
    from ..kernels import cache_info

    info = cache_info()
    return {
        "folder": None if info.folder is None else os.fspath(info.folder),
        "entries": info.entries,
        "bytes": info.bytes,
        "kernels": list(info.kernels),
    }


def _lines(value: Any, indent: str = "") -> Iterator[str]:
    """Nested facts as indented lines."""
    for name, item in value.items():
        if isinstance(item, dict):
            yield f"{indent}{name}:"
            yield from _lines(item, indent + "  ")
        elif isinstance(item, list):
            yield f"{indent}{name}:" + ("" if item else " none")
            yield from (f"{indent}  {_in_one_line(entry)}" for entry in item)
        else:
            yield f"{indent}{name}: {'none' if item is None else item}"


def _in_one_line(entry: Any) -> str:
    if isinstance(entry, dict):
        return ", ".join(f"{name} {item}" for name, item in entry.items())
    return str(entry)
