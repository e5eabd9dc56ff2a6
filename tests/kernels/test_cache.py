"""Compiled kernels on disk: found by the next process, never stale, and no failure of the disk fails a run."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import thinc_nb
from thinc_nb.kernels import KERNELS, Kernel, _cache as cache_module, cache_info
from thinc_nb.kernels._words import Reals1d

RUN = """
import sys
import numpy as np
from thinc_nb.kernels.optimise import scale
from thinc_nb.kernels._cache import KernelCache
if "must_hit" in sys.argv:
    def save_overload(self, signature, result):
        raise SystemExit(f"{self.name} was compiled again for {signature}")
    KernelCache.save_overload = save_overload
for dtype in ("float32", "float64"):
    x = np.arange(5, dtype=dtype)
    scale(x, 2.0)
    print(x.tolist())
"""
# Nobody starts before all are here.
TOGETHER = """
import sys, time
from pathlib import Path
import thinc_nb.kernels.optimise
from thinc_nb.kernels import _cpu
Path(sys.argv[1], sys.argv[2]).touch()
while len(list(Path(sys.argv[1]).iterdir())) < int(sys.argv[3]):
    time.sleep(0.01)
"""
EXPECTED = "[0.0, 2.0, 4.0, 6.0, 8.0]\n" * 2


def start(folder: Path, *args: str, source: Path | None = None, first: str = "") -> subprocess.Popen[str]:
    source = source or Path(thinc_nb.__file__).parents[1]
    env = {**os.environ, "THINC_NB_CACHE_DIR": str(folder), "PYTHONPATH": str(source)}
    command = [sys.executable, "-W", "error", "-c", first + RUN, *args]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def add_one(i: int, x: Reals1d) -> None:
    x[i] += ONE


ONE = 1.0


@pytest.fixture
def kernel(monkeypatch, tmp_path):
    """A kernel that has not been compiled, and an empty cache."""
    monkeypatch.setenv("THINC_NB_CACHE_DIR", str(tmp_path / "cache"))
    cache_module._warn_once.cache_clear()
    yield Kernel(add_one, "items")
    del KERNELS[f"{__name__}.add_one"]
    cache_module._warn_once.cache_clear()


def check(kernel: Kernel[...]) -> None:
    x = np.arange(3, dtype="f")
    kernel(x)
    assert x.tolist() == [1, 2, 3]


def test_the_next_process_compiles_nothing(tmp_path):
    assert finish(start(tmp_path)) == EXPECTED
    assert finish(start(tmp_path, "must_hit")) == EXPECTED


def test_processes_that_compile_at_once_leave_a_whole_cache(tmp_path):
    cache, here = tmp_path / "cache", tmp_path / "here"
    here.mkdir()
    processes = [start(cache, str(here), str(i), "10", first=TOGETHER) for i in range(10)]
    assert [finish(process) for process in processes] == [EXPECTED] * 10
    assert finish(start(cache, "must_hit")) == EXPECTED
    assert len(list(cache.rglob("*.kernel"))) == 2
    assert not list(cache.rglob("*.part"))


def test_a_change_in_any_file_of_the_kernels_is_seen(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(
        Path(thinc_nb.__file__).parent, source / "thinc_nb", ignore=shutil.ignore_patterns("__pycache__", "cli")
    )
    assert finish(start(tmp_path, source=source)) == EXPECTED
    words = source / "thinc_nb" / "kernels" / "_math.py"
    words.write_text(words.read_text() + "\n# Another version.\n")
    assert finish(start(tmp_path, source=source)) == EXPECTED
    assert len({path.parent for path in tmp_path.rglob("*.kernel")}) == 2


def test_a_damaged_file_is_compiled_again(kernel):
    check(kernel)
    (path,) = cache_info().folder.glob("*.kernel")
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:100] + b"\0" + whole[101:]):
        path.write_bytes(damaged)
        check(Kernel(add_one, "items"))
        assert cache_module._read_whole(path) is not None


def test_a_folder_that_cannot_be_written_costs_a_warning(kernel, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("THINC_NB_CACHE_DIR", str(tmp_path / "file" / "below"))
    with pytest.warns(RuntimeWarning, match="could not be kept in .* every process will compile them again"):
        check(kernel)
    check(Kernel(add_one, "items"))  # Warned once: a second warning would be an error here.


READ_ONLY = OSError(errno.EROFS, "Read-only file system")


def test_a_read_only_folder_is_read_and_costs_a_warning_for_what_is_not_there(kernel, monkeypatch):
    check(kernel)

    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise READ_ONLY

    for writes in ("write_bytes", "mkdir", "replace", "touch"):
        monkeypatch.setattr(Path, writes, refuse)
    check(Kernel(add_one, "items"))  # Found: a warning would be an error here.
    with pytest.warns(RuntimeWarning, match="could not be kept in .*Read-only file system"):
        Kernel(add_one, "items")(np.zeros(3, "d"))
    assert cache_info().entries == 1


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind root")
def test_a_folder_without_permission_to_write_is_read(kernel, tmp_path):
    check(kernel)
    folder = cache_info().folder
    folder.chmod(0o500)
    try:
        check(Kernel(add_one, "items"))
        with pytest.warns(RuntimeWarning, match="could not be kept in .*Permission denied"):
            Kernel(add_one, "items")(np.zeros(3, "d"))
    finally:
        folder.chmod(0o700)


def test_a_full_disk_costs_a_warning_and_leaves_nothing_behind(kernel, monkeypatch, tmp_path):
    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.warns(RuntimeWarning, match="No space left on device"):
        check(kernel)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


OLD = "kernels-0123456789ab-cpython-310"


def leave(folder: Path, *, days: float) -> Path:
    """What a version that was last used some days ago has kept."""
    folder.mkdir(parents=True)
    for name in ("a.kernel", "b.ptx", "c.kernel.12.ab.part"):
        (folder / name).write_bytes(b"12345")
    then = time.time() - days * cache_module.DAY
    os.utime(folder, (then, then))
    return folder


def test_a_new_version_removes_others_that_are_not_used(kernel, tmp_path):
    old, recent = leave(tmp_path / "cache" / OLD, days=61), leave(tmp_path / "cache" / OLD.replace("0", "1"), days=59)
    mine = leave(tmp_path / "cache" / "kernels-of mine", days=100)
    check(kernel)
    assert not old.exists()
    assert len(list(recent.iterdir())) == len(list(mine.iterdir())) == 3
    assert cache_info().entries == 1


def test_a_version_that_goes_on_removes_nothing(kernel, tmp_path):
    check(kernel)
    old = leave(tmp_path / "cache" / OLD, days=61)
    Kernel(add_one, "items")(np.zeros(3, "d"))
    assert cache_info().entries == 2
    assert len(list(old.iterdir())) == 3


def test_what_is_only_read_is_in_use(kernel):
    check(kernel)
    folder = cache_info().folder
    then = time.time() - 70 * cache_module.DAY
    os.utime(folder, (then, then))
    cache_module._note_use.cache_clear()
    check(Kernel(add_one, "items"))
    assert time.time() - folder.stat().st_mtime < cache_module.DAY


def test_nothing_but_kernels_is_removed(tmp_path):
    folder = leave(tmp_path / OLD, days=0)
    (folder / "notes.txt").touch()
    assert cache_module.other_versions(tmp_path / "kernels-now") == [folder]
    assert cache_module.remove_version(folder) == 15
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    link = tmp_path / OLD.replace("0", "2")
    link.symlink_to(folder, target_is_directory=True)
    assert cache_module.other_versions(tmp_path / "kernels-now") == [folder]


def test_the_empty_variable_keeps_nothing(kernel, monkeypatch, tmp_path):
    monkeypatch.setenv("THINC_NB_CACHE_DIR", "")
    check(kernel)
    assert not list(tmp_path.rglob("*.kernel"))
