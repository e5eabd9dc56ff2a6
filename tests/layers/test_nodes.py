"""What each constructor makes: names, dimensions, parameters, attributes, references and children.

The table holds what Thinc 9.1.1 shows for the same calls, so saved models fit both ways.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pytest

from thinc_nb import api, layers
from thinc_nb.api import Linear, Model, NumpyOps, Relu

UNKNOWN = {"nO": None, "nI": None}
WIDE = {"nO": 2, "nI": 2}
SOFTMAX = {"softmax_normalize": True, "softmax_temperature": 1.0}


def linear() -> Model[Any, Any]:
    return Linear(2, 2)


# fmt: off
NODES: list[tuple[Callable[[], Model[Any, Any]], str, dict[str, Any], list[str], dict[str, Any], list[str]]] = [
    (api.Linear, "linear", UNKNOWN, ["W", "b"], {}, []),
    (api.Relu, "relu", UNKNOWN, ["W", "b"], {}, []),
    (api.Maxout, "maxout", {"nO": None, "nI": None, "nP": 3}, ["W", "b"], {}, []),
    (api.Mish, "mish", UNKNOWN, ["W", "b"], {}, []),
    (api.Gelu, "gelu", UNKNOWN, ["W", "b"], {}, []),
    (api.Swish, "swish", UNKNOWN, ["W", "b"], {}, []),
    (api.Dish, "dish", UNKNOWN, ["W", "b"], {}, []),
    (api.HardSwish, "hardswish", UNKNOWN, ["W", "b"], {}, []),
    (api.HardSwishMobilenet, "hardswishmobilenet", UNKNOWN, ["W", "b"], {}, []),
    (api.ClippedLinear, "clipped_linear", UNKNOWN, ["W", "b"],
     {"slope": 1.0, "offset": 0.0, "min_val": 0.0, "max_val": 1.0}, []),
    (api.ReluK, "clipped_linear", UNKNOWN, ["W", "b"],
     {"slope": 1.0, "offset": 0.0, "min_val": 0.0, "max_val": 6.0}, []),
    (api.HardTanh, "clipped_linear", UNKNOWN, ["W", "b"],
     {"slope": 1.0, "offset": 0.0, "min_val": -1.0, "max_val": 1.0}, []),
    (api.HardSigmoid, "clipped_linear", UNKNOWN, ["W", "b"],
     {"slope": 0.2, "offset": 0.5, "min_val": 0.0, "max_val": 1.0}, []),
    (api.Sigmoid, "sigmoid", UNKNOWN, ["W", "b"], {}, []),
    (api.Softmax, "softmax", UNKNOWN, ["W", "b"], SOFTMAX, []),
    (api.Softmax_v2, "softmax", UNKNOWN, ["W", "b"], SOFTMAX, []),
    (lambda: api.MultiSoftmax((2, 3)), "multisoftmax", {"nO": 5, "nI": None}, ["W", "b"], {"nOs": (2, 3)}, []),
    (api.Logistic, "logistic", {}, [], {}, []),
    (api.LayerNorm, "layernorm", {"nI": None, "nO": None}, ["G", "b"], {}, []),
    (api.Dropout, "dropout", {}, [], {"dropout_rate": 0.0, "is_enabled": True}, []),
    (api.Embed, "embed", {"nO": None, "nV": None}, ["E"], {"column": None}, []),
    (lambda: api.Embed(4, 9, dropout=0.2, column=1), "ints-getitem>>embed", {"nO": 4}, [], {"column": 1},
     ["ints-getitem", "embed"]),
    (lambda: api.HashEmbed(4, 10, seed=23), "hashembed", {"nO": 4, "nV": 10, "nI": None}, ["E"],
     {"column": None, "seed": 23}, []),
    (lambda: api.HashEmbed(4, 10, seed=3, dropout=0.2), "hashembed", {"nO": 4, "nV": 10, "nI": None}, ["E"],
     {"column": None, "seed": 3, "dropout_rate": 0.2}, []),
    (lambda: api.HashEmbed(4, 10, column=1), "ints-getitem>>hashembed", {"nO": 4}, [], {"column": 1},
     ["ints-getitem", "hashembed"]),
    (api.LSTM, "lstm", {"nO": None, "nI": None, "depth": 1, "dirs": 1}, ["LSTM", "HC0"],
     {"registry_name": "LSTM.v1", "dropout_rate": 0.0}, []),
    (api.SparseLinear, "sparse_linear", {"nO": None, "length": 262144}, ["W", "b"], {"v1_indexing": True}, []),
    (api.SparseLinear_v2, "sparse_linear", {"nO": None, "length": 262144}, ["W", "b"], {"v1_indexing": False}, []),
    (api.ParametricAttention, "para-attn", {"nO": None}, ["Q"], {}, []),
    (api.ParametricAttention_v2, "para-attn", {"nO": None}, ["Q"], {}, ["noop"]),
    (api.CauchySimilarity, "cauchy_similarity", {"nI": None, "nO": 1}, ["W"], {}, []),
    (api.expand_window, "expand_window", {}, [], {"window_size": 1}, []),
    (api.ExtractWindow, "expand_window", {}, [], {"window_size": 3}, []),
    (lambda: api.chain(linear(), linear()), "linear>>linear", WIDE, [], {}, ["linear", "linear"]),
    (lambda: api.chain(api.Dropout(), linear()), "dropout>>linear", {"nO": 2}, [], {}, ["dropout", "linear"]),
    (lambda: api.chain(linear(), api.Dropout()), "linear>>dropout", {"nO": None, "nI": 2}, [], {},
     ["linear", "dropout"]),
    (lambda: api.concatenate(linear(), linear()), "linear|linear", UNKNOWN, [], {}, ["linear", "linear"]),
    (lambda: api.concatenate(linear(), api.Dropout()), "linear|dropout", {"nO": None}, [], {}, ["linear", "dropout"]),
    (api.concatenate, "noop", {}, [], {}, []),
    (lambda: api.concatenate(linear()), "linear", WIDE, ["W", "b"], {}, []),
    (lambda: api.add(linear(), linear()), "add", UNKNOWN, [], {}, ["linear", "linear"]),
    (lambda: api.clone(linear(), 2), "linear>>linear", WIDE, [], {}, ["linear", "linear"]),
    (lambda: api.clone(linear(), 1), "linear", WIDE, ["W", "b"], {}, []),
    (lambda: api.clone(linear(), 0), "noop", {}, [], {}, []),
    (lambda: api.residual(linear()), "residual(linear)", WIDE, [], {}, ["linear"]),
    (lambda: api.residual(api.Dropout()), "residual(dropout)", UNKNOWN, [], {}, ["dropout"]),
    (lambda: api.with_array(api.Dropout()), "with_array(dropout)", {}, [], {"pad": 0}, ["dropout"]),
    (lambda: api.bidirectional(linear()), "bilinear", {}, [], {}, ["linear", "linear"]),
    (lambda: api.tuplify(linear(), linear()), "tuple(linear, linear)", {"nI": None}, [], {}, ["linear", "linear"]),
    (lambda: api.siamese(linear(), Linear(2, 2)), "siamese(linear, linear)", {"nI": 2, "nO": 2}, [], {},
     ["linear", "linear"]),
    (lambda: api.uniqued(linear()), "uniqued(linear)", UNKNOWN, [], {"column": 0}, ["linear"]),
    (lambda: api.map_list(linear()), "map_list", {}, [], {}, ["linear"]),
    (api.noop, "noop", {}, [], {}, []),
    (lambda: api.resizable(linear(), max), "resizable(linear)", WIDE, [], {"resize_layer": max}, ["linear"]),
    (api.list2array, "list2array", {}, [], {}, []),
    (api.list2ragged, "list2ragged", {}, [], {}, []),
    (api.list2padded, "list2padded", {}, [], {}, []),
    (api.ragged2list, "ragged2list", {}, [], {}, []),
    (api.padded2list, "padded2list", {}, [], {}, []),
    (api.strings2arrays, "strings2arrays", {}, [], {}, []),
    (api.remap_ids, "remap_ids", {}, [], {"mapping_table": {}, "dtype": "i", "default": 0}, []),
    (api.remap_ids_v2, "remap_ids", {}, [], {"mapping_table": None, "default": 0, "column": None}, []),
    (lambda: api.premap_ids({1: 2}), "premap_ids", {}, [], {"mapping_table": {1: 2}, "default": 0, "column": None}, []),
    (lambda: api.array_getitem(0), "array-getitem", {}, [], {"index": 0}, []),
    (lambda: layers.array_getitem.__globals__["ints_getitem"](0), "ints-getitem", {}, [], {"index": 0}, []),
    (lambda: layers.array_getitem.__globals__["floats_getitem"](0), "floats-getitem", {}, [], {"index": 0}, []),
    (api.softmax_activation, "softmax_activation", {}, [], {}, []),
    (api.sigmoid_activation, "sigmoid_activation", {}, [], {}, []),
    (api.reduce_first, "reduce_first", {}, [], {}, []),
    (api.reduce_last, "reduce_last", {}, [], {}, []),
    (api.reduce_max, "reduce_max", {}, [], {}, []),
    (api.reduce_mean, "reduce_mean", {}, [], {}, []),
    (api.reduce_sum, "reduce_sum", {}, [], {}, []),
    (lambda: api.with_array(linear()), "with_array(linear)", WIDE, [], {"pad": 0}, ["linear"]),
    (lambda: api.with_array2d(linear()), "with_array(linear)", WIDE, [], {"pad": 0}, ["linear"]),
    (lambda: api.with_list(linear()), "with_list(linear)", WIDE, [], {}, ["linear"]),
    (lambda: api.with_padded(linear()), "with_padded(linear)", WIDE, [], {}, ["linear"]),
    (lambda: api.with_ragged(linear()), "with_ragged(linear)", {}, [], {}, ["linear"]),
    (lambda: api.with_flatten(linear()), "with_flatten(linear)", {}, [], {}, ["linear"]),
    (lambda: api.with_flatten_v2(linear()), "with_flatten(linear)", {}, [], {}, ["linear"]),
    (lambda: api.with_reshape(linear()), "with_reshape(linear)", UNKNOWN, [], {}, ["linear"]),
    (lambda: api.with_getitem(0, linear()), "with_getitem(linear)", {}, [], {"idx": 0}, ["linear"]),
    (lambda: api.with_cpu(linear(), NumpyOps()), "with_cpu(linear)", WIDE, [], {}, ["linear"]),
    (lambda: api.with_debug(linear()), "linear", WIDE, ["W", "b"], {}, []),
    (lambda: api.with_nvtx_range(linear()), "linear", WIDE, ["W", "b"], {}, []),
]
# fmt: on


@pytest.mark.parametrize(("build", "name", "dims", "params", "attrs", "children"), NODES)
def test_node(
    build: Callable[[], Model[Any, Any]],
    name: str,
    dims: dict[str, Any],
    params: list[str],
    attrs: dict[str, Any],
    children: list[str],
) -> None:
    model = build()
    assert model.name == name
    assert list(model.dim_names) == list(dims)
    assert {dim: model.maybe_get_dim(dim) for dim in model.dim_names} == dims
    assert list(model.param_names) == params
    assert list(model.attrs) == list(attrs)
    assert model.attrs == attrs
    assert [layer.name for layer in model.layers] == children


def test_hashembed_s_seed_is_its_id_if_not_given() -> None:
    model = api.HashEmbed(4, 10)
    assert model.attrs["seed"] == model.id


def test_key_transform_is_a_reference() -> None:
    keys = Linear(2, 2)
    model = api.ParametricAttention_v2(key_transform=keys)
    assert model.ref_names == ("key_transform",)
    assert model.get_ref("key_transform") is keys


def test_normalisation_and_dropout_follow_the_layer() -> None:
    model = Relu(5, 4, dropout=0.2, normalize=True)
    assert model.name == "relu>>layernorm>>dropout"
    assert [layer.name for layer in model.layers] == ["relu>>layernorm", "dropout"]
    assert model.layers[0].layers[1].get_dim("nI") == 5
    assert Relu(5, dropout=0.0).name == "relu>>dropout"


SAVED = [
    lambda: api.chain(
        api.HashEmbed(4, 9, column=1, seed=2), Relu(3, 4, normalize=True, dropout=0.1), api.Softmax(2, 3)
    ),
    lambda: api.with_array(api.concatenate(Linear(2, 3), api.Maxout(2, 3)), pad=1),
    lambda: api.chain(api.list2ragged(), api.ParametricAttention_v2(nO=3), api.reduce_mean()),
    lambda: api.LSTM(4, 3, bi=True, depth=2),
    lambda: api.SparseLinear(2, length=8),
    lambda: api.remap_ids_v2({"a": 1}),
]


@pytest.mark.parametrize("build", SAVED)
def test_saved_parameters_come_back(build: Callable[[], Model[Any, Any]]) -> None:
    model = build().initialize()
    data = model.to_bytes()
    twin = build().initialize().from_bytes(data)
    assert twin.to_bytes() == data
    for node, copied in zip(model.walk(), twin.walk(), strict=True):
        for name in node.param_names:
            np.testing.assert_array_equal(node.get_param(name), copied.get_param(name))


def test_bytes_of_a_linear_layer_are_thinc_s() -> None:
    model = Linear(1, 2, init_W=lambda ops, shape: ops.alloc_f(shape) + 1).initialize()
    document = msgpack.unpackb(model.to_bytes(), raw=False, strict_map_key=False)
    assert list(document) == ["nodes", "attrs", "params", "shims"]
    assert document["nodes"] == [{"index": 0, "name": "linear", "dims": {"nO": 1, "nI": 2}, "refs": {}}]
    assert document["params"][0]["W"][b"data"] == np.ones(2, dtype="<f4").tobytes()
    assert len(model.to_bytes()) == 172
