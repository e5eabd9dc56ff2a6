"""thinc_nb in the place of Thinc. Each test is a process of its own: what it changes is the import system."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *(words or ("-c", textwrap.dedent(program)))],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def lines_of(program: str) -> list[str]:
    done = run(program)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_modules_are_the_same_objects_under_both_names():
    assert lines_of(
        """
        import thinc_nb
        thinc_nb.install_as_thinc()
        thinc_nb.install_as_thinc()
        import thinc.layers.chain
        import thinc.api as theirs
        import thinc_nb.api as ours
        print(theirs is ours, thinc is thinc_nb, thinc.layers.chain is ours.Model.__module__)
        print(thinc.layers.chain.__name__, ours.__spec__.name)
        """
    ) == ["True True False", "thinc_nb.layers.chain thinc_nb.api"]


def test_a_module_that_is_not_ours_is_not_found_and_the_error_says_who_answers():
    assert lines_of(
        """
        import thinc_nb
        thinc_nb.install_as_thinc()
        try:
            import thinc.about_that
        except ModuleNotFoundError as error:
            print(error.name, error, sep="\\n")
        """
    ) == [
        "thinc.about_that",
        (
            "No module named 'thinc.about_that': thinc_nb stands in for Thinc in this process and has no "
            "'thinc_nb.about_that'"
        ),
    ]


def test_too_late_is_an_error_that_changes_nothing():
    assert lines_of(
        """
        import sys, types
        sys.modules["thinc"] = types.ModuleType("thinc")
        import thinc_nb
        before = list(sys.meta_path)
        try:
            thinc_nb.install_as_thinc()
        except RuntimeError as error:
            print(str(error).split(":")[0], sys.meta_path == before)
        """
    ) == ["install_as_thinc() came too late True"]


def test_a_compiled_module_without_thinc_names_what_to_install():
    (line,) = lines_of(
        """
        import sys
        import thinc_nb
        thinc_nb.install_as_thinc()
        import thinc.backends
        from importlib.machinery import PathFinder
        PathFinder.find_spec = classmethod(lambda cls, *rest: None)
        try:
            import thinc.backends.cblas
        except ModuleNotFoundError as error:
            print(error)
        """
    )
    assert line.startswith("No module named 'thinc.backends.cblas'")
    assert line.endswith("pip install thinc")


@pytest.mark.peer
def test_compiled_modules_are_lent_without_any_python_of_thincs():
    assert lines_of(
        """
        import sys
        import thinc_nb
        thinc_nb.install_as_thinc()
        import thinc.backends.cblas
        from thinc.api import NumpyOps
        print(type(NumpyOps().cblas()) is thinc.backends.cblas.CBlas)
        from pathlib import Path
        files = [Path(module.__file__) for module in sys.modules.values() if getattr(module, "__file__", None)]
        print([file.name for file in files if "thinc" in file.parts and file.suffix == ".py"])
        """
    ) == ["True", "[]"]


def test_functions_come_from_the_entry_points_that_packages_have_for_thinc():
    assert lines_of(
        """
        import thinc_nb
        from thinc_nb.api import registry
        print(registry.layers.entry_point_namespace)
        thinc_nb.install_as_thinc()
        registry.create("more", entry_points=True)
        print(registry.layers.entry_point_namespace, registry.more.entry_point_namespace)
        """
    ) == ["thinc_nb_layers", "thinc_layers thinc_more"]


def test_a_script_gets_its_arguments_and_its_folder(tmp_path):
    (tmp_path / "beside.py").write_text("value = 7\n")
    script = tmp_path / "script.py"
    script.write_text("import sys, beside, thinc.api\nprint(sys.argv[1:], beside.value, thinc.api.Model.__module__)\n")
    done = run("", "-m", "thinc_nb.as_thinc", str(script), "--one", "two")
    assert done.stdout == "['--one', 'two'] 7 thinc_nb.model\n", done.stderr


def test_a_module_is_run_with_the_rest_of_the_line(tmp_path):
    done = run("", "-m", "thinc_nb.as_thinc", "-m", "json.tool", "--help")
    assert done.returncode == 0, done.stderr
    assert "json" in done.stdout


@pytest.mark.parametrize("words", [[], ["-m"], ["-c", "import thinc"]])
def test_without_a_program_the_usage_is_shown(words):
    done = run("", "-m", "thinc_nb.as_thinc", *words)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m thinc_nb.as_thinc")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.py"], "there is no file 'nowhere.py'"),
        (["-m", "nowhere.at_all"], "there is no module 'nowhere.at_all'"),
        (["-m", "json.nowhere"], "there is no module 'json.nowhere'"),
        (["-m", "json.tool.nowhere"], "there is no module 'json.tool.nowhere'"),
        (["-m", "json"], "the module 'json' is no program"),
        (["-m", "math"], "the module 'math' is no program"),
        (["-m", "thinc"], "the module 'thinc' is no program"),
        (["-m", "thinc.api"], "the module 'thinc.api' is no program"),
        (["-m", "thinc.layers"], "the module 'thinc.layers' is no program"),
    ],
)
def test_a_program_that_is_not_there_is_one_line(words, said):
    done = run("", "-m", "thinc_nb.as_thinc", *words)
    assert done.returncode == 1
    assert done.stderr == f"python -m thinc_nb.as_thinc: {said}\n"
