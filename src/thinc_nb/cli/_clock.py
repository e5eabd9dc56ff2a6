"""How long the process has been running: what a user waits for includes the interpreter's start and the imports."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["since_call", "since_process_start"]

_LONGEST_IMPORT = 60.0
_imported = time.perf_counter()


def since_call() -> Callable[[], float]:
    """A clock that starts now, for a command that is called inside a running process."""
    start = time.perf_counter()
    return lambda: time.perf_counter() - start


def since_process_start() -> Callable[[], float]:
    """A clock that started with the process; where the system does not tell (not Linux), with this module's import."""
    before_import = _age_of_process() - (time.perf_counter() - _imported)
    if not 0.0 <= before_import <= _LONGEST_IMPORT:
        before_import = 0.0
    return lambda: before_import + time.perf_counter() - _imported


def _age_of_process() -> float:
    try:
        # The second field is the program's name in brackets and may hold blanks; field 22 is the start in ticks.
        start_ticks = int(Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - start_ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return -1.0
