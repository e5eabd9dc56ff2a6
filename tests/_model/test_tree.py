"""What errors say of the layer that they come from, and what a forward function has to return."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from thinc_nb import api
from thinc_nb.api import Linear, Model
from thinc_nb.errors import ForwardError, InputError

# What layers say themselves, contracts say before them.
pytestmark = pytest.mark.without_contracts

X = np.zeros((3, 4), dtype="f")


def in_chain(model: Model[Any, Any]) -> Model[Any, Any]:
    return api.chain(api.noop(), api.chain(api.noop(), model))


def test_errors_of_other_packages_in_a_callback_get_a_note() -> None:
    def forward(model: Model[Any, Any], X: Any, is_train: bool) -> Any:
        return X, lambda dY: model.ops.asarray(dY) @ np.ones((9, 9))

    _, backprop = in_chain(Model("mine", forward)).begin_update(X)
    with pytest.raises(ValueError, match="matmul") as caught:
        backprop(X)
    assert caught.value.__notes__ == ["In the layer 'noop>>noop>>mine' -> layers[1] 'noop>>mine' -> layers[1] 'mine'"]


def test_a_list_of_output_and_callback_passes_for_a_pair() -> None:
    odd: Any = Model("odd", lambda model, X, is_train: [X, abs])
    assert odd.predict(3) == 3
    assert odd(3, True) == [3, abs]
    Y, callback = odd.begin_update(3)
    assert (Y, callback(-2)) == (3, 2)


@pytest.mark.parametrize("returned", [X[:2], None, "Y", [1, 2, 3], (X,), (X, abs, 1), ()])
@pytest.mark.parametrize("combine", [in_chain, lambda model: model, api.residual, api.with_array])
def test_what_forward_returns_is_a_pair(returned: Any, combine: Any) -> None:
    """An array of two rows would be taken for one."""
    model: Any = combine(Model("odd", lambda model, X, is_train: returned))
    for run in (model.predict, model.begin_update, model):
        with pytest.raises(ForwardError, match="layer 'odd' must return its output and a callback from forw") as caught:
            run(X)
        assert isinstance(caught.value, TypeError)
        assert model.name == "odd" or "] 'odd': layer 'odd'" in str(caught.value)


@pytest.mark.parametrize("callback", [None, 3, X])
def test_in_training_the_callback_can_be_called(callback: Any) -> None:
    model: Any = in_chain(Model("odd", lambda model, X, is_train: (X, callback)))
    assert model.predict(X) is X
    assert model(X)[0] is X
    said = r"layers\[1\] 'odd': layer 'odd' must return .*, got .* in the place of the callback"
    for run in (model.begin_update, lambda X: model(X, is_train=True)):
        with pytest.raises(ForwardError, match=said):
            run(X)


def test_an_error_goes_to_another_process_with_its_text_and_without_its_layer() -> None:
    model = api.chain(Linear(4, 4), Model("mine", lambda model, X, is_train: (X[0], None)), Linear(90, 50)).initialize()
    with pytest.raises(InputError) as caught:
        model.predict(X)
    written = pickle.dumps(caught.value)
    assert len(written) < 1000
    assert str(pickle.loads(written)) == str(caught.value)
    assert "layers[2] 'linear'" in str(caught.value)

    def broken(model: Model[Any, Any], X: Any, is_train: bool) -> Any:
        raise KeyError("word")

    with pytest.raises(KeyError) as other:  # whose layer cannot be pickled
        in_chain(Model("broken", broken)).predict(X)
    assert pickle.loads(pickle.dumps(other.value)).__notes__ == other.value.__notes__


@pytest.mark.parametrize("error", [InputError("wrong"), OSError("wrong")])
def test_an_error_from_another_process_is_placed_where_it_is_raised_again(error: Exception) -> None:
    def failing(model: Model[Any, Any], X: Any, is_train: bool) -> Any:
        raise error

    def handing_on(model: Model[Any, Any], X: Any, is_train: bool) -> Any:
        try:
            model.layers[0].predict(X)
        except Exception as caught:  # noqa: BLE001  # whatever it is
            raise pickle.loads(pickle.dumps(caught)) from None

    model = in_chain(Model("remote", handing_on, layers=[Model("failing", failing)]))
    with pytest.raises(type(error)) as caught:
        model.predict(X)
    assert "layers[1] 'remote'" in "".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
