"""The plugin under mypy's ways of running: with a cache, as a daemon, in processes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from .harness import CONFIGURATIONS, SOURCE

pytest.importorskip("mypy")

LAYERS = """
from typing import Literal
from thinc_nb.api import Linear, Model
from thinc_nb.types import NI, NO, Floats2d
def encoder() -> Model[Floats2d, Floats2d, Literal[20], Literal[{width}]]:
    return Linear({width}, 20)
def Block(nO: NO, nI: NI) -> Model[Floats2d, Floats2d, NI, NO]:
    return Linear(nO, nI)
"""
PROGRAM = """
from typing import Final
from layers import Block, encoder
from thinc_nb.api import Linear, chain, reduce_max
WIDTH: Final = {width}
first = Linear(WIDTH, 4)
def build() -> None:
    a = chain(first, Linear(2, 64))
    b = chain(encoder(), Block(3, 64))
    c = chain(first, reduce_max())
"""
TOO_WIDE = 'program.py:{}: error: chain: layer 2 "{}" expects width {}, but layer 1 "{}" outputs width 32  [layer-dim]'
AT_32 = [TOO_WIDE.format(8, "Linear(2, 64)", 64, "first"), TOO_WIDE.format(9, "Block(3, 64)", 64, "encoder()")]
ALWAYS = (
    'program.py:10: error: chain: layer 2 "reduce_max()" expects Ragged, '
    'but layer 1 "first" outputs Floats2d  [layer-type]'
)


# What other files say of widths, in all the ways that are followed from file to file.
SIZES = """
from typing import Final, Literal
from thinc_nb.api import Linear, Model
from thinc_nb.types import NI, NO, Floats2d
WIDTH: Final = {width}
class Config:
    WIDTH: Final = {width}
    def __init__(self) -> None:
        self.size: Final = {width}
class Encoder(Model[Floats2d, Floats2d, Literal[20], Literal[{width}]]): ...
def encoder() -> Model[Floats2d, Floats2d, Literal[20], Literal[{width}]]:
    return Linear({width}, 20)
def half() -> Literal[{width}]:
    return {width}
"""
USER = """
import sizes
from sizes import WIDTH, Config, Encoder, encoder, half
from thinc_nb.api import Linear, Model, chain
def build(config: Config, own: Encoder) -> None:
    a = chain(Linear(WIDTH, 4), Linear(2, 64))
    b = chain(Linear(sizes.WIDTH, 4), Linear(2, 64))
    c = chain(Linear(Config.WIDTH, 4), Linear(2, 64))
    d = chain(Linear(config.WIDTH, 4), Linear(2, 64))
    e = chain(Linear(config.size, 4), Linear(2, 64))
    f = chain(encoder(), Linear(2, 64))
    g = chain(own, Linear(2, 64))
    h = chain(Linear(half(), 4), Linear(2, 64))
    i = chain(Linear(WIDTH * 2, 4), Linear(2, 128))
    with Model.define_operators({">>": chain}):
        j = Linear(WIDTH, 4) >> Linear(2, 64)
