"""The models of other libraries that `benchmarks/models.py` measures are ours."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
OF_OTHERS = ("_models_check", "_models_jax", "_models_rows", "models")
KINDS = ("tagger", "sparse", "pool", "mlp", "bilstm", "attention")


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "asv_benchmarks")
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield
    for name in list(sys.modules):
        if name in OF_OTHERS or name.split(".")[0] == "benchmarks":
            del sys.modules[name]


@pytest.fixture
def models(scripts: None) -> ModuleType:
    return import_module("models")


@pytest.fixture
def models_check(scripts: None) -> ModuleType:
    pytest.importorskip("jax")
    return import_module("_models_check")


@pytest.mark.parametrize("kind", KINDS)
def test_the_models_of_jax_predict_and_learn_as_ours_do(models_check, kind):
    models_check.check(f"{kind}-3")


def test_a_model_of_jax_that_learns_otherwise_is_noticed(models_check, monkeypatch):
    jax_models = import_module("_models_jax")
    adam = jax_models.adam
    monkeypatch.setattr(jax_models, "adam", lambda rate, *rest: adam(1.1 * rate, *rest))
    with pytest.raises(ValueError, match="mlp-3: JAX's predictions are up to"):
        models_check.check("mlp-3")


def test_a_case_of_jax_trains_and_predicts(scripts):
    jax = pytest.importorskip("jax")
    case = import_module("_models_jax").JaxCase("tagger-2")
    losses = [float(case.train()) for _ in range(20)]
    assert losses[-1] < losses[0]
    before = case.predict()
    assert jax.numpy.allclose(before.sum(1), 1.0, atol=1e-5)
    assert (case.predict() == before).all()  # without dropout


def test_a_library_that_was_not_measured_leaves_its_columns_empty(models):
    heads = models.TITLE.split()
    assert heads == [
        *("model", "step", "ours", "Thinc", "torch", "compile", "JAX", "floor"),
        *("Thinc", "torch", "compile", "JAX", "share"),
    ]
    full = {"ours": 1e-3, "Thinc": 4e-3, "torch": 2e-3, "compile": 3e-3, "JAX": 5e-3, "floor": 9e-4}
    assert models.line("mlp-1", "train", full).split() == [
        *("mlp-1", "train", "1.000", "4.000", "2.000", "3.000", "5.000", "0.900"),
        *("4.00", "2.00", "3.00", "5.00", "90%"),
    ]
    alone = models.line("mlp-1", "train", {"ours": 1e-3, "floor": 9e-4})
    assert alone.split() == ["mlp-1", "train", "1.000", "0.900", "90%"]
    assert len(alone) == len(models.TITLE) == len(models.line("mlp-1", "train", full))


def test_what_is_installed_is_measured(models, monkeypatch):
    monkeypatch.setattr(models, "find_spec", lambda name: name in {"thinc", "jax"} or None)
    assert models.libraries(compile_too=True) == ["ours", "Thinc", "JAX"]
    monkeypatch.setattr(models, "find_spec", lambda name: None)
    assert models.libraries(compile_too=True) == ["ours"]
