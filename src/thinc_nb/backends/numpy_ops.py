"""Operations on the CPU."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..kernels import _threads, arrays, products
from ..types import DeviceTypes
from . import _lstm_walks, _memory, _products, cblas
from .ops import Ops
from .recurrent import Kept, Steps, Weights

FEW = _memory.SMALLEST // 16
"""Elements that take less than that many bytes, whatever numbers they are."""
BYTE, WORD = np.dtype("uint8"), np.dtype("float32")


class NumpyOps(Ops):
    """Operations on numpy arrays.

    `use_blis` is accepted for Thinc's sake, matrix products are numpy's BLAS's; `deterministic` for CupyOps' sake:
    every run gives the same bits anyway.
    """

    name = "numpy"

    def __init__(
        self,
        device_type: DeviceTypes = "cpu",
        device_id: int = -1,
        *,
        use_blis: bool = True,
        deterministic: bool = True,
    ) -> None:
        super().__init__(device_type, device_id)
        self.use_blis = use_blis

    def _empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        # As `_memory.empty`, whose call takes a third of the time of a small array.
        if prod(shape) < FEW:
            return np.empty(shape, dtype)
        kind = dtype if isinstance(dtype, np.dtype) else np.dtype(dtype)
        size = prod(shape) * kind.itemsize
        return np.empty(shape, kind) if size < _memory.SMALLEST else _memory.POOL.lend(size, shape, kind)

    def _empty_like(self, X: Any) -> Any:
        size = X.nbytes
        return np.empty(X.shape, X.dtype) if size < _memory.SMALLEST else _memory.POOL.lend(size, X.shape, X.dtype)

    def _zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        kind = dtype if isinstance(dtype, np.dtype) else np.dtype(dtype)
        size = prod(shape) * kind.itemsize
        if size < _memory.SMALLEST or kind.hasobject:
            return np.zeros(shape, kind)
        if size > _memory.LARGEST_HELD:
            return _memory.large_zeros(shape, kind)
        array = _memory.POOL.lend(size, shape, kind)
        if _threads.num_threads > 1 and size % WORD.itemsize == 0:
            # By way of bytes: elements of 6 are no words.
            arrays.clear.run(array.reshape(-1).view(BYTE).view(WORD))
        else:
            self._clear(array)
        return array

    def _clear(self, array: Any) -> None:
        # Bytes: numpy fills them with memset, and others with a loop that takes half as long again.
        (array if array.ndim else array.reshape(1)).view(BYTE).fill(0)

    def _matmul(self, a: Any, b: Any, out: Any) -> None:
        _products.matmul(a, b, out)

    def _matmul_transposed(self, a: Any, b: Any, out: Any) -> None:
        # Few rows go straight to the kernel that is theirs.
        if 0 < len(out) <= _products.VERY_FEW_ROWS and b.size:
            products.product_transposed.run(out, a, b)
        else:
            self._matmul(a, b.T, out)

    def _layer_forwards(self, steps: Steps, ways: list[Weights], kept: Kept) -> None:
        _lstm_walks.forwards(self, steps, ways, kept)

    def _layer_backwards(self, steps: Steps, ways: list[Weights], d_ways: list[Weights], d: Any, kept: Kept) -> Any:
        return _lstm_walks.backwards(self, steps, ways, d_ways, d, kept)

    def cblas(self) -> Any:
        """Thinc's compiled table of BLAS functions, for compiled code that calls through it.

        ImportError if Thinc is not installed: nothing of ours needs it.
        """
        return cblas.CBlas()
