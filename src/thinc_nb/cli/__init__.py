"""The command `thinc-nb`: demo, tag, train, info, warmup, clean.

Importing this package is light; a command imports what it needs when it runs.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .. import __version__
from . import clean, demo, info, tag, train, warmup
from ._clock import since_call, since_process_start
from ._errors import FAILED, INTERRUPTED, OK, CommandError
from ._parser import OneLineParser

__all__ = ["main"]


class _Command(NamedTuple):
    add_arguments: Callable[[OneLineParser], None]
    run: Callable[[argparse.Namespace, Callable[[], float]], int]
    summary: str


_COMMANDS = {
    "demo": _Command(
        demo.add_arguments,
        demo.run,
        "train a tagger on Python's own source, or on CoNLL-U files, and show what it does",
    ),
    "tag": _Command(tag.add_arguments, tag.run, "tag new text with a model that the demo saved"),
    "train": _Command(train.add_arguments, train.run, "train the model that a config file describes"),
    "info": _Command(info.add_arguments, info.run, "print versions, devices, threads, and which kernels are compiled"),
    "warmup": _Command(warmup.add_arguments, warmup.run, "compile all kernels now, so that no first call has to"),
    "clean": _Command(clean.add_arguments, clean.run, "remove the compiled kernels that other versions have left"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `thinc-nb` and return the exit status: 0, or 2 for bad input, 130 after Ctrl-C, 1 if training failed.

    `argv` is the arguments without the program's name; None takes those of the process.
    """
    clock = since_process_start() if argv is None else since_call()
    if argv is None and isinstance(sys.stdout, io.TextIOWrapper):
        # A word that the terminal's encoding lacks is shown escaped; it is no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = _parser()
    try:
        options = parser.parse_args(argv)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else OK
    try:
        status = _COMMANDS[options.command].run(options, clock)
        sys.stdout.flush()
        return status
    except CommandError as err:
        print(f"{parser.prog} {options.command}: error: {err}", file=sys.stderr)
        return err.status
    except KeyboardInterrupt:
        print(f"{parser.prog} {options.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        _drop_output()
        return OK
    except OSError as err:
        if err.errno != errno.ENOSPC or err.filename is not None:
            raise
        print(f"{parser.prog} {options.command}: error: cannot write the output ({err.strerror})", file=sys.stderr)
        _drop_output()
        return FAILED


def _drop_output() -> None:
    """At its end the interpreter flushes stdout: let it succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> OneLineParser:
    parser = OneLineParser(prog="thinc-nb", description="Typed neural network models on Numba kernels.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in _COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=command.summary, description=command.summary))
    return parser
