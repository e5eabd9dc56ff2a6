"""The program that the comparison with Thinc runs: it has to be the tagger of the demo."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from thinc_nb.cli._features import stable_hash, word_features
from thinc_nb.cli._tagger import TaggerSettings, build_model

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "tagger_program.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tagger_program", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(model: Any) -> list[str]:
    return [node.name for node in model.walk()]


def test_it_builds_the_network_of_the_demo(program: ModuleType) -> None:
    import thinc_nb.api

    settings = TaggerSettings("conllu", "upos", tuple("ABC"))
    assert names(program.build(thinc_nb.api, 3)) == names(build_model(settings))


@pytest.mark.parametrize("word", ["Word", "x", "AAAAAA-11111", "ünï"])
def test_it_sees_the_features_of_the_demo(program: ModuleType, word: str) -> None:
    assert program.Hashes()[word] == [stable_hash(feature) for feature in word_features(word)]


def test_it_trains_an_epoch_for_every_line(
    program: ModuleType, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["thinc_nb.api", f"--train={data / 'train.conllu'}", f"--dev={data / 'dev.conllu'}"]
    monkeypatch.setattr(sys, "argv", ["tagger_program.py", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO("epoch\n" * 3))
    program.main()
    ready, *epochs = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert ready == {"ready": "thinc_nb.api"}
    losses = [epoch["loss"] for epoch in epochs]
    assert len(losses) == 3
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert epochs[-1]["accuracy"] > 0.5
