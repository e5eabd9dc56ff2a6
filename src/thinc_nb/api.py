"""Everything public, under the names of `thinc.api`.

Frameworks and compilers are imported when something needs them, not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import layers
from .backends import (
    AppleOps,
    CupyOps,
    MPSOps,
    NumpyOps,
    Ops,
    get_current_ops,
    get_ops,
    set_current_ops,
    use_ops,
)
from .compat import enable_mxnet, enable_tensorflow
from .initializers import configure_normal_init, glorot_uniform_init, normal_init, uniform_init, zero_init
from .layers import *  # noqa: F403  # its __all__ is added to ours below
from .loss import CategoricalCrossentropy, CosineDistance, L2Distance, SequenceCategoricalCrossentropy
from .model import (
    Model,
    change_attr_values,
    deserialize_attr,
    serialize_attr,
    set_dropout_rate,
    wrap_model_recursive,
)
from .optimizers import SGD, Adam, Optimizer, RAdam
from .schedules import (
    Schedule,
    compounding,
    constant,
    constant_then,
    cyclic_triangular,
    decaying,
    plateau,
    slanted_triangular,
    warmup_linear,
)
from .shims import Shim
from .types import ArgsKwargs, Padded, Ragged, Unserializable
from .util import (
    DataValidationError,
    data_validation,
    fix_random_seed,
    get_array_module,
    get_torch_default_device,
    get_width,
    is_cupy_array,
    mxnet2xp,
    prefer_gpu,
    require_cpu,
    require_gpu,
    set_active_gpu,
    tensorflow2xp,
    to_categorical,
    to_numpy,
    torch2xp,
    xp2mxnet,
    xp2tensorflow,
    xp2torch,
)

__all__ = [
    "Adam",
    "AppleOps",
    "ArgsKwargs",
    "CategoricalCrossentropy",
    "CosineDistance",
    "CupyOps",
    "DataValidationError",
    "L2Distance",
    "MPSOps",
    "Model",
    "NumpyOps",
    "Ops",
    "Optimizer",
    "Padded",
    "RAdam",
    "Ragged",
    "SGD",
    "Schedule",
    "SequenceCategoricalCrossentropy",
    "Shim",
    "Unserializable",
    "change_attr_values",
    "compounding",
    "configure_normal_init",
    "constant",
    "constant_then",
    "cyclic_triangular",
    "data_validation",
    "decaying",
    "deserialize_attr",
    "enable_mxnet",
    "enable_tensorflow",
    "fix_random_seed",
    "get_array_module",
    "get_current_ops",
    "get_ops",
    "get_torch_default_device",
    "get_width",
    "glorot_uniform_init",
    "is_cupy_array",
    "mxnet2xp",
    "normal_init",
    "plateau",
    "prefer_gpu",
    "require_cpu",
    "require_gpu",
    "serialize_attr",
    "set_active_gpu",
    "set_current_ops",
    "set_dropout_rate",
    "slanted_triangular",
    "tensorflow2xp",
    "to_categorical",
    "to_numpy",
    "torch2xp",
    "uniform_init",
    "use_ops",
    "warmup_linear",
    "wrap_model_recursive",
    "xp2mxnet",
    "xp2tensorflow",
    "xp2torch",
    "zero_init",
]
__all__ += layers.__all__

if not TYPE_CHECKING:

    def __getattr__(name):
        # Whether CuPy works is known only after an import of it.
        if name == "has_cupy":
            from .compat import has_cupy

            return has_cupy
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
