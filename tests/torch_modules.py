"""What tests of torch modules share. Importing it skips the test file where torch is not installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")


def linear(nI: int = 3, nO: int = 2, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.nn.Linear(nI, nO)


def weights(module: Any) -> dict[str, Any]:
    return {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}


def assert_same_weights(one: Any, other: Any) -> None:
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)
