"""Odd and wrong programs: the plugin neither fails on them nor reports layers that may be right.

odd/odd.test has the programs. What ends each is a mistake that has to be found: the plugin was there to the end.
`run_mypy` lets errors of the plugin through, which test_faults.py proves.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .harness import CONFIGURATIONS, HERE, by_module, read_cases, run_mypy

pytest.importorskip("mypy")

HEAD = """
from collections.abc import Callable
from typing import *
from typing_extensions import Concatenate, NewType, ParamSpec, TypeVarTuple, Unpack
from thinc_nb.api import *
from thinc_nb.types import *
from thinc_nb.types import NI, NO
P = ParamSpec("P")
Ts = TypeVarTuple("Ts")
R = TypeVar("R")
"""
END = "\nchain(Relu(4), reduce_max())\n"
PROGRAMS = {case.name: case.code for case in read_cases(HERE / "odd")} | {
    "deep": f"WIDTH = {' + '.join(['1'] * 300)}\nm = chain(Relu(WIDTH), Relu(4))\n",
    "deep_nesting": f"m = {'chain(Relu(4), ' * 40}Relu(4){')' * 40}\n",
    "long": f"m = chain({', '.join(['Relu(4)'] * 150)})\n",
}


def expected(name: str) -> str:
    """How the only message of the plugin begins."""
    last = (HEAD + PROGRAMS[name] + END).count("\n")
    return f'{last}: error: chain: layer 2 "reduce_max()" expects Ragged'


def test_odd_programs_neither_stop_the_plugin_nor_get_its_errors(tmp_path: Path) -> None:
    for name, code in PROGRAMS.items():
        (tmp_path / f"{name}.py").write_text(HEAD + code + END)
    said = by_module(run_mypy(tmp_path, CONFIGURATIONS["plugin"]))
    found = {
        name: [message for message in said.get(name, []) if "[layer-" in message and ": error: " in message]
        for name in PROGRAMS
    }
    wrong = {
        name: messages
        for name, messages in found.items()
        if len(messages) != 1 or not messages[0].startswith(expected(name))
    }
    assert wrong == {}
