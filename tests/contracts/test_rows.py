"""The rows of Y beside those of X, where a layer says what they are."""

from __future__ import annotations

from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import thinc_nb
from thinc_nb import api
from thinc_nb.api import Linear, Model, NumpyOps, Padded, Ragged
from thinc_nb.contracts import contracts, keeps_rows
from thinc_nb.contracts._boundary import Contract
from thinc_nb.contracts._rows import KEEPING, POOLING
from thinc_nb.errors import ContractError

F = np.zeros((3, 4), dtype="f")
LENGTHS = np.array([2, 1], dtype="i")
PADDED = NumpyOps().list2padded([F[:1], F[1:]])
# These have the rows of the layers in them, or other ones.
# fmt: off
OTHERS = {
    "add", "array_getitem", "cauchysimilarity", "chain", "clone", "concatenate", "jaxwrapper", "map_list",
    "mxnetwrapper", "pytorchwrapper", "resizable", "siamese", "sparselinear", "strings2arrays", "tensorflowwrapper",
    "torchscriptwrapper", "tuplify", "with_cpu", "with_debug", "with_getitem", "with_list", "with_nvtx_range",
    "with_padded", "with_ragged", "with_reshape", "with_signpost_interval",
}
# fmt: on


def giving(Y: Any) -> Model[Any, Any]:
    """A layer that says that it keeps rows, and gives whatever it is told to."""

    @keeps_rows
    def forward(model: Any, X: Any, is_train: bool) -> tuple[Any, Any]:
        return Y, lambda dY: X

    return Model("mine", forward)


