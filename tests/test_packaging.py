"""The package as installed, and the files that say how to install it."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import thinc_nb

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
HEAVY = ["numba", "numpy", "torch", "cupy", "rich", "matplotlib", "confection", "msgpack"]


def in_fresh_python(code: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env={**os.environ, **env}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def requirements() -> Iterator[Requirement]:
    for text in [*PROJECT["dependencies"], *(t for group in PROJECT["optional-dependencies"].values() for t in group)]:
        requirement = Requirement(text)
        if canonicalize_name(requirement.name) != "thinc-nb":
            yield requirement


def pins(python: str) -> dict[str, list[str]]:
    environment: dict[str, str] = {key: str(value) for key, value in default_environment().items()}
    environment |= {"python_version": python, "python_full_version": f"{python}.0"}
    found: dict[str, list[str]] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate(environment):
                found.setdefault(canonicalize_name(requirement.name), []).append(str(requirement.specifier))
    return found


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, thinc_nb; print([name for name in {HEAVY} if name in sys.modules])"
    assert in_fresh_python(code) == "[]"


def test_import_time_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import time; t = time.perf_counter(); import thinc_nb{}; print((time.perf_counter() - t) * 1000)"
    times = {name: float(in_fresh_python(code.format(name))) for name in ("", ".types")}
    with capsys.disabled():
        print("\n" + ", ".join(f"import thinc_nb{name}: {time:.0f} ms" for name, time in times.items()))
    assert all(time > 0 for time in times.values())


def test_public_modules_are_attributes_without_being_imported() -> None:
    assert in_fresh_python("import thinc_nb; print(thinc_nb.types.__name__)") == "thinc_nb.types"


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'thinc_nb' has no attribute 'nothing'"):
        thinc_nb.nothing  # noqa: B018


def test_every_import_is_declared() -> None:
    """In pyproject.toml, or here if it is one that users bring along."""
    brought_along = {"cupy", "cupyx", "h5py", "mxnet", "tensorflow", "thinc"}
    of_others = {"llvmlite", "sklearn"}  # of numba and scikit-learn
    declared = {requirement.name.replace("-", "_") for requirement in requirements()}
    imported: dict[str, str] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            imported |= {name.partition(".")[0]: path.name for name in names}
    third_party = {name: path for name, path in imported.items() if name not in {*sys.stdlib_module_names, "thinc_nb"}}
    assert {n: p for n, p in third_party.items() if n not in declared | brought_along | of_others} == {}
    assert {"numba", "numpy"} <= set(third_party)


def test_version_is_a_release_number() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+([abrc.+]\S+)?", thinc_nb.__version__)


def test_version_is_in_the_changelog() -> None:
    assert re.search(rf"^## .*\b{re.escape(thinc_nb.__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_type_information_is_shipped() -> None:
    assert thinc_nb.__file__ is not None
    assert Path(thinc_nb.__file__).with_name("py.typed").exists()


def test_the_wheel_has_the_package_its_types_and_the_stubs_apart(tmp_path: Path) -> None:
    pytest.importorskip("hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    version = f"thinc_nb-{thinc_nb.__version__}"
    package = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src").rglob("*.py")}
    # mypy refuses a mypy_path inside site-packages; stubs of their own there would hide other ones.
    shared = f"{version}.data/data/share/thinc_nb/"
    # What else is there has types of its own.
    shipped = ("cupy", "cupy_backends", "llvmlite", "msgpack", "numba", "threadpoolctl")
    stubs = {
        shared + p.relative_to(ROOT).as_posix() for name in shipped for p in (ROOT / "stubs" / name).rglob("*.pyi")
    }
    assert "thinc_nb/mypy/hooks.py" in package
    assert f"{shared}stubs/numba/__init__.pyi" in stubs
    found = {name for name in names if not name.startswith(f"{version}.dist-info/")}
    assert found == package | stubs | {"thinc_nb/py.typed"}


def test_command_line_entry_point_exists() -> None:
    module, function = PROJECT["scripts"]["thinc-nb"].split(":")
    assert in_fresh_python(f"import {module}; print(callable({module}.{function}))") == "True"


def test_extras_are_the_documented_ones() -> None:
    assert set(PROJECT["optional-dependencies"]) == {
        "cuda12x",
        "cuda13x",
        "torch",
        "safetensors",
        "jax",
        "sklearn",
        "tensorflow",
        "demo",
        "test",
        "docs",
        "dev",
    }


@pytest.mark.parametrize("python", PYTHONS)
def test_every_requirement_is_pinned_to_a_version_it_allows(python: str) -> None:
    pinned = pins(python)
    for requirement in requirements():
        name = canonicalize_name(requirement.name)
        if name.startswith("cupy"):
            continue  # only on machines with a GPU, by the CUDA version found there
        assert name in pinned, f"{name} is not in constraints.txt for Python {python}"
        version = pinned[name][0].removeprefix("==")
        assert requirement.specifier.contains(version), f"{name}=={version} is not {requirement}"


@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_name_each_package_once_and_exactly(python: str) -> None:
    for name, specifiers in pins(python).items():
        assert len(specifiers) == 1, f"{name} is pinned more than once for Python {python}: {specifiers}"
        assert re.fullmatch(r"==[^,*]+", specifiers[0]), f"{name}{specifiers[0]} is not one version"


def test_an_old_python_is_refused_in_one_line(tmp_path: Path) -> None:
    fake = tmp_path / "python3.9"
    fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "import sys; sys.version_info = (3, 9, 7); $2"\n')
    fake.chmod(0o755)
    done = make(tmp_path, f"PYTHON={fake}")
    assert done.returncode != 0
    assert done.stderr.startswith("thinc_nb needs Python 3.10 or newer")


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    done = make(tmp_path, "PYTHON=no-such-python")
    assert done.returncode != 0
    assert done.stderr.startswith("There is no 'no-such-python' here.")


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--file", str(ROOT / "Makefile"), "--directory", str(folder), "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)
