"""Compiling ahead what a model needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._model.tree import require_model
from .kernels import Warmed, warmup as warm_kernels
from .kernels._words import Precision

if TYPE_CHECKING:
    from .model import Model


def warmup(
    model: Model[Any, Any] | None = None,
    *,
    processes: int | None = None,
    progress: Callable[[Warmed, int, int], None] | None = None,
) -> list[Warmed]:
    """Compile all kernels now, in parallel processes, and keep them on disk: no first batch then waits for a compiler.

    Without a model, for float32 on the CPU; with one, for the precisions of its parameters and for its device, where
    each of its layers may call any operation. Gives what is ready, and how long each kernel took; what is on disk
    already takes a few milliseconds.

    processes: how many compile at once, as many as there are threads by default.
    progress: called with each kernel that is ready, how many are, and how many there will be.

    In a program that may be started anew for each process (`spawn`, on Windows and macOS), call it below
    ``if __name__ == "__main__":``.
    """
    precisions: set[Precision] = set()
    capability = None
    if model is not None:
        require_model("warmup", model)
        for node in model.walk():
            for name in node.param_names:
                if node.has_param(name):
                    precisions.add("f64" if node.get_param(name).dtype == "float64" else "f32")
        capability = _capability(model)
    return warm_kernels(sorted(precisions) or ["f32"], capability=capability, processes=processes, progress=progress)


def _capability(model: Model[Any, Any]) -> tuple[int, int] | None:
    """Of the GPU that a model is on."""
    if model.ops.name != "cupy":
        return None
    import cupy

    digits = cupy.cuda.Device(model.ops.device_id).compute_capability
    return int(digits[:-1]), int(digits[-1])
