"""Random trees of layers give what their layers give one by one: outputs, gradients of inputs and of all parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fused_models import ACTIVATIONS, WIDTH, Net, X, assert_alike, initialized
from thinc_nb import layers
from thinc_nb.api import Model

pytestmark = [pytest.mark.without_contracts, pytest.mark.usefixtures("fusion_on", "pairs_everywhere")]

rates = st.sampled_from([0.0, 0.0, 0.3, 1.0])


def maxouts(inputs: int) -> st.SearchStrategy[list[Net]]:
    return st.builds(
        lambda pieces, normalize, rate: [layers.Maxout(WIDTH, inputs, pieces, normalize=normalize, dropout=rate)],
        st.integers(1, 4),
        st.booleans(),
        st.none() | rates,
    )


@st.composite
def convolutions(draw: st.DrawFn) -> list[Net]:
    window = draw(st.integers(0, 3))
    return [layers.expand_window(window), *draw(maxouts(WIDTH * (2 * window + 1)))]


simple = st.one_of(
    st.builds(lambda: [layers.Relu(WIDTH, WIDTH)]),
    st.builds(lambda: [layers.Linear(WIDTH, WIDTH)]),
    st.builds(lambda: [layers.Softmax(WIDTH, WIDTH)]),
    st.builds(lambda layer: [layer(WIDTH, WIDTH)], st.sampled_from(ACTIVATIONS)),
    st.builds(lambda: [layers.LayerNorm(WIDTH)]),
    st.builds(lambda rate: [layers.Dropout(rate)], rates),
    maxouts(WIDTH),
    convolutions(),
)


def wrapped(blocks: list[list[Net]], kinds: list[str]) -> list[Net]:
    """Blocks side by side in a list of layers, some of them wrapped."""
    found: list[Net] = []
    for block, kind in zip(blocks, kinds, strict=True):
        inner: Net = layers.chain(*block) if len(block) > 1 else block[0]
        if kind == "residual":
            found.append(layers.residual(inner))
        elif kind == "nested":
            found.append(inner)
        elif kind == "twice":
            found.extend([inner, inner])
        elif kind == "debug":
            found.append(layers.with_debug(inner))
        elif kind == "inner debug":
            layers.with_debug(block[-1])
            found.append(layers.residual(inner))
        elif kind == "range":
            found.append(layers.with_array2d(inner))
        elif kind == "subclass":
            found.append(Loud("loud", through, init=init_inner, layers=[inner]))
        else:
            found.extend(block)
    return found


class Loud(Model[Any, Any]):
    """A model that calls forward in its own way."""

    def __call__(self, X: Any, is_train: bool) -> Any:
        Y, callback = super().__call__(X, is_train)
        return 2 * Y, lambda dY: callback(2 * dY)


def through(model: Net, X: Any, is_train: bool) -> Any:
    return model.layers[0](X, is_train)


def init_inner(model: Net, X: Any = None, Y: Any = None) -> None:
    model.layers[0].initialize(X, Y)


KINDS = ["plain", "plain", "residual", "residual", "nested", "twice", "debug", "inner debug", "range", "subclass"]


@st.composite
def trees(draw: st.DrawFn, depth: int = 2) -> list[Net]:
    part = simple if depth == 0 else st.one_of(simple, trees(depth - 1))
    blocks = draw(st.lists(part, min_size=1, max_size=3))
    return wrapped(blocks, [draw(st.sampled_from(KINDS)) for _ in blocks])


@settings(max_examples=120, deadline=None)
@given(tree=trees(), rows=st.sampled_from([0, 1, 2, 5, 40, 75]), is_train=st.booleans())
def test_random_trees_give_what_their_layers_give(tree: list[Net], rows: int, is_train: bool) -> None:
    model = initialized(layers.chain(layers.noop(), *tree), X)
    batch = np.random.default_rng(rows).standard_normal((rows, WIDTH), dtype="float32")
    assert_alike(model, batch, is_train)


rows_of_a_sequence = st.lists(st.integers(0, 6), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(
    lengths=rows_of_a_sequence,
    tree=trees(depth=0),
    reduction=st.sampled_from([layers.reduce_sum, layers.reduce_mean, layers.reduce_max, layers.ragged2list]),
    attends=st.booleans(),
    is_train=st.booleans(),
)
def test_random_trees_on_sequences_give_what_their_layers_give(
    lengths: list[int], tree: list[Net], reduction: Callable[[], Net], attends: bool, is_train: bool
) -> None:
    if reduction is layers.reduce_max or sum(lengths) == 0:
        lengths = [length + 1 for length in lengths]
    attention = [layers.ParametricAttention(WIDTH)] if attends else []
    inner: Net = layers.chain(layers.noop(), *tree)
    model = layers.chain(layers.with_array(inner), layers.list2ragged(), *attention, reduction())
    rng = np.random.default_rng(len(lengths))
    batch = [rng.standard_normal((length, WIDTH), dtype="float32") for length in lengths]
    initialized(model, batch)
    # In float64: a softmax makes relative errors of its scores' absolute ones, and the gradient of that of a single row
    # is the difference of two equal numbers.
    for node in model.walk():
        for name in node.param_names:
            node.set_param(name, node.get_param(name).astype("float64"))
    assert_alike(model, [x.astype("float64") for x in batch], is_train, tolerance=1e-9, least=1.0)
