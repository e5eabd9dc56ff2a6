"""What mypy says of the cases: with the plugin, without it, and with lax options.

``UPDATE_GOLDEN=1 pytest tests/mypy/test_cases.py`` writes the golden files anew, to be read before they are committed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .harness import CONFIGURATIONS, HERE, Case, by_module, errors_of, golden_text, read_cases, run_mypy, write_cases

pytest.importorskip("mypy")

CASES = read_cases()
VALID = [case for case in CASES if not case.expected]


def compare_lines(name: str, cases: list[Case], messages: dict[str, list[str]]) -> None:
    """Compare messages with a golden file."""
    path = HERE / "golden" / f"{name}.txt"
    text = golden_text(cases, messages)
    if os.environ.get("UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def check(name: str, folder: Path) -> dict[str, list[str]]:
    write_cases(CASES, folder)
    return by_module(run_mypy(folder, CONFIGURATIONS[name]))


def test_each_case_has_a_name_of_its_own_and_cases_with_errors_are_apart() -> None:
    assert len({case.module for case in CASES}) == len(CASES) > 100
    assert [case.module for case in CASES if bool(case.expected) != case.file.startswith("bad")] == []


def test_with_the_plugin_each_mistake_is_one_error_and_valid_programs_have_none(tmp_path: Path) -> None:
    messages = check("plugin", tmp_path)
    wrong = {
        case.module: messages.get(case.module)
        for case in CASES
        if errors_of(messages.get(case.module, [])) != case.expected
    }
    assert wrong == {}
    compare_lines("plugin", CASES, messages)


def test_without_the_plugin_valid_programs_have_no_errors(tmp_path: Path) -> None:
    messages = check("plain", tmp_path)
    plain = [case for case in VALID if case.file != "valid_with_plugin"]
    assert {case.module: messages[case.module] for case in plain if case.module in messages} == {}
    compare_lines("plain", [case for case in CASES if case.expected], messages)


def test_with_lax_options_valid_programs_have_no_errors(tmp_path: Path) -> None:
    write_cases(VALID, tmp_path)
    assert run_mypy(tmp_path, CONFIGURATIONS["lax"]) == ""
