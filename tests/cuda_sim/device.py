"""Running a kernel on copies in the simulator, and holding what it leaves to a truth in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from thinc_nb.kernels import Kernel

TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def on_device(kernel: Kernel[...], *args: Any) -> list[Any]:
    """What the simulator leaves of the arguments."""
    given = [cuda.to_device(arg.copy()) if isinstance(arg, np.ndarray) else arg for arg in args]
    kernel(*given)
    return [arg if given[i] is arg else given[i].copy_to_host() for i, arg in enumerate(args)]


def agree(found: np.ndarray, truth: np.ndarray) -> None:
    """Relative and absolute, as the dtype allows."""
    limit = TOLERANCE[str(found.dtype)]
    np.testing.assert_allclose(found, truth, rtol=limit, atol=limit)
