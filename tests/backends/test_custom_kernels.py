"""backends._custom_kernels: the operations of CupyOps under Thinc's names."""

from __future__ import annotations

import numpy as np
import pytest

from thinc_nb.api import CupyOps, NumpyOps
from thinc_nb.backends import _custom_kernels


def test_functions_are_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_custom_kernels, "CupyOps", NumpyOps)
    X = np.linspace(-3, 3, 12, dtype="float32").reshape(4, 3)
    Y = _custom_kernels.gelu(X, threads_per_block=64, num_blocks=1)
    np.testing.assert_array_equal(Y, NumpyOps().gelu(X))
    Y = _custom_kernels.seq2col(X, 1, lengths=np.array([1, 3]))
    np.testing.assert_array_equal(Y, NumpyOps().seq2col(X, 1, lengths=np.array([1, 3])))
    with pytest.raises(AttributeError, match="no attribute 'gelo'"):
        _custom_kernels.gelo  # noqa: B018 - getting it is what fails


@pytest.mark.parametrize("kernel", _custom_kernels.KERNELS_LIST)
def test_every_kernel_in_the_list_is_an_operation(kernel: str) -> None:
    name = kernel.partition("<")[0]
    assert callable(getattr(CupyOps, name))
    assert callable(getattr(_custom_kernels, name))
