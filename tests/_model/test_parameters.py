"""Where parameters and gradients live: contiguous, aligned, by dtype, and never over somebody's array."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from bare_nodes import node, ones
from thinc_nb._model.parameters import aligned_zeros, arenas_of, lay_out, loose_parameters
from thinc_nb.model import Model


def linear(nO: int = 2, nI: int = 3) -> Model[Any, Any]:
    def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
        model.set_param("W", np.arange(nO * nI, dtype="f").reshape(nO, nI))
        model.set_param("b", ones(nO))

    return node("linear", init=init, params={"W": None, "b": None})


def chain(*layers: Model[Any, Any]) -> Model[Any, Any]:
    def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
        for layer in model.layers:
            layer.initialize()

    return node("chain", init=init, layers=list(layers))


def is_aligned(array: Any) -> bool:
    return bool(array.ctypes.data % 64 == 0 and array.flags.c_contiguous)


def test_the_outermost_initialize_lays_out_the_whole_tree() -> None:
    model = chain(linear(2, 3), chain(linear(5, 7), linear(1, 1))).initialize()
    (arena,) = arenas_of(model)
    keys = [(each.id, name) for each in model.walk() for name in each.param_names]
    assert [span.key for span in arena.spans] == keys
    assert loose_parameters(model) == []
    by_id = {each.id: each for each in model.walk()}
    for (owner, name), start, stop, _ in arena.spans:
        weights = by_id[owner].get_param(name)
        assert is_aligned(weights)
        assert arena.weights[start:stop].tolist() == weights.ravel().tolist()
        arena.weights[start:stop] = start
        assert (weights == start).all()


def test_gradients_have_the_layout_of_the_weights() -> None:
    model = chain(linear(2, 3), linear(5, 7)).initialize()
    model.layers[0].inc_grad("W", ones(2, 3) * 3)
    (arena,) = arenas_of(model)
    (span,) = arena.gradient_spans()
    assert span.key == (model.layers[0].id, "W")
    assert arena.gradients.shape == arena.weights.shape
    assert arena.gradients[span.start : span.stop].tolist() == [3] * 6
    assert arena.gradients.sum() == 18  # the gaps are zero
    assert is_aligned(model.layers[0].get_grad("W"))
    arena.gradients[span.start : span.stop] = 4
    assert (model.layers[0].get_grad("W") == 4).all()


def test_clear_gradients_makes_them_zero_without_touching_memory() -> None:
    model = linear().initialize()
    model.inc_grad("W", ones(2, 3))
    (arena,) = arenas_of(model)
    arena.clear_gradients()
    assert model.has_grad("W") is None
    assert arena.gradients.sum() == 6
    (span,) = arena.gradient_spans()
    assert arena.gradients[span.start : span.stop].tolist() == [0] * 6
    model.inc_grad("W", ones(2, 3) * 2)
    assert (model.get_grad("W") == 2).all()


def test_what_is_added_after_clearing_replaces_what_the_buffer_held() -> None:
    model = linear().initialize()
    model.inc_grad("W", ones(2, 3))
    arenas_of(model)[0].clear_gradients()
    model.inc_grad("W", ones(2, 3) * 5)
    model.inc_grad("W", ones(2, 3))
    assert (model.get_grad("W") == 6).all()


def test_a_fused_update_over_the_arena_is_an_update_of_the_model() -> None:
    model = chain(linear(2, 3), linear(4, 2)).initialize()
    before = {(each.id, name): each.get_param(name).copy() for each in model.walk() for name in each.param_names}
    for each in model.walk():
        for name in each.param_names:
            each.inc_grad(name, ones(*each.get_param(name).shape))
    for arena in arenas_of(model):
        for _, start, stop, _ in arena.gradient_spans():
            arena.weights[start:stop] -= 0.5 * arena.gradients[start:stop]
        arena.clear_gradients()
    for each in model.walk():
        for name in each.param_names:
            assert (each.get_param(name) == before[each.id, name] - 0.5).all()
            assert each.has_grad(name) is None


def test_there_is_one_arena_per_dtype() -> None:
    model = node(params={"a": np.ones(3, "f4"), "b": np.ones(3, "f8"), "c": np.ones(2, "f4")}).initialize()
    found = {arena.weights.dtype.str: [span.key[1] for span in arena.spans] for arena in arenas_of(model)}
    assert found == {"<f4": ["a", "c"], "<f8": ["b"]}
    assert model.get_param("b").dtype == "float64"


@given(shapes=st.lists(st.lists(st.integers(0, 5), max_size=4), max_size=6))
def test_any_shapes_can_be_laid_out(shapes: list[list[int]]) -> None:
    values = [np.arange(np.prod(shape), dtype="f").reshape(shape) for shape in shapes]
    model = node(params={str(i): value for i, value in enumerate(values)}).initialize()
    assert loose_parameters(model) == []
    spans = [span for arena in arenas_of(model) for span in arena.spans]
    assert len(spans) == len(shapes)
    for i, value in enumerate(values):
        found = model.get_param(str(i))
        assert found.shape == value.shape
        assert (found == value).all()
        assert is_aligned(found) or not found.size
    for one, following in itertools.pairwise(spans):
        assert one.stop <= following.start


def test_memory_order_and_byte_order_do_not_survive_where_they_would_cost() -> None:
    table = np.arange(12, dtype="f").reshape(3, 4)
    model = node(params={"F": np.asfortranarray(table), "part": table[::2, 1:3], "back": table[::-1]}).initialize()
    assert is_aligned(model.get_param("F"))
    assert model.get_param("F").tolist() == table.tolist()
    # These two share memory: they stay what they are.
    assert not model.get_param("back").flags.c_contiguous
    assert loose_parameters(model) == [(model.id, "part"), (model.id, "back")]


def test_a_parameter_that_is_set_before_has_its_own_memory_until_then() -> None:
    mine = ones(3)
    model = node(params={"W": mine})
    assert model.get_param("W") is mine
    assert arenas_of(model) == []
    assert loose_parameters(model) == [(model.id, "W")]
    model.initialize()
    assert loose_parameters(model) == []
    mine[:] = 7
    assert model.get_param("W").tolist() == [1, 1, 1]


# Setting


def test_putting_the_old_array_back_brings_back_the_old_values() -> None:
    # The way finite differences are computed; copying into place would have changed `W` under the caller's hands.
    model = linear().initialize()
    W = model.get_param("W")
    before = W.copy()
    model.set_param("W", W + 1)
    assert (model.get_param("W") == before + 1).all()
    assert loose_parameters(model) == [(model.id, "W")]
    model.set_param("W", W)
    assert (model.get_param("W") == before).all()
    assert loose_parameters(model) == []


def test_a_parameter_that_left_is_still_updated_and_has_its_gradient() -> None:
    model = linear().initialize()
    model.set_param("W", ones(2, 3) * 5)
    model.inc_grad("W", ones(2, 3))

    def step(key: Any, weights: Any, gradient: Any) -> tuple[Any, Any]:
        weights -= gradient
        gradient[:] = 0
        return weights, gradient

    optimizer: Any = step
    model.finish_update(optimizer)
    assert (model.get_param("W") == 4).all()
    (arena,) = arenas_of(model)
    assert [span.key[1] for span in arena.spans] == ["b"]
    lay_out(model)
    assert loose_parameters(model) == []
    assert (model.get_param("W") == 4).all()


def test_another_shape_leaves_the_arena_until_the_next_layout() -> None:
    model = linear().initialize()
    model.inc_grad("W", ones(2, 3))
    model.inc_grad("b", ones(2) * 2)
    model.set_param("W", ones(4, 3))
    assert model.has_grad("W") is False
    model.inc_grad("W", ones(4, 3))
    lay_out(model)
    (arena,) = arenas_of(model)
    assert {span.key[1] for span in arena.gradient_spans()} == {"W", "b"}
    assert (model.get_grad("W") == 1).all()
    assert (model.get_grad("b") == 2).all()


def test_laying_out_again_moves_nothing() -> None:
    model = chain(linear(), linear()).initialize()
    before = [each.get_param("W") for each in model.layers]
    lay_out(model)
    lay_out(model.layers[1])
    assert all(each.get_param("W") is weights for each, weights in zip(model.layers, before, strict=True))


# Sharing


def test_a_node_that_occurs_twice_is_laid_out_once() -> None:
    shared = linear()
    model = chain(shared, chain(shared)).initialize()
    (arena,) = arenas_of(model)
    assert [span.key for span in arena.spans] == [(shared.id, "W"), (shared.id, "b")]


def test_a_subtree_of_two_roots_works_in_both() -> None:
    shared = linear()
    first = chain(shared, linear()).initialize()
    second = chain(shared, linear()).initialize()
    for root in (first, second):
        found = [span.key for arena in arenas_of(root) for span in arena.spans]
        assert sorted(found) == sorted((each.id, name) for each in root.walk() for name in each.param_names)
        assert loose_parameters(root) == []
    shared.inc_grad("b", ones(2))
    assert list(first.get_gradients()) == list(second.get_gradients()) == [(shared.id, "b")]


def test_tied_weights_stay_tied() -> None:
    weights = ones(2, 3)
    a, b, c = node(params={"W": weights}), node(params={"W": weights.T}), node(params={"W": ones(2)})
    model = chain(a, b, c).initialize()
    a.get_param("W")[0, 1] = 5
    assert b.get_param("W")[1, 0] == 5
    assert loose_parameters(model) == [(a.id, "W"), (b.id, "W")]
    a.inc_grad("W", ones(2, 3))
    assert b.has_grad("W") is False


def test_a_copy_has_an_arena_of_its_own() -> None:
    model = chain(linear(), linear()).initialize()
    twin = model.copy()
    (theirs,), (own,) = arenas_of(model), arenas_of(twin)
    assert loose_parameters(twin) == []
    own.weights[:] = 0
    own.gradients[:] = 1
    assert theirs.weights.any()
    assert not theirs.gradients.any()


def test_loading_gives_a_new_arena_and_leaves_old_arrays_alone() -> None:
    model = chain(linear(), linear()).initialize()
    data = model.to_bytes()
    weights = model.layers[0].get_param("W")
    weights[:] = 9
    model.from_bytes(data)
    assert (weights == 9).all()
    assert model.layers[0].get_param("W").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert len(arenas_of(model)) == 1
    assert loose_parameters(model) == []


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "i8", "u1", "?", "c8"])
def test_every_dtype_of_numbers_is_laid_out(dtype: str) -> None:
    value: Any = np.arange(5).astype(dtype)
    model = node(params={"x": value, "y": value + value}).initialize()
    assert loose_parameters(model) == []
    assert model.get_param("x").tolist() == value.tolist()
    assert is_aligned(model.get_param("y"))


def test_large_buffers_of_one_update_begin_in_different_places_of_a_page() -> None:
    like = np.zeros(0, "f")
    arrays = [aligned_zeros(1 << 16, like=like) for _ in range(100)]
    assert all(is_aligned(array) and array.shape == (1 << 16,) and not array.any() for array in arrays)
    places = [array.ctypes.data % 4096 for array in arrays]
    # Weights, gradients, two moments and averages.
    for at in range(96):
        pairs = itertools.combinations(places[at : at + 5], 2)
        assert all(768 <= (a - b) % 4096 <= 4096 - 768 for a, b in pairs)


def test_small_buffers_take_no_page_more() -> None:
    array = aligned_zeros(1000, like=np.zeros(0, "f"))
    assert is_aligned(array)
    assert array.base is not None
    assert array.base.nbytes <= 4000 + 64


@pytest.mark.parametrize(
    "leave",
    [lambda model: chain(model, linear(1, 1)).initialize(), lambda model: model.set_param("W", ones(5, 5))],
)
def test_a_block_that_parameters_have_left_is_gone(leave: Callable[[Model[Any, Any]], Any]) -> None:
    model = node("linear", params={"W": ones(2, 3)}).initialize()
    (arena,) = arenas_of(model)
    block = weakref.ref(arena.weights)
    del arena
    leave(model)
    assert block() is None
