"""ParametricAttention_v2: rows weighted by a learnt vector, through keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._model.tree import infer_dim
from ..initializers import uniform_init
from ..model import Model
from ..types import Floats2d, N, Ragged
from ._attention import attend
from ._checks import wrong_type
from .noop import noop

KEY_TRANSFORM_REF: str = "key_transform"


def ParametricAttention_v2(
    *, key_transform: Model[Floats2d, Floats2d] | None = None, nO: N | None = None
) -> Model[Ragged, Ragged, N, N]:
    """`ParametricAttention` whose scores come from keys: Y = X * softmax(K Q), K = key_transform(X).

    key_transform: a layer from (n, nO) to (n, nO); without one K is X.
    """
    keys: Model[Any, Any] = noop() if key_transform is None else key_transform
    return Model(
        "para-attn",
        forward,
        init=init,
        params={"Q": None},
        dims={"nO": nO},
        refs={KEY_TRANSFORM_REF: keys},
        layers=[keys],
    )


def forward(model: Model[Ragged, Ragged], Xr: Ragged, is_train: bool) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    """Keys by the layer that the model refers to."""
    keys = model.get_ref(KEY_TRANSFORM_REF)
    return attend(model, Xr, lambda X: keys(X, is_train))


def init(model: Model[Ragged, Ragged], X: Ragged | None = None, Y: Ragged | None = None) -> None:
    """Infer the width, draw Q, then initialize the layer that makes keys."""
    if X is not None:
        infer_dim(model, "nO", X)
    model.set_param("Q", uniform_init(model.ops, (model.get_dim("nO"),)))
    # Keys are as wide as rows.
    rows = None if X is None else _rows(model, X)
    model.get_ref(KEY_TRANSFORM_REF).initialize(X=rows, Y=rows if Y is None else _rows(model, Y))


def _rows(model: Model[Ragged, Ragged], X: Any) -> Any:
    if not isinstance(X, Ragged):
        raise wrong_type(model, "a Ragged", X)
    return X.data
