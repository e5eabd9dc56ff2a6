"""as_torch_module: a model as a part of a PyTorch program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._interop import assert_pytorch_installed
from ..layers._checks import check_layers

if TYPE_CHECKING:
    from ..model import Model
    from ._torch_module import ModelModule

__all__ = ["as_torch_module"]


def as_torch_module(model: Model[Any, Any]) -> ModelModule:
    """The model as a `torch.nn.Module`, in which PyTorch's autograd, optimizers and state_dict work.

    It takes what the model takes, with tensors for arrays: a tensor, lists, tuples and dicts with tensors in them,
    Ragged and Padded whose data is a tensor; and gives the same. ``train()`` and ``eval()`` decide on dropout. Its
    parameters are named by their place in the tree (``layers.0.W``) and share memory with the model's: what trains one
    trains the other. Modules inside `PyTorchWrapper` are parts of it.

    Softmax takes the gradient of its scores, as the losses give it; at the end of a model that of its probabilities is
    converted, as torch's losses give it. Inside a model it cannot be: that is a warning.

    TypeError for what is no model, ImportError without torch; UnsetError if a parameter is not set: initialize the
    model first. Gradients of gradients are not there: asking for them is torch's RuntimeError.
    """
    check_layers("as_torch_module", model)
    assert_pytorch_installed()
    from ._torch_module import ModelModule

    return ModelModule(model)
