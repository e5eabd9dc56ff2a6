"""Cases for type checkers: small programs in cases/*.test, with the expected errors behind the lines that have them.

Files that start with "bad" have mistakes, those with "valid" have none; those with "valid_with_plugin" need the plugin
to be understood. A case starts with ``[case name]``. ``# E: code`` says that mypy with the plugin reports one error
with this code on the line, and nothing on lines without; several codes are separated by commas. The plugin's exact
words are in golden/; of mypy's own messages, which change with its version and numpy's, there are line and code.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from packaging.version import Version

import thinc_nb

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCE = Path(thinc_nb.__file__ or "").parents[1]
CASE = re.compile(r"^\[case (\w+)\]\n", re.MULTILINE)
EXPECTED = re.compile(r"# E: ([\w-]+(?:, [\w-]+)*)$")
MESSAGE = re.compile(r"(?P<module>\w+)\.py:(?P<line>\d+): (?P<kind>error|note): (?P<text>.*)")
# NumPy before 2.3, the last for Python 3.10, gives many results a rank that no array type accepts: its own, not ours.
UNKNOWN_RANK = "ndarray[tuple[int, ...], " if Version(np.__version__) < Version("2.3") else None
CODE = re.compile(r"  \[([\w-]+)\]$")


@dataclass(frozen=True)
class Case:
    """One program."""

    file: str
    name: str
    code: str

    @property
    def module(self) -> str:
        """The name of the program's module."""
        return f"{self.file}_{self.name}"

    @property
    def expected(self) -> list[tuple[int, str]]:
        """Line and code of each error that mypy has to report with the plugin."""
        return [
            (number, code)
            for number, line in enumerate(self.code.splitlines(), 1)
            if (match := EXPECTED.search(line))
            for code in match[1].split(", ")
        ]


def read_cases(folder: Path = HERE / "cases") -> list[Case]:
    """All cases, file by file."""
    cases = []
    for path in sorted(folder.glob("*.test")):
        _, *parts = CASE.split(path.read_text(encoding="utf-8"))
        cases += [
            Case(path.stem, name, code.rstrip() + "\n") for name, code in zip(parts[::2], parts[1::2], strict=True)
        ]
    return cases


def write_cases(cases: list[Case], folder: Path) -> None:
    """Write each case as a module."""
    for case in cases:
        (folder / f"{case.module}.py").write_text(case.code, encoding="utf-8")


def configuration(*lines: str, plugin: bool = True) -> str:
    """A mypy.ini."""
    plugins = ["plugins = thinc_nb.mypy"] if plugin else []
    paths = [f"mypy_path = {SOURCE}:{ROOT / 'stubs'}"]
    return "\n".join(["[mypy]", *plugins, *paths, *lines, "[mypy-thinc_nb.*]", "follow_imports = silent", ""])


CONFIGURATIONS = {
    "plugin": configuration("check_untyped_defs = True", "warn_return_any = True", "strict_equality = True"),
    "plain": configuration("check_untyped_defs = True", "warn_return_any = True", plugin=False),
    "lax": configuration("strict_optional = False", "allow_redefinition = True"),
}


_CACHES = tempfile.TemporaryDirectory(prefix="mypy-cases-")


def run_mypy(folder: Path, config: str) -> str:
    """What mypy says of the modules of a folder. --show-traceback: an error of the plugin's own is not passed over.

    What mypy knows of numpy and thinc_nb is kept for the next run with this configuration.
    """
    (folder / "mypy.ini").write_text(config, encoding="utf-8")
    cache = Path(_CACHES.name) / str(zlib.crc32(config.encode()))
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--show-traceback", f"--cache-dir={cache}", "."]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "MYPYPATH": ""}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, env=environment)
    assert not done.stderr.strip(), done.stderr
    lines = done.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if UNKNOWN_RANK is None or UNKNOWN_RANK not in line)


def by_module(output: str) -> dict[str, list[str]]:
    """The messages, as ``line: kind: text``, of each module."""
    found: dict[str, list[str]] = {}
    for line in output.splitlines():
        match = MESSAGE.match(line)
        if match is None and line.endswith(" defined here"):  # a note of mypy before 1.19, in a file of ours
            continue
        assert match is not None, line
        found.setdefault(match["module"], []).append(f"{match['line']}: {match['kind']}: {match['text']}")
    return found


def errors_of(messages: list[str]) -> list[tuple[int, str]]:
    """Line and code of each error."""
    found = []
    for message in messages:
        line, kind, text = message.split(": ", 2)
        if kind == "error":
            code = CODE.search(text)
            found.append((int(line), code[1] if code else ""))
    return found


def golden_text(cases: list[Case], messages: dict[str, list[str]]) -> str:
    """What golden files hold: the messages of each case below its name."""
    parts = []
    for case in cases:
        lines = dict.fromkeys(map(_golden_line, messages.get(case.module, [])))  # some mypy say the same twice
        parts += [f"[case {case.file}.{case.name}]", *filter(None, lines)]
    return "\n".join(parts) + "\n"


def _golden_line(message: str) -> str | None:
    line, kind, text = message.split(": ", 2)
    code = CODE.search(text)
    if kind == "note":
        return message if text.startswith("  hint: ") else None
    return message if code and code[1].startswith("layer-") else f"{line}: {kind}: {code[0].strip() if code else text}"
