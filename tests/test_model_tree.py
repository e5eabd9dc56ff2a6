"""The tree of nodes: walking, replacing, removing, copying, wrapping, moving."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

from bare_nodes import forward, node, ones
from thinc_nb.api import Linear, chain
from thinc_nb.backends import NumpyOps
from thinc_nb.model import Model, change_attr_values, set_dropout_rate, wrap_model_recursive
from thinc_nb.shims import Shim


def names(model: Model[Any, Any], order: str = "bfs") -> list[str]:
    return [each.name for each in model.walk(order=order)]


@pytest.fixture
def diamond() -> Model[Any, Any]:
    """Root with children y and w, which share the child z."""
    z = node("z")
    return node("root", layers=[node("y", layers=[z]), node("w", layers=[z])])


# The orders were observed in Thinc 9.1.1.
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("bfs", ["root", "y", "w", "z"]),
        ("dfs_pre", ["root", "y", "z", "w"]),
        ("dfs_post", ["z", "y", "w", "root"]),
    ],
)
def test_walk_gives_each_node_once(diamond: Model[Any, Any], order: str, expected: list[str]) -> None:
    assert names(diamond, order) == expected


def test_walk_refuses_an_unknown_order_at_once() -> None:
    with pytest.raises(ValueError, match="bfs, dfs_pre, dfs_post"):
        node().walk(order="sideways")


@pytest.mark.parametrize("order", ["bfs", "dfs_pre", "dfs_post"])
def test_walk_handles_cycles_and_depth(order: str) -> None:
    leaf = node("leaf")
    root = leaf
    for _ in range(5000):
        root = node("n", layers=[root])
    leaf.layers.append(root)
    assert len(names(root, order)) == 5001


def test_remove_node_takes_it_out_everywhere_and_unsets_what_left() -> None:
    leaf = node("leaf")
    child = node("child", layers=[leaf])
    other = node("other")
    root = node("root", layers=[child, other, child])
    for name, target in (("child", child), ("leaf", leaf), ("other", other)):
        root.set_ref(name, target)
    root.set_ref("unset", None)
    layers = root.layers
    root.remove_node(child)
    assert names(root) == ["root", "other"]
    assert root.layers is layers
    assert [root.has_ref(name) for name in ("child", "leaf", "other", "unset")] == [None, None, True, None]
    root.remove_node(child)
    root.remove_node(root)
    assert names(root) == ["root", "other"]


def test_replace_node_changes_layers_and_references(diamond: Model[Any, Any]) -> None:
    y, w = diamond.layers
    z = y.layers[0]
    diamond.set_ref("z", z)
    new = node("new", layers=[z])  # contains what it replaces
    assert diamond.replace_node(z, new) is True
    assert names(diamond) == ["root", "y", "w", "new", "z"]
    assert new.layers == [z]
    assert diamond.get_ref("z") is new
    assert diamond.replace_node(node("stranger"), node()) is False
    assert (y.layers, w.layers) == ([new], [new])


def test_what_is_no_node_is_not_put_into_the_tree(diamond: Model[Any, Any]) -> None:
    before = names(diamond)
    wrong: Any = "relu"
    with pytest.raises(TypeError, match="replace_node of model 'root': the new node must be a Model, got a str"):
        diamond.replace_node(diamond.layers[0], wrong)
    with pytest.raises(TypeError, match="reference 'y' of model 'root' must be a Model, got str"):
        diamond.set_ref("y", wrong)
    assert names(diamond) == before
    assert diamond.has_ref("y") is False


def test_replace_callbacks_replaces_forward_and_init() -> None:
    model = node()
    model.replace_callbacks(lambda model, X, is_train: ("new", lambda dY: dY))
    assert model.predict(1) == "new"
    assert model.init is None
    assert model.initialize() is model


# Copying


class CountingShim(Shim):
    def to_device(self, device_type: str, device_id: int) -> None:
        self.cfg["device"] = (device_type, device_id)


def test_copy_is_independent_and_keeps_the_shape_of_the_tree(diamond: Model[Any, Any]) -> None:
    y, _ = diamond.layers
    z = y.layers[0]
    y.set_param("b", ones(2))
    y.inc_grad("b", ones(2))
    clear: Any = lambda key, weights, gradient: (weights, gradient * 0)  # noqa: E731
    y.finish_update(clear)
    z.set_param("W", ones(2, 3))
    z.inc_grad("W", ones(2, 3))
    diamond.set_ref("z", z)
    diamond.set_ref("unset", None)
    z.attrs["list"] = [1, [2]]
    z.shims.append(CountingShim([1]))
    twin = diamond.copy()
    mirror = twin.layers[0].layers[0]
    assert twin.layers[1].layers[0] is mirror
    assert twin.get_ref("z") is mirror
    assert twin.has_ref("unset") is None
    assert names(twin) == names(diamond)
    assert not {each.id for each in twin.walk()} & {each.id for each in diamond.walk()}
    assert mirror.has_grad("W") is True
    assert twin.layers[0].has_grad("b") is None
    mirror.get_param("W")[:] = 5
    mirror.get_grad("W")[:] = 5
    mirror.attrs["list"][1].append(3)
    mirror.shims[0]._model.append(2)
    assert (z.get_param("W") == 1).all()
    assert (z.get_grad("W") == 1).all()
    assert z.attrs["list"] == [1, [2]]
    assert z.shims[0]._model == [1]
    assert mirror.ops is z.ops


def test_copy_shares_what_cannot_be_copied() -> None:
    lock = threading.Lock()
    model = node(attrs={"lock": lock, "forward": forward})
    twin = model.copy()
    assert twin.attrs["lock"] is lock
    assert twin.attrs["forward"] is forward


def test_copy_maps_nodes_in_attributes_and_references_to_the_outside() -> None:
    child, outside = node("child"), node("outside")
    model = node(layers=[child], attrs={"nodes": [child]}, refs={"outside": outside})
    twin = model.copy()
    assert twin.attrs["nodes"] == twin.layers
    assert twin.get_ref("outside") is outside


def test_copy_keeps_functions_and_dimensions() -> None:
    def init(model: Model[Any, Any], X: Any = None, Y: Any = None) -> None:
        model.attrs["initialized"] = True

    model = node(init=init, dims={"nO": 2, "nI": None})
    twin = model.copy()
    twin.set_dim("nI", 3)
    assert twin.initialize().attrs == {"initialized": True}
    assert (model.has_dim("nI"), model.attrs) == (None, {})
    model.replace_callbacks(forward)
    assert model.copy().init is None


def test_deepcopy_and_pickle_keep_the_id() -> None:
    # Observed in Thinc 9.1.1: an optimizer that was pickled along still knows the parameters.
    child = node("child", params={"W": ones(2, 3)}, attrs={"x": [1]})
    model = node(layers=[child], dims={"nO": 3}).initialize()
    child.inc_grad("W", ones(2, 3))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin is not model
        assert [each.id for each in twin.walk()] == [each.id for each in model.walk()]
        mirror = twin.layers[0]
        assert mirror.get_param("W").tolist() == child.get_param("W").tolist()
        assert mirror.get_grad("W").tolist() == child.get_grad("W").tolist()
        assert not np.shares_memory(mirror.get_param("W"), child.get_param("W"))
        assert mirror.attrs["x"] is not child.attrs["x"]
        mirror.inc_grad("W", ones(2, 3))
        assert (child.get_grad("W") == 1).all()


def test_deepcopied_and_pickled_chains_run() -> None:
    model = chain(Linear(3, 2), Linear(2, 3)).initialize()
    X = np.ones((2, 2), dtype="f")
    model.predict(X)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.predict(X), model.predict(X))
        assert twin.begin_update(X)[1](X[:, :1].repeat(2, axis=1)).shape == (2, 2)


def test_deepcopy_shares_the_operations() -> None:
    model = node(layers=[node()])
    twin = copy.deepcopy(model)
    assert twin.ops is model.ops
    assert twin.layers[0].ops is model.layers[0].ops


def test_an_unpickled_id_is_not_given_out_again() -> None:
    data = pickle.dumps(node())
    before = Model.global_id
    Model.global_id = 0
    try:
        loaded = pickle.loads(data)
        assert node().id > loaded.id
    finally:
        Model.global_id = before


def test_a_shallow_copy_shares_its_parts() -> None:
    model = node(layers=[node()], params={"W": ones(2)})
    twin = copy.copy(model)
    assert twin.layers is model.layers
    assert twin.get_param("W") is model.get_param("W")


# Changing whole trees


def test_set_dropout_rate_changes_nodes_that_have_the_attribute() -> None:
    a, b = node(attrs={"dropout_rate": 0.1, "x": 1}), node(attrs={"x": 1})
    model = node(layers=[a, b], attrs={"dropout": 0.0})
    assert set_dropout_rate(model, 0.5) is model
    assert (a.attrs, b.attrs, model.attrs) == ({"dropout_rate": 0.5, "x": 1}, {"x": 1}, {"dropout": 0.0})
    set_dropout_rate(model, 0.25, attrs=["dropout"])
    assert model.attrs == {"dropout": 0.25}
    assert a.attrs["dropout_rate"] == 0.5


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_dropout_rate_is_a_probability(rate: float) -> None:
    model = node(attrs={"dropout_rate": 0.1})
    with pytest.raises(ValueError, match="between 0 and 1"):
        set_dropout_rate(model, rate)
    assert model.attrs == {"dropout_rate": 0.1}


def test_change_attr_values_goes_by_name_and_adds_nothing() -> None:
    a, b = node("a", attrs={"x": 1}), node("b", attrs={"x": 1})
    model = node("root", layers=[a, b])
    assert change_attr_values(model, {"a": {"x": 2, "y": 3}, "nobody": {"x": 4}}) is model
    assert (a.attrs, b.attrs) == ({"x": 2}, {"x": 1})


def test_wrap_model_recursive_wraps_each_node_once() -> None:
    shared = node("shared")
    model = node("root", layers=[shared, shared])
    model.set_ref("shared", shared)
    seen: list[str] = []

    def wrap(each: Model[Any, Any]) -> Model[Any, Any]:
        seen.append(each.name)
        return node(f"wrapped {each.name}", layers=[each])

    wrapped = wrap_model_recursive(model, wrap)
    assert names(wrapped) == ["wrapped root", "root", "wrapped shared", "shared"]
    assert sorted(seen) == ["root", "shared"]
    assert model.layers[0] is model.layers[1]
    assert model.get_ref("shared").name == "wrapped shared"


# Devices


def test_to_cpu_moves_shims_and_keeps_arrays_that_are_there() -> None:
    shim = CountingShim(None)
    table = ones(2)
    model = node(layers=[node(shims=[shim], attrs={"table": table, "list": [1]})], params={"W": ones(2)}).initialize()
    model.inc_grad("W", ones(2))
    weights, attributes = model.get_param("W"), model.layers[0].attrs["list"]
    model.to_cpu()
    assert shim.cfg == {"device": ("cpu", -1)}
    assert isinstance(model.layers[0].ops, NumpyOps)
    assert model.get_param("W") is weights
    assert model.has_grad("W") is True
    assert model.layers[0].attrs["table"] is table
    assert model.layers[0].attrs["list"] is attributes


def test_to_gpu_without_cupy_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    model = node("linear", params={"W": ones(2)})
    with pytest.raises(
        ModuleNotFoundError, match=r"'linear' cannot go to a GPU: CuPy is not installed: pip install 'thinc_nb\[cuda"
    ):
        model.to_gpu(0)
    assert model.get_param("W").tolist() == [1, 1]


class StrangeOps(NumpyOps):
    """Stands in for another device: what it makes are new arrays."""

    fails = False

    def asarray(self, data: Any, *, dtype: Any = None) -> Any:
        if self.fails:
            raise MemoryError("no room")
        return np.array(data, dtype=dtype)


def test_moving_converts_parameters_gradients_and_arrays_in_attributes() -> None:
    table = ones(2)
    model = node(params={"W": ones(2)}, attrs={"nested": {"tables": [table]}, "other": [1]}).initialize()
    model.inc_grad("W", ones(2) * 3)
    weights, other = model.get_param("W"), model.attrs["other"]
    ops = StrangeOps()
    model._to_ops(ops)
    assert model.ops is ops
    assert model.get_param("W") is not weights
    assert model.get_param("W").tolist() == [1, 1]
    assert model.get_grad("W").tolist() == [3, 3]
    assert model.has_grad("W") is True
    assert model.attrs["nested"]["tables"][0] is not table
    assert model.attrs["other"] is other


def test_a_move_that_fails_changes_nothing() -> None:
    model = node(params={"W": ones(2)}, layers=[node(params={"W": ones(2)})]).initialize()
    before = [(each.ops, each.get_param("W")) for each in model.walk()]
    ops = StrangeOps()
    ops.fails = True
    with pytest.raises(MemoryError):
        model._to_ops(ops)
    assert all(each.ops is o and each.get_param("W") is w for each, (o, w) in zip(model.walk(), before, strict=True))
