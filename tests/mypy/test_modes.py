"""The plugin under mypy's ways of running: with a cache, as a daemon, in processes; and after an error of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from .harness import CONFIGURATIONS, SOURCE, configuration

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


def write(folder: Path, width: int) -> None:
    # mypy sees a change by the size of a file, or the second of its writing: the padding makes the sizes differ.
    padding = "#" * width + "\n"
    (folder / "layers.py").write_text(LAYERS.format(width=width) + padding)
    (folder / "program.py").write_text(PROGRAM.format(width=width) + padding)


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


@pytest.mark.skipif(int(version("mypy").partition(".")[0]) < 2, reason="mypy checks in several processes from 2.0 on")
def test_several_processes_find_the_same(project: Path) -> None:
    write(project, 32)
    assert run(project, "mypy", "--num-workers", "2", "--cache-dir", "parallel", "program.py") == [*AT_32, ALWAYS]


def test_an_error_inside_the_plugin_leaves_mypys_own_answer(project: Path) -> None:
    write(project, 32)
    (project / "broken.py").write_text(
        "from thinc_nb.mypy import hooks\n"
        "def fail(*args, **kwargs): raise KeyError('unexpected')\n"
        "hooks.result_of = hooks.operation = hooks.called_reduce = hooks.called_partial = fail\n"
        "def plugin(version): return hooks.ThincNbPlugin\n"
    )
    (project / "broken.ini").write_text(configuration().replace("plugins = thinc_nb.mypy", "plugins = ./broken.py"))
    arguments = ("mypy", "--config-file", "broken.ini", "--cache-dir", "broken", "program.py")
    assert run(project, *arguments) == []
