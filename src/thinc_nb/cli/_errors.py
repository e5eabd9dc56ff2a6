"""What a command reports and ends with, instead of a traceback."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["BAD_INPUT", "FAILED", "INTERRUPTED", "OK", "CommandError", "reading", "require_writable"]

OK = 0
FAILED = 1
BAD_INPUT = 2
INTERRUPTED = 130


class CommandError(Exception):
    """A problem the user can act on: one line that opens with the file and the line number, where there are any."""

    def __init__(
        self,
        message: str,
        *,
        path: str | os.PathLike[str] | None = None,
        line: int | None = None,
        status: int = BAD_INPUT,
    ) -> None:
        place = "" if path is None else f"{os.fspath(path)}:"
        if path is not None and line is not None:
            place += f"{line}:"
        # One line, whatever the message was made of: the exit status and this line are all that a script sees.
        super().__init__(" ".join(f"{place} {message}".split()))
        self.status = status


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the operating system's refusal of a file into a `CommandError` that names the file."""
    try:
        yield
    except OSError as err:
        raise CommandError(err.strerror or str(err), path=path) from err


def require_writable(folder: Path) -> None:
    """Make the folder and try to write into it, so that an hour's training does not end with nowhere to put it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as err:
        raise CommandError(f"cannot write here ({err.strerror or err})", path=folder) from err
