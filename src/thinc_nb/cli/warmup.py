"""`thinc-nb warmup`: compile all kernels now, so that no first call has to."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._errors import OK, CommandError
from ._parser import OneLineParser

if TYPE_CHECKING:
    from ..kernels import Warmed

__all__ = ["add_arguments", "run"]


def add_arguments(parser: OneLineParser) -> None:
    """Declare the options of the command."""
    add = parser.add_argument
    add("--processes", metavar="N", type=int, help="how many compile at once (default: one for each thread)")
    add("--float64", action="store_true", help="the kernels for float64 too")


def run(options: argparse.Namespace, clock: Callable[[], float]) -> int:
    """Run the command; raises `CommandError` on bad input, or if there is no folder to keep kernels in."""
    if options.processes is not None and options.processes < 1:
        raise CommandError(f"--processes must be 1 or more, not {options.processes}")
    from ..kernels import cache_info

    before = cache_info()
    if before.folder is None:
        raise CommandError("the cache is off, so nothing would be kept: unset THINC_NB_CACHE_DIR or name a folder")
    warmed = _warm_with_bar(options) if sys.stdout.isatty() and importlib.util.find_spec("rich") else _warm(options)
    after = cache_info()
    print(
        f"{len(warmed)} kernels are ready in {after.folder} after {clock():.1f} s: "
        f"{after.entries - before.entries} entries are new, {after.bytes / 1e6:.1f} MB in all"
    )
    return OK


def _warm(options: argparse.Namespace) -> list[Warmed]:
    """With one plain line for each kernel."""
    from ..kernels import warmup

    def tell(one: Warmed, done: int, total: int) -> None:
        print(f"{done}/{total} {one.kernel} {one.precision} {one.seconds:.2f} s", flush=True)

    return warmup(("f32", "f64") if options.float64 else ("f32",), processes=options.processes, progress=tell)


def _warm_with_bar(options: argparse.Namespace) -> list[Warmed]:
    from rich.progress import Progress

    from ..kernels import warmup

    with Progress() as progress:
        bar = progress.add_task("compiling", total=None)

        def tell(one: Warmed, done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total, description=one.kernel)

        return warmup(("f32", "f64") if options.float64 else ("f32",), processes=options.processes, progress=tell)
