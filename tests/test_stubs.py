"""The stubs beside the packages that they describe, and beside the code that they are for."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import mypy.version
import pytest
from packaging.version import Version

ROOT = Path(__file__).parents[1]
STUBS = ROOT / "stubs"
# Thinc's is a promise that two modules are there; those of CUDA hang on the others.
DESCRIBED = ["catalogue", "cupy", "cupy_backends", "llvmlite", "msgpack", "numba", "sklearn", "threadpoolctl", "torch"]
INSTALLED = [name for name in DESCRIBED if find_spec(name) is not None]

needs_stubtest = pytest.mark.skipif(Version(mypy.version.__version__) < Version("1.19"), reason="of an older mypy")
needs_cuda_words = pytest.mark.skipif(find_spec("numba_cuda") is None, reason="needs numba-cuda")


def stubtest(stubs: Path, *modules: str) -> str:
    """What mypy's stubtest says of the stubs of these modules; "" if nothing."""
    config = stubs.parent / "mypy.ini"
    if config != ROOT / "mypy.ini":
        config.write_text("[mypy]\nmypy_path = $MYPY_CONFIG_FILE_DIR/stubs\n", encoding="utf-8")
    options = ["--concise", "--ignore-missing-stub", "--ignore-disjoint-bases", "--ignore-unused-allowlist"]
    options += ["--mypy-config-file", str(config), "--allowlist", str(STUBS / "stubtest.txt")]
    # Modules are imported one and all, deprecated ones too.
    command = [sys.executable, "-W", "ignore", "-m", "mypy.stubtest", *options, *modules]
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONWARNINGS", "NUMBA_ENABLE_CUDASIM")}
    done = subprocess.run(command, cwd=stubs.parent, env=env, capture_output=True, text=True, timeout=300)
    assert (done.returncode == 0) == (not done.stdout.strip()), done.stderr + done.stdout
    return done.stdout.strip()


@needs_stubtest
@needs_cuda_words
def test_stubs_agree_with_the_packages_that_are_installed() -> None:
    assert {"catalogue", "llvmlite", "msgpack", "numba", "threadpoolctl"} <= set(INSTALLED)
    assert stubtest(STUBS, *INSTALLED) == ""


@needs_stubtest
def test_a_stub_that_disagrees_is_found(tmp_path: Path) -> None:
    """So that the test above can fail."""
    (tmp_path / "stubs").mkdir()
    text = (STUBS / "threadpoolctl" / "__init__.pyi").read_text(encoding="utf-8")
    wrong = text.replace("limits: int", "limit: int").replace("def unregister", "def deregister")
    (tmp_path / "stubs" / "threadpoolctl.pyi").write_text(wrong, encoding="utf-8")
    said = stubtest(tmp_path / "stubs", "threadpoolctl")
    assert 'threadpool_limits.__init__ is inconsistent, stub parameter "limit" differs' in said
    assert "threadpool_limits.deregister is not present at runtime" in said


def test_every_exception_has_a_reason() -> None:
    """A comment stands above each group of lines that stubtest is told to overlook."""
    lines = (STUBS / "stubtest.txt").read_text(encoding="utf-8").splitlines()
    reasons = {i for i, line in enumerate(lines) if line.startswith("#")}
    for i, line in enumerate(lines):
        if line and i not in reasons:
            assert i - 1 in reasons or (lines[i - 1] and re.match(r"\w+\\\.\w+", lines[i - 1])), line
            re.compile(line)


@needs_cuda_words
def test_words_for_kernels_take_what_their_implementations_take() -> None:
    """stubtest sees only objects that cannot be called."""
    from numba import cuda

    described = {
        node.name: len(node.args.args)
        for node in ast.parse((STUBS / "numba/cuda/__init__.pyi").read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    words = {name: getattr(cuda, name)._defn for name in described if hasattr(getattr(cuda, name, None), "_defn")}
    assert {"grid", "gridsize", "shfl_xor_sync", "syncthreads"} <= set(words)
    # The first parameter of an implementation is the compiler's.
    taken = {name: len(inspect.signature(word).parameters) - 1 for name, word in words.items()}
    assert {name: described[name] for name in words} == taken


# What is not described is Any to those who use the stubs; here it would be an oversight.


def names_in(stub: Path) -> set[str]:
    """What a stub describes."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(stub.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names.add(node.targets[0].id)
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.asname}
    return names - {"__getattr__"}


def stub_of(module: str) -> Path | None:
    base = STUBS / module.replace(".", "/")
    return next((path for path in (base / "__init__.pyi", base.with_suffix(".pyi")) if path.exists()), None)


def uses(source: Path) -> Iterator[tuple[str, str]]:
    """Module and name, of modules with stubs: what a file imports from them, and its attributes of them."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name: alias.name for alias in node.names if stub_of(alias.name)}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module and stub_of(node.module):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if stub_of(inner):
                    modules[alias.asname or alias.name] = inner
                else:
                    yield node.module, alias.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in modules:
            module = modules[ast.unparse(node.value)]
            if stub_of(f"{module}.{node.attr}") is None:
                yield module, node.attr


def test_all_that_the_package_uses_is_described() -> None:
    """Of numba, msgpack and threadpoolctl; modules of torch and CuPy come from `compat`, where they are Any."""
    found = {use for source in sorted((ROOT / "src").rglob("*.py")) for use in uses(source)}
    stubs = {module: names_in(stub) for module, _ in found if (stub := stub_of(module))}
    missing = {f"{module}.{name}" for module, name in found if name not in stubs[module]}
    assert {name for name in missing if not name.startswith("torch.")} == set()
    assert ("numba.cuda", "shfl_xor_sync") in found
    assert ("msgpack", "packb") in found
