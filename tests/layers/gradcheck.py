"""Gradients of models against finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from thinc_nb.api import Model, Padded, Ragged

STEP = 1e-6


def in_float64(model: Model[Any, Any]) -> Model[Any, Any]:
    """The same model with float64 parameters; those that are all zero get other values."""
    rng = np.random.default_rng(7)
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                value = node.get_param(name).astype("float64")
                node.set_param(name, value if value.any() else rng.normal(size=value.shape) / 2)
    return model


def check_gradients(
    model: Model[Any, Any],
    X: Any,
    *,
    objective: Callable[[Any], Any] = lambda Y: Y,
    zero_sum: bool = False,
    is_train: bool = True,
    untrained: tuple[str, ...] = (),
    seed: int = 5,
) -> None:
    """Compare what backprop says with the slope of sum(dY * objective(Y)) for every parameter and every float in X.

    The model is changed to float64, and X has to be. Every run starts from the same random state, so dropout draws the
    same mask. zero_sum: rows of dY add up to zero, for outputs that are known up to a constant per row. untrained:
    parameters without a gradient.
    """
    in_float64(model)

    def run() -> tuple[Any, Callable[[Any], Any]]:
        np.random.seed(seed)
        return model(X, is_train)

    Y, backprop = run()
    rng = np.random.default_rng(11)
    weights = []
    for part, shown in inside_pairs(objective(Y), Y):
        dY = rng.normal(size=part.shape)
        if zero_sum:
            dY -= dY.mean(axis=-1, keepdims=True)
        weights.append(np.where(shown, dY, 0.0))

    def loss() -> float:
        return float(sum((w * part).sum() for w, part in zip(weights, floats(objective(run()[0])), strict=True)))

    for node in model.walk():
        for name in node.param_names:
            if node.has_grad(name):
                node.get_grad(name).fill(0)
    dX = backprop(with_floats(Y, iter(weights)))
    checked = 0
    for node in model.walk():
        for name in node.param_names:
            if not node.has_param(name) or name in untrained:
                continue
            assert node.has_grad(name), f"no gradient of {name} of {node.name}"
            compare(loss, node.get_param(name), node.get_grad(name), f"{name} of {node.name}")
            checked += 1
    if any(x.size for x in floats(X)):
        for i, (x, d) in enumerate(zip(floats(X), floats(dX), strict=True)):
            assert x.shape == d.shape
            compare(loss, x, d, f"input {i}")
            checked += 1
    assert checked, "nothing to check: no parameters and no floats in X"


def compare(loss: Callable[[], float], values: Any, gradient: Any, what: str, at_most: int = 150) -> None:
    """Central differences of the loss with respect to (some of) the values, against the gradient."""
    assert values.dtype == np.float64, f"{what} is {values.dtype}"
    flat = values.reshape(-1)
    assert flat.size == 0 or np.shares_memory(flat, values)
    places = range(flat.size)
    if flat.size > at_most:
        places = np.random.default_rng(3).choice(flat.size, at_most, replace=False)
    for place in places:
        original = flat[place]
        flat[place] = original + STEP
        above = loss()
        flat[place] = original - STEP
        below = loss()
        flat[place] = original
        slope = (above - below) / (2 * STEP)
        got = gradient.reshape(-1)[place]
        assert abs(slope - got) <= 1e-6 + 2e-5 * abs(slope), f"{what} [{place}]: slope {slope}, backprop gives {got}"


def floats(X: Any) -> list[Any]:
    """The float arrays in a batch."""
    if isinstance(X, Ragged):
        return floats(X.dataXd)
    if isinstance(X, Padded):
        return floats(X.data)
    if isinstance(X, (list, tuple)):
        return [array for item in X for array in floats(item)]
    return [X] if isinstance(X, np.ndarray) and X.dtype.kind == "f" else []


def inside_pairs(Z: Any, Y: Any) -> list[tuple[Any, Any]]:
    """Each float array with where it counts: padding does not, for it is no output."""
    if isinstance(Y, Padded):
        shown = (np.arange(Y.data.shape[1]) < Y.size_at_t[:, None])[:, :, None]
        return [(floats(Z)[0], shown)]
    if isinstance(Y, (list, tuple)):
        return [pair for z, y in zip(Z, Y, strict=True) for pair in inside_pairs(z, y)]
    return [(array, True) for array in floats(Z)]


def with_floats(Y: Any, arrays: Any) -> Any:
    """The batch Y with other float arrays."""
    if isinstance(Y, Ragged):
        return Ragged(next(arrays), Y.lengths)
    if isinstance(Y, Padded):
        return Padded(next(arrays), Y.size_at_t, Y.lengths, Y.indices)
    if isinstance(Y, (list, tuple)):
        return type(Y)(with_floats(item, arrays) for item in Y)
    return next(arrays) if floats(Y) else Y
