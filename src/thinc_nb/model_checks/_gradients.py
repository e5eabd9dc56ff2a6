"""Compares gradients with slopes of a function of the output, along random directions, in float64 where possible.

A direction mixes all entries of an array. So a few directions, at a few runs each, tell a wrong gradient from a right
one, whatever the size of the array. Where the slopes to the two sides differ, as at the corner of a Relu, any gradient
between them is right.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .._model.tree import path_to
from ._subject import FailedError, Node, SkippedError, Subject, begin_update, random_gradient
from ._values import floats, map_floats, on_host, padding_masks, with_floats

DIRECTIONS = 3


@dataclass(frozen=True)
class Precision:
    """How far to step, and how much slope and gradient may differ: relative, and absolute for a loss of about 1."""

    dtype: str
    step: float
    relative: float
    absolute: float


DOUBLE = Precision("float64", step=1e-6, relative=1e-5, absolute=1e-7)
# For models that compute in float32 whatever they are given, or that do not take float64.
SINGLE = Precision("float32", step=1e-2, relative=2e-2, absolute=2e-3)


@dataclass(frozen=True)
class Objective:
    """What the loss is a function of. `weights` are its gradient at the output, which is the dY for backprop."""

    name: str
    of: Callable[[Any], Any]
    centred: bool


PLAIN = Objective("", lambda Y: Y, centred=False)
# Softmax passes its dY on unchanged: it expects Y minus truth, the gradient of the cross-entropy.
CROSS_ENTROPY = Objective("dY taken as Y minus truth, as of the cross-entropy", np.log, centred=True)


class Run:
    """A model, its batch, and the loss: the sum over the outputs of random weights times `objective` of the output."""

    def __init__(self, model: Node, X: Any, objective: Objective) -> None:
        self.model = model
        self.X = X
        self.objective = objective
        Y, backprop = begin_update(model, X)
        rng = np.random.default_rng(1)
        self.weights = []
        for array, mask in zip(floats(Y), padding_masks(Y), strict=True):
            weights = rng.normal(size=array.shape)
            if objective.centred and weights.ndim:
                weights -= weights.mean(axis=-1, keepdims=True)
            self.weights.append(weights * mask / max(np.sqrt(array.size), 1.0))
        like = random_gradient(Y)
        dYs = (d * 0 + model.ops.asarray(w.astype(d.dtype)) for d, w in zip(floats(like), self.weights, strict=True))
        self.dY = with_floats(Y, dYs)
        self.dX = backprop(self.dY)
        self.start = self.loss()

    @property
    def is_random(self) -> bool:
        """Whether two runs have different losses, so that slopes mean nothing."""
        return self.loss() != self.start and self.start == self.start

    def add_again(self) -> None:
        """Run the same update again, which adds to its gradients."""
        _, backprop = begin_update(self.model, self.X)
        backprop(self.dY)

    def loss(self) -> float:
        """The loss, summed in float64."""
        Y, _ = begin_update(self.model, self.X)
        parts = (self.objective.of(on_host(array).astype("float64")) for array in floats(Y))
        return float(sum((w * np.where(w == 0, 0.0, part)).sum() for w, part in zip(self.weights, parts, strict=True)))

    def compare(self, arrays: list[Any], gradients: list[Any], what: str, precision: Precision, rng: Any) -> str | None:
        """What is wrong with the gradients of the loss for these arrays. The arrays are changed, and restored."""
        for _ in range(DIRECTIONS):
            direction = [rng.normal(size=array.shape) for array in arrays]
            said = float(sum((on_host(g) * d).sum() for g, d in zip(gradients, direction, strict=True)))
            originals = [array.copy() for array in arrays]
            losses = []
            for sign in (1, -1):
                for array, original, d in zip(arrays, originals, direction, strict=True):
                    step = self.model.ops.asarray((sign * precision.step * d).astype(array.dtype))
                    array[...] = original + step
                losses.append(self.loss())
            for array, original in zip(arrays, originals, strict=True):
                array[...] = original
            above, below = (losses[0] - self.start) / precision.step, (self.start - losses[1]) / precision.step
            slope = (above + below) / 2
            allowed = precision.relative * max(abs(above), abs(below)) + precision.absolute * (1 + abs(self.start))
            if not min(above, below) - allowed <= said <= max(above, below) + allowed:
                return f"{what}: along a random direction the slope is {slope:.6g}, backprop says {said:.6g}"
        return None


def check_parameters(subject: Subject) -> str:
    """Check the gradient of each parameter of each node."""
    return _check(subject, partial(_parameter_problems, untrained=subject.untrained), "the model has no parameters")


def check_input(subject: Subject) -> str:
    """Check the gradient of the input, all its floats together."""
    return _check(subject, _input_problems, "the input has no floats")


Problems = Callable[[Run, Precision], Iterator[tuple[str, str | None]]]


def _check(subject: Subject, problems_of: Problems, nothing: str) -> str:
    precision, objectives = _possible(subject)
    found: list[list[str]] = []
    for objective in objectives:
        run = Run(_ready(subject, precision), _converted(subject.X, precision), objective)
        if run.is_random:
            raise SkippedError("two runs give different outputs, which have no slopes: see determinism")
        results = list(problems_of(run, precision))
        problems = [problem for _, problem in results if problem]
        if not results:
            raise SkippedError(nothing)
        if not problems:
            detail = ", ".join(name for name, _ in results[:4]) + (f" and {len(results) - 4} more" * (len(results) > 4))
            return "; ".join(part for part in (detail, f"in {precision.dtype}", objective.name) if part)
        found.append(problems)
    fewest = min(len(problems) for problems in found)
    raise FailedError("; ".join(next(problems for problems in found if len(problems) == fewest)))


def _parameter_problems(
    run: Run, precision: Precision, untrained: Collection[str] = ()
) -> Iterator[tuple[str, str | None]]:
    rng = np.random.default_rng(2)
    once: list[tuple[Node, str, str, Any]] = []
    several = sum(len(node.param_names) for node in run.model.walk()) > 1
    for node in run.model.walk():
        for name in node.param_names:
            if name in untrained or not node.has_param(name) or node.get_param(name).dtype.kind != "f":
                continue
            W = node.get_param(name)
            gradient = node.maybe_get_grad(name)
            label = f"{name} of {path_to(run.model, node)}" if several and node is not run.model else name
            known = W * 0 if gradient is None else gradient.copy()
            problem = run.compare([W], [known], label, precision, rng)
            if problem and gradient is None:
                problem = f"{label} has no gradient, though the output depends on it (unless in `untrained`)"
            yield f"{name} of {node.name!r}", problem
            once.append((node, name, label, known))
    run.add_again()
    for node, name, label, known in once:
        twice = node.maybe_get_grad(name)
        if twice is not None and not np.allclose(on_host(twice), 2 * on_host(known), rtol=1e-3, atol=1e-6):
            yield f"{name} of {node.name!r}", f"{label}: a second update does not add to the gradient (inc_grad would)"


def _input_problems(run: Run, precision: Precision) -> Iterator[tuple[str, str | None]]:
    arrays = floats(run.X)
    if any(array.size for array in arrays):
        gradients = floats(run.dX)
        shapes = [[tuple(array.shape) for array in side] for side in (arrays, gradients)]
        if shapes[0] != shapes[1]:
            yield "X", f"dX has floats of shapes {shapes[1]}, X of {shapes[0]}"
        else:
            yield "X", run.compare(arrays, [g.copy() for g in gradients], "dX", precision, np.random.default_rng(3))


def _possible(subject: Subject) -> tuple[Precision, list[Objective]]:
    """The precision that the model can be run in, and the objectives to try."""
    for precision in (DOUBLE, SINGLE):
        try:
            Y, backprop = begin_update(_ready(subject, precision), _converted(subject.X, precision))
            arrays = floats(Y)
            if precision is DOUBLE and any(array.dtype.char != "d" for array in arrays):
                continue
            backprop(random_gradient(Y))
        except Exception:
            if precision is SINGLE:
                raise
            continue
        if not any(array.size for array in arrays):
            raise SkippedError("the output has no floats")
        objectives = [PLAIN, CROSS_ENTROPY] if all(map(_is_distribution, arrays)) else [PLAIN]
        return precision, objectives
    raise FailedError("the model runs neither in float64 nor in float32")


def _is_distribution(array: Any) -> bool:
    values = on_host(array)
    return bool(values.ndim and (values > 0).all() and np.allclose(values.sum(axis=-1), 1, atol=1e-4))


def _ready(subject: Subject, precision: Precision) -> Node:
    """A copy in this precision, with parameters that are neither zero nor equal by construction."""
    model = subject.copy()
    rng = np.random.default_rng(4)
    for node in model.walk():
        for name in node.param_names:
            value = node.maybe_get_param(name)
            if value is not None and value.dtype.kind == "f":
                noise = rng.normal(size=value.shape) * (0.3 if not value.any() else 0.01 * float(abs(value).max()))
                moved = on_host(value).astype("float64") + noise
                node.set_param(name, model.ops.asarray(moved.astype(_dtype(value, precision))))
    return model


def _converted(X: Any, precision: Precision) -> Any:
    return map_floats(lambda array: array.astype(_dtype(array, precision)), X)


def _dtype(array: Any, precision: Precision) -> str:
    # A model that is in float64 already stays there.
    return "float64" if precision is DOUBLE else str(array.dtype)
