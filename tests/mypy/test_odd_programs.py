"""Unfinished, odd and wrong programs: the plugin neither fails on them nor reports layers that may be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from .harness import CONFIGURATIONS, run_mypy

pytest.importorskip("mypy")

HEAD = "from typing import Any\nfrom thinc_nb.api import *\n"
PROGRAMS = {
    "unknown_import": "from nowhere import layer\nm = chain(layer, Relu(4))\nchain(*layer(), **layer)\n",
    "unfinished": "m = chain(Relu(4), undefined)\nn = residual()\nLinear(nI=)\n",
    "unknown_names": "m = chain(undefined, missing.layer, Relu(undefined))\nclone(undefined, undefined)\n",
    "recursive": "T = list['T']\n"
    "def f(x: 'T') -> None:\n    chain(Relu(4), *x)  # type: ignore[layer-call]\na = chain(a, Relu(4))\n",
    "class_body": "class A:\n    m = chain(Relu(4), Relu(4))\n"
    "    def f(self) -> Any:\n        return chain(self.m, self.g)\n",
    "star_arguments": "def f(*a: Any, **k: Any) -> None:\n    chain(*a)\n    Linear(*a, **k)\n"
    "    residual(*a)\n    clone(*a)\n",
    "deleted": "x = Relu(4)\ndel x\nchain(x, Relu(4))\n",
    "unreachable": "def f() -> None:\n    return\n    chain(Relu(4), Relu)\n",
    "match_statement": "def f(x: Any) -> Any:\n    match x:\n        case [a, *b]:\n            return chain(a, *b)\n",
    "deep": f"WIDTH = {' + '.join(['1'] * 300)}\nm = chain(Relu(WIDTH), Relu(4))\n",
    "lambdas": "f = lambda *a: chain(*a)\n(lambda: chain)()(Relu(4), Relu(4))\n",
}


def test_odd_programs_neither_stop_the_plugin_nor_get_its_errors(tmp_path: Path) -> None:
    for name, code in PROGRAMS.items():
        folder = tmp_path / name if name == "unfinished" else tmp_path / "others"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(HEAD + code)
    for folder in (tmp_path / "unfinished", tmp_path / "others"):
        said = run_mypy(folder, CONFIGURATIONS["plugin"])
        assert "Traceback" not in said
        assert "INTERNAL ERROR" not in said
        assert "[layer-" not in said
