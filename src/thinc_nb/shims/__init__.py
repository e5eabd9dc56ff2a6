"""Interfaces to models of other frameworks, which a `Model` holds as parts of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .as_torch_module import as_torch_module
from .jax import JaxShim
from .mxnet import MXNetShim
from .pytorch import PyTorchShim
from .pytorch_grad_scaler import PyTorchGradScaler
from .shim import Shim
from .tensorflow import TensorFlowShim, maybe_handshake_model
from .torchscript import TorchScriptShim

__all__ = [
    "JaxShim",
    "MXNetShim",
    "PyTorchGradScaler",
    "PyTorchShim",
    "Shim",
    "TensorFlowShim",
    "TorchScriptShim",
    "as_torch_module",
    "keras_model_fns",
    "maybe_handshake_model",
]

keras_model_fns: Any

if not TYPE_CHECKING:

    def __getattr__(name):
        if name == "keras_model_fns":
            from .tensorflow import keras_registry

            return keras_registry()
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
