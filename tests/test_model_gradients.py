"""Gradients of one node: their states, adding, setting, and the buffer that holds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bare_nodes import node, ones
from thinc_nb.errors import UnsetError
from thinc_nb.optimizers import SGD


def zero(key: Any, weights: Any, gradient: Any) -> tuple[Any, Any]:
    gradient[:] = 0
    return weights, gradient


# An optimizer that changes no weights. Any: finish_update is declared for optimizers, and any callable will do.
zeroing: Any = zero


def test_gradients_have_three_states() -> None:
    model = node(params={"W": ones(2, 3), "b": ones(2)})
    assert model.has_grad("W") is False
    assert model.maybe_get_grad("W") is None
    assert list(model.grad_names) == []
    model.inc_grad("W", ones(2, 3))
    assert model.has_grad("W") is True
    assert list(model.grad_names) == ["W"]
    model.finish_update(zeroing)
    assert model.has_grad("W") is None
    assert list(model.grad_names) == ["W"]
    assert model.get_grad("W").tolist() == [[0, 0, 0], [0, 0, 0]]
    assert model.has_grad("nothing") is False


def test_gradients_add_up() -> None:
    model = node(params={"W": ones(2, 3)})
    dW = ones(2, 3)
    model.inc_grad("W", dW)
    model.inc_grad("W", dW)
    dW[:] = 100
    assert model.get_grad("W").tolist() == [[2, 2, 2], [2, 2, 2]]


def test_a_gradient_added_after_zeroing_replaces_what_the_buffer_held() -> None:
    model = node(params={"W": ones(3)})
    for step in range(1, 4):
        model.inc_grad("W", ones(3) * step)
        assert model.get_grad("W").tolist() == [step] * 3
        model.finish_update(zeroing)


def test_writing_into_a_zero_gradient_in_place_counts() -> None:
    model = node(params={"W": ones(3)})
    model.inc_grad("W", ones(3))
    model.finish_update(zeroing)
    model.get_grad("W")[0] = 5
    model.inc_grad("W", ones(3))
    assert model.get_grad("W").tolist() == [6, 1, 1]


def test_set_grad_keeps_the_array_and_inc_grad_adds_to_it() -> None:
    """As in Thinc. What is added is copied."""
    model = node(params={"W": ones(3), "V": ones(3)}).initialize()
    dW, more = ones(3), ones(3)
    model.inc_grad("W", more)
    model.set_grad("W", dW)
    model.inc_grad("W", more)
    assert model.get_grad("W") is dW
    assert (dW.tolist(), more.tolist()) == ([2, 2, 2], [1, 1, 1])
    model.inc_grad("V", more)
    model.finish_update(SGD(0.5, grad_clip=0.0))
    assert model.get_param("W").tolist() == [0, 0, 0]
    assert model.get_param("V").tolist() == [0.5, 0.5, 0.5]
    assert dW.tolist() == [0, 0, 0]
    assert model.has_grad("W") is None


def test_set_grad_to_none_drops_it() -> None:
    model = node(params={"W": ones(3)})
    model.set_grad("W", ones(3))
    model.set_grad("W", None)
    assert model.has_grad("W") is False
    model.inc_grad("W", ones(3))
    assert model.get_grad("W").tolist() == [1, 1, 1]


def test_set_grad_copies_what_has_another_dtype() -> None:
    model = node(params={"W": ones(3)})
    dW: Any = ones(3).astype("float64")
    model.inc_grad("W", dW)
    model.set_grad("W", dW * 4)
    assert model.get_grad("W").tolist() == [4, 4, 4]
    model.set_grad("W", dW)
    dW[:] = 9
    assert model.get_grad("W").tolist() == [1, 1, 1]


def test_grad_buffer_is_zeroed_when_clean_and_counts_as_written() -> None:
    model = node(params={"E": ones(4, 2)})
    np.add.at(model.grad_buffer("E"), [1, 1], 1.0)
    assert model.has_grad("E") is True
    assert model.get_grad("E").tolist() == [[0, 0], [2, 2], [0, 0], [0, 0]]
    np.add.at(model.grad_buffer("E"), [3], 1.0)
    assert model.get_grad("E").tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]
    model.finish_update(zeroing)
    assert model.grad_buffer("E").tolist() == [[0, 0]] * 4
    assert model.has_grad("E") is True


@pytest.mark.parametrize("name", ["unset", "unknown"])
def test_grad_buffer_needs_a_parameter(name: str) -> None:
    model = node(params={"unset": None})
    with pytest.raises(UnsetError, match=name):
        model.grad_buffer(name)


def test_a_gradient_has_the_dtype_of_its_parameter() -> None:
    model = node(params={"W": ones(3)})
    model.inc_grad("W", np.ones(3, dtype="float64"))
    assert model.get_grad("W").dtype == "float32"


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("dtype", ["complex64", "U1", "object"])
def test_a_gradient_that_would_lose_more_than_precision_is_refused(dtype: str, before: bool) -> None:
    model = node("linear", params={"W": ones(3), "n": ones(3).astype("int64")})
    if before:
        model.inc_grad("W", ones(3))
    for give in (model.inc_grad, model.set_grad):
        for name, value in (("W", ones(3).astype(dtype)), ("n", ones(3))):
            with pytest.raises(
                TypeError, match=rf"{name!r} of model 'linear'.* dtype .*expected .*, got {value.dtype}"
            ):
                give(name, value)
    with pytest.raises(TypeError, match=rf"expected float32 \(3,\), got {ones(1).astype(dtype).dtype} \(1,\)"):
        model.inc_grad("W", ones(1).astype(dtype))
    assert model.get_gradients().keys() == ({(model.id, "W")} if before else set())
    for kind in ("float64", "int64", "bool"):
        model.inc_grad("W", ones(3).astype(kind))
    assert model.get_grad("W").tolist() == [4.0 if before else 3.0] * 3


def test_a_gradient_of_another_shape_is_refused_and_changes_nothing() -> None:
    model = node("linear", params={"W": ones(2, 3)})
    for give in (model.set_grad, model.inc_grad):
        with pytest.raises(ValueError, match=r"'W' of model 'linear'.*expected float32 \(2, 3\), got float32 \(4,\)"):
            give("W", ones(4))
    assert model.has_grad("W") is False
    model.inc_grad("W", ones(2, 3))
    with pytest.raises(ValueError, match="expected"):
        model.inc_grad("W", ones(1, 2, 3))
    assert model.get_grad("W").tolist() == [[1, 1, 1], [1, 1, 1]]


def test_a_gradient_may_broadcast_when_it_is_added() -> None:
    model = node(params={"W": ones(2, 3)})
    model.inc_grad("W", ones(3))
    model.inc_grad("W", ones(2, 1))
    assert model.get_grad("W").tolist() == [[2, 2, 2], [2, 2, 2]]


def test_a_gradient_of_an_undeclared_parameter_is_refused() -> None:
    model = node()
    with pytest.raises(UnsetError, match="'W'"):
        model.inc_grad("W", ones(2))
    with pytest.raises(UnsetError, match="'W'"):
        model.set_grad("W", ones(2))
    assert model.grad_names == ()


def test_a_declared_parameter_can_have_its_gradient_first() -> None:
    model = node(params={"W": None}, grads={"W": ones(2)})
    assert model.has_grad("W") is True
    model.set_param("W", ones(2))
    assert model.get_grad("W").tolist() == [1, 1]


def test_a_gradient_goes_with_the_shape_of_its_parameter() -> None:
    model = node(params={"W": ones(2)}, grads={"W": ones(2)})
    model.set_param("W", ones(2) * 3)
    assert model.has_grad("W") is True
    model.set_param("W", ones(3))
    assert model.has_grad("W") is False


def test_get_gradients_gives_those_that_are_not_zero() -> None:
    child = node(params={"b": ones(2), "c": ones(2)})
    model = node(params={"W": ones(3)}, layers=[child])
    child.inc_grad("b", ones(2))
    model.inc_grad("W", ones(3))
    found = model.get_gradients()
    assert set(found) == {(model.id, "W"), (child.id, "b")}
    weights, gradient = found[child.id, "b"]
    assert weights is child.get_param("b")
    assert gradient is child.get_grad("b")
    model.finish_update(zeroing)
    assert model.get_gradients() == {}
