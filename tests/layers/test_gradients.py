"""Every layer's gradients, for each kind of input it takes, against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradcheck import check_gradients

from thinc_nb.api import (
    LSTM,
    CauchySimilarity,
    ClippedLinear,
    Dish,
    Dropout,
    Embed,
    Gelu,
    HardSigmoid,
    HardSwish,
    HardSwishMobilenet,
    HardTanh,
    HashEmbed,
    LayerNorm,
    Linear,
    Logistic,
    Maxout,
    Mish,
    Model,
    MultiSoftmax,
    NumpyOps,
    Padded,
    ParametricAttention,
    ParametricAttention_v2,
    Ragged,
    Relu,
    ReluK,
    Sigmoid,
    Softmax,
    Softmax_v2,
    SparseLinear,
    SparseLinear_v2,
    Swish,
    add,
    array_getitem,
    bidirectional,
    chain,
    clone,
    concatenate,
    expand_window,
    list2array,
    list2padded,
    list2ragged,
    map_list,
    noop,
    padded2list,
    ragged2list,
    reduce_first,
    reduce_last,
    reduce_max,
    reduce_mean,
    reduce_sum,
    residual,
    resizable,
    siamese,
    sigmoid_activation,
    softmax_activation,
    tuplify,
    uniqued,
    with_array,
    with_array2d,
    with_cpu,
    with_debug,
    with_flatten,
    with_flatten_v2,
    with_getitem,
    with_list,
    with_nvtx_range,
    with_padded,
    with_ragged,
    with_reshape,
)

Case = tuple[Callable[[], Model[Any, Any]], Any]

rng = np.random.default_rng(1)
LENGTHS = np.array([3, 1, 2], dtype="int32")


def rows(width: int = 4, n: int = 6) -> Any:
    return rng.normal(size=(n, width))


def ragged(width: int = 4, lengths: Any = LENGTHS) -> Ragged:
    return Ragged(rows(width, int(lengths.sum())), lengths)


def sequences(width: int = 4, lengths: Any = LENGTHS) -> list[Any]:
    return [rows(width, n) for n in lengths]


def padded(width: int = 4, lengths: Any = LENGTHS) -> Padded:
    return NumpyOps().list2padded(sequences(width, lengths))


def with_empty() -> Any:
    return np.array([0, 3, 0, 2], dtype="int32")


IDS = rng.integers(0, 7, size=(6, 2)).astype("uint64")
FEATURES = (
    rng.integers(0, 2**40, size=6).astype("uint64"),
    rng.normal(size=6),
    np.array([2, 0, 3, 1], dtype="int32"),
)

DENSE = [
    Linear, Relu, Gelu, Mish, Swish, Dish, HardSwish, HardSwishMobilenet, ClippedLinear, ReluK, HardTanh, HardSigmoid,
    Sigmoid, Maxout,
]  # fmt: skip
NORMALIZED = [layer for layer in DENSE if layer not in (Linear, Sigmoid)]


@pytest.mark.parametrize("layer", DENSE)
@pytest.mark.parametrize("is_train", [True, False])
def test_dense_layer(layer: Any, is_train: bool) -> None:
    check_gradients(layer(5, 4).initialize(), rows(), is_train=is_train)


@pytest.mark.parametrize("layer", NORMALIZED)
def test_dense_layer_with_normalisation_and_dropout(layer: Any) -> None:
    check_gradients(layer(5, 4, normalize=True, dropout=0.4).initialize(), rows())


CASES: dict[str, Case] = {
    "Maxout of one piece": (lambda: Maxout(3, 4, nP=1), rows()),
    "Maxout of two pieces": (lambda: Maxout(3, 4, nP=2), rows()),
    "MultiSoftmax": (lambda: MultiSoftmax((2, 3), 4), rows()),
    "LayerNorm": (lambda: LayerNorm(4), rows()),
    "softmax_activation": (softmax_activation, rows()),
    "sigmoid_activation": (sigmoid_activation, rows()),
    "sigmoid_activation of 3 dimensions": (sigmoid_activation, rng.normal(size=(2, 3, 2))),
    "Logistic": (Logistic, rows()),
    "Dropout of an array": (lambda: Dropout(0.5), rows()),
    "Dropout of a list": (lambda: Dropout(0.5), sequences()),
    "Dropout of a Ragged": (lambda: Dropout(0.5), ragged()),
    "Dropout of a Padded": (lambda: Dropout(0.5), padded()),
    "Dropout of everything": (lambda: Dropout(1.0), rows()),
    "HashEmbed": (lambda: HashEmbed(3, 5, seed=2), IDS[:, 0]),
    "HashEmbed of a column": (lambda: HashEmbed(3, 5, seed=2, column=1), IDS),
    "HashEmbed with dropout": (lambda: HashEmbed(3, 5, seed=2, dropout=0.5), IDS[:, 0]),
    "Embed": (lambda: Embed(3, 7), IDS[:, 0]),
    "Embed of a column": (lambda: Embed(3, 7, column=1), IDS),
    "Embed of a matrix": (lambda: Embed(3, 7), IDS),
    "Embed of negative ids": (lambda: Embed(3, 7), -IDS[:, 0].astype("int64")),
    "Embed with dropout": (lambda: Embed(3, 7, dropout=0.5), IDS[:, 0]),
    "expand_window": (lambda: expand_window(1), rows()),
    "expand_window of two": (lambda: expand_window(2), rows()),
    "expand_window of a Ragged": (lambda: expand_window(2), ragged()),
    "expand_window with empty sequences": (lambda: expand_window(1), ragged(lengths=with_empty())),
    "chain": (lambda: chain(Gelu(3, 4), Mish(3, 3), Linear(2, 3)), rows()),
    "clone": (lambda: clone(Mish(4, 4), 3), rows()),
    "concatenate": (lambda: concatenate(Linear(2, 4), Gelu(3, 4)), rows()),
    "concatenate of lists": (lambda: concatenate(with_array(Gelu(2, 4)), with_array(Linear(3, 4))), sequences()),
    "concatenate of Ragged": (lambda: concatenate(with_array(Gelu(2, 4)), with_array(Linear(3, 4))), ragged()),
    "concatenate of itself": (lambda: concatenate(noop(), noop()), rows()),
    "add": (lambda: add(Linear(2, 4), Gelu(2, 4), Mish(2, 4)), rows()),
    "add of lists": (lambda: add(with_array(Gelu(2, 4)), with_array(Linear(2, 4))), sequences()),
    "add of Ragged": (lambda: add(with_array(Gelu(2, 4)), with_array(Linear(2, 4))), ragged()),
    "add of itself": (lambda: add(noop(), noop()), rows()),
    "residual": (lambda: residual(Gelu(4, 4)), rows()),
    "residual of a list": (lambda: residual(with_array(Gelu(4, 4))), sequences()),
    "residual of a Ragged": (lambda: residual(with_array(Gelu(4, 4))), ragged()),
    "residual of a Padded": (lambda: residual(with_array2d(Gelu(4, 4))), padded()),
    "residual of nothing": (lambda: residual(noop()), rows()),
    "tuplify": (lambda: tuplify(Linear(2, 4), Gelu(3, 4)), rows()),
    "tuplify of lists": (lambda: tuplify(with_array(Linear(2, 4)), with_array(Gelu(3, 4))), sequences()),
    "with_array of an array": (lambda: with_array(Gelu(2, 4)), rows()),
    "with_array of a list": (lambda: with_array(Gelu(2, 4)), sequences()),
    "with_array of a list, padded": (lambda: with_array(chain(expand_window(1), Gelu(2, 12)), pad=1), sequences()),
    "with_array of empty sequences": (lambda: with_array(Gelu(2, 4), pad=2), sequences(lengths=with_empty())),
    "with_array of a Ragged": (lambda: with_array(Gelu(2, 4)), ragged()),
    "with_array of a Padded": (lambda: with_array(Dropout(0.5)), padded()),
    "with_array2d of a Padded": (lambda: with_array2d(Gelu(2, 4)), padded()),
    "with_array2d of a Ragged": (lambda: with_array2d(Gelu(2, 4)), ragged()),
    "with_array2d of a list": (lambda: with_array2d(Gelu(2, 4), pad=1), sequences()),
    "with_array2d of an array": (lambda: with_array2d(Gelu(2, 4)), rows()),
    "list2array": (list2array, sequences()),
    "list2ragged": (list2ragged, sequences()),
    "list2ragged with empty sequences": (list2ragged, sequences(lengths=with_empty())),
    "list2padded": (list2padded, sequences()),
    "list2padded with empty sequences": (list2padded, sequences(lengths=with_empty())),
    "ragged2list": (ragged2list, ragged()),
    "ragged2list with empty sequences": (ragged2list, ragged(lengths=with_empty())),
    "padded2list": (padded2list, padded()),
    "reduce_first": (reduce_first, ragged()),
    "reduce_last": (reduce_last, ragged()),
    "reduce_max": (reduce_max, ragged()),
    "reduce_mean": (reduce_mean, ragged()),
    "reduce_mean with empty sequences": (reduce_mean, ragged(lengths=with_empty())),
    "reduce_sum": (reduce_sum, ragged()),
    "reduce_sum with empty sequences": (reduce_sum, ragged(lengths=with_empty())),
    "array_getitem of a column": (lambda: array_getitem((slice(0, None), 1)), rows()),
    "array_getitem of repeated rows": (lambda: array_getitem([1, 1, 0]), rows()),
    "with_list of a Ragged": (lambda: with_list(map_list(Gelu(3, 4))), ragged()),
    "with_list of a Padded": (lambda: with_list(map_list(Gelu(3, 4))), padded()),
    "with_list of a list": (lambda: with_list(map_list(Gelu(3, 4))), sequences()),
    "with_padded of a Ragged": (lambda: with_padded(with_array2d(Gelu(3, 4))), ragged()),
    "with_padded of a Padded": (lambda: with_padded(with_array2d(Gelu(3, 4))), padded()),
    "with_padded of a list": (lambda: with_padded(with_array2d(Gelu(3, 4))), sequences()),
    "with_padded of an array": (lambda: with_padded(with_array2d(Gelu(3, 4))), rng.normal(size=(3, 2, 4))),
    "with_ragged of a Ragged": (lambda: with_ragged(ParametricAttention(4)), ragged()),
    "with_ragged of a Padded": (lambda: with_ragged(ParametricAttention(4)), padded()),
    "with_ragged of a list": (lambda: with_ragged(ParametricAttention(4)), sequences()),
    "with_ragged of data and lengths": (lambda: with_ragged(ParametricAttention(4)), (rows(), LENGTHS)),
    "with_reshape": (lambda: with_reshape(Gelu(3, 4)), rng.normal(size=(2, 3, 4))),
    "with_getitem": (lambda: with_getitem(1, Gelu(3, 4)), (rows(2), rows())),
    "with_flatten": (lambda: with_flatten(chain(list2array(), Gelu(3, 4))), [sequences(lengths=[1, 1]), [rows(4, 1)]]),
    "with_flatten_v2": (lambda: with_flatten_v2(map_list(Gelu(3, 4))), [sequences(), [], sequences()]),
    "with_cpu": (lambda: with_cpu(Gelu(3, 4), NumpyOps()), rows()),
    "with_cpu of a Padded": (lambda: with_cpu(with_array2d(Gelu(3, 4)), NumpyOps()), padded()),
    "with_debug": (lambda: with_debug(Gelu(3, 4)), rows()),
    "with_nvtx_range": (lambda: with_nvtx_range(Gelu(3, 4)), rows()),
    "map_list": (lambda: map_list(Gelu(3, 4)), sequences()),
    "uniqued": (lambda: uniqued(Embed(3, 7, column=1), column=1), IDS),
    "siamese": (lambda: siamese(Gelu(3, 4), CauchySimilarity(3)), (rows(), rows())),
    "CauchySimilarity": (lambda: CauchySimilarity(4), (rows(), rows())),
    "ParametricAttention": (lambda: ParametricAttention(4), ragged()),
    "ParametricAttention with empty sequences": (lambda: ParametricAttention(4), ragged(lengths=with_empty())),
    "ParametricAttention_v2": (lambda: ParametricAttention_v2(nO=4), ragged()),
    "ParametricAttention_v2 with keys": (lambda: ParametricAttention_v2(key_transform=Gelu(4, 4), nO=4), ragged()),
    "SparseLinear": (lambda: SparseLinear(3, length=16), FEATURES),
    "SparseLinear, length no power of 2": (lambda: SparseLinear(3, length=11), FEATURES),
    "SparseLinear_v2": (lambda: SparseLinear_v2(3, length=11), FEATURES),
    "resizable": (lambda: resizable(Gelu(3, 4), lambda layer, nO: layer), rows()),
}


@pytest.mark.parametrize("name", CASES)
def test_layer(name: str) -> None:
    build, X = CASES[name]
    check_gradients(build().initialize(), X)


@pytest.mark.parametrize("is_train", [True, False])
@pytest.mark.parametrize(
    "settings", [{}, {"bi": True}, {"depth": 2}, {"bi": True, "depth": 2}, {"dropout": 0.3}], ids=str
)
def test_lstm(settings: dict[str, Any], is_train: bool) -> None:
    model = LSTM(2, 3, **settings).initialize()
    check_gradients(model, padded(3, with_empty()), untrained=("HC0",), is_train=is_train)


def test_bidirectional() -> None:
    model = bidirectional(LSTM(2, 3)).initialize()
    check_gradients(model, padded(3, with_empty()), untrained=("HC0",))


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_softmax_takes_the_gradient_of_its_logits(temperature: float) -> None:
    model = Softmax_v2(3, 4, temperature=temperature).initialize()
    check_gradients(model, rows(), objective=np.log, zero_sum=True)


def test_softmax_without_training() -> None:
    check_gradients(Softmax(3, 4).initialize(), rows(), objective=np.log, zero_sum=True, is_train=False)
