"""Wrappers of torch modules beside Thinc's: the same numbers, names, dims and attributes, and each other's files."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_surface import assert_takes_the_same
from twins import assert_alike, for_thinc, oracle, ours, random_like, twins

torch = pytest.importorskip("torch")

# Thinc calls torch by names that torch has renamed.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning"),
]


def module(kind: str) -> Any:
    torch.manual_seed(4)
    if kind == "linear":
        return torch.nn.Linear(4, 4)
    return torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.Tanh(), torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 4))


def seeded(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def call(api: Any) -> Any:
        torch.manual_seed(4)
        return build(api)

    return call


SEQUENCES = [np.random.default_rng(1).normal(size=(n, 4)).astype("f") for n in (3, 1, 5)]
ARRAY = np.random.default_rng(2).normal(size=(7, 4)).astype("f")
CASES: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "PyTorchWrapper": (lambda api: api.PyTorchWrapper(module("linear")), ARRAY),
    "PyTorchWrapper_v2": (lambda api: api.PyTorchWrapper_v2(module("deep")), ARRAY),
    "PyTorchWrapper_v3": (lambda api: api.PyTorchWrapper_v3(module("deep")), ARRAY),
    "PyTorchLSTM": (lambda api: api.PyTorchLSTM(6, 4), SEQUENCES),
    "PyTorchLSTM bi": (lambda api: api.PyTorchLSTM(6, 4, bi=True, depth=2), SEQUENCES),
    "with_array": (lambda api: api.with_array(api.PyTorchWrapper(module("deep"))), SEQUENCES),
    "chain": (lambda api: api.chain(api.Linear(4, 4), api.PyTorchWrapper(module("deep"))), ARRAY),
}


@pytest.mark.parametrize("name", CASES)
def test_outputs_gradients_and_updates_are_equal(name: str) -> None:
    build, X = CASES[name]
    both = twins(seeded(build)).initialize()
    optimizers = [lib.Adam(0.01, grad_clip=1.0, L2=0.1) for lib in (ours(), oracle())]
    for step in range(5):
        mine, theirs = both.ours.begin_update(X), both.thinc.begin_update(for_thinc(X))
        assert_alike(mine[0], theirs[0], f"Y of step {step}")
        dY = random_like(mine[0], np.random.default_rng(step))
        assert_alike(mine[1](dY), theirs[1](for_thinc(dY)), f"dX of step {step}", rtol=1e-4, atol=1e-5)
        both.ours.finish_update(optimizers[0])
        both.thinc.finish_update(optimizers[1])
    assert_alike(both.ours.predict(X), both.thinc.predict(for_thinc(X)), "Y after training", rtol=1e-3, atol=1e-4)
    for mine, theirs in both.nodes():
        for one, other in zip(mine.shims, theirs.shims, strict=True):
            assert one._model.training == other._model.training
            for (key, value), (other_key, expected) in zip(
                one._model.state_dict().items(), other._model.state_dict().items(), strict=True
            ):
                assert key == other_key
                torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", CASES)
def test_nodes_are_equal_and_files_load_in_the_other_library(name: str) -> None:
    build, X = CASES[name]
    both = twins(seeded(build)).initialize()
    for mine, theirs in both.nodes():
        assert (mine.name, mine.dim_names, list(mine.attrs), mine.ref_names, mine.param_names, len(mine.shims)) == (
            theirs.name, theirs.dim_names, list(theirs.attrs), theirs.ref_names, theirs.param_names, len(theirs.shims)
        )  # fmt: skip
        assert [mine.maybe_get_dim(d) for d in mine.dim_names] == [theirs.maybe_get_dim(d) for d in theirs.dim_names]
    data = both.ours.to_bytes()
    assert data == both.thinc.to_bytes()
    for lib, writer in ((ours(), both.thinc), (oracle(), both.ours)):
        torch.manual_seed(99)
        other = build(lib)
        other.initialize()
        for node in other.walk():
            for shim in node.shims:
                for parameter in shim._model.parameters():
                    parameter.data.fill_(0.25)
        other.from_bytes(writer.to_bytes())
        assert other.to_bytes() == data
        x = X if lib is ours() else for_thinc(X)
        assert_alike(other.predict(x), both.ours.predict(X), "Y of what was loaded")


NAMES = {
    "shims.pytorch": ["PyTorchShim", "default_serialize_torch_model", "default_deserialize_torch_model"],
    "shims.pytorch_grad_scaler": ["PyTorchGradScaler"],
    "shims.torchscript": ["TorchScriptShim"],
    "layers.lstm": ["PyTorchLSTM"],
    "layers.torchscriptwrapper": ["TorchScriptWrapper_v1", "pytorch_to_torchscript_wrapper"],
    "layers.pytorchwrapper": [
        "PyTorchRNNWrapper", "PyTorchWrapper", "PyTorchWrapper_v2", "PyTorchWrapper_v3",
        "convert_pytorch_default_inputs", "convert_pytorch_default_outputs", "convert_rnn_inputs",
        "convert_rnn_outputs", "forward",
    ],
}  # fmt: skip


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in NAMES.items() for name in names])
def test_names_and_signatures(path: str, name: str) -> None:
    mine, theirs = getattr(ours(path), name), getattr(oracle(path), name)
    if inspect.isfunction(theirs):
        assert_takes_the_same(mine, theirs, name)
        return
    for key, member in vars(theirs).items():
        if not key.startswith("_"):
            assert hasattr(mine, key), f"{name}.{key}"
        if inspect.isfunction(member) and (key == "__init__" or not key.startswith("_")):
            assert_takes_the_same(getattr(mine, key), member, f"{name}.{key}")


@pytest.mark.parametrize("path", NAMES)
def test_nothing_is_left_out(path: str) -> None:
    defined = [
        name
        for name, value in vars(oracle(path)).items()
        if getattr(value, "__module__", None) == f"thinc.{path}" and not name.startswith("_") and callable(value)
    ]
    assert [name for name in defined if not hasattr(ours(path), name)] == []


def test_scalers_take_the_same_steps() -> None:
    both = [lib.PyTorchGradScaler(True, init_scale=8.0, growth_interval=2) for lib in (ours(), oracle())]
    for step in range(12):
        value = float("inf") if step % 5 == 3 else 3.0
        gradients = [torch.full((2,), value) for _ in both]
        found = [bool(scaler.unscale([g])) for scaler, g in zip(both, gradients, strict=True)]
        assert found[0] == found[1]
        assert bool(both[0].found_inf) == bool(both[1].found_inf)
        assert torch.equal(*gradients)
        for scaler in both:
            scaler.update()
        # Thinc scales on a GPU only.
        unscaled = [torch.ones(1) for _ in both]
        for scaler, tensor in zip(both, unscaled, strict=True):
            scaler.unscale([tensor])
        assert torch.equal(*unscaled)


def test_scripts_load_in_the_other_library() -> None:
    scripts = {}
    for lib in (ours(), oracle()):
        scripts[lib.__name__] = lib.pytorch_to_torchscript_wrapper(lib.PyTorchWrapper(module("deep")))
    mine, theirs = scripts["thinc_nb.api"], scripts["thinc.api"]
    assert (mine.name, mine.dim_names, list(mine.attrs)) == (theirs.name, theirs.dim_names, list(theirs.attrs))
    expected = mine.predict(ARRAY)
    loaded = ours().TorchScriptWrapper_v1(allow_code=True).from_bytes(theirs.to_bytes())
    np.testing.assert_array_equal(loaded.predict(ARRAY), expected)
    loaded = oracle().TorchScriptWrapper_v1().from_bytes(mine.to_bytes())
    np.testing.assert_array_equal(loaded.predict(ARRAY), expected)
