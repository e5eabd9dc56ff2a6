"""Without a framework: one line that names the extra to install."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from thinc_nb import compat
from thinc_nb.api import (
    JaxShim,
    JaxWrapper,
    Linear,
    PyTorchLSTM,
    PyTorchShim,
    PyTorchWrapper,
    PyTorchWrapper_v2,
    PyTorchWrapper_v3,
    TensorFlowShim,
    TensorFlowWrapper,
    TorchScriptShim,
    TorchScriptWrapper_v1,
    as_torch_module,
    tensorflow2xp,
    to_sklearn,
    torch2xp,
    xp2tensorflow,
    xp2torch,
)
from thinc_nb.util import jax2xp, xp2jax

MODEL = Linear(2, 2).initialize()
ARRAY = np.ones(2, dtype="f")
CALLS: dict[str, list[tuple[Callable[..., Any], tuple[Any, ...]]]] = {
    "torch": [
        (PyTorchShim, (None,)),
        (PyTorchWrapper, (None,)),
        (PyTorchWrapper_v2, (None,)),
        (PyTorchWrapper_v3, (None,)),
        (PyTorchLSTM, (2, 2)),
        (TorchScriptShim, (None,)),
        (TorchScriptWrapper_v1, ()),
        (as_torch_module, (MODEL,)),
        (xp2torch, (ARRAY,)),
        (torch2xp, (ARRAY,)),
    ],
    "jax": [
        (JaxShim, (len, ())),
        (JaxWrapper, (len, ())),
        (xp2jax, (ARRAY,)),
        (jax2xp, (ARRAY,)),
    ],
    "sklearn": [(to_sklearn, (MODEL,))],
    "tensorflow": [
        (TensorFlowShim, (None,)),
        (TensorFlowWrapper, (None,)),
        (xp2tensorflow, (ARRAY,)),
        (tensorflow2xp, (ARRAY,)),
    ],
}


@pytest.mark.parametrize(
    ("extra", "call", "args"),
    [(extra, *call) for extra, calls in CALLS.items() for call in calls],
    ids=lambda value: getattr(value, "__name__", None) if callable(value) else value if isinstance(value, str) else "",
)
def test_absence_is_one_line_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, extra: str, call: Callable[..., Any], args: tuple[Any, ...]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == extra]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, extra, None)
    monkeypatch.delitem(sys.modules, "thinc_nb._sklearn", raising=False)
    # Not as attributes, which are found out, and kept, when they are asked for.
    monkeypatch.setitem(vars(compat), "torch", None)
    monkeypatch.setitem(vars(compat), "has_tensorflow", False)
    with pytest.raises(ImportError, match=rf"pip install 'thinc_nb\[{extra}\]'") as caught:
        call(*args)
    assert "\n" not in str(caught.value)
