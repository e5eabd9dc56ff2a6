"""thinc-nb info: what it says of the cache of compiled kernels."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from thinc_nb.cli import main
from thinc_nb.kernels import cache_folder
from thinc_nb.kernels._warmup import all_kernels, compile_one


def cache(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["cache"]
    assert isinstance(found, dict)
    return found


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What is printed below `cache:`."""
    assert main(["info"]) == 0
    below = capsys.readouterr().out.partition("\ncache:\n")[2].splitlines()
    return dict(line.strip().split(": ", 1) for line in below)


@pytest.fixture
def two_kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, and two kernels to fill it with, which this process has not compiled."""
    from thinc_nb.kernels import KERNELS, Kernel

    monkeypatch.setenv("THINC_NB_CACHE_DIR", str(tmp_path))
    few = {name: all_kernels()[name] for name in ("optimise.move_average", "optimise.scale")}
    for name, kernel in few.items():
        monkeypatch.setitem(KERNELS, name, kernel)  # Restored afterwards: a new kernel registers itself.
        few[name] = Kernel(kernel.body, kernel.shape)
    monkeypatch.setattr("thinc_nb.kernels._warmup.all_kernels", lambda: few)


def test_an_empty_cache_misses_every_kernel(two_kernels, tmp_path, capsys):
    found = cache(capsys)
    assert Path(found["folder"]).parent == tmp_path
    assert found["missing"] == {
        precision: ["optimise.move_average", "optimise.scale"] for precision in found["missing"]
    }
    assert set(found["missing"]) == {"float32", "float64"}
    assert (found["entries"], found["bytes"], found["kernels"], found["gpu"]) == (0, 0, [], {})
    assert found["made_by"] == {
        "python": platform.python_version(),
        **{name: version(name) for name in ("numba", "llvmlite", "numpy")},
    }
    assert lines(capsys)["float32"] == "0 of 2 kernels are compiled"


def test_what_is_compiled_is_present_in_its_precision(two_kernels, capsys):
    compile_one("optimise.scale", "f32")
    found = cache(capsys)
    (file,) = Path(found["folder"]).glob("*.kernel")
    assert found["missing"]["float32"] == ["optimise.move_average"]
    assert len(found["missing"]["float64"]) == 2
    assert (found["entries"], found["bytes"]) == (1, file.stat().st_size)
    said = lines(capsys)
    assert said["float32"] == "1 of 2 kernels are compiled, missing: optimise.move_average"
    assert said["stale"] == "nothing"


def test_a_kernel_of_another_processor_is_missing_here(two_kernels, monkeypatch, capsys):
    compile_one("optimise.scale", "f32")
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", lambda: "z80")
    monkeypatch.setattr("numba.core.codegen.CPUCodegen.magic_tuple", lambda self: ("z80", ""))
    found = cache(capsys)
    assert found["entries"] == 1
    assert "optimise.scale" in found["missing"]["float32"]


def test_what_other_versions_left_is_stale(two_kernels, tmp_path, capsys):
    compile_one("optimise.scale", "f32")
    old = tmp_path / "kernels-0123456789ab-cpython-310"
    old.mkdir()
    (old / "a.kernel").write_bytes(bytes(2_500_000))
    (tmp_path / "something else").mkdir()
    assert cache(capsys)["stale"] == {"folders": [str(old)], "bytes": 2_500_000}
    assert lines(capsys)["stale"].startswith("2.5 MB in 1 folders")


def test_kernels_of_a_gpu_are_counted(two_kernels, capsys):
    compile_one("optimise.scale", "f32", (9, 0))
    assert cache(capsys)["gpu"] == {"sm_90": 1}
    assert lines(capsys)["sm_90"] == "1 kernels are compiled"


def test_without_a_cache_it_says_so(two_kernels, monkeypatch, capsys):
    monkeypatch.setenv("THINC_NB_CACHE_DIR", "")
    assert cache_folder() is None
    found = cache(capsys)
    assert found["folder"] is None
    assert len(found["missing"]["float32"]) == 2
    assert lines(capsys)["folder"].startswith("none: THINC_NB_CACHE_DIR is empty")
