"""Scaling of gradients for training in mixed precision."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, overload

from .. import compat
from .._interop import assert_pytorch_installed, is_torch_array
from ..errors import SerializationError

if TYPE_CHECKING:
    import torch

__all__ = ["PyTorchGradScaler"]


class PyTorchGradScaler:
    """Makes gradients larger, so that the small ones do not vanish in float16, and finds the factor by trial.

    enabled: without it, every method leaves tensors as they are. init_scale: the first factor. backoff_factor: what it
    is multiplied by after a step whose gradients were not finite. growth_factor: the same after `growth_interval` steps
    in a row whose gradients were. Source: Micikevicius et al., 2018.
    """

    def __init__(
        self,
        enabled: bool = False,
        init_scale: float = 2.0**16,
        backoff_factor: float = 0.5,
        growth_factor: float = 2.0,
        growth_interval: int = 2000,
    ) -> None:
        self._enabled = enabled
        self._scale = float(init_scale)
        self._backoff_factor = backoff_factor
        self._growth_factor = growth_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        self._found_inf = False

    @property
    def enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    @property
    def found_inf(self) -> bool:
        """Whether `unscale` has seen a gradient that is not finite since the last `update`."""
        return self._found_inf

    def state_dict(self) -> dict[str, float | int | bool]:
        """What it has found out: factor, steps since it last changed, and whether this step's gradients overflowed."""
        return {"scale": self._scale, "growth_tracker": self._growth_tracker, "found_inf": self._found_inf}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from what `state_dict` gave. SerializationError, and no change, for anything else."""
        scale, tracker, found_inf = (state.get(name) for name in ("scale", "growth_tracker", "found_inf"))
        if not isinstance(scale, float) or not (math.isfinite(scale) and scale > 0):
            raise SerializationError(f"the scale of a gradient scaler should be a positive number, not {scale!r:.80}")
        if type(tracker) is not int or not 0 <= tracker < 2**53:
            raise SerializationError(f"the steps of a gradient scaler should be a count, not {tracker!r:.80}")
        if not isinstance(found_inf, bool):
            raise SerializationError(f"'found_inf' of a gradient scaler should be a bool, not {found_inf!r:.80}")
        self._scale, self._growth_tracker, self._found_inf = scale, tracker, found_inf

    def to_(self, device: torch.device | str) -> None:
        """Nothing: the factor is a number, which goes with any device."""

    @overload
    def scale(self, tensors: torch.Tensor, inplace: bool = False) -> torch.Tensor: ...
    @overload
    def scale(self, tensors: Iterable[torch.Tensor], inplace: bool = False) -> list[torch.Tensor]: ...
    def scale(
        self, tensors: torch.Tensor | Iterable[torch.Tensor], inplace: bool = False
    ) -> torch.Tensor | list[torch.Tensor] | Iterable[torch.Tensor]:
        """A tensor, or the tensors of an iterable as a list, times the factor. ValueError for anything else."""
        if not self._enabled:
            return tensors
        if is_torch_array(tensors):
            return self._scaled(tensors, inplace)
        if isinstance(tensors, Iterable):
            listed = list(tensors)
            if all(map(is_torch_array, listed)):
                return [self._scaled(tensor, inplace) for tensor in listed]
        raise ValueError(
            f"Input to gradient scaling must be a Tensor or Iterable[Tensor], got a {type(tensors).__name__}"
        )

    def _scaled(self, tensor: Any, inplace: bool) -> torch.Tensor:
        result: torch.Tensor = tensor.mul_(self._scale) if inplace else tensor * self._scale
        return result

    def unscale(self, tensors: Iterable[torch.Tensor]) -> bool:
        """Divide the tensors by the factor, in place. Whether one of them is not finite; `found_inf` remembers it."""
        if not self._enabled:
            return False
        assert_pytorch_installed()
        torch = compat.torch
        listed: list[Any] = list(tensors)
        for tensor in listed:
            tensor.mul_(1.0 / self._scale)
        if not listed:
            return False
        # One answer from the device, not one for each tensor.
        finite = torch.stack([torch.isfinite(tensor).all().to(listed[0].device) for tensor in listed])
        found = not bool(finite.all())
        self._found_inf |= found
        return found

    def update(self) -> None:
        """End a step: adapt the factor to what `unscale` has seen."""
        if not self._enabled:
            return
        if self._found_inf:
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                self._growth_tracker = 0
                if math.isfinite(grown := self._scale * self._growth_factor):
                    self._scale = grown
        self._found_inf = False