width = WIDTH
k = chain(Linear(width, 4), Linear(2, 64))
"""
USED_AT = [n for n, line in enumerate(USER.splitlines(), 1) if "Linear(2, " in line]


def write(folder: Path, width: int) -> None:
    # mypy sees a change by the size of a file, or the second of its writing: the padding makes the sizes differ.
    padding = "#" * width + "\n"
    (folder / "layers.py").write_text(LAYERS.format(width=width) + padding)
    (folder / "program.py").write_text(PROGRAM.format(width=width) + padding)


def write_sizes(folder: Path, width: int) -> None:
    (folder / "sizes.py").write_text(SIZES.format(width=width) + "#" * width + "\n")


def lines_of(errors: list[str]) -> list[int]:
    assert all(error.endswith("[layer-dim]") for error in errors), errors
    return [int(error.split(":")[1]) for error in errors]


def run(folder: Path, *command: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "MYPYPATH": "", **environment},
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if ": error:" in line or "Traceback" in line]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has been checked once, so that thinc_nb and numpy are in the cache."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "mypy.ini").write_text(CONFIGURATIONS["plugin"])
    write(folder, 64)
    assert run(folder, "mypy", "program.py") == [ALWAYS]
    return folder


def test_cached_results_follow_changes(project: Path) -> None:
    for width, expected in ((64, [ALWAYS]), (32, [*AT_32, ALWAYS]), (64, [ALWAYS])):
        write(project, width)
        assert run(project, "mypy", "program.py") == expected
        assert run(project, "mypy", "program.py") == expected


def test_the_daemon_follows_changes(project: Path) -> None:
    daemon = ("mypy.dmypy", "--status-file", "status.json")
    program = project / "program.py"
    write(project, 32)
    turned = PROGRAM.format(width=32).replace("chain(first, reduce_max())", "chain(reduce_max(), first)")
    try:
        assert run(project, *daemon, "run", "--timeout", "300", "--", "program.py") == [*AT_32, ALWAYS]
        program.write_text(f"{turned}#\n")
        assert run(project, *daemon, "check", "program.py") == AT_32
        program.write_text(f"{PROGRAM.format(width=64)}##\n")
        assert run(project, *daemon, "check", "program.py") == [AT_32[1], ALWAYS]
    finally:
        run(project, *daemon, "stop")


def test_the_daemon_goes_on_after_a_syntax_error(project: Path) -> None:
    daemon = ("mypy.dmypy", "--status-file", "syntax.json")
    program = project / "program.py"
    write(project, 32)
    try:
        assert run(project, *daemon, "run", "--timeout", "300", "--", "program.py") == [*AT_32, ALWAYS]
        program.write_text(PROGRAM.format(width=32).replace("Linear(2, 64))", "Linear(2, nI=))"))
        (broken,) = run(project, *daemon, "check", "program.py")
        assert broken.endswith("[syntax]")
        program.write_text(PROGRAM.format(width=32).replace("Linear(2, 64))", "Linear(2, 3 * 32))"))
        fixed = TOO_WIDE.format(8, "Linear(2, 3 * 32)", 96, "first")
        assert run(project, *daemon, "check", "program.py") == [fixed, AT_32[1], ALWAYS]
    finally:
        run(project, *daemon, "stop")


def test_a_width_that_changes_in_another_file_is_found_in_the_cache(project: Path) -> None:
    (project / "user.py").write_text(USER)
    for width in (64, 32, 64, 16):
        write_sizes(project, width)
        assert lines_of(run(project, "mypy", "user.py")) == ([] if width == 64 else USED_AT)


def test_a_width_that_changes_in_another_file_is_found_by_the_daemon(project: Path) -> None:
    (project / "user.py").write_text(USER)
    daemon = ("mypy.dmypy", "--status-file", "sizes.json")
    write_sizes(project, 64)
    try:
        assert run(project, *daemon, "run", "--timeout", "300", "--", "user.py") == []
        for width in (32, 64, 16):
            write_sizes(project, width)
            assert lines_of(run(project, *daemon, "check", "user.py")) == ([] if width == 64 else USED_AT)
    finally:
        run(project, *daemon, "stop")


@pytest.mark.skipif(int(version("mypy").partition(".")[0]) < 2, reason="mypy checks in several processes from 2.0 on")
def test_several_processes_find_the_same(project: Path) -> None:
    write(project, 32)
    parallel = ("mypy", "--num-workers", "2", "--cache-dir", "parallel")
    assert run(project, *parallel, "program.py") == [*AT_32, ALWAYS]
    (project / "user.py").write_text(USER)
    for width in (32, 64):
        write_sizes(project, width)
        said = run(project, *parallel, "program.py", "user.py")
        assert [error for error in said if error.startswith("program.py")] == [*AT_32, ALWAYS]
        in_user = [error for error in said if error.startswith("user.py")]
        assert lines_of(in_user) == ([] if width == 64 else USED_AT)


OTHER_NAMES = """
from thinc_nb.api import Linear, Model, chain, residual
from thinc_nb.types import NI, NO, Floats2d
def Block(nO: NO, nI: NI) -> Model[Floats2d, Floats2d, NI, NO]:
    return Linear(nO, nI)
Hidden = Block
combine = chain
skip = residual
"""
USES_THEM = """
import other_names
from other_names import Hidden, combine, skip
from thinc_nb.api import Linear, reduce_max
a = combine(Hidden(8, 4), Linear(2, 9))
b = other_names.combine(Linear(8, 4), reduce_max())
c = skip(Linear(8, 4))
"""


def test_functions_under_other_names_are_known_from_the_cache(project: Path) -> None:
    (project / "other_names.py").write_text(OTHER_NAMES)
    (project / "uses_them.py").write_text(USES_THEM)
    expected = run(project, "mypy", "uses_them.py")
    assert [error.split(": ")[2] for error in expected] == ["chain", "chain", "residual"]
    (project / "uses_them.py").write_text(f"{USES_THEM}#\n")
    assert run(project, "mypy", "uses_them.py") == expected


def test_the_daemon_forgets_widths_of_calls_that_say_nothing_of_widths_any_more(project: Path) -> None:
    daemon = ("mypy.dmypy", "--status-file", "changing.json")
    imports = "from typing import Any\nfrom thinc_nb.api import Model, chain\n"
    known = f"{imports}combine = chain\n"
    unknown = f"{imports}def combine(a: Any, b: Any) -> Model[Any, Any]:\n    return chain(a, b)\n"
    (project / "combines.py").write_text(
        "from way import combine\nfrom thinc_nb.api import Linear, chain\n"
        "a = combine(Linear(8, 4), Linear(3, 8))\nb = chain(a, Linear(2, 9))\n"
    )
    try:
        (project / "way.py").write_text(known)
        assert lines_of(run(project, *daemon, "run", "--timeout", "300", "--", "combines.py")) == [4]
        (project / "way.py").write_text(unknown)
        assert run(project, *daemon, "check", "combines.py") == []
        (project / "way.py").write_text(known)
        assert lines_of(run(project, *daemon, "check", "combines.py")) == [4]
    finally:
        run(project, *daemon, "stop")
