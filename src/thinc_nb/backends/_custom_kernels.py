"""Operations on CuPy arrays under Thinc's names for its CUDA code: ``gelu(X)`` is ``CupyOps().gelu(X)``.

Our kernels are compiled when they are first called, so there is no compiled module to hand out: `KERNELS` and what
`compile_mmh` returns are None, as in Thinc without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .cupy_ops import CupyOps

REALS = ("double", "float")
# For each operation the C types that Thinc has a kernel for.
TYPES: dict[str, tuple[str, ...]] = {
    "backprop_clipped_linear": REALS,
    "backprop_dish": REALS,
    "backprop_gelu": REALS,
    "backprop_hard_swish": REALS,
    "backprop_hard_swish_mobilenet": REALS,
    "backprop_maxout": REALS,
    "backprop_mish": REALS,
    "backprop_reduce_max": REALS,
    "backprop_reduce_mean": REALS,
    "backprop_reduce_sum": REALS,
    "backprop_seq2col": REALS,
    "backprop_swish": REALS,
    "clipped_linear": REALS,
    "dish": REALS,
    "gather_add": REALS,
    "gelu": REALS,
    "hash": (),
    "maxout": REALS,
    "mish": REALS,
    "pad": (*REALS, "int", "long long"),
    "reduce_max": REALS,
    "reduce_mean": (),
    "reduce_sum": REALS,
    "seq2col": REALS,
    "swish": REALS,
}
KERNELS_LIST = [f"{name}<{type_}>" for name, types in TYPES.items() for type_ in types]
KERNELS = None


def compile_mmh() -> None:
    """Does nothing: the hash is compiled when it is first called."""


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in TYPES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return partial(_run, name)


def _run(
    name: str, /, *arrays: Any, threads_per_block: int | None = None, num_blocks: int | None = None, **options: Any
) -> Any:
    # We choose how many threads run.
    return getattr(CupyOps(), name)(*arrays, **options)
