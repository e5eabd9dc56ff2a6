"""All of CupyOps in Numba's CUDA simulator: every operation's kernels as threads, on arrays not numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from thinc_nb.backends import CupyOps, NumpyOps
from thinc_nb.gpu_check._parity import verdicts


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("shape", [(3, 5), (6, 9)], ids=str)
def test_operations_give_what_they_give_on_the_cpu(cupy, shape, part):
    found = verdicts(CupyOps(), NumpyOps(), shapes=[shape], wanted=lambda label: sum(map(ord, label)) % 4 == part)
    assert len(found) > 10
    assert [problem for verdict in found for problem in verdict.problems] == []


def test_sums_in_order_are_those_of_the_cpu_to_the_bit(cupy, rng):
    indices, values = rng.integers(0, 3, 20).astype("i"), rng.standard_normal((20, 5)).astype("f")
    expected, table = np.zeros((3, 5), "f"), cupy.zeros((3, 5), dtype="float32")
    NumpyOps().scatter_add(expected, indices, values)
    CupyOps(deterministic=True).scatter_add(table, cupy.asarray(indices), cupy.asarray(values))
    np.testing.assert_array_equal(table.get(), expected)
