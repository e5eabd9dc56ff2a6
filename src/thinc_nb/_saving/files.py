"""Files that are written entirely or not at all."""

from __future__ import annotations

import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["replacing", "write_atomically"]

_SUFFIX = ".tmp"


def write_atomically(path: Path, data: bytes | Iterable[bytes | memoryview]) -> None:
    """Write a file, given whole or in pieces, entirely or not at all; see `replacing`.

    What is not a regular file (a pipe, a device) is written directly.
    """
    pieces = [data] if isinstance(data, bytes) else data
    target = _resolved(path)
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            file.writelines(pieces)
        return
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines(pieces)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path for the block to write to; the file that it leaves there then replaces the one at `path` in one step.

    The new file is made in the same folder, is on the disk before it gets its name, and has the permissions of the old
    one. If the path is a link, its target is replaced. After any error, also in the block, the old file is what it was.
    New files that were left behind because a process was killed are removed when the same file is written again.
    OSError if writing fails.
    """
    target = _resolved(path)
    try:
        old = target.stat()
    except FileNotFoundError:
        old = None
    _remove_leftovers(target)
    temporary, lock = _create(target)
    try:
        yield temporary
        with temporary.open("r+b") as file:
            if old is not None:
                _copy_owner_and_mode(file.fileno(), old)
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = os.fspath(target)  # of a full disk nothing else says which
        raise
    finally:
        os.close(lock)
    _sync_folder(target.parent)


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _prefix(target: Path) -> str:
    return f".{target.name[:40]}."  # so that the whole name has less than 255 bytes in any alphabet


def _create(target: Path) -> tuple[Path, int]:
    """A new file beside `target`, and a handle that holds a lock on it for as long as the process lives."""
    while True:
        path = target.with_name(f"{_prefix(target)}{secrets.token_hex(6)}{_SUFFIX}")
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
        except OSError as error:
            error.filename = os.fspath(target)  # the file that the caller knows of
            raise
        if sys.platform == "win32":
            return path, handle
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another process may have taken this file for a leftover, before it was locked, and removed it.
        if path.exists():
            return path, handle
        os.close(handle)


def _remove_leftovers(target: Path) -> None:
    """Remove temporary files for `target` whose writers are no longer alive: nobody holds a lock on them."""
    if sys.platform == "win32":
        return
    prefix = _prefix(target)
    with suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if not (entry.name.startswith(prefix) and entry.name.endswith(_SUFFIX)):
                continue
            with suppress(OSError):
                handle = os.open(entry.path, os.O_RDWR | os.O_NOFOLLOW)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    Path(entry.path).unlink()
                finally:
                    os.close(handle)


def _copy_owner_and_mode(handle: int, old: os.stat_result) -> None:
    if sys.platform == "win32":
        return
    new = os.fstat(handle)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with suppress(OSError):  # only root may give files away
            os.fchown(handle, old.st_uid, old.st_gid)
    os.fchmod(handle, stat.S_IMODE(old.st_mode))


def _sync_folder(folder: Path) -> None:
    """Have the new name on the disk, too; where a folder can be opened."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
