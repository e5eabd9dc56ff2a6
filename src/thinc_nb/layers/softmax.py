"""Softmax: a dense layer whose rows are probabilities."""

from __future__ import annotations

from collections.abc import Callable

from .._model.plan import run_as_one
from ..initializers import Initializer, zero_init
from ..model import Model
from ..types import NI, NO, Floats2d
from ._checks import check_gradient
from ._dense import affine, dense, init_unset as init

__all__ = ["Softmax", "Softmax_v2", "forward", "init", "validate_temperature"]


def Softmax(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """Dense layer with a softmax: Y = softmax(X Wᵀ + b), each row of Y sums to 1.

    X (batch, nI) → Y (batch, nO). W (nO, nI) and b (nO,) start as zeros.
    """
    return Softmax_v2(nO, nI, init_W=init_W, init_b=init_b)


def Softmax_v2(
    nO: NO | None = None,
    nI: NI | None = None,
    *,
    init_W: Initializer | None = None,
    init_b: Initializer | None = None,
    normalize_outputs: bool = True,
    temperature: float = 1.0,
) -> Model[Floats2d, Floats2d, NI, NO]:
    """`Softmax` with two more settings, kept as attributes `softmax_normalize` and `softmax_temperature`.

    normalize_outputs: if false, Y is X Wᵀ + b, which has the same order, except in training. temperature: divides
    X Wᵀ + b; more than 1 flattens, less sharpens the probabilities. ValueError if it is not positive.
    """
    validate_temperature(temperature)
    attrs = {"softmax_normalize": normalize_outputs, "softmax_temperature": temperature}
    return dense("softmax", forward, nO, nI, init_W or zero_init, init_b, attrs=attrs, keeps_widths=True)


def forward(
    model: Model[Floats2d, Floats2d], X: Floats2d, is_train: bool
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Softmax of X Wᵀ + b; not for training, and if the model says so, that itself."""
    fused = run_as_one(model, forward, X, is_train)
    if fused is not None:
        return fused
    ops = model.ops
    normalize = model.attrs["softmax_normalize"] or is_train
    temperature = model.attrs["softmax_temperature"]
    validate_temperature(temperature)
    Z, backprop_affine = affine(model, X)
    if not normalize:
        return Z, _no_gradient
    Y = ops.softmax(Z, inplace=True, temperature=temperature)

    def backprop(dY: Floats2d) -> Floats2d:
        check_gradient(model, dY, Y)
        # The gradient that the losses give is that of X Wᵀ + b already.
        return backprop_affine(dY / temperature if temperature != 1.0 else dY)

    return Y, backprop


def _no_gradient(dY: Floats2d) -> Floats2d:
    raise ValueError("layer 'softmax': backprop is not supported for an unnormalized softmax (normalize_outputs=False)")


def validate_temperature(temperature: float) -> None:
    """ValueError if the temperature is not above 0, TypeError if it is no number."""
    if not hasattr(temperature, "__float__"):
        raise TypeError(f"Softmax: the temperature must be a number, got {type(temperature).__name__} {temperature!r}")
    if not temperature > 0.0:
        raise ValueError(f"softmax temperature must not be zero or negative, got {temperature}")
