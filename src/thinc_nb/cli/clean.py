"""`thinc-nb clean`: remove compiled kernels that other versions have left, or all."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

from ._errors import FAILED, OK, CommandError
from ._parser import OneLineParser

__all__ = ["add_arguments", "run"]


def add_arguments(parser: OneLineParser) -> None:
    """Declare the options of the command."""
    parser.add_argument("--all", action="store_true", help="those of this version too, which are then compiled again")


def run(options: argparse.Namespace, clock: Callable[[], float]) -> int:
    """Run the command; raises `CommandError` if something cannot be removed."""
    from ..kernels import cache_folder, other_versions, remove_version

    folder = cache_folder()
    if folder is None:
        print("nothing to remove: THINC_NB_CACHE_DIR is empty, so nothing is kept")
        return OK
    versions = other_versions(folder)
    if options.all and folder.is_dir():
        versions.append(folder)
    removed = sum(map(remove_version, versions))
    left = [version for version in versions if version.exists()]
    print(f"removed {removed / 1e6:.1f} MB in {len(versions) - len(left)} folders of {os.fspath(folder.parent)}")
    if left:
        raise CommandError(
            f"could not be removed, or has other files in it: {', '.join(map(os.fspath, left))}", status=FAILED
        )
    return OK
