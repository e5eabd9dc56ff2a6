"""backends.ParamServer: what is kept, and what goes to a proxy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from thinc_nb.backends._param_server import ParamServer


def test_gradients_add_up_and_do_not_touch_what_was_given() -> None:
    W, d = np.zeros(3, "float32"), np.ones(3, "float32")
    given = {(1, "W"): W}
    server = ParamServer(given, {(2, "b"): d})
    server.inc_grad(1, "W", d)
    server.inc_grad(1, "W", d)
    np.testing.assert_array_equal(server.get_grad(1, "W"), 2 * d)
    np.testing.assert_array_equal(d, 1)
    server.set_param(3, "W", W)
    assert list(given) == [(1, "W")]
    assert server.param_keys == ((1, "W"), (3, "W"))
    assert server.grad_keys == ((1, "W"),)  # of what has parameters here
    server.set_grad(0, "W", d)
    server.set_param(0, "W", W)
    server.set_grad(3, "W", d)
    assert server.grad_keys == ((1, "W"), (3, "W"), (0, "W"))  # in their order
    assert server.has_param(3, "W")
    assert not server.has_param(3, "b")
    assert server.has_grad(2, "b")
    for get in (server.get_param, server.get_grad):
        with pytest.raises(KeyError):
            get(9, "W")


def test_a_proxy_has_parameters_and_all_gradients() -> None:
    calls: list[tuple[Any, ...]] = []
    fetched = np.full(3, 7, "float32")

    class Proxy:
        def get_param(self, model_id: int, name: str) -> Any:
            return fetched

        def set_param(self, *args: Any) -> None:
            calls.append(("set_param", *args[:2]))

        def set_grad(self, *args: Any) -> None:
            calls.append(("set_grad", *args[:2]))

        def inc_grad(self, *args: Any) -> None:
            calls.append(("inc_grad", *args[:2]))

    server = ParamServer({(1, "W"): np.zeros(3, "float32")}, proxy=Proxy())
    assert server.get_param(1, "W") is fetched
    server.set_param(1, "W", fetched)
    server.set_grad(1, "W", fetched)
    server.inc_grad(1, "W", fetched)
    assert calls == [("set_param", 1, "W"), ("set_grad", 1, "W"), ("inc_grad", 1, "W")]
    assert not server.has_grad(1, "W")
