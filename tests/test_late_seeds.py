"""Seeds reach frameworks that are imported after `fix_random_seed`."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


def lines_of(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture
def framework(tmp_path, monkeypatch):
    """A module `framework` that remembers its seed."""
    (tmp_path / "framework.py").write_text("seeds = []\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")


@pytest.mark.usefixtures("framework")
def test_a_module_is_seeded_when_it_is_imported_by_the_last_call():
    assert lines_of(
        """
        import importlib.util, sys
        from thinc_nb._late_seeds import seed_now_or_on_import
        def seed(n):
            seed_now_or_on_import("framework", lambda: sys.modules["framework"].seeds.append(n))
        seed(1); seed(2)
        assert importlib.util.find_spec("framework") is not None and "framework" not in sys.modules
        import framework
        print(framework.seeds, type(framework.__loader__).__name__, type(framework.__spec__.loader).__name__)
        seed(3)
        importlib.reload(framework)
        print(framework.seeds)
        seed(4)
        print(framework.seeds)
        """
    ) == ["[2] SourceFileLoader SourceFileLoader", "[]", "[4]"]


def test_a_module_that_is_not_there_is_still_not_there():
    assert lines_of(
        """
        from thinc_nb._late_seeds import seed_now_or_on_import
        seed_now_or_on_import("no_such_framework", lambda: None)
        try:
            import no_such_framework
        except ModuleNotFoundError as error:
            print(error)
        """
    ) == ["No module named 'no_such_framework'"]


def test_torch_draws_the_same_whether_it_was_imported_before_or_after():
    pytest.importorskip("torch")
    program = """
        import sys
        from thinc_nb.util import fix_random_seed
        {first}
        fix_random_seed(11)
        print("torch" in sys.modules)
        import torch
        print(torch.rand(3).tolist(), torch.initial_seed())
        """
    before = lines_of(program.format(first="import torch"))
    after = lines_of(program.format(first=""))
    assert (before[0], after[0]) == ("True", "False")
    assert before[1] == after[1]
    assert after[1].endswith(" 11")
