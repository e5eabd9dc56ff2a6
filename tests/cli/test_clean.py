"""thinc-nb clean: what it removes of the cache of compiled kernels, and what not."""

from __future__ import annotations

import pytest

from thinc_nb.cli import main
from thinc_nb.kernels import cache_folder


@pytest.fixture
def folders(monkeypatch, tmp_path):
    """This version's folder and another one's, with something in them, and a folder that is none of ours."""
    monkeypatch.setenv("THINC_NB_CACHE_DIR", str(tmp_path))
    found = [cache_folder(), tmp_path / "kernels-0123456789ab-cpython-310", tmp_path / "something else"]
    for folder in found:
        folder.mkdir()
        (folder / "a.kernel").write_bytes(bytes(2_500_000))
    return found


def test_other_versions_are_removed(folders, tmp_path, capsys):
    assert main(["clean"]) == 0
    assert [folder.exists() for folder in folders] == [True, False, True]
    assert capsys.readouterr().out == f"removed 2.5 MB in 1 folders of {tmp_path}\n"
    assert main(["clean"]) == 0
    assert capsys.readouterr().out == f"removed 0.0 MB in 0 folders of {tmp_path}\n"


def test_all_are_removed_if_asked_for(folders, capsys):
    assert main(["clean", "--all"]) == 0
    assert [folder.exists() for folder in folders] == [False, False, True]
    assert capsys.readouterr().out.startswith("removed 5.0 MB in 2 folders")


def test_a_folder_with_other_files_stays_and_is_named(folders, capsys):
    (folders[1] / "notes.txt").touch()
    assert main(["clean"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("removed 2.5 MB in 0 folders")
    assert str(folders[1]) in err
    assert [path.name for path in folders[1].iterdir()] == ["notes.txt"]


def test_where_nothing_is_kept_there_is_nothing_to_remove(monkeypatch, capsys):
    monkeypatch.setenv("THINC_NB_CACHE_DIR", "")
    assert main(["clean", "--all"]) == 0
    assert capsys.readouterr().out.startswith("nothing to remove")
