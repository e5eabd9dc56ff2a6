"""Operations on CUDA GPUs, on CuPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import compat
from .._arrays import is_cupy_array
from .._environment import switch
from ..types import ArrayXd, DeviceTypes, DTypes
from .ops import Ops


class _MissingCuPy:
    """Stands for cupy where there is none: whatever is asked for is an error that says so."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what copy, pickle and inspect look for
            raise AttributeError(name)
        raise ModuleNotFoundError(
            f"CupyOps needs cupy.{name}, and CuPy is not installed: "
            "pip install 'thinc_nb[cuda13x]', or cuda12x, by the CUDA version of the driver",
            name="cupy",
        )

    def __bool__(self) -> bool:
        return False


_MISSING = _MissingCuPy()


class _CuPy:
    """cupy, imported when somebody asks. Without it None for the class, as in Thinc, and of instances an error."""

    def __get__(self, ops: object, owner: type) -> Any:
        return _MISSING if ops is not None and compat.cupy is None else compat.cupy


class CupyOps(Ops):
    """Operations on cupy arrays. The kernels are those of the CPU, compiled for CUDA; products and sorting are CuPy's.

    As in Thinc it can be made without CuPy; the first operation is then a ModuleNotFoundError, and `CupyOps.xp` None.

    deterministic: give the same bits in every run. `scatter_add` and the gradients of embeddings then sort the indices
        and add in their order, instead of whenever a thread gets there. By default what THINC_NB_DETERMINISTIC=1 says.
    """

    name = "cupy"
    if not TYPE_CHECKING:
        xp = _CuPy()

    def __init__(
        self,
        device_type: DeviceTypes = "gpu",
        device_id: int = 0,
        *,
        deterministic: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(device_type, device_id, **kwargs)
        if deterministic is None:
            deterministic = switch("THINC_NB_DETERMINISTIC", default=False)
        self.deterministic = deterministic

    def asarray(self, data: ArrayXd | Sequence[ArrayXd] | Sequence[Any], dtype: DTypes | None = None) -> Any:
        """The data as a cupy array; arrays of PyTorch on the same GPU are not copied."""
        if hasattr(data, "__dlpack__") and not isinstance(data, (np.ndarray, self.xp.ndarray)):
            data = self.xp.from_dlpack(data)
        elif isinstance(data, (list, tuple)) and any(isinstance(item, self.xp.ndarray) for item in data):
            data = self.xp.stack([self.xp.asarray(item) for item in data])
        return self.xp.asarray(data, dtype=dtype)

    def to_numpy(self, data: Any, *, byte_order: Literal["<", ">", "=", "|"] | None = None) -> Any:
        """A cupy or numpy array as a numpy array, in a byte order if one is given."""
        return super().to_numpy(data.get() if is_cupy_array(data) else data, byte_order=byte_order)
