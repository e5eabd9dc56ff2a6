"""Ops: the typed public interface to the kernels, with Thinc's method names, signatures and results."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._arrays import get_array_module
from ..types import ArrayT, DeviceTypes, FloatsXdT
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

SQRT2PI = math.sqrt(2 / math.pi)
INV_SQRT2 = math.sqrt(0.5)
INV_SQRT_2PI = 1 / math.sqrt(2 * math.pi)


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


# Functions that Thinc's module has beside the class. They take arrays of either device.


def gaussian_cdf(ops: Ops, X: FloatsXdT) -> FloatsXdT:
    """The chance that a standard normal variable is at most X."""
    x: Any = X
    result: FloatsXdT = 0.5 * (1.0 + ops.erf(INV_SQRT2 * x))
    return result


def gaussian_pdf(ops: Ops, X: FloatsXdT) -> FloatsXdT:
    """The density of a standard normal variable at X."""
    x: Any = X
    result: FloatsXdT = INV_SQRT_2PI * ops.xp.exp(-0.5 * x * x)
    return result


def sigmoid(X: Any, out: Any = None) -> Any:
    """1 / (1 + exp(-X)), into `out` if there is one. ValueError if X is no array."""
    xp = get_array_module(X)
    with np.errstate(over="ignore"):  # The exponential of a large negative X is inf, and the result 0.
        return xp.divide(1.0, 1.0 + xp.exp(-X), out=out)


def dsigmoid(Y: ArrayT) -> ArrayT:
    """The derivative of sigmoid from its result: Y * (1 - Y)."""
    y: Any = Y
    result: ArrayT = y * (1.0 - y)
    return result


def dtanh(Y: ArrayT) -> ArrayT:
    """The derivative of tanh from its result: 1 - Y²."""
    y: Any = Y
    result: ArrayT = 1 - y * y
    return result
