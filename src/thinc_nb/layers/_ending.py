"""How a model ends: what other libraries have to know of it."""

from __future__ import annotations

from typing import Any

from ..model import Model
from .chain import forward as chain_forward
from .softmax import forward as softmax_forward
from .with_array import forward as with_array_forward
from .with_array2d import forward as with_array2d_forward
from .with_list import forward as with_list_forward
from .with_padded import forward as with_padded_forward
from .with_ragged import forward as with_ragged_forward

# Layers that give the rows of their last layer, one for one.
_PASSING = (
    chain_forward,
    with_array_forward,
    with_array2d_forward,
    with_list_forward,
    with_padded_forward,
    with_ragged_forward,
)


def last_node(model: Model[Any, Any]) -> Model[Any, Any]:
    """The node whose rows the model gives."""
    while model.layers and model._func in _PASSING:
        model = model.layers[-1]
    return model


def is_softmax(node: Model[Any, Any]) -> bool:
    """Whether this is `Softmax`, whose backprop takes the gradient of its scores."""
    return node._func is softmax_forward
