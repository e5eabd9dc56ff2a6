"""A step of an optimizer on a whole model, and clipping by the norm of all its gradients together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ._node import NodeData
from ._parameters import GradientState, arenas_of

if TYPE_CHECKING:
    from .model import Model

__all__ = ["clip_gradients", "finish_update"]


def finish_update(model: Model[Any, Any], optimizer: Any, max_norm: float | None) -> None:
    """Let the optimizer update the tree: shims first, then whole arenas, then what is in none. See `Model`."""
    given: object = optimizer  # which checkers narrow, and `optimizer` stays Any
    if not callable(given) or isinstance(given, NodeData):
        raise TypeError(
            f"finish_update of model {model.name!r} takes an optimizer, such as Adam(0.001), "
            f"or a function of key, weights and gradient, got {type(optimizer).__name__}"
        )
    if max_norm is not None:
        clip_gradients(model, max_norm)
    nodes = list(model.walk())
    for node in nodes:
        for shim in node._shims:
            shim.finish_update(optimizer)
    updated = _update_arenas(model, optimizer)
    clears = bool(getattr(optimizer, "clears_gradients", False))
    for node in nodes:
        for name, parameter in list(node._params.items()):
            if (node.id, name) in updated or (grad := parameter.read_grad()) is None:
                continue
            weights, new_grad = optimizer((node.id, name), node.get_param(name), grad)
            node.set_param(name, weights)
            if new_grad is not grad and new_grad is not None:
                if parameter.grad is grad and new_grad.shape == grad.shape:
                    grad[...] = new_grad
                    parameter.state = GradientState.WRITTEN
                else:
                    node.set_grad(name, new_grad)
            if clears or not grad.any():
                parameter.state = GradientState.CLEAN


def _update_arenas(model: Model[Any, Any], optimizer: Any) -> set[tuple[int, str]]:
    """Let the optimizer update whole arenas, if it can. The keys of the parameters that are done."""
    update_arena = getattr(optimizer, "update_arena", None)
    done: set[tuple[int, str]] = set()
    if update_arena is not None:
        for arena in arenas_of(model):
            if update_arena(arena):
                arena.gradients_are_zeroed()
                done.update(span.key for span in arena.spans)
    return done


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
