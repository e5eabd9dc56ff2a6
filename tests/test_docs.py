"""Every code block of the documentation is run or checked, and every link inside the repository leads somewhere.

Python blocks of one file share a namespace and run in order, in a fresh interpreter, as a reader would type them; one
that opens with a package, as in "python jax", runs where the package is installed. What a block prints is the text
block after it. Each line of a shell block has to name things that exist: make targets, tox environments, extras, files,
subcommands.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from configparser import ConfigParser
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import dropwhile, takewhile
from pathlib import Path
from textwrap import dedent

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
DOCS = [
    path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))) if path.exists()
]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*) ?(?P<needs>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)``` *$",
    re.DOTALL | re.MULTILINE,
)
LINK = re.compile(r"\]\((?!\w+:|#)(?P<target>[^)#\s]+)")
NOT_CODE = {"text", "diff", "toml", "ini"}

# Reads [[language, line, code, text after it], ...] as its only argument. Each block is compiled at its own line, so
# tracebacks point into the document.
RUNNER = """
import contextlib, doctest, io, json, sys
path, blocks = sys.argv[1], json.loads(sys.argv[2])
names = {"__name__": "__main__"}
for language, line, code, text in blocks:
    if language == "pycon":
        test = doctest.DocTestParser().get_doctest(code, names, path, path, line)
        failed = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, clear_globs=False).failed
        if failed:
            sys.exit(1)
        names = test.globs
    else:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\\n" * line + code, path, "exec"), names)
        lines = [one.rstrip() for one in printed.getvalue().splitlines()]
        if lines and text is not None and lines != text.splitlines():
            sys.exit("\\n".join([f"{path}:{line} printed", *lines, "and not", text]))
"""


@dataclass(frozen=True)
class Block:
    path: Path
    line: int
    language: str
    code: str
    needs: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT).as_posix()}:{self.line}"


def blocks_of(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    return [
        Block(path, text.count("\n", 0, match.start()) + 1, match["language"], dedent(match["code"]), match["needs"])
        for match in FENCE.finditer(text)
    ]


BLOCKS = [block for path in DOCS for block in blocks_of(path)]
WITH_PYTHON = sorted({block.path for block in BLOCKS if block.language in {"python", "pycon"}})
COMMANDS = [
    (block, line.removeprefix("$ "))
    for block in BLOCKS
    if block.language in {"sh", "bash", "console"}
    for line in block.code.splitlines()
    if line.startswith("$ ") or (block.language != "console" and line and not line.startswith("#"))
]


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_code_block_says_what_language_it_is(block: Block) -> None:
    assert block.language in NOT_CODE | {"python", "pycon", "sh", "bash", "console"}


@pytest.mark.parametrize("path", WITH_PYTHON, ids=lambda path: path.name)
def test_python_blocks_run(path: Path, tmp_path: Path) -> None:
    found = blocks_of(path)
    blocks = [
        [block.language, block.line, block.code, after.code if after and after.language == "text" else None]
        for block, after in zip(found, [*found[1:], None], strict=True)
        if block.language in {"python", "pycon"} and (not block.needs or find_spec(block.needs))
    ]
    command = [sys.executable, "-W", "error", "-c", RUNNER, str(path), json.dumps(blocks)]
    # Another folder must not change which thinc_nb is found, even if PYTHONPATH is relative.
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry),
    }
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("block", "command"), COMMANDS, ids=str)
def test_shell_command_names_things_that_exist(block: Block, command: str) -> None:
    for part in re.split(r"&&|\|", command):
        words = [word for word in shlex.split(part, comments=True) if not re.match(r"[A-Z_]+=", word)]
        assert words, f"{block}: nothing to run in {command!r}"
        problem = complaint(words)
        assert problem is None, f"{block}: {command!r}: {problem}"


def complaint(words: list[str]) -> str | None:
    """What is wrong with a command, or None."""
    program, arguments = Path(words[0]).name, words[1:]
    if re.fullmatch(r"python[0-9.]*", program) and arguments[:1] == ["-m"]:
        program, arguments = arguments[1], arguments[2:]
    plain = [word for word in arguments if not word.startswith("-")]
    if program == "make":
        return missing(plain, set(re.findall(r"^([\w-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)))
    if program == "pip":
        extras = {
            extra.strip() for group in re.findall(r"\[([\w, ]+)\]", " ".join(plain)) for extra in group.split(",")
        }
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return missing(sorted(extras), set(project["optional-dependencies"]))
    if program == "tox":
        tox = ConfigParser()
        tox.read(ROOT / "tox.ini")
        named = {section.removeprefix("testenv:") for section in tox.sections()}
        return missing(
            [env for word in plain for env in word.split(",")], named | set(tox["tox"]["env_list"].split(", "))
        )
    if program in {"pytest", "mypy", "pyright", "ruff"}:
        return missing([word for word in plain if "/" in word and not (ROOT / word.split("::")[0]).exists()], set())
    if program in {"thinc-nb", "thinc_nb"}:
        return None if runs([sys.executable, "-m", "thinc_nb", *plain[:1], "--help"]) else "no such subcommand"
    if program == "thinc_nb.as_thinc":  # what follows it is another program
        arguments = []
    if program.startswith("thinc_nb."):
        return None if runs([sys.executable, "-m", program, *arguments, "--help"]) else "no such module"
    if program == "asv":
        sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "asv_benchmarks").rglob("*.py"))
        named = arguments[arguments.index("--bench") + 1 :] if "--bench" in arguments else []
        return missing([*plain[:1], *named], {"run", "continuous", *re.findall(r"^class (\w+)", sources, re.MULTILINE)})
    if program in {"git", "cd"}:
        return None
    return f"test_docs.py does not know how to check {program!r}"


def missing(names: list[str], known: set[str]) -> str | None:
    unknown = [name for name in names if name not in known]
    return f"there is no {', '.join(unknown)}" if unknown else None


def runs(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=120).returncode == 0


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_links_into_the_repository_lead_somewhere(path: Path) -> None:
    targets = LINK.findall(path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def rows_after(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its own head."""
    lines = iter(text[text.index(heading) :].splitlines())
    table = list(takewhile(str.strip, dropwhile(lambda line: not line.startswith("|"), lines)))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def ratios_by_model(heading: str, columns: slice) -> dict[str, list[list[float]]]:
    """What a table of docs/performance.md says of each model's training, and of its prediction."""
    measured: dict[str, list[list[float]]] = {}
    for model, _step, *cells in rows_after((ROOT / "docs/performance.md").read_text("utf-8"), heading):
        # The row of prediction has no name: it follows that of training.
        name = model or list(measured)[-1]
        measured.setdefault(name, []).append([float(cell) for cell in cells[columns]])
    return measured


def test_readme_rounds_what_was_measured() -> None:
    libraries = ratios_by_model("### Two threads", slice(5, 8))  # Thinc, torch, torch.compile.
    jax = ratios_by_model("### Beside JAX", slice(2, 3))
    shown = rows_after((ROOT / "README.md").read_text("utf-8"), "ratios of their time to ours")
    assert len(shown) == 4
    for model, *cells in shown:
        begins = model.removesuffix(": train, predict").split(" on ")[0]
        name = next(name for name in libraries if name.startswith(begins))
        steps = [ratios + further for ratios, further in zip(libraries[name], jax[name], strict=True)]
        assert cells == [", ".join(f"{step:.1f}" for step in column) for column in zip(*steps, strict=True)], model
