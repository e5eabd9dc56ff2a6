"""No kernel is without a test in the simulator."""

from __future__ import annotations

from thinc_nb.kernels._warmup import all_kernels


def test_every_kernel_is_named_by_a_test_and_no_other(named_kernels):
    assert named_kernels == set(all_kernels())
