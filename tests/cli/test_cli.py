"""The command itself: help, version, info, and processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import thinc_nb
from thinc_nb.cli import _clock, main
from thinc_nb.cli._errors import CommandError


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"thinc-nb {thinc_nb.__version__}\n"
    assert main(["--help"]) == 0
    assert all(command in capsys.readouterr().out for command in ("demo",))
    for command in ("demo", "tag", "info"):
        assert main([command, "--help"]) == 0


def test_no_command_is_an_error_of_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_errors_are_one_line_whatever_they_say() -> None:
    error = CommandError("two\nlines", path="f", line=3)
    assert str(error) == "f:3: two lines"


def test_info_for_readers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for name in ("thinc_nb", "python", "numba", "blas", "devices", "threads", "cache"):
        assert f"{name}:" in out


def test_info_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["thinc_nb"] == thinc_nb.__version__
    assert facts["packages"]["numpy"]
    assert facts["blas"][0]["num_threads"] >= 1
    assert facts["devices"][0].startswith("cpu")
    assert facts["threads"]["cpus"] >= 1
    assert {"folder", "entries", "bytes", "kernels", "missing", "stale"} <= set(facts["cache"])


def test_parsing_arguments_imports_nothing_heavy() -> None:
    heavy = "numpy", "numba", "rich", "matplotlib", "torch", "thinc_nb.api"
    program = (
        "import sys; from thinc_nb.cli import main; main(['--version']); main(['demo', '--epochs=0']);"
        f"sys.exit([name for name in {heavy!r} if name in sys.modules] or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment())
    assert ended.stderr.splitlines()[1:] == []
    assert ended.returncode == 0


def test_module_is_the_command() -> None:
    command = [sys.executable, "-m", "thinc_nb", "tag", "nowhere", "nothing"]
    ended = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert ended.returncode == 2
    assert ended.stderr == "thinc-nb tag: error: nothing: No such file or directory\n"


def test_reader_that_stops_early_is_no_error(trained: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text("the cat sees .\n" * 20_000)
    command = [sys.executable, "-m", "thinc_nb", "tag", str(trained), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors, first) == (0, b"", b"the\tDET" + os.linesep.encode())


def test_clock_counts_from_the_start_of_the_process() -> None:
    program = "import time; time.sleep(0.5); from thinc_nb.cli._clock import since_process_start as s; print(s()())"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment())
    assert (0.5 if sys.platform == "linux" else 0.0) <= float(ended.stdout) < 30.0


def test_clock_without_help_of_the_system_counts_from_its_import(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (-1.0, 1e9):
        monkeypatch.setattr(_clock, "_age_of_process", lambda answer=answer: answer)
        assert 0.0 <= _clock.since_process_start()() < 1e6


def environment() -> dict[str, str]:
    """The environment of a process that finds the same thinc_nb."""
    folder = str(Path(thinc_nb.__file__).parent.parent)
    return dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")])))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_output_that_has_no_room_is_one_line_and_a_status() -> None:
    command = [sys.executable, "-m", "thinc_nb", "info"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment())
    assert ended.returncode == 1
    assert ended.stderr.startswith("thinc-nb info: error: cannot write the output (")
    assert ended.stderr.count("\n") == 1
