"""thinc_nb under the name of Thinc, for programs that import `thinc`: spaCy above all.

    python -m thinc_nb.as_thinc script.py ...
    python -m thinc_nb.as_thinc -m spacy train config.cfg ...

run a script or a module with every ``import thinc...`` answered by thinc_nb; `install_as_thinc` does the same for the
process that calls it.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Sequence
from importlib import metadata
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

__all__ = ["install_as_thinc", "main"]

_OURS = __package__ or "thinc_nb"
_THEIRS = "thinc"
_EMPTY = "thinc.extra"
# spaCy's compiled modules were built against these, and take C functions and types from them.
_LENT = frozenset({"thinc.backends.cblas", "thinc.backends.linalg", "thinc.extra.search"})

answers_for_version_8 = False
"""Whether the Thinc that is installed here, and that the program was written for, is older than 9."""


def install_as_thinc() -> None:
    """From here on in this process, `thinc`, `thinc.api`, `thinc.layers` … are the modules of thinc_nb.

    Call it before anything imports Thinc: RuntimeError if that has happened. A second call does nothing. Three compiled
    modules, `thinc.backends.cblas`, `thinc.backends.linalg` and `thinc.extra.search`, are loaded from the installed
    Thinc when they are asked for, without running any of its Python; ModuleNotFoundError, then, if there is none.
    """
    if answers_for_thinc():
        return
    early = sorted(name for name in sys.modules if name == _THEIRS or name.startswith(f"{_THEIRS}."))
    if early:
        raise RuntimeError(
            f"install_as_thinc() came too late: {early[0]!r} is imported already. Call it at the top of the program, "
            "before spaCy or anything else imports Thinc, or run the program by: python -m thinc_nb.as_thinc"
        )
    global answers_for_version_8
    answers_for_version_8 = _installed_version().startswith("8.")
    sys.meta_path.insert(0, _Finder())
    config = sys.modules.get(f"{_OURS}.config")
    if config is not None:
        config.read_entry_points()


def answers_for_thinc() -> bool:
    """Whether `install_as_thinc` was called in this process."""
    return any(isinstance(finder, _Finder) for finder in sys.meta_path)


def _installed_version() -> str:
    try:
        return metadata.version(_THEIRS)
    except metadata.PackageNotFoundError:
        return ""


class _Finder(MetaPathFinder):
    """Answers for `thinc` and all below it; nothing else on the path is asked."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _THEIRS and not fullname.startswith(f"{_THEIRS}."):
            return None
        if fullname in _LENT:
            return _lent(fullname)
        if fullname == _EMPTY:
            return ModuleSpec(fullname, _EmptyPackage(), is_package=True)
        ours = _OURS + fullname.removeprefix(_THEIRS)
        if find_spec(ours) is None:
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: {_OURS} stands in for Thinc in this process and has no {ours!r}",
                name=fullname,
            )
        return ModuleSpec(fullname, _Alias(ours))


class _Alias(Loader):
    """Gives a module of ours, the same object, under a second name."""

    def __init__(self, ours: str) -> None:
        self._ours = ours
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._ours)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # It ran when it was imported under its own name; the import system has just given it the alias's spec.
        module.__spec__ = self._spec


class _EmptyPackage(Loader):
    def exec_module(self, module: ModuleType) -> None:
        """Nothing but the place of a compiled module."""


def _lent(fullname: str) -> ModuleSpec:
    """Where the installed Thinc has a compiled module. Its package is found, not imported."""
    spec = PathFinder.find_spec(_THEIRS)
    folder = fullname.split(".")[1]
    places = [] if spec is None else [str(Path(at, folder)) for at in spec.submodule_search_locations or ()]
    found = PathFinder.find_spec(fullname, places)
    if found is None or found.loader is None:
        have = "there is no Thinc here" if spec is None else "the Thinc that is installed has none"
        raise ModuleNotFoundError(
            f"No module named {fullname!r}: {_OURS} takes this compiled module from an installed Thinc, and {have}. "
            "Install the Thinc that your spaCy asks for: pip install thinc",
            name=fullname,
        )
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``script.py [ARG …]`` or ``-m module [ARG …]`` with thinc_nb in the place of Thinc."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0].startswith("-") and (words[0] != "-m" or len(words) < 2)):
        sys.stderr.write("usage: python -m thinc_nb.as_thinc (SCRIPT | -m MODULE) [ARG ...]\n")
        raise SystemExit(0 if words[:1] in (["-h"], ["--help"]) else 2)
    install_as_thinc()
    if words[0] == "-m":
        if not _is_there(words[1]):
            raise SystemExit(f"python -m thinc_nb.as_thinc: there is no module {words[1]!r}")
        if not _can_run(words[1]):
            raise SystemExit(f"python -m thinc_nb.as_thinc: the module {words[1]!r} is no program")
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        if not Path(words[0]).exists():
            raise SystemExit(f"python -m thinc_nb.as_thinc: there is no file {words[0]!r}")
        sys.argv = words
        sys.path[0] = str(Path(words[0]).resolve().parent)
        runpy.run_path(words[0], run_name="__main__")


def _is_there(module: str) -> bool:
    """Whether there is such a module. Packages around it are imported, as it is run."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise  # A package around it lacks something.
        return False


def _can_run(module: str) -> bool:
    """Whether a module that is there can be run: it has code, and a package a module __main__."""
    spec = find_spec(module)
    if spec is not None and spec.submodule_search_locations is not None:
        return _is_there(f"{module}.__main__") and _can_run(f"{module}.__main__")
    get_code = None if spec is None else getattr(spec.loader, "get_code", None)
    return get_code is not None and get_code(module) is not None


if __name__ == "__main__":
    # Under its own name, so that the finder which is installed is the one that `thinc_nb.as_thinc` knows.
    importlib.import_module(f"{_OURS}.as_thinc").main()
