"""Clipping by the norm of all gradients of a model together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ._parameters import GradientState

if TYPE_CHECKING:
    from .model import Model

__all__ = ["clip_gradients"]


def clip_gradients(model: Model[Any, Any], max_norm: float) -> float:
    """Scale all gradients of the tree so that their joint L2 norm is at most `max_norm` (Pascanu et al., 2013).

    Returns the norm before. Gradients whose norm is not finite are left alone, and so are those of models of other
    frameworks. ValueError if `max_norm` is not above 0.
    """
    if not max_norm > 0.0:
        raise ValueError(f"max_norm must be above 0, got {max_norm}")
    grads = [
        (node.ops, grad)
        for node in model.walk()
        for parameter in node._params.values()
        if parameter.state is not GradientState.CLEAN and (grad := parameter.grad) is not None
    ]
    norm = math.sqrt(sum(ops.sum_of_squares(grad) for ops, grad in grads))
    if max_norm < norm < math.inf:
        for _, grad in grads:
            np.multiply(grad, max_norm / norm, out=grad)
    return norm
