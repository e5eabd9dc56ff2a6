"""Short programs that run on both libraries: same results and output, or an error that code written for Thinc catches.

They stand in programs*.txt, separated by lines of dashes; a program's last expression is its result.
"""

from __future__ import annotations

import ast
import contextlib
import io
import random
import re
from contextvars import copy_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from twins import oracle, ours, plain

# Mistakes that Thinc takes, or finds in another way: docs/differences.md.
REFUSED = {
    "Dropout(1.5)": "ValueError",
    "Dropout(2).attrs": "ValueError",
    'Linear("x")': "InputError",
    "Linear(2.5)": "InputError",
    "Linear(-1)": "ValueError",
    "Ragged(1,2)": "TypeError",
    "m=expand_window(-1)": "ValueError",
    "expand_window(1.5)": "TypeError",
    'm=chain(Linear(4), Dropout(0.1), "x")': "TypeError",
}

PROGRAMS = [
    code.rstrip("\n")
    for file in sorted(Path(__file__).parent.glob("programs*.txt"))
    for code in file.read_text(encoding="utf-8").split("\n---\n")
]


class Outcome(NamedTuple):
    """What a program gave, or the names of the classes of the error that ended it; and what it printed."""

    result: Any
    errors: list[str]
    printed: str


def described(value: Any) -> Any:
    """What of a value can be compared between the libraries: objects of theirs are named."""
    value = plain(value)
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, described(value.tolist()))
    if isinstance(value, (float, np.floating)):
        return round(float(value), 4)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, (list, tuple)):
        return tuple(map(described, value))
    if isinstance(value, dict):
        return tuple((described(key), described(item)) for key, item in value.items())
    if isinstance(value, (str, bytes, bool, int, type(None))):
        return value
    return value.__name__ if isinstance(value, type) else type(value).__name__


def run(library: Any, code: str) -> Outcome:
    names: dict[str, Any] = {"np": np}
    for module in ("types", "api", "config"):
        loaded = library(module)
        names |= {name: getattr(loaded, name) for name in dir(loaded) if not name.startswith("_")}
    names |= {"util": library("util"), "types": library("types")}
    tree = ast.parse(code.replace("from thinc.", f"from {library('api').__package__}."))
    last = ast.Constant(None, lineno=1, col_offset=0)
    if isinstance(tree.body[-1], ast.Expr):
        last = tree.body.pop().value  # type: ignore[assignment]
    np.random.seed(0)
    random.seed(0)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(tree, "program", "exec", dont_inherit=True), names)
            result = eval(compile(ast.Expression(last), "program", "eval", dont_inherit=True), names)
    except Exception as error:  # noqa: BLE001  # any error is an outcome
        return Outcome(None, [kind.__name__ for kind in type(error).__mro__], printed.getvalue())
    return Outcome(described(result), [], re.sub("0x[0-9a-f]+", "", printed.getvalue()))


@pytest.mark.without_contracts
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("code", PROGRAMS, ids=[f"{i}: {code[:50]!r}" for i, code in enumerate(PROGRAMS)])
def test_program(code: str) -> None:
    mine, theirs = (copy_context().run(run, library, code) for library in (ours, oracle))
    if code in REFUSED:
        assert mine.errors[0] == REFUSED[code]
        assert theirs.errors[:1] != mine.errors[:1]
    elif theirs.errors:
        assert theirs.errors[0] in mine.errors, f"Thinc raises {theirs.errors[0]}"
    else:
        assert mine == theirs
