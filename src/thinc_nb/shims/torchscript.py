"""TorchScript programs as parts of a model."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from .. import compat
from .._interop import assert_pytorch_installed
from .._saving.msgpack import encode
from ..errors import SerializationError
from .pytorch import PyTorchShim
from .pytorch_grad_scaler import PyTorchGradScaler

if TYPE_CHECKING:
    import torch

__all__ = ["TorchScriptShim"]


class TorchScriptShim(PyTorchShim):
    """Holds a TorchScript program, or None if one is going to be loaded from bytes.

    The bytes hold the program, not only its weights, and `from_bytes` replaces the program that is there. So they are
    only loaded with allow_code=True, given here or to `from_bytes`: a program from somebody else does what they want.
    The other arguments, and the errors, are those of `PyTorchShim`.
    """

    allow_code: bool

    def __init__(
        self,
        model: torch.jit.ScriptModule | None,
        config: Mapping[str, Any] | None = None,
        optimizer: Any = None,
        mixed_precision: bool = False,
        grad_scaler: PyTorchGradScaler | None = None,
        device: torch.device | None = None,
        *,
        allow_code: bool = False,
    ) -> None:
        assert_pytorch_installed()
        if model is not None and not isinstance(model, compat.torch.jit.ScriptModule):
            raise ValueError(
                "TorchScriptShim must be initialized with a ScriptModule, or None to load one from bytes, "
                f"got a {type(model).__name__}: compile it, torch.jit.script(module)"
            )
        super().__init__(model, config, optimizer, mixed_precision, grad_scaler, device)
        self.allow_code = allow_code

    def to_bytes(self) -> bytes:
        """The settings, and the program with its weights, as MessagePack; other bytes at each call."""
        file = BytesIO()
        compat.torch.jit.save(self._module(), file)
        return encode({"config": self.cfg, "model": file.getvalue()})

    def from_bytes(self, bytes_data: bytes, *, allow_code: bool = False) -> Self:
        """Load the program that `to_bytes` wrote; returns the shim.

        SerializationError, and no change, if it does not fit, or neither the shim nor the caller allows code.
        """
        config, program = self._decoded(bytes_data, "model")
        if not (allow_code or self.allow_code):
            raise SerializationError(
                "the bytes hold a TorchScript program, which would run whatever its author wrote. If you trust where "
                "they come from, say so: TorchScriptWrapper_v1(..., allow_code=True), or shim.allow_code = True"
            )
        try:
            loaded = compat.torch.jit.load(BytesIO(program), map_location=self.device)
        except Exception as error:  # torch raises whatever its readers do
            raise SerializationError(f"the TorchScript program cannot be read: {error}") from error
        self._model, self.cfg = loaded, config
        return self
