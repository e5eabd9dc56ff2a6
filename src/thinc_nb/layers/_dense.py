"""What dense layers share: parameters W and b, Y = activation(X Wᵀ + b), and optional normalisation and dropout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .._model.plan import run_as_one
from .._model.tree import infer_dim
from ..initializers import Initializer, zero_init
from ..model import Model
from ..types import Floats2d
from ._checks import check_gradient, check_rows
from .chain import chain
from .dropout import Dropout
from .layernorm import LayerNorm

Forward = Callable[[Any, Floats2d, bool], tuple[Floats2d, Callable[[Floats2d], Floats2d]]]


def dense(
    name: str,
    forward: Forward,
    nO: int | None,
    nI: int | None,
    init_W: Initializer,
    init_b: Initializer | None,
    *,
    dropout: float | None = None,
    normalize: bool = False,
    attrs: Mapping[str, Any] = {},
    keeps_widths: bool = False,
) -> Model[Floats2d, Floats2d]:
    """A node with parameters W (nO, nI) and b (nO,); followed by LayerNorm if `normalize`, by Dropout if `dropout`.

    keeps_widths: see `init_unset`.
    """
    model: Model[Floats2d, Floats2d] = Model(
        name,
        forward,
        init=partial(init_unset if keeps_widths else init, init_W, zero_init if init_b is None else init_b),
        dims={"nO": nO, "nI": nI},
        params={"W": None, "b": None},
        attrs=attrs,
    )
    return with_extras(model, nO, dropout, normalize)


def with_extras(
    model: Model[Floats2d, Floats2d], nO: int | None, dropout: float | None, normalize: bool
) -> Model[Floats2d, Floats2d]:
    """The layer, with LayerNorm and Dropout after it where asked for."""
    if normalize:
        model = chain(model, LayerNorm(nI=nO))
    if dropout is not None:
        model = chain(model, Dropout(dropout))
    return model


def init(init_W: Initializer, init_b: Initializer, model: Model[Any, Any], X: object = None, Y: object = None) -> None:
    """Infer the widths from examples, then draw W and, after it, b."""
    infer_widths(model, X, Y)
    model.set_param("W", init_W(model.ops, (model.get_dim("nO"), model.get_dim("nI"))))
    model.set_param("b", init_b(model.ops, (model.get_dim("nO"),)))


def init_unset(
    init_W: Initializer, init_b: Initializer, model: Model[Any, Any], X: object = None, Y: object = None
) -> None:
    """As `init`, of widths that are not known yet only: as in Thinc, truths may be class numbers, of some classes."""
    init(
        init_W,
        init_b,
        model,
        X if model.has_dim("nI") is None else None,
        Y if model.has_dim("nO") is None else None,
    )


def infer_widths(model: Model[Any, Any], X: object, Y: object) -> None:
    """Set nI and nO to the widths of examples. ValueError if they are set to others."""
    if X is not None:
        infer_dim(model, "nI", X)
    if Y is not None:
        infer_dim(model, "nO", Y)


def affine(model: Model[Any, Any], X: Floats2d) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Z = X Wᵀ + b, and the callback from dZ to dX, which adds to the gradients of W and b."""
    ops = model.ops
    W = model.get_param("W")
    X = check_rows(model, X, W)
    Z = ops.affine(X, W, model.get_param("b"))

    def backprop(dZ: Floats2d) -> Floats2d:
        check_gradient(model, dZ, Z)
        model.inc_grad("b", dZ.sum(axis=0))
        model.inc_grad("W", ops.gemm(dZ, X, trans1=True))
        return ops.gemm(dZ, W)

    return Z, backprop


def activated(
    model: Model[Any, Any],
    forward: Forward,
    X: Floats2d,
    activation: Callable[[Floats2d], Floats2d],
    derivative: Callable[[Floats2d, Floats2d], Floats2d],
) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Y = activation(Z) of Z = X Wᵀ + b, with the callback; derivative(dY, Z) is dZ.

    forward: the layer's.
    """
    fused = run_as_one(model, forward, X, is_train=False)  # They are the same in training.
    if fused is not None:
        return fused
    Z, backprop_affine = affine(model, X)

    def backprop(dY: Floats2d) -> Floats2d:
        check_gradient(model, dY, Z)
        return backprop_affine(derivative(dY, Z))

    return activation(Z), backprop
