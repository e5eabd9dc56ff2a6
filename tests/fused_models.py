"""A model run layer by layer and fused, for tests that compare the two."""

from __future__ import annotations

from typing import Any

import numpy as np

from thinc_nb import layers
from thinc_nb.api import Model, Ragged, fix_random_seed
from thinc_nb.fusion import fusion

WIDTH = 6
Net = Model[Any, Any]
ACTIVATIONS = [
    layers.ClippedLinear,
    layers.Dish,
    layers.Gelu,
    layers.HardSwish,
    layers.HardSwishMobilenet,
    layers.HardTanh,
    layers.Mish,
    layers.Sigmoid,
    layers.Swish,
]
X = np.random.default_rng(0).standard_normal((7, WIDTH), dtype="float32")


def run(model: Net, X: Any, is_train: bool, on: bool) -> list[Any]:
    """Output, gradient of the input, and those of all parameters, in the order of the tree."""
    for node in model.walk():
        for name in node.param_names:
            node.set_grad(name, np.zeros_like(node.get_param(name)))
    fix_random_seed(0)
    with fusion(on):
        Y, backprop = model(X, is_train)
        dX = backprop(gradient_of(Y))
    grads = [node.get_grad(name) for node in model.walk() for name in node.param_names]
    return [*flat(Y), *flat(dX), *[grad.copy() for grad in grads]]


def gradient_of(Y: Any) -> Any:
    """Something that is not the same for all elements."""
    if isinstance(Y, Ragged):
        return Ragged(gradient_of(Y.dataXd), Y.lengths)
    if isinstance(Y, list):
        return [gradient_of(y) for y in Y]
    return np.cos(np.arange(Y.size, dtype=Y.dtype)).reshape(Y.shape)


def flat(X: Any) -> list[Any]:
    if isinstance(X, Ragged):
        return [X.dataXd.copy(), X.lengths]
    return [part.copy() for part in X] if isinstance(X, list) else [X.copy()]


def assert_alike(model: Net, X: Any, is_train: bool = True, tolerance: float = 1e-5, least: float = 0.0) -> None:
    """least: of the numbers that a result is the sum of, which may be far larger than the result."""
    one_by_one, fused = run(model, X, is_train, on=False), run(model, X, is_train, on=True)
    assert len(one_by_one) == len(fused)
    for expected, got in zip(one_by_one, fused, strict=True):
        assert got.shape == expected.shape
        assert got.dtype == expected.dtype
        scale = float(np.abs(expected).max()) if expected.size else 0.0
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * max(scale, least))


def initialized(model: Net, X: Any) -> Net:
    """With parameters that no initializer would draw: no zeros, no ones."""
    model.initialize(X=X)
    rng = np.random.default_rng(1)
    for node in model.walk():
        for name in node.param_names:
            W = node.get_param(name)
            node.set_param(name, rng.standard_normal(W.shape).astype(W.dtype))
    return model
