"""TorchScript programs as layers, and their bytes, which are code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thinc_nb.api import (
    Adam,
    Linear,
    PyTorchWrapper,
    TorchScriptShim,
    TorchScriptWrapper_v1,
    pytorch_to_torchscript_wrapper,
)
from thinc_nb.errors import SerializationError

torch = pytest.importorskip("torch")

# torch announces that TorchScript will go.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

X = np.arange(6, dtype="f").reshape(2, 3)


class Branch(torch.nn.Module):
    """Has control flow, which a trace would lose."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        if X.sum() > 0:
            return self.linear(X)
        return -self.linear(X)


def test_a_module_gives_the_same_when_compiled() -> None:
    model = PyTorchWrapper(Branch())
    script = pytorch_to_torchscript_wrapper(model)
    assert script.name == "pytorch_script"
    for x in (X, -X):
        np.testing.assert_allclose(script.predict(x), model.predict(x), rtol=1e-6)
        (Y, backprop), (expected, expected_backprop) = script.begin_update(x), model.begin_update(x)
        np.testing.assert_allclose(Y, expected, rtol=1e-6)
        np.testing.assert_allclose(backprop(Y), expected_backprop(Y), rtol=1e-6)


def test_training_changes_the_program() -> None:
    script = pytorch_to_torchscript_wrapper(PyTorchWrapper(Branch()))
    before = script.predict(X)
    Y, backprop = script.begin_update(X)
    backprop(Y)
    script.finish_update(Adam(0.1))
    assert not np.array_equal(script.predict(X), before)


def test_programs_are_loaded_only_where_code_is_allowed(tmp_path: Path) -> None:
    script = pytorch_to_torchscript_wrapper(PyTorchWrapper(Branch()))
    data = script.to_bytes()
    empty = TorchScriptWrapper_v1()
    with pytest.raises(SerializationError, match=r"'pytorch_script': TorchScriptShim: .*allow_code=True"):
        empty.from_bytes(data)
    assert empty.shims[0]._model is None
    allowed = TorchScriptWrapper_v1(allow_code=True)
    allowed.from_bytes(data)
    empty.shims[0].allow_code = True
    script.to_disk(tmp_path / "script")
    empty.from_disk(tmp_path / "script")
    for model in (allowed, empty):
        assert np.array_equal(model.predict(X), script.predict(X))
        assert np.array_equal(model.predict(-X), script.predict(-X))
        for name, value in model.shims[0]._model.state_dict().items():
            assert torch.equal(value, script.shims[0]._model.state_dict()[name])
    shim = TorchScriptShim(None).from_bytes(script.shims[0].to_bytes(), allow_code=True)
    assert not shim.allow_code


def test_loading_brings_the_program_not_only_its_weights() -> None:
    class Other(torch.nn.Module):
        def forward(self, X: torch.Tensor) -> torch.Tensor:
            return X * 0

    model = TorchScriptWrapper_v1(torch.jit.script(Other()), allow_code=True)
    assert not model.predict(X).any()
    model.from_bytes(pytorch_to_torchscript_wrapper(PyTorchWrapper(Branch())).to_bytes())
    assert model.predict(X).shape == (2, 2)


@pytest.mark.parametrize("program", [b"", b"nonsense", b"PK\x03\x04"])
def test_bytes_that_hold_no_program_change_nothing(program: bytes) -> None:
    from thinc_nb._saving.msgpack import encode

    shim = TorchScriptShim(torch.jit.script(Branch()), allow_code=True)
    before = shim._model
    with pytest.raises(SerializationError, match="cannot be read"):
        shim.from_bytes(encode({"config": {}, "model": program}))
    with pytest.raises(SerializationError, match="there is no 'model' in them"):
        shim.from_bytes(encode({"config": {}, "state": program}))
    assert shim._model is before


def test_a_copy_is_a_program_of_its_own() -> None:
    script = pytorch_to_torchscript_wrapper(PyTorchWrapper(Branch()))
    twin: Any = script.copy()
    with torch.no_grad():
        for parameter in twin.shims[0]._model.parameters():
            parameter.zero_()
    assert not twin.predict(X).any()
    assert script.predict(X).any()


def test_what_is_no_program_is_refused() -> None:
    with pytest.raises(ValueError, match=r"got a Linear: compile it, torch\.jit\.script"):
        TorchScriptShim(torch.nn.Linear(3, 2))
    with pytest.raises(ValueError, match="layer 'linear' has no PyTorchShim"):
        pytorch_to_torchscript_wrapper(Linear(2, 2))
    with pytest.raises(ValueError, match="has no module yet"):
        TorchScriptWrapper_v1().predict(X)
