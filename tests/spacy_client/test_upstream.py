"""spaCy's own tests pass on thinc_nb wherever they pass on its own Thinc. Some minutes: `tox -e spacy -- -m spacy`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

pytestmark = [pytest.mark.spacy, pytest.mark.slow]

PACKAGES = ("parser", "pipeline", "serialize", "training", "test_architectures", "test_language", "test_models")
# Fails when it is collected: it imports a Python module of Thinc's own tests.
LEFT_OUT = "parser/test_nn_beam.py"


def passed(folder: Path, *prefix: str) -> set[str]:
    """The tests that pass, run with spaCy in whatever environment the prefix makes."""
    import spacy

    spacy_tests = Path(spacy.__file__).parent / "tests"
    paths = [path for name in PACKAGES for path in (spacy_tests / name, spacy_tests / f"{name}.py") if path.exists()]
    report = folder / "report.xml"
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", f"--junitxml={report}", "--disable-warnings"]
    options.append(f"--ignore={spacy_tests / LEFT_OUT}")
    command = [sys.executable, "-W", "ignore", "-m", *prefix, "pytest", *options, *map(str, paths)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=3600, check=False)
    assert report.exists(), done.stdout + done.stderr
    return {
        f"{case.get('classname')}.{case.get('name')}"
        for case in ET.parse(report).iter("testcase")
        if not any(child.tag in ("failure", "error", "skipped") for child in case)
    }


def test_what_passes_on_thinc_passes_on_us(tmp_path: Path) -> None:
    folders = [tmp_path / "theirs", tmp_path / "ours"]
    for folder in folders:
        folder.mkdir()
    theirs = passed(folders[0])
    ours = passed(folders[1], "thinc_nb.as_thinc", "-m")
    assert len(theirs) > 500
    assert sorted(theirs - ours) == []
