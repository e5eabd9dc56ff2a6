"""Layers that run a TorchScript program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import compat
from ..model import Model
from ..shims.pytorch import PyTorchShim
from ..shims.pytorch_grad_scaler import PyTorchGradScaler
from ..shims.torchscript import TorchScriptShim
from .pytorchwrapper import Converter, convert_pytorch_default_inputs, convert_pytorch_default_outputs, forward

if TYPE_CHECKING:
    import torch

__all__ = ["TorchScriptWrapper_v1", "pytorch_to_torchscript_wrapper"]


def TorchScriptWrapper_v1(
    torchscript_model: torch.jit.ScriptModule | None = None,
    convert_inputs: Converter | None = None,
    convert_outputs: Converter | None = None,
    mixed_precision: bool = False,
    grad_scaler: PyTorchGradScaler | None = None,
    device: torch.device | None = None,
    *,
    allow_code: bool = False,
) -> Model[Any, Any]:
    """Run a TorchScript program, as `PyTorchWrapper_v3` runs a module.

    torchscript_model: None if it is going to be loaded from bytes. Only with allow_code=True are programs loaded: see
    `TorchScriptShim`, whose errors are those of this layer.
    """
    shim = TorchScriptShim(
        torchscript_model,
        mixed_precision=mixed_precision,
        grad_scaler=grad_scaler,
        device=device,
        allow_code=allow_code,
    )
    return Model(
        "pytorch_script",
        forward,
        attrs={
            "convert_inputs": convert_inputs or convert_pytorch_default_inputs,
            "convert_outputs": convert_outputs or convert_pytorch_default_outputs,
        },
        shims=[shim],
        dims={"nI": None, "nO": None},
    )


def pytorch_to_torchscript_wrapper(model: Model[Any, Any]) -> Model[Any, Any]:
    """A layer of `TorchScriptWrapper_v1` with the module of a PyTorch layer, compiled by `torch.jit.script`.

    Both share the parameters. ValueError for another layer; what `torch.jit.script` raises if it cannot compile.
    """
    shim = model.shims[0] if model.shims else None
    if not isinstance(shim, PyTorchShim):
        raise ValueError(f"layer {model.name!r} has no PyTorchShim whose module could be compiled")
    return TorchScriptWrapper_v1(
        compat.torch.jit.script(shim._module()),
        convert_inputs=model.attrs["convert_inputs"],
        convert_outputs=model.attrs["convert_outputs"],
        mixed_precision=shim.mixed_precision,
        grad_scaler=shim._grad_scaler,
        device=shim.device,
    )
