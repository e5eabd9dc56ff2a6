"""Environment variables: what they may say, and what is said of anything else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from thinc_nb._environment import folder_of, number, switch

NAME = "THINC_NB_TRIED"


@pytest.mark.parametrize("value", ["1", "true", "True", "YES", " on "])
def test_a_switch_is_on(value, monkeypatch):
    monkeypatch.setenv(NAME, value)
    assert switch(NAME, default=False)


@pytest.mark.parametrize("value", ["0", "false", "False", "NO", " off "])
def test_a_switch_is_off(value, monkeypatch):
    monkeypatch.setenv(NAME, value)
    assert not switch(NAME, default=True)


@pytest.mark.parametrize("value", [None, "", "  "])
@pytest.mark.parametrize("default", [True, False])
def test_what_is_unset_or_empty_is_the_default(value, default, monkeypatch):
    if value is not None:
        monkeypatch.setenv(NAME, value)
    assert switch(NAME, default=default) is default
    assert number(NAME) is None


@pytest.mark.parametrize("value", ["abc", "2", "-1", "tru", "0.0"])
def test_what_is_no_switch_is_an_error_that_names_the_variable(value, monkeypatch):
    monkeypatch.setenv(NAME, value)
    with pytest.raises(ValueError, match=f"^{NAME} must be 1 or 0 .* got '{value}'$"):
        switch(NAME, default=True)


def test_a_number(monkeypatch):
    monkeypatch.setenv(NAME, " 12 ")
    assert number(NAME) == 12


@pytest.mark.parametrize("value", ["abc", "0", "-1", "1.5", "²", "1_0"])
def test_what_is_no_number_is_an_error_that_names_the_variable(value, monkeypatch):
    monkeypatch.setenv(NAME, value)
    with pytest.raises(ValueError, match=f"^{NAME} must be a whole number of at least 1, got '{value}'$"):
        number(NAME)


def test_a_folder(monkeypatch):
    assert folder_of(NAME, lambda: Path("default")) == Path("default")
    monkeypatch.setenv(NAME, "~/kernels")
    assert folder_of(NAME, Path) == Path.home() / "kernels"
    monkeypatch.setenv(NAME, "")
    assert folder_of(NAME, Path) is None


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("THINC_NB_FUSION", "off", "False"),
        ("THINC_NB_FUSION", "0", "False"),
        ("THINC_NB_FUSION", "", "True"),
        ("THINC_NB_FUSION", "abc", "THINC_NB_FUSION must be 1 or 0"),
        ("THINC_NB_CONTRACTS", "abc", "THINC_NB_CONTRACTS must be 1 or 0"),
        ("THINC_NB_NUM_THREADS", "", "True"),
    ],
)
def test_each_variable_is_read_so(variable, value, shown):
    code = "from thinc_nb import api; from thinc_nb._model.plan import is_on; print(api.Model and is_on())"
    env = {**os.environ, variable: value}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.stdout or done.stderr.splitlines()[-1]).strip().removeprefix("ValueError: ").startswith(shown)


def test_the_operations_of_a_gpu_read_theirs(monkeypatch):
    from thinc_nb.backends import CupyOps

    monkeypatch.setenv("THINC_NB_DETERMINISTIC", "no")
    assert not CupyOps().deterministic
    monkeypatch.setenv("THINC_NB_DETERMINISTIC", "yes")
    assert CupyOps().deterministic


def test_switches_are_not_strings():
    from thinc_nb._model.plan import is_on
    from thinc_nb.api import contracts, fusion, set_contracts

    before = is_on()
    with pytest.raises(TypeError, match="fusion is switched by True or False, got 'off'"):
        fusion("off")
    for call in (lambda: contracts("off").__enter__(), lambda: set_contracts("off")):
        with pytest.raises(TypeError, match="contracts are switched by True or False, got 'off'"):
            call()
    assert is_on() is before
