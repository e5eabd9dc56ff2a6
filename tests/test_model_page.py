"""The examples of the page that describes `Model`, as they stand there.

Left out: those that need a GPU, or leave out what they are about. `ReLu` is written as the page imports it, `Relu`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from thinc_nb.api import Linear, Model

PAGE = (Path(__file__).parent / "model_page.txt").read_text(encoding="utf-8")
EXAMPLES = re.split(r"^# (.+)\n", PAGE, flags=re.MULTILINE)[1:]


def forward(model: Model[Any, Any], X: Any, is_train: bool) -> tuple[Any, Any]:
    return X, lambda dY: dY


def names() -> dict[str, Any]:
    """What the page takes as given."""
    return {
        "Model": Model,
        "Linear": Linear,
        "model": Linear(2, 3).initialize(),
        "forward": forward,
        "linear_forward": forward,
        "linear_init": lambda model, X=None, Y=None: model,
        "nO": 2,
        "nI": 3,
    }


@pytest.mark.parametrize(("title", "code"), list(zip(EXAMPLES[::2], EXAMPLES[1::2], strict=True)))
def test_example(title: str, code: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    given = names()
    if "from_bytes" in code:
        given["model"] = Model("model_name", forward)
    exec(compile(code.replace("thinc.api", "thinc_nb.api"), title, "exec", dont_inherit=True), given)
    if title == "has_attr":
        assert given["model"].has_attr("window_size") is True
        assert given["model"].has_attr("blah") is False
    if title == "get_attr":
        assert given["model"].get_attr("window_size") == 3
    if title == "create_init":
        model = Model("node", forward, init=given["init"], dims={"nO": 2, "nI": 3}, params={"W": None, "b": None})
        assert callable(model.init)


def test_what_the_page_says_of_gradients() -> None:
    model = Linear(2, 3).initialize()
    assert model.has_grad("W") is False
    with pytest.raises(KeyError):
        model.get_grad("W")
    Y, backprop = model.begin_update(np.ones((1, 3), "f"))
    backprop(Y)
    assert model.has_grad("b") is True
    assert set(model.get_gradients()) == {(model.id, "W"), (model.id, "b")}
    model.get_grad("W")[...] = 0
    model.set_grad("b", np.zeros(2, "f"))
    assert model.grad_names == ("W", "b")


def test_what_the_page_says_of_references() -> None:
    child = Linear(2, 3)
    model = Model("node", forward, layers=[Model("child", forward, layers=[child])], refs={"grandchild": None})
    assert model.has_ref("grandchild") is None
    model.set_ref("grandchild", child)
    assert model.get_ref("grandchild") is child
    model.remove_node(model.layers[0])
    assert model.has_ref("grandchild") is None
    with pytest.raises(KeyError):
        model.get_ref("grandchild")
