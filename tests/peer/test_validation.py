"""data_validation and the validation of initialize beside Thinc's: what is refused, and in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from twins import for_thinc, oracle, ours

from thinc_nb.api import NumpyOps, Ragged

F = np.zeros((3, 4), dtype="f")
IDS = np.zeros((3, 4), dtype="i")
VALUES: dict[str, Any] = {
    "float32 2d": F,
    "float32 1d": F[0],
    "float32 3d": F[None],
    "float64 2d": F.astype("d"),
    "int32 2d": IDS,
    "int32 1d": IDS[0],
    "uint64 1d": IDS[0].astype("uint64"),
    "no rows": F[:0],
    "list of floats": [F, F],
    "list of ids": [IDS],
    "tuple of floats": (F, F),
    "empty list": [],
    "Ragged": Ragged(F, np.array([2, 1], dtype="i")),
    "Padded": NumpyOps().list2padded([F[:2], F[2:]]),
    "texts": ["a"],
    "lists of texts": [["a"]],
    "lists of floats": [[F]],
    "a number": 3,
    "None": None,
    "sparse": (IDS[0].astype("uint64"), F[0], np.array([2, 2], dtype="i")),
}
DENSE = [
    "Linear", "Relu", "Gelu", "Mish", "Swish", "Dish", "HardSwish", "HardSwishMobilenet", "ClippedLinear", "ReluK",
    "HardTanh", "HardSigmoid", "Sigmoid", "Softmax", "Softmax_v2", "Maxout",
]  # fmt: skip
PLAIN = [
    "list2array", "list2ragged", "list2padded", "padded2list", "ragged2list", "reduce_first", "reduce_last",
    "reduce_max", "reduce_mean", "reduce_sum", "strings2arrays", "noop", "Logistic", "softmax_activation", "Dropout",
    "expand_window",
]  # fmt: skip
SIZED: dict[str, Any] = {
    "MultiSoftmax": lambda api: api.MultiSoftmax((1, 2), 4),
    "LayerNorm": lambda api: api.LayerNorm(4),
    "Embed": lambda api: api.Embed(3, 9),
    "HashEmbed": lambda api: api.HashEmbed(3, 9),
    "LSTM": lambda api: api.LSTM(4, 4),
    "ParametricAttention": lambda api: api.ParametricAttention(4),
    "CauchySimilarity": lambda api: api.CauchySimilarity(4),
    "SparseLinear": lambda api: api.SparseLinear(3, length=8),
    "remap_ids": lambda api: api.remap_ids({"a": 1}, 3),
    "premap_ids": lambda api: api.premap_ids({1: 2}),
}
WRAPPERS = [
    "with_array", "with_array2d", "with_list", "with_padded", "with_ragged", "with_flatten", "with_flatten_v2",
    "with_reshape", "residual", "map_list",
]  # fmt: skip
LAYERS: dict[str, Any] = {
    **{name: (lambda api, name=name: getattr(api, name)(3, 4)) for name in DENSE},
    **{name: (lambda api, name=name: getattr(api, name)()) for name in PLAIN},
    **SIZED,
    **{name: (lambda api, name=name: getattr(api, name)(api.noop())) for name in WRAPPERS},
}
# Layers whose X has the same annotation here and there. Others take more here: float64, other ranks, tuples.
ALIKE = [*DENSE, *PLAIN[1:12], "MultiSoftmax", "LayerNorm", "HashEmbed", "LSTM", "ParametricAttention", "SparseLinear"]


def refusal(library: Any, layer: str, side: str, value: Any) -> list[str] | None:
    """The table of errors in the message of the validation, or None."""
    model = LAYERS[layer](library("api"))
    util = library("util")
    try:
        util.validate_fwd_input_output(model.name, model._func, *((value, None) if side == "X" else (None, value)))
    except util.DataValidationError as error:
        return [" ".join(row.split()) for row in str(error).strip().split("\n\n")[1].splitlines()]
    return None


@pytest.mark.parametrize("layer", LAYERS)
def test_what_thinc_accepts_is_accepted(layer: str) -> None:
    for side in "XY":
        for name, value in VALUES.items():
            if refusal(oracle, layer, side, for_thinc(value)) is None:
                assert refusal(ours, layer, side, value) is None, f"{side}: {name}"


@pytest.mark.parametrize("layer", ALIKE)
def test_what_thinc_refuses_is_refused(layer: str) -> None:
    for name, value in VALUES.items():
        if name != "sparse" or layer not in ("list2ragged", "ragged2list"):
            here, there = refusal(ours, layer, "X", value), refusal(oracle, layer, "X", for_thinc(value))
            assert (here is None) == (there is None), f"{name}: {here} {there}"


@pytest.mark.parametrize("name", ["float32 1d", "float64 2d", "int32 2d", "list of floats", "Ragged"])
def test_words_are_thinc_s(name: str) -> None:
    here = refusal(ours, "Linear", "X", VALUES[name])
    there = refusal(oracle, "Linear", "X", for_thinc(VALUES[name]))
    assert here == there


@pytest.mark.parametrize("on", [False, True])
def test_initialize_validates_and_running_does_not(on: bool) -> None:
    for library in (ours, oracle):
        api = library("api")
        with api.data_validation(on):
            for X in (F.astype("d"), [F]):
                model = api.Linear(3, 4)
                if on:
                    with pytest.raises(api.DataValidationError):
                        model.initialize(X=X)
                else:
                    model.initialize(X=X)
            model = api.Linear(3, 4).initialize(X=F)
            with pytest.raises((TypeError, ValueError)) as caught:
                model.predict([F])
            assert not isinstance(caught.value, api.DataValidationError)
