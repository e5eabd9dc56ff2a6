"""The benchmarks have a case for every operation, and each case runs."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import thinc_nb.api
from thinc_nb.backends import Ops

FOLDER = Path(__file__).parents[1] / "benchmarks"
# Steps of other operations, what has a case as a layer or within another one, and what computes nothing.
WITHIN_OTHERS = {
    "adam_update",
    "backprop_layer_norm",
    "cblas",
    "dropout",
    "dropout_key",
    "hash_rows",
    "scatter_add_rows",
    "sum_of_squares",
}
LAYERS = {"HashEmbed"}


@pytest.fixture
def ops_cases(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    yield import_module("_ops_cases")
    sys.modules.pop("_ops_cases")


@pytest.fixture
def ops_script(ops_cases: ModuleType) -> ModuleType:
    yield import_module("ops")
    sys.modules.pop("ops")


def test_every_operation_has_a_case_that_runs(ops_cases):
    found = list(ops_cases.cases({ops_cases.OURS: thinc_nb.api}, 60, 8))
    for case in found:
        if case.prepare is not None:
            case.prepare()
        for call in case.calls.values():
            call()
    public = {name for name in dir(Ops) if not name.startswith("_") and callable(getattr(Ops, name))}
    names = {case.name for case in found}
    assert names == set(ops_cases.OPS)
    assert names - LAYERS == public - WITHIN_OTHERS


def test_the_table_has_a_line_for_each_operation_and_shape(ops_script):
    def row(op: str, threads: int, ours: float, **others: float) -> dict[str, object]:
        seconds = {"ours": ours, **others}
        return {"op": op, "shape": "8x8", "threads": threads, "seconds": seconds, "share": 0.5, "of": "copy"}

    rows = [row("relu", 1, 1e-6, Thinc=4e-6, torch=5e-7), row("gelu", 1, 2e-3), row("relu", 2, 1e-6, Thinc=3e-6)]
    heads, _, relu, gelu = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in ops_script.table(rows).splitlines()
    )
    assert heads == [
        "op",
        "shape",
        "µs, 1 thread",
        "Thinc",
        "torch",
        "share",
        "µs, 2 threads",
        "Thinc",
        "torch",
        "share",
    ]
    assert relu == ["relu", "8x8", "1.0", "4.00", "0.50", "50%", "1.0", "3.00", "", "50%"]
    assert gelu == ["gelu", "8x8", "2000", "", "", "50%", "", "", "", ""]
    assert "1 thread: torch takes 0.50 times our time, and is faster in 1 of 1 rows." in ops_script.summary(rows)


def test_an_unknown_operation_is_refused(ops_script):
    with pytest.raises(ops_script.argparse.ArgumentTypeError, match="there is no frobnicate"):
        ops_script.names("relu,frobnicate")
    assert ops_script.names("relu,gelu") == ["relu", "gelu"]
