"""pyright on the same cases: valid programs have no errors; golden/pyright.txt says what it finds of the mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from .harness import ROOT, SOURCE, read_cases, write_cases
from .test_cases import compare_lines

pytest.importorskip("pyright")

SETTINGS = {
    "typeCheckingMode": "standard",
    "pythonVersion": "3.11",
    "extraPaths": [str(SOURCE)],
    "stubPath": str(ROOT / "stubs"),
}


def test_valid_programs_have_no_errors(tmp_path: Path) -> None:
    cases = [case for case in read_cases() if case.file != "valid_with_plugin"]
    write_cases(cases, tmp_path)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(SETTINGS))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    found: defaultdict[str, list[str]] = defaultdict(list)
    for message in json.loads(done.stdout)["generalDiagnostics"]:
        if message["severity"] == "error":
            line = message["range"]["start"]["line"] + 1
            found[Path(message["file"]).stem].append(f"{line}: error: [{message.get('rule', '')}]")
    assert {case.module: found[case.module] for case in cases if not case.expected and case.module in found} == {}
    compare_lines("pyright", [case for case in cases if case.expected], found)
