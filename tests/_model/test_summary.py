"""How a model shows itself: counts, the table, Graphviz, HTML."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from thinc_nb.api import Linear, Maxout, Model, PyTorchWrapper, Relu, Softmax, chain, noop, residual


def network() -> Model[Any, Any]:
    model = chain(Relu(4, 3), residual(Maxout(4, 4, nP=2)), Softmax(2, 4)).initialize()
    model.set_ref("output", model.layers[2])
    return model


def test_the_number_of_parameters() -> None:
    assert network().num_params == (4 * 3 + 4) + (4 * 2 * 4 + 4 * 2) + (2 * 4 + 2)
    assert Linear(3).num_params == 0
    assert noop().num_params == 0


def test_a_shared_layer_counts_once() -> None:
    shared = Linear(2, 2)
    model = chain(shared, chain(shared, Relu(2, 2))).initialize()
    assert model.num_params == 2 * 6
    assert str(model.summary()).count("(shared, see above)") == 1


def test_the_parameters_of_a_torch_module_count() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.LazyLinear(2))
    model = chain(PyTorchWrapper(module), Linear(1, 2)).initialize()
    assert (model.num_params, model.summary().nbytes) == (3 * 4 + 4 + 3, 4 * (3 * 4 + 4 + 3))
    module(torch.zeros(1, 3))
    assert model.num_params == 3 * 4 + 4 + 4 * 2 + 2 + 3


def test_the_table_as_text() -> None:
    assert str(network().summary()).splitlines() == [
        "path  layer                            dims            parameters  bytes",
        "------------------------------------------------------------------------",
        "-     relu>>residual(maxout)>>softmax  nO=2 nI=3                0      0",
        "0       relu                           nO=4 nI=3               16     64",
        "1       residual(maxout)               nO=4 nI=4                0      0",
        "1.0       maxout                       nO=4 nI=4 nP=2          40    160",
        "2       softmax                        nO=2 nI=4               10     40",
        "------------------------------------------------------------------------",
        "      total                                                    66    264",
    ]


def test_the_table_names_what_is_not_known_and_shortens_long_names() -> None:
    deep = chain(*[Linear(2, 2) for _ in range(20)])
    assert "…" in str(deep.summary())
    assert "nO=3 nI=?" in str(Linear(3).summary())


def test_the_table_in_rich_and_in_html() -> None:
    model = chain(Model("<b> [red]", lambda model, X, is_train: (X, lambda dY: dY)), Linear(2, 2)).initialize()
    console = Console(file=io.StringIO(), width=120)
    console.print(model.summary())
    assert isinstance(console.file, io.StringIO)
    assert "<b> [red]" in console.file.getvalue()
    assert "&lt;b&gt; [red]" in model._repr_html_()
    assert "<b>" not in model._repr_html_()
    assert model._repr_html_().count("<tr>") == 5


def test_the_graph() -> None:
    model = network()
    dot = model.to_dot()
    ids = [node.id for node in model.walk()]
    assert dot.startswith("digraph model {")
    assert dot.count(" -> ") == 4 + 1
    assert f'n{ids[0]} -> n{ids[3]} [label="output", style=dashed];' in dot
    assert f'n{ids[0]} -> n{ids[1]} [label="0"];' in dot
    assert f'n{ids[1]} [label="relu\\nnO=4 nI=3"];' in dot


def test_names_are_quoted_in_the_graph() -> None:
    model = Model('say "hi" \\', lambda model, X, is_train: (X, lambda dY: dY))
    assert '[label="say \\"hi\\" \\\\"]' in model.to_dot()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bytes_follow_the_dtype(dtype: str) -> None:
    model = Linear(2, 3)
    model.set_param("W", np.zeros((2, 3), dtype=dtype))
    assert model.summary().nbytes == 6 * np.dtype(dtype).itemsize
