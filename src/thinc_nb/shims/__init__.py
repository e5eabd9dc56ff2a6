"""Interfaces to models of other frameworks, which a `Model` holds as parts of itself."""

from __future__ import annotations

from .as_torch_module import as_torch_module
from .jax import JaxShim
from .mxnet import MXNetShim
from .pytorch import PyTorchShim
from .pytorch_grad_scaler import PyTorchGradScaler
from .shim import Shim
from .torchscript import TorchScriptShim

__all__ = ["JaxShim", "MXNetShim", "PyTorchGradScaler", "PyTorchShim", "Shim", "TorchScriptShim", "as_torch_module"]
