"""thinc-nb warmup: what it compiles, says and refuses."""

from __future__ import annotations

import sys

import pytest

from thinc_nb.cli import main
from thinc_nb.kernels import cache_info
from thinc_nb.kernels._warmup import all_kernels


@pytest.fixture
def one_kernel(monkeypatch, tmp_path):
    """An empty cache, and a single kernel to fill it with."""
    monkeypatch.setenv("THINC_NB_CACHE_DIR", str(tmp_path))
    few = {"optimise.scale": all_kernels()["optimise.scale"]}
    monkeypatch.setattr("thinc_nb.kernels._warmup.all_kernels", lambda: few)
    return tmp_path


def test_each_kernel_is_named_and_the_sum_given(one_kernel, capsys):
    assert main(["warmup", "--processes=1", "--float64"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[:2]] == [
        ["1/2", "optimise.scale", "f32"],
        ["2/2", "optimise.scale", "f64"],
    ]
    assert lines[2].startswith(f"2 kernels are ready in {cache_info().folder} after ")


@pytest.mark.parametrize("count", ["0", "-1"])
def test_fewer_than_one_process_is_refused(one_kernel, count, capsys):
    assert main(["warmup", f"--processes={count}"]) == 2
    assert f"--processes must be 1 or more, not {count}" in capsys.readouterr().err


def test_without_a_cache_it_says_that_nothing_would_be_kept(monkeypatch, capsys):
    monkeypatch.setenv("THINC_NB_CACHE_DIR", "")
    assert main(["warmup"]) == 2
    assert "the cache is off" in capsys.readouterr().err


def test_a_terminal_sees_a_bar(one_kernel, monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["warmup", "--processes=1"]) == 0
    *bar, last = capsys.readouterr().out.splitlines()
    drawn = next(line for line in bar if "100%" in line)
    assert "optimise.scale" in drawn
    assert "1 kernels are ready in " in last
