"""Compiled kernels on disk: one file per kernel and argument types, never stale, never in the way.

numba has a cache of its own. Ours replaces it below the dispatcher because three things have to hold that do not there:
a kernel is compiled again when any file of this folder changes (numba watches only the file of the outermost function);
two processes that compile the same kernel at once never mix up their files (numba's index and data are written apart);
and a read-only folder, a full disk or a damaged file costs time, not the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import platform
import re
import sys
import time
import warnings
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .._environment import folder_of
from ._interrupt import uninterrupted

DIGEST_BYTES = 16
DAY = 24 * 3600.0
UNUSED = 60 * DAY
"""Seconds without use after which a version that begins to keep kernels removes those of another version."""
_VERSION = re.compile(r"kernels-[0-9a-f]{12}-[\w.-]+")
_KEPT = (".kernel", ".ptx", ".part")


@dataclass(frozen=True)
class CacheInfo:
    """What is compiled and kept on disk. `folder` is None when nothing is kept; `bytes` is the size of all files."""

    folder: Path | None
    entries: int
    bytes: int
    kernels: tuple[str, ...]


def cache_info() -> CacheInfo:
    """The state of the cache of this version of the kernels, on this kind of processor or any other."""
    folder = cache_folder()
    files = sorted(folder.glob("*.kernel")) if folder is not None and folder.is_dir() else []
    kernels = tuple(sorted({file.name.rsplit("-", 1)[0] for file in files}))
    return CacheInfo(folder, len(files), sum(file.stat().st_size for file in files), kernels)


def cache_folder() -> Path | None:
    """Where compiled kernels are kept: below $THINC_NB_CACHE_DIR or the user's cache folder. Empty variable: nowhere.

    The last part of the path names this version of the kernels' source, of numba and of Python.
    """
    chosen = folder_of("THINC_NB_CACHE_DIR", _user_cache)
    return None if chosen is None else chosen / _version()


def _user_cache() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("thinc_nb", appauthor=False)


def other_versions(folder: Path) -> list[Path]:
    """What other versions of the kernels, numba, llvmlite, NumPy or Python have left beside a folder of the cache."""
    return sorted(
        other
        for other in folder.parent.glob("kernels-*")
        if other != folder and _VERSION.fullmatch(other.name) and other.is_dir() and not other.is_symlink()
    )


def remove_version(folder: Path) -> int:
    """Remove what a version has kept, and nothing else that may be there. Returns how many bytes it was.

    A process that uses that version compiles again. What cannot be removed stays.
    """
    removed = 0
    for file in [path for ending in _KEPT for path in folder.glob(f"*{ending}")]:
        with contextlib.suppress(OSError):
            size = file.stat().st_size
            file.unlink()
            removed += size
    with contextlib.suppress(OSError):
        folder.rmdir()
    return removed


@cache
def _note_use(folder: Path) -> None:
    """Have the folder's time say that its version is used, to the day."""
    with contextlib.suppress(OSError):
        if time.time() - folder.stat().st_mtime > DAY:
            os.utime(folder)


def _remove_unused(folder: Path) -> None:
    """Remove other versions that no process has used for `UNUSED` seconds."""
    for other in other_versions(folder):
        with contextlib.suppress(OSError):
            if time.time() - other.stat().st_mtime > UNUSED:
                remove_version(other)


@cache
def _version() -> str:
    import numba

    llvmlite = import_module("llvmlite")
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    for part in (numba.__version__, llvmlite.__version__, np.__version__, platform.machine()):
        digest.update(part.encode())
    return f"kernels-{digest.hexdigest()[:12]}-{sys.implementation.cache_tag}"


class KernelCache:
    """The cache of one dispatcher, in the place of numba's.

    contents: the digest of a body from outside this folder (see `_contents`), empty for others. None: nothing is kept.
    """

    def __init__(self, name: str, contents: str | None = ""):
        self.name = name
        self.contents = contents

    @classmethod
    def attach(cls, dispatcher: Any, name: str, contents: str | None = "") -> None:
        """Let a dispatcher look here before it compiles, keep here what it compiles, and finish what it has begun."""
        dispatcher._cache = cls(name, contents)
        dispatcher.compile = uninterrupted()(dispatcher.compile)

    @property
    def cache_path(self) -> str:
        return str(cache_folder() or "")

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """What was compiled for a signature, or None."""
        from numba.core.runtime.nrt import rtsys

        # What kernels link to. numba's cache loads all of its own implementations here, which only compiling needs: a
        # third of the time to a first prediction.
        rtsys.initialize(target_context)
        path = self._path(signature, target_context.codegen())
        payload = None if path is None else _read_whole(path)
        if path is not None:
            _note_use(path.parent)
        if payload is None:
            _say_compiling(self.name)
            return None
        from numba.core.compiler import CompileResult

        return CompileResult._rebuild(target_context, *pickle.loads(payload))  # noqa: S301  (numba's own format; our file)

    def holds(self, signature: Any, target_context: Any) -> bool:
        """Whether something is kept for a signature; it may still be damaged."""
        path = self._path(signature, target_context.codegen())
        return path is not None and path.is_file()

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep what was compiled for a signature. A failure is a warning, once a process."""
        _say_compiling(None)
        path = self._path(signature, result.codegen)
        if path is None:
            return
        from numba.core.serialize import dumps

        payload = dumps(result._reduce())
        write_whole(path, hashlib.sha256(payload).digest()[:DIGEST_BYTES] + payload)

    def flush(self) -> None:
        """Nothing is held in memory."""

    def enable(self) -> None:
        """Always on; $THINC_NB_CACHE_DIR="" turns it off."""

    def disable(self) -> None:
        """Always on; $THINC_NB_CACHE_DIR="" turns it off."""

    def _path(self, signature: Any, codegen: Any) -> Path | None:
        folder = cache_folder()
        if folder is None or self.contents is None:
            return None
        # The processor is part of the key: a home folder can be shared by machines that differ.
        parts = self.name, self.contents, signature, codegen.magic_tuple()
        key = hashlib.sha256(repr(parts).encode()).hexdigest()
        return folder / f"{self.name}-{key[:16]}.kernel"


def _read_whole(path: Path) -> bytes | None:
    """What `save_overload` wrote; None if there is no such file, or a damaged one."""
    try:
        stored = path.read_bytes()
    except OSError:
        return None
    digest, payload = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
    return payload if hashlib.sha256(payload).digest()[:DIGEST_BYTES] == digest else None


def _say_compiling(name: str | None) -> None:
    """Show on a terminal which kernel is being compiled, on a line that goes away when it is done (None)."""
    if sys.stderr is not None and sys.stderr.isatty():
        text = "" if name is None else f"thinc_nb: compiling {name}, once for this machine ..."
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


def write_whole(path: Path, data: bytes) -> bool:
    """Write a file of the cache entirely or not at all. False if it cannot be, with a warning once a process."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}.part")
    try:
        is_new = not path.parent.is_dir()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        _warn_once(str(path.parent), str(error))
        return False
    if is_new:
        _remove_unused(path.parent)
    return True


@cache
def _warn_once(folder: str, reason: str) -> None:
    warnings.warn(
        f"compiled kernels could not be kept in {folder} ({reason}): every process will compile them again. "
        "Set THINC_NB_CACHE_DIR to a folder that can be written, or to the empty string to silence this.",
        RuntimeWarning,
        stacklevel=2,
    )
