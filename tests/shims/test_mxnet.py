"""MXNet's names, which say that it is retired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from thinc_nb.api import MXNetShim, MXNetWrapper, mxnet2xp, xp2mxnet


@pytest.mark.parametrize("call", [MXNetShim, MXNetWrapper])
def test_models_of_mxnet_are_refused_with_advice(call: Callable[[Any], Any]) -> None:
    with pytest.raises(NotImplementedError, match=r"MXNet is retired.*PyTorchWrapper\(module\)"):
        call(None)


@pytest.mark.parametrize("call", [mxnet2xp, xp2mxnet])
def test_arrays_are_not_converted(call: Callable[[Any], Any]) -> None:
    with pytest.raises(ImportError, match="MXNet is retired"):
        call(None)
