"""Ops: the typed public interface to the kernels, with Thinc's method names, signatures and results."""

from __future__ import annotations

from typing import Any

from ..types import DeviceTypes
from .activations import ActivationOps
from .arrays import ArrayOps
from .batching import BatchingOps
from .embedding import EmbeddingOps
from .maxout import MaxoutOps
from .normalisation import NormalisationOps
from .products import ProductOps
from .random import RandomOps
from .recurrent import RecurrentOps
from .reductions import ReductionOps
from .sequences import SequenceOps
from .updates import UpdateOps
from .windows import WindowOps


class Ops(
    ArrayOps,
    ProductOps,
    ActivationOps,
    NormalisationOps,
    MaxoutOps,
    WindowOps,
    SequenceOps,
    BatchingOps,
    ReductionOps,
    RecurrentOps,
    EmbeddingOps,
    UpdateOps,
    RandomOps,
):
    """The operations on one device. `NumpyOps` and `CupyOps` say where arrays live; the families say what is done."""

    def __init__(self, device_type: DeviceTypes = "cpu", device_id: int = -1, **kwargs: Any) -> None:
        self.device_type = device_type
        self.device_id = device_id

    def cblas(self) -> Any:
        """A table of BLAS functions for compiled code: see `NumpyOps.cblas`. NotImplementedError elsewhere."""
        raise NotImplementedError(f"{type(self).__name__} does not provide C BLAS functions")
