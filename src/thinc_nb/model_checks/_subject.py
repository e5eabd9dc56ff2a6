"""The model under check: copies to run, with the same random numbers each time."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._model.parameters import GradientState, Parameter
from ..model import Model
from ._values import copied, floats, padding_masks, with_floats

Node = Model[Any, Any]
SEED = 20240229


class FailedError(Exception):
    """A check found something."""


class SkippedError(Exception):
    """A check does not apply."""


class WarnedError(Exception):
    """A check found something that may be intended."""


class Subject:
    """An initialised copy of a model, and a batch. Checks get copies of both."""

    def __init__(self, model: Node, X: Any, Y: Any, untrained: Collection[str]) -> None:
        self.model = model
        self.given = X
        self.expected = Y
        self.untrained = untrained

    @property
    def X(self) -> Any:
        """The batch, in arrays of its own."""
        return copied(self.given)

    def copy(self) -> Node:
        """A copy of the model, without gradients."""
        model = self.model.copy()
        forget_gradients(model)
        return model


def forget_gradients(model: Node) -> None:
    """Set all gradients to zero."""
    for node in model.walk():
        for name in node.grad_names:
            node.get_grad(name).fill(0)


def begin_update(model: Node, X: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Run for training from a fixed random state: dropout draws the same mask each time."""
    seed_all(SEED)
    return model.begin_update(X)


def random_gradient(Y: Any) -> Any:
    """A dY in the form of Y, always the same; zero in padding."""
    rng = np.random.default_rng(0)
    parts = [
        _like(rng.normal(size=array.shape) * mask, array)
        for array, mask in zip(floats(Y), padding_masks(Y), strict=True)
    ]
    return with_floats(Y, iter(parts))


def _like(values: Any, array: Any) -> Any:
    values = values.astype(array.dtype)
    return values if isinstance(array, np.ndarray) else sys.modules["cupy"].asarray(values)


def seed_all(seed: int) -> None:
    """Seed all generators that layers may draw from."""
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    if "cupy" in sys.modules:
        sys.modules["cupy"].random.seed(seed)


@contextmanager
def random_state_kept() -> Iterator[None]:
    """Afterwards Python's, numpy's and PyTorch's generators go on from where they were."""
    state, numpy_state = random.getstate(), np.random.get_state()
    torch = sys.modules.get("torch")
    torch_state = None if torch is None else torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
        if torch is not None:
            torch.set_rng_state(torch_state)


class Snapshot:
    """A record of a model, to see whether it has changed, and to restore it."""

    def __init__(self, model: Node) -> None:
        self.nodes = [(node, dict(node._dims), dict(node._params)) for node in model.walk()]
        self.restorers = [parameter.restorer() for _, _, parameters in self.nodes for parameter in parameters.values()]
        self.values = [
            (node, name, copied(parameter.value), copied(_gradient(parameter)), parameter.state)
            for node, _, parameters in self.nodes
            for name, parameter in parameters.items()
        ]

    def changes(self) -> list[str]:
        """The names of dimensions, parameters and gradients that have changed."""
        found = [f"dimensions of {node.name!r}" for node, dims, _ in self.nodes if node._dims != dims]
        for node, name, value, grad, _ in self.values:
            if not _equal(node.maybe_get_param(name), value):
                found.append(f"parameter {name!r} of {node.name!r}")
            if not _equal(_gradient(node._params.get(name)), grad):
                found.append(f"the gradient of {name!r} of {node.name!r}")
        return found

    def restore(self) -> None:
        """Give the model its dimensions, parameters and gradients again."""
        for node, dims, parameters in self.nodes:
            node._dims.clear()
            node._dims.update(dims)
            node._params.clear()
            node._params.update(parameters)
        for restore in self.restorers:
            restore()
        for node, name, value, grad, state in self.values:
            parameter = node._params[name]
            if value is not None and parameter.value is not None:
                parameter.value[...] = value
            if grad is not None and parameter.grad is not None:
                parameter.grad[...] = grad
            parameter.state = state


def _gradient(parameter: Parameter | None) -> Any:
    """The gradient, or None if it is zero."""
    if parameter is None or parameter.grad is None or parameter.state is GradientState.CLEAN:
        return None
    return parameter.grad if parameter.grad.any() else None


def _equal(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return bool(a.dtype == b.dtype and a.shape == b.shape and ((a == b) | ((a != a) & (b != b))).all())
