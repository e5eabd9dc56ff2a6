"""An error inside the plugin: mypy gives its own answer, everything else is checked as before, and nobody is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .harness import SOURCE, configuration

pytest.importorskip("mypy")

PROGRAM = """
from functools import partial, reduce
from thinc_nb.api import Model, Relu, chain, reduce_max
a = chain(Relu(4), reduce_max())
with Model.define_operators({">>": chain}):
    b = Relu(4) >> reduce_max()
c = reduce(chain, [Relu(4), reduce_max()])
d = partial(chain, Relu(4))(reduce_max())
def build() -> None:
    together = chain
    e = together(Relu(4), reduce_max())
f: int = "another mistake"
"""
MISTAKES = [4, 6, 7, 8, 11, 12]
# Each hook fails in a module of its own; those that look for hooks fail in all, when FAULT says so.
BROKEN = """
import os
from pathlib import Path
from thinc_nb.mypy import hooks

def broken(name, original):
    def hook(*arguments):
        api = getattr(arguments[-1], "api", None)
        where = "everywhere" if api is None else api.tree.fullname.removeprefix("fault_in")
        if where == name or (where == "everywhere" and os.environ["FAULT"] == "finding"):
            with Path("faults.txt").open("a") as file:
                file.write(f"{name}\\n")
            raise KeyError(name)
        return original(*arguments)
    return hook

for name in os.environ["HOOKS"].split():
    owner = hooks.ThincNbPlugin if hasattr(hooks.ThincNbPlugin, name) else hooks
    setattr(owner, name, broken(name, getattr(owner, name)))

def plugin(version):
    return hooks.ThincNbPlugin
"""
HOOKS_SOURCE = (SOURCE / "thinc_nb" / "mypy" / "hooks.py").read_text(encoding="utf-8")
HOOKS = sorted(set(re.findall(r"_guarded\((?:partial\()?(?:self\.)?(\w+)", HOOKS_SOURCE)))
FINDERS = sorted(set(re.findall(r"self\._found\(fullname, self\.\w+, self\.(\w+)\)", HOOKS_SOURCE)))


def environment(fault: str) -> dict[str, str]:
    names = {"FAULT": fault, "HOOKS": " ".join(HOOKS + FINDERS)}
    return {**os.environ, "PYTHONPATH": str(SOURCE), "MYPYPATH": "", **names}


def run(folder: Path, *arguments: str, fault: str = "") -> tuple[int, str]:
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, env=environment(fault))
    return done.returncode, done.stdout + done.stderr


def check(folder: Path, config: str, *arguments: str, fault: str = "") -> str:
    return run(folder, "mypy", "--no-error-summary", "--config-file", config, *arguments, fault=fault)[1]


def daemon(folder: Path, *arguments: str) -> tuple[int, str]:
    return run(folder, "mypy.dmypy", "--status-file", "faults.json", *arguments)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    for name in (*HOOKS, "_none"):
        (folder / f"fault_in{name}.py").write_text(PROGRAM)
    (folder / "broken.py").write_text(BROKEN)
    exclude = "exclude = broken.py"
    (folder / "plain.ini").write_text(configuration(exclude, plugin=False))
    (folder / "broken.ini").write_text(configuration(exclude).replace("thinc_nb.mypy", "./broken.py", 1))
    return folder


def by_hook(said: str) -> dict[str, list[str]]:
    """The lines of each module, which end with the module's name left out."""
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        name, _, rest = line.removeprefix("fault_in").partition(".py:")
        found.setdefault(name, []).append(rest)
    return found


def lines_of(messages: list[str]) -> list[int]:
    return [int(message.partition(":")[0]) for message in messages if ": error: " in message]


def test_all_hooks_are_known() -> None:
    # Its definition; and both _call and _open serve functions and methods.
    assert len(HOOKS) == HOOKS_SOURCE.count("_guarded(") - 3
    assert len(FINDERS) == HOOKS_SOURCE.count("self._found(") == 4


def test_a_fault_in_a_hook_leaves_mypys_own_answer(project: Path) -> None:
    plain, said = by_hook(check(project, "plain.ini", ".")), by_hook(check(project, "broken.ini", "."))
    assert set((project / "faults.txt").read_text().split()) == set(HOOKS)
    assert lines_of(said["_none"]) == MISTAKES
    known = {*plain["_none"], *said["_none"]}
    for name in HOOKS:
        assert set(said[name]) <= known, name
        assert said[name][-1:] == plain[name][-1:], name
        assert said[name] != said["_none"], name


def test_a_fault_in_finding_a_hook_leaves_mypys_own_answer(project: Path) -> None:
    (project / "finding.py").write_text(PROGRAM)
    said = check(project, "broken.ini", "finding.py", fault="finding")
    assert said == check(project, "plain.ini", "finding.py")
    assert set((project / "faults.txt").read_text().split()) >= set(FINDERS)


def test_the_daemon_outlives_a_fault(project: Path) -> None:
    (project / "fault_in_operation.py").write_text(f"{PROGRAM}##\n")
    arguments = ("--config-file", "broken.ini", "--no-error-summary", "fault_in_operation.py")
    (project / "faults.txt").unlink(missing_ok=True)
    try:
        code, said = daemon(project, "run", "--timeout", "300", "--", *arguments)
        assert code == 1, said
        assert "_operation" in (project / "faults.txt").read_text()
        assert lines_of(by_hook(said)["_operation"]) == [n for n in MISTAKES if n != 6]
        code, again = daemon(project, "check", "fault_in_operation.py")
        assert by_hook(again)["_operation"] == by_hook(said)["_operation"]
    finally:
        assert daemon(project, "stop")[0] == 0


def test_faults_are_shown_on_request(project: Path) -> None:
    (project / "fault_in_call.py").write_text(f"{PROGRAM}#\n")
    said = check(project, "broken.ini", "--show-traceback", "fault_in_call.py")
    assert "KeyError" in said
    assert "INTERNAL ERROR" in said