KEPT: dict[str, tuple[Any, Any]] = {
    "arrays": (F, F[:, 0]),
    "empty": (F[:0], F[:0]),
    "lists": ([F, F[:1]], [F[:, :1], F[:1, :2]]),
    "Ragged": (Ragged(F, LENGTHS), Ragged(F[:, :2], LENGTHS.copy())),
    "Padded": (PADDED, PADDED),
    "list to Ragged": ([F[:2], F[2:]], Ragged(F, LENGTHS)),
    "list to Padded, which sorts": ([F[:1], F[1:]], PADDED),
    "list to array": ([F[:2], F[2:]], F),
    "no rows": ("text", F),
    "rows of parts": ((F, F[:1]), F),
}
LOST: dict[str, tuple[Any, Any, str]] = {
    "arrays": (F, F[:2], "float32 (3, 4), in output Y, got float32 (2, 4)"),
    "lists": (
        [F, F],
        [F],
        (
            "a list of 2, the first float32 (3, 4), in output Y, got a list of 1, the first float32 (3, 4): "
            "it has [3] rows, not [3, 3]"
        ),
    ),
    "items": (
        [F, F],
        [F, F[:1]],
        (
            "a list of 2, the first float32 (3, 4), in output Y, got a list of 2, the first float32 (3, 4): "
            "it has [3, 1] rows, not [3, 3]"
        ),
    ),
    "lengths": (
        Ragged(F, LENGTHS),
        Ragged(F, LENGTHS[::-1]),
        (
            "a Ragged of 2 sequences with data float32 (3, 4), in output Y, got a Ragged of 2 sequences with data "
            "float32 (3, 4): it has [1, 2] rows, not [2, 1]"
        ),
    ),
    "Padded": (
        PADDED,
        NumpyOps().list2padded([F]),
        (
            "a Padded of 2 sequences with data float32 (2, 2, 4), in output Y, got a Padded of 1 sequences with data "
            "float32 (3, 1, 4): it has [3] rows, not [2, 1]"
        ),
    ),
    "list to Ragged": (
        [F],
        Ragged(F, LENGTHS),
        (
            "a list of 1, the first float32 (3, 4), in output Y, got a Ragged of 2 sequences with data float32 (3, 4): "
            "it has [2, 1] rows, not [3]"
        ),
    ),
    "list to Padded": (
        [F[:1], F[:1]],
        PADDED,
        (
            "a list of 2, the first float32 (1, 4), in output Y, got a Padded of 2 sequences with data "
            "float32 (2, 2, 4): it has [2, 1] rows, not [1, 1]"
        ),
    ),
    "list to array": (
        [F[:2], F[2:]],
        F[:2],
        "a list of 2, the first float32 (2, 4), in output Y, got float32 (2, 4)",
    ),
    "many": (
        [F] * 9,
        [F] * 8,
        "a list of 9, the first float32 (3, 4), in output Y, got a list of 8, the first float32 (3, 4)",
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_rows_that_are_kept_pass(case: str) -> None:
    X, Y = KEPT[case]
    with contracts():
        giving(Y).predict(X)


@pytest.mark.parametrize("case", LOST)
def test_rows_that_are_lost_are_said(case: str) -> None:
    X, Y, said = LOST[case]
    with contracts(), pytest.raises(ContractError) as caught:
        giving(Y).predict(X)
    assert str(caught.value) == f"layer 'mine' promises rows like those of X, {said}"


def test_a_layer_that_promises_nothing_may_pool() -> None:
    with contracts():
        assert Model("pool", lambda model, X, is_train: (X[:1], lambda dY: X)).predict(F).shape == (1, 4)


def test_the_declaration_survives_a_decorator_and_changes_nothing_else() -> None:
    @keeps_rows
    def forward(model: Any, X: Any, is_train: bool) -> tuple[Any, Any]:
        return X[:1], lambda dY: X

    @wraps(forward)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return forward(*args, **kwargs)

    with contracts(enabled=False):
        assert len(Model("mine", wrapped).predict(F)) == 1
    with contracts(), pytest.raises(ContractError, match="promises rows like those of X"):
        Model("mine", wrapped).predict(F)


class LossyOps(NumpyOps):
    """Somebody's own operations, with a mistake."""

    name = "lossy"

    def gemm(self, *args: Any, **kwargs: Any) -> Any:
        return super().gemm(*args, **kwargs)[:-1]

    def reduce_mean(self, *args: Any, **kwargs: Any) -> Any:
        return super().reduce_mean(*args, **kwargs)[:-1]


def test_our_layers_keep_rows_whatever_computes_them() -> None:
    model = Linear(2, 4).initialize()
    model.ops = LossyOps()
    with contracts(), pytest.raises(ContractError, match=r"rows like those of X, float32 \(3, 4\), in output Y"):
        model.predict(F)


def test_pooling_gives_a_row_for_each_sequence() -> None:
    model: Model[Any, Any] = api.reduce_mean()
    with contracts():
        assert model.predict(Ragged(F, LENGTHS)).shape == (2, 4)
    model.ops = LossyOps()
    with contracts(), pytest.raises(ContractError, match="promises a row for each of the 2 sequences of X in output Y"):
        model.predict(Ragged(F, LENGTHS))


def test_it_is_decided_for_every_layer() -> None:
    """A new one is added to a list, or to those here."""
    folder = Path(thinc_nb.__path__[0]) / "layers"
    names = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert names == KEEPING | POOLING | OTHERS
    assert not KEEPING & POOLING
    assert not OTHERS & (KEEPING | POOLING)
    for name in (KEEPING | POOLING) - {"logistic"}:  # which is a sigmoid_activation
        module = import_module(f"thinc_nb.layers.{name}")
        forward = getattr(module, "forward", None)
        if forward is not None:
            assert Contract(forward).rows == ("kept" if name in KEEPING else "pooled"), name


@pytest.mark.parametrize("kind", [list, Ragged, Padded])
def test_lengths_are_compared_for_gradients(kind: Any) -> None:
    """dX has the rows of X, dY those of Y, with or without a declaration."""
    X: Any = {list: [F[:1], F[1:]], Ragged: Ragged(F, LENGTHS), Padded: PADDED}[kind]
    other: Any = {list: [F[:2], F[2:]], Ragged: Ragged(F, LENGTHS[::-1]), Padded: NumpyOps().list2padded([F])}[kind]

    def forward(model: Any, X: kind, is_train: bool) -> tuple[kind, Any]:
        return X, lambda dY: other

    forward.__annotations__ = {"X": kind, "return": tuple[kind, Any]}
    with contracts():
        backprop = Model("mine", forward).begin_update(X)[1]
    with pytest.raises(ContractError, match="gradient dY"):
        backprop(other)
    with pytest.raises(ContractError, match="gradient dX"):
        backprop(X)
