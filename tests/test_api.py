"""thinc_nb.api: complete, light, and in step with the layers."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from thinc_nb import api, backends, layers, shims

NAMES = """
normal_init uniform_init glorot_uniform_init zero_init configure_normal_init CategoricalCrossentropy L2Distance
CosineDistance SequenceCategoricalCrossentropy Model serialize_attr deserialize_attr set_dropout_rate
change_attr_values wrap_model_recursive Shim Adam RAdam SGD Optimizer Schedule cyclic_triangular warmup_linear constant
constant_then decaying slanted_triangular compounding plateau Ragged Padded ArgsKwargs Unserializable fix_random_seed
is_cupy_array set_active_gpu prefer_gpu require_gpu require_cpu DataValidationError data_validation to_categorical
get_width get_array_module to_numpy torch2xp xp2torch tensorflow2xp xp2tensorflow mxnet2xp xp2mxnet
get_torch_default_device enable_mxnet enable_tensorflow has_cupy get_ops set_current_ops get_current_ops use_ops Ops
AppleOps CupyOps MPSOps NumpyOps Dropout Embed expand_window HashEmbed LayerNorm Linear Maxout Mish MultiSoftmax Relu
softmax_activation Softmax LSTM CauchySimilarity ParametricAttention Logistic resizable sigmoid_activation Sigmoid
SparseLinear ClippedLinear ReluK HardTanh HardSigmoid Dish HardSwish HardSwishMobilenet Swish Gelu Softmax_v2
SparseLinear_v2 ParametricAttention_v2 add bidirectional chain clone concatenate noop residual uniqued siamese
list2ragged ragged2list map_list with_array with_array2d with_padded with_list with_ragged with_flatten with_reshape
with_getitem strings2arrays list2array list2padded padded2list remap_ids remap_ids_v2 premap_ids array_getitem with_cpu
with_debug with_nvtx_range with_signpost_interval tuplify with_flatten_v2 reduce_first reduce_last reduce_max
reduce_mean reduce_sum
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", NAMES)
def test_thinc_s_name_is_there(name: str) -> None:
    assert hasattr(api, name)


def test_all_names_what_there_is() -> None:
    assert len(set(api.__all__)) == len(api.__all__)
    missing = [name for name in api.__all__ if not hasattr(api, name)]
    assert missing == []
    assert set(layers.__all__) <= set(api.__all__)
    # Completion shows what is imported late as well.
    assert set(dir(api)) >= {*api.__all__, "__name__"}


@pytest.mark.parametrize("module", [api, backends, layers, shims])
def test_names_that_are_made_late_are_declared(module: ModuleType) -> None:
    """The API reference lists what is there or annotated, and asks for nothing."""
    assert set(module.__all__) <= {*vars(module), *inspect.get_annotations(module)}


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        api.nonsense  # noqa: B018


def test_import_is_light() -> None:
    heavy = ("numba", "torch", "cupy", "rich", "matplotlib", "tensorflow", "mxnet", "typeguard")
    code = f"import sys, thinc_nb.api, thinc_nb.layers; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


MODULES = {
    "chain": ["chain", "init"],
    "resizable": ["resize_model", "resize_linear_weighted"],
    "array_getitem": ["array_getitem", "floats_getitem", "ints_getitem"],
    "with_nvtx_range": ["with_nvtx_range"],
    "hashembed": ["HashEmbed"],
    "parametricattention_v2": ["ParametricAttention_v2", "KEY_TRANSFORM_REF"],
    "sparselinear": ["SparseLinear", "SparseLinear_v2"],
}


@pytest.mark.parametrize("module", MODULES)
def test_modules_have_thinc_s_names(module: str) -> None:
    from importlib import import_module

    loaded: Any = import_module(f"thinc_nb.layers.{module}")
    for name in MODULES[module]:
        assert hasattr(loaded, name)
