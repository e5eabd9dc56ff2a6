"""Files are written entirely or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from thinc_nb._saving.files import replacing, write_atomically

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions, links, signals and limits")


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


@POSIX
def test_a_writer_killed_at_200_random_points_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    program = Path(__file__).with_name("kill_writers.py")
    done = subprocess.run(
        [sys.executable, program, tmp_path / "model", "200"], capture_output=True, text=True, timeout=120
    )
    # Different versions were written, some new files were left behind, and the next writer removed them.
    assert done.stdout == "0 broken; True True ['model']\n", done.stderr


@POSIX
def test_a_disk_that_is_full_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"old")
    program = (
        "import resource, signal, sys; from pathlib import Path; from thinc_nb._saving.files import write_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: write_atomically(Path(sys.argv[1]), [bytes(60_000)] * 3)\n"
        "except OSError as error: print(type(error).__name__, error.filename)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"OSError {path.resolve()}\n", done.stderr
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["model"]


@POSIX
def test_a_folder_that_cannot_be_written_leaves_the_old_file_and_is_named() -> None:
    program = (
        "import os, sys; from pathlib import Path; from thinc_nb._saving.files import write_atomically\n"
        "if os.geteuid() == 0: os.setuid(65534)  # root may write everywhere\n"
        "try: write_atomically(Path(sys.argv[1]), b'new')\n"
        "except PermissionError as error: print(error.filename)\n"
    )
    with TemporaryDirectory() as name:
        path = Path(name).resolve() / "model"
        path.write_bytes(b"old")
        path.chmod(0o666)
        path.parent.chmod(0o555)
        done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60)
        path.parent.chmod(0o755)
        assert done.stdout == f"{path}\n", done.stderr
        assert path.read_bytes() == b"old"
        assert names(path.parent) == ["model"]


def test_a_folder_that_is_not_there_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(tmp_path / "nothing" / "model", b"new")
    assert caught.value.filename == str(tmp_path / "nothing" / "model")


@pytest.mark.parametrize("error", [OSError("no space"), KeyboardInterrupt()])
def test_an_error_while_the_pieces_are_made_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield bytes(100_000)
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, pieces())
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["model"]


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o400])
def test_permissions_are_kept(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


@POSIX
def test_links_stay_and_what_they_lead_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to(second)
    second.symlink_to(Path("deep") / "model")
    write_atomically(first, b"new")  # also where there is nothing yet
    write_atomically(first, b"newer")
    assert first.is_symlink()
    assert second.is_symlink()
    assert (tmp_path / "deep" / "model").read_bytes() == b"newer"
    assert names(tmp_path / "deep") == ["model"]


@POSIX
def test_a_link_to_itself_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        write_atomically(path, b"new")


@POSIX
def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with subprocess.Popen([sys.executable, "-c", "import sys; print(open(sys.argv[1]).read())", path], stdout=-1) as p:
        write_atomically(path, b"through")
        assert p.communicate(timeout=60)[0].strip() == b"through"
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"(?i)directory|denied"):
        write_atomically(tmp_path, b"new")


@pytest.mark.parametrize("name", ["a" * 255, "模" * 85])
def test_the_longest_names_can_be_written(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, b"new")
    assert names(tmp_path) == [name]


def test_the_content_is_on_the_disk_before_the_file_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, seen = tmp_path / "model", []
    path.write_bytes(b"old")
    sync = os.fsync

    def recorded(handle: int) -> None:
        sync(handle)
        seen.append((stat.S_ISDIR(os.fstat(handle).st_mode), path.read_bytes()))

    monkeypatch.setattr(os, "fsync", recorded)
    write_atomically(path, b"new")
    folder = [] if sys.platform == "win32" else [(True, b"new")]
    assert seen == [(False, b"old"), *folder]


@POSIX
def test_a_new_file_that_is_being_written_is_no_leftover(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with replacing(path) as temporary:
        temporary.write_bytes(b"slow")
        write_atomically(path, b"quick")
        assert temporary.exists()
    assert path.read_bytes() == b"slow"
    assert names(tmp_path) == ["model"]
