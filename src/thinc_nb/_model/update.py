"""A step of an optimizer on a whole model, clipping by the norm of all its gradients, and other weights for a while."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .._arrays import is_xp_array
from .._described import described
from .node import NodeData
from .parameters import CLEAN, WRITTEN, Parameter, arenas_in
from .tree import path_to

if TYPE_CHECKING:
    from ..model import Model

__all__ = ["clip_gradients", "finish_update", "other_params"]


@contextmanager
def other_params(model: Model[Any, Any], params: Mapping[tuple[int, str], Any]) -> Iterator[None]:
    """Use other weights inside the block. See `Model.use_params`."""
    _check_mapping(model, params)
    nodes = list(model.walk())
    replaced = [
        (node, name, node.get_param(name)) for node in nodes for name in node._params if (node.id, name) in params
    ]
    for node, name, weights in replaced:
        other = params[node.id, name]
        what = f"cannot use other weights for parameter {name!r} of model {path_to(model, node)}"
        if not is_xp_array(other):
            raise TypeError(f"{what}: expected an array {tuple(weights.shape)}, got {described(other)}")
        if other.shape != weights.shape:
            raise ValueError(f"{what}: expected shape {weights.shape}, got {other.shape}")
    with ExitStack() as stack:
        for shim in {id(shim): shim for node in nodes for shim in node._shims}.values():
            stack.enter_context(shim.use_params(params))
        try:
            for node, name, _ in replaced:
                node._params[name].value = params[node.id, name]
            yield
        finally:
            for node, name, weights in replaced:
                node._params[name].set(weights)


def _check_mapping(model: Model[Any, Any], params: object) -> None:
    if hasattr(params, "__contains__") and hasattr(params, "__getitem__"):
        return
    hint = ": an optimizer made with use_averages=False keeps no averages" if params is None else ""
    raise TypeError(
        f"use_params of model {model.name!r} takes a dict of arrays by (node.id, name), such as optimizer.averages, "
        f"got {described(params)}{hint}"
    )


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
    parameters = [((node.id, name), node, parameter) for node in nodes for name, parameter in node._params.items()]
    updated = _update_arenas([(key, parameter) for key, _, parameter in parameters], optimizer)
    clears = bool(getattr(optimizer, "clears_gradients", False))
    for key, node, parameter in parameters:
        if key in updated or (grad := parameter.read_grad()) is None:
            continue
        name = key[1]
        weights, new_grad = optimizer(key, node.get_param(name), grad)
        node.set_param(name, weights)
        if new_grad is not grad and new_grad is not None:
            if parameter.grad is grad and new_grad.shape == grad.shape:
                grad[...] = new_grad
                parameter.state = WRITTEN
            else:
                node.set_grad(name, new_grad)
        if clears or not grad.any():
            parameter.state = CLEAN


def _update_arenas(parameters: list[tuple[tuple[int, str], Parameter]], optimizer: Any) -> set[tuple[int, str]]:
    """Let the optimizer update whole arenas, if it can. The keys of the parameters that are done."""
    update_arena = getattr(optimizer, "update_arena", None)
    done: set[tuple[int, str]] = set()
    if update_arena is not None:
        for arena in arenas_in(parameters):
            if update_arena(arena):
                arena.gradients_are_zeroed()
                done.update([span.key for span in arena.spans])
    return done


def clip_gradients(model: Model[Any, Any], max_norm: float) -> float:
    """Scale all gradients of the tree so that their joint L2 norm is at most `max_norm` (Pascanu et al., 2013).

    Returns the norm before. Gradients whose norm is not finite are left alone, and so are those of models of other
    frameworks. ValueError if `max_norm` is not above 0.
    """
    if not hasattr(max_norm, "__float__"):
        raise TypeError(f"max_norm must be a number above 0, got {type(max_norm).__name__} {max_norm!r}")
    if not max_norm > 0.0:
        raise ValueError(f"max_norm must be above 0, got {max_norm}")
    grads = [
        (node.ops, grad)
        for node in model.walk()
        for parameter in node._params.values()
        if parameter.state is not CLEAN and (grad := parameter.grad) is not None
    ]
    norm = math.sqrt(sum(ops.sum_of_squares(grad) for ops, grad in grads))
    if max_norm < norm < math.inf:
        for _, grad in grads:
            np.multiply(grad, max_norm / norm, out=grad)
    return norm
