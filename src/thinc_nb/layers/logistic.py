"""The logistic function as a layer of its own."""

from __future__ import annotations

from ..model import Model
from ..types import Floats2d, N
from .sigmoid_activation import forward


def Logistic() -> Model[Floats2d, Floats2d, N, N]:
    """Y = 1 / (1 + exp(-X)), element by element: `sigmoid_activation` under its older name. No parameters."""
    return Model("logistic", forward)
