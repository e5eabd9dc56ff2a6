"""The check of a GPU, on a stand-in for one: it covers all operations, finds what is wrong, says what is missing."""

from __future__ import annotations

import inspect
import json
import re

import numpy as np
import pytest

import fake_cupy
from thinc_nb import compat
from thinc_nb.backends import CupyOps, NumpyOps
from thinc_nb.gpu_check import _bench, _cases, _device
from thinc_nb.gpu_check.__main__ import main
from thinc_nb.gpu_check._parity import SHAPES, TOLERANCE, compared, difference, verdicts

NOT_COMPUTED = re.compile(r"alloc|asarray|reshape|as_contig|to_numpy|minibatch|multibatch|dropout_key|cblas")
SMALL = (7, 9)


def test_every_operation_is_checked(monkeypatch):
    called = set()

    class Recorder(NumpyOps):
        def __getattribute__(self, name):
            called.add(name)
            return super().__getattribute__(name)

    for case in _cases.all_cases(*SMALL):
        case.run(Recorder(), "float32")
    operations = {name for name, each in inspect.getmembers(NumpyOps, inspect.isfunction) if not name.startswith("_")}
    assert {name for name in operations if not NOT_COMPUTED.match(name)} - called == set()


@pytest.mark.parametrize("part", range(2))
def test_cupy_operations_give_what_they_give_on_the_cpu(cupy, part):
    found = verdicts(CupyOps(), NumpyOps(), shapes=SHAPES, wanted=lambda label: sum(map(ord, label)) % 2 == part)
    assert [problem for verdict in found for problem in verdict.problems] == []
    assert len(found) > 40
    assert {launch.precision for launch in fake_cupy.launches} == {"f32", "f64"}


def test_the_cpu_passes_its_own_check():
    found = verdicts(NumpyOps(), NumpyOps(), shapes=[SMALL])
    assert [problem for verdict in found for problem in verdict.problems] == []
    assert all(verdict.errors["float32"] <= TOLERANCE["float32"] for verdict in found)


@pytest.mark.parametrize(
    ("result", "expected", "problem"),
    [
        ([1.0, 2.0], [1.0, 2.1], "error 4.8e-02"),
        ([1.0, np.nan], [1.0, 2.0], "NaN or inf in other places"),
        ([1.0, np.inf], [1.0, -np.inf], "NaN or inf in other places"),
        ([1.0], [1.0, 2.0], "shape"),
        ([1, 2], [1.0, 2.0], "dtype"),
        ([1, 2], [1, 3], "not the same bits"),
        ([np.nan, 1.0], [np.nan, 1.0], ""),
    ],
)
def test_differences_are_seen(result, expected, problem):
    error, found = difference(np.array(result), np.array(expected), 1e-5)
    assert found.startswith(problem)
    assert (error > 1e-5) == bool(problem)


def test_an_exception_is_a_problem_like_others():
    class Broken(NumpyOps):
        def relu(self, X, inplace=False):
            raise RuntimeError("out of memory")

    case = next(case for case in _cases.all_cases(*SMALL) if case.label == "relu")
    assert list(compared(case, "float32", Broken(), NumpyOps())) == [(np.inf, "RuntimeError: out of memory")]


def test_device_checks_pass_and_can_fail(cupy, monkeypatch):
    checks = _device.device_checks(cupy)
    assert [problem for verdict in checks for problem in verdict.problems] == []
    monkeypatch.setattr(CupyOps, "_needs_order", lambda self: False)
    monkeypatch.setattr(CupyOps, "scatter_add", lambda self, table, indices, values: None)
    failed = [verdict.label for verdict in _device.device_checks(cupy) if verdict.problems]
    assert failed == ["deterministic=True: equal bits"]


def test_one_table_says_it_all(cupy, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("thinc_nb.gpu_check.__main__.peers", dict)
    path = tmp_path / "found.json"
    assert main(["--quick", "--only", "relu|gemm|hash$", "--json", str(path)]) == 0
    printed = capsys.readouterr().out
    (relu,) = (line for line in printed.splitlines() if re.match(r"relu +", line))
    assert re.fullmatch(r"relu +same +same +3x40 +[\d.]+ +\d+%", relu)
    assert re.search(r"a launch takes [\d.]+ µs", printed)
    assert "all results are those of the CPU" in printed
    facts = json.loads(path.read_text())
    assert {timing["label"] for timing in facts["timings"]} >= {"relu", "gemm, trans2", "hash"}


def test_a_wrong_result_is_named_and_the_status_says_so(cupy, capsys, monkeypatch):
    monkeypatch.setattr("thinc_nb.gpu_check.__main__.peers", dict)
    monkeypatch.setattr(CupyOps, "gelu", lambda self, X, inplace=False: X)
    assert main(["--quick", "--only", "^gelu$"]) == 1
    printed = capsys.readouterr().out
    assert re.search(r"^gelu +WRONG", printed, re.MULTILINE)
    assert "gelu 3x40 float32: NaN or inf in other places" in printed


def test_without_a_gpu_one_line_says_so(capsys, monkeypatch):
    monkeypatch.setitem(vars(compat), "has_cupy", False)
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("gpu_check needs an NVIDIA GPU, and there is none here. CuPy is not installed")
    assert captured.err.count("\n") == 1
    monkeypatch.setitem(vars(compat), "has_cupy", True)
    monkeypatch.setitem(vars(compat), "has_cupy_gpu", False)
    assert main([]) == 2
    assert "CuPy finds none" in capsys.readouterr().err


@pytest.mark.gpu
def test_this_machine_s_gpu():
    if not compat.has_cupy_gpu:
        pytest.skip("there is no GPU here")
    assert main([]) == 0


def test_what_another_library_cannot_do_is_left_out(cupy):
    class Other(NumpyOps):
        def relu(self, X, inplace=False):
            raise NotImplementedError

    others = {_bench.THINC: Other()}
    found = _bench.timings(
        cupy, CupyOps(), others, shapes=[SMALL], wanted=re.compile("^(relu|gelu)$").match, seconds=0.0
    )
    assert {timing.label: set(timing.seconds) for timing in found} == {"relu": {"ours"}, "gelu": {"ours", "Thinc"}}


@pytest.mark.parametrize("label", sorted(_bench.TORCH_CALLS))
def test_pytorch_is_given_the_same_work(label):
    torch = pytest.importorskip("torch")
    case = next(case for case in _cases.all_cases(40, 6) if case.label == label)
    call = _bench.torch_call(case, torch, "cpu")
    assert call is not None
    theirs = [np.asarray(part) for part in _cases.flattened(call())]
    if label == "dropout" or case.written:
        return  # Its own mask; changed in place.
    for mine, other in zip(case.run(NumpyOps(), "float32"), theirs, strict=False):
        if label in {"flatten", "pad"}:  # Without the padding that ours has.
            assert mine.sum() == pytest.approx(other.sum(), rel=1e-4)
            continue
        # NaN and inf are the CPU's own tests' matter.
        finite = np.isfinite(mine) & np.isfinite(other)
        assert finite.mean() > 0.9
        np.testing.assert_allclose(mine[finite], other[finite], rtol=1e-4, atol=1e-5)
