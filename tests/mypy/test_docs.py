"""What the documentation and the example say that mypy says is what it says.

A ``python`` block of a page that is followed by a ``text`` block with lines of ``model.py`` is checked with the
imports of the blocks before it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from .harness import CONFIGURATIONS, ROOT, SOURCE, run_mypy

pytest.importorskip("mypy")

PAGES = [ROOT / "docs" / "typed-models.md", *sorted((ROOT / "docs" / "errors").glob("*.md"))]
EXAMPLE = ROOT / "examples" / "typed"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def examples() -> dict[str, tuple[str, list[str]]]:
    """Module name to source and expected messages. Names of earlier blocks are imported from them."""
    found = {}
    for page in PAGES:
        blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
        before = ""
        for i, (language, code) in enumerate(blocks):
            if language != "python":
                continue
            name = f"{page.stem.replace('-', '_')}_{i}"
            following = blocks[i + 1][1] if i + 1 < len(blocks) and blocks[i + 1][0] == "text" else ""
            # On the first line, so that the lines are numbered as in the block.
            first, _, rest = code.partition("\n")
            found[name] = f"{before}{first}\n{rest}", following.splitlines()
            before += "".join(f"{line}; " for line in imports(code))
    return found


def imports(code: str) -> list[str]:
    return [line for line in dedent(code).splitlines() if line.startswith("from ")]


def test_pages_say_what_mypy_says(tmp_path: Path) -> None:
    sources = examples()
    for name, (source, _) in sources.items():
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    said: dict[str, list[str]] = {name: [] for name in sources}
    for line in run_mypy(tmp_path, CONFIGURATIONS["plugin"]).splitlines():
        name, _, rest = line.partition(".py:")
        said[name].append(f"model.py:{rest}")
    assert said == {name: expected for name, (_, expected) in sources.items()}
    assert sum(bool(expected) for _, expected in sources.values()) >= 9


def test_every_code_has_a_page_with_an_example() -> None:
    for code in ("layer-type", "layer-dim", "layer-call", "layer-operator"):
        assert f"[{code}]\n" in (ROOT / "docs" / "errors" / f"{code}.md").read_text(encoding="utf-8")


def test_the_example_has_exactly_the_documented_errors(tmp_path: Path) -> None:
    for path in EXAMPLE.glob("*.*"):
        shutil.copy(path, tmp_path)
    config = (EXAMPLE / "mypy.ini").read_text(encoding="utf-8") + f"mypy_path = {SOURCE}:{ROOT / 'stubs'}\n"
    config += "[mypy-thinc_nb.*]\nfollow_imports = silent\n"
    documented = BLOCK.findall((EXAMPLE / "README.md").read_text(encoding="utf-8"))[-1][1]
    assert run_mypy(tmp_path, config) == documented


def test_the_example_runs() -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "tagger.py"]
    done = subprocess.run(command, cwd=EXAMPLE, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    right, total = map(int, re.findall(r"\d+", done.stdout))
    assert right == total == 21
