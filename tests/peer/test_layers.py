"""Every constructor beside Thinc's: nodes, first parameters, outputs, gradients, and the bytes of the model.

Both libraries get the same parameters and copies of the same batches, and what they give must be equal within rounding.
Where it is not, on purpose, DIFFERENCES says so; an entry that is no longer true fails.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np
import pytest
from layer_cases import CASES, LENGTHS
from twins import Twins, assert_alike, for_thinc, oracle, ours, random_like, twins

CRASH = "Thinc raises an error"
CASE_IDS = list(CASES)


class Difference(NamedTuple):
    """Patterns of cases, kinds of input and sizes of batches for which Thinc gives something else, and what."""

    case: str
    kind: str
    size: str
    what: str
    thinc: str


EMPTY = "none"
LOSES_WIDTH = "the data of an empty Ragged has width 0"
DIFFERENCES = (
    Difference("Maxout*", "*", EMPTY, "backward", CRASH),
    Difference("Dish*", "*", "*", "backward", "the derivative at X, not at X Wᵀ + b: a crash unless nI is nO"),
    Difference("HashEmbed*", "*", EMPTY, "backward", CRASH),
    Difference("uniqued by*", "*", EMPTY, "backward", CRASH),
    Difference("Embed of a matrix", "*", "*", "backward", "the gradient of ids (n, columns) is (n,)"),
    Difference("Embed of a column", "*", EMPTY, "forward", "an empty array is not indexed"),
    Difference("uniqued", "*", EMPTY, "forward", "an empty array is not indexed"),
    Difference("array_getitem of a row", "*", EMPTY, "forward", "an empty array is not indexed"),
    Difference("array_getitem of *column*", "*", EMPTY, "forward", "an empty array is not indexed"),
    Difference("uniqued*", "*", "[!n]*", "backward", "the gradient is float64, whatever X is"),
    Difference("remap_ids_v2 of*", "*", "*", "backward", "the gradient has the shape of the output, and is float64"),
    Difference("SparseLinear*", "*", "[!n]*", "backward", "the gradient of the values is the values"),
    Difference("SparseLinear*", "*", EMPTY, "backward", CRASH),
    Difference("LSTM*", "*", "[!n]*", "backward", "wrong gradients of weights and first steps; none after predicting"),
    Difference("LSTM*", "*", EMPTY, "forward", CRASH),
    Difference("concatenate of sequences", "list", "[!n]*", "backward", "gradients of layers are joined, not added"),
    Difference("concatenate of sequences", "Ragged", "[!n]*", "backward", CRASH),
    Difference("concatenate of sequences", "Ragged", EMPTY, "forward", LOSES_WIDTH),
    Difference("concatenate of sequences", "list", EMPTY, "forward", CRASH),
    Difference("add of Relu", "*", "[!n]*", "backward", "Relu overwrites dY before the next layer reads it"),
    Difference("residual of sequences", "list", EMPTY, "forward", CRASH),
    Difference("residual of sequences", "Ragged", EMPTY, "forward", LOSES_WIDTH),
    Difference("residual of Padded", "*", EMPTY, "forward", CRASH),
    Difference("bidirectional*", "*", "[!n]*", "backward", "both layers get the first half of dY"),
    Difference("bidirectional*", "*", EMPTY, "forward", CRASH),
    Difference("expand_window*", "Ragged", EMPTY, "forward", LOSES_WIDTH),
    Difference("ragged2list", "*", EMPTY, "backward", LOSES_WIDTH),
    Difference("reduce_*", "*", EMPTY, "forward", LOSES_WIDTH),
    Difference("with_array", "list", EMPTY, "forward", CRASH),
    Difference("with_array with padding", "*", EMPTY, "forward", CRASH),
    Difference("with_array2d", "[!a]*", EMPTY, "forward", CRASH),
    Difference("with_array2d with padding", "*", EMPTY, "forward", CRASH),
    Difference("with_padded*", "*", EMPTY, "forward", CRASH),
    Difference("with_ragged", "list", EMPTY, "forward", CRASH),
    Difference("with_ragged", "Padded", EMPTY, "forward", CRASH),
    Difference("with_ragged of a tuple", "*", EMPTY, "forward", LOSES_WIDTH),
    Difference("with_flatten", "*", "[!n]*", "backward", "the gradient is cut along the wrong axis"),
    Difference("with_flatten", "*", EMPTY, "forward", CRASH),
    Difference("with_reshape", "*", "[!n]*", "backward", CRASH),
    Difference("with_reshape", "*", EMPTY, "forward", CRASH),
)

# Bias initializers that Thinc's constructors take and do not use.
IGNORES_INIT_B = tuple(f"{name} with initializers" for name in ("ReluK", "HardTanh", "HardSigmoid"))
RUNS = [(name, kind, size) for name, case in CASES.items() for kind in case.data for size in LENGTHS]


def difference(name: str, kind: str, size: str) -> Difference | None:
    for entry in DIFFERENCES:
        if all(fnmatchcase(*pair) for pair in ((name, entry.case), (kind, entry.kind), (size, entry.size))):
            return entry
    return None


@pytest.mark.parametrize("name", CASE_IDS)
def test_nodes_are_equal(name: str) -> None:
    for mine, theirs in twins(CASES[name].build).nodes():
        assert mine.name == theirs.name
        assert mine.dim_names == theirs.dim_names
        assert [mine.maybe_get_dim(dim) for dim in mine.dim_names] == [theirs.maybe_get_dim(d) for d in mine.dim_names]
        assert mine.param_names == theirs.param_names
        assert mine.ref_names == theirs.ref_names
        assert len(mine.layers) == len(theirs.layers)
        assert list(mine.attrs) == list(theirs.attrs)
        for key, value in mine.attrs.items():
            if not isinstance(value, (type(test_nodes_are_equal), dict)) and key != "mapping_table":
                assert value == theirs.attrs[key]


@pytest.mark.parametrize("name", [name for name in CASE_IDS if name not in IGNORES_INIT_B])
def test_one_seed_gives_the_same_parameters_and_widths(name: str) -> None:
    for data in CASES[name].data.values():
        both = twins(CASES[name].build).initialize(data("some"))
        for mine, theirs in both.nodes():
            assert [mine.maybe_get_dim(d) for d in mine.dim_names] == [theirs.maybe_get_dim(d) for d in mine.dim_names]


@pytest.mark.parametrize("name", IGNORES_INIT_B)
def test_the_initializer_of_the_bias_is_used(name: str) -> None:
    both = twins(CASES[name].build)
    for model in both:
        np.random.seed(1)
        model.initialize()
    np.testing.assert_array_equal(both.ours.get_param("W"), both.thinc.get_param("W"))
    assert both.ours.get_param("b").any()
    assert not both.thinc.get_param("b").any()


def same_twins(name: str, kind: str) -> Twins:
    case = CASES[name]
    both = twins(case.build)
    first = case.data[kind]("some")
    both.ours.initialize(X=first)
    both.thinc.initialize(X=for_thinc(first))
    return both.randomize()


def run(model: Any, X: Any, is_train: bool) -> Any:
    """Output and callback, or the error."""
    try:
        return model(X, is_train)
    except Exception as error:  # noqa: BLE001  # any: it is compared
        return error


def compared(both: Twins, X: Any, is_train: bool) -> tuple[str, str] | None:
    """The first thing that is not equal, and how, or None."""
    mine, theirs = run(both.ours, X, is_train), run(both.thinc, for_thinc(X), is_train)
    if isinstance(mine, Exception) or isinstance(theirs, Exception):
        if isinstance(mine, Exception) and isinstance(theirs, Exception):
            return None
        return "forward", f"here {mine!r}, Thinc {theirs!r}"
    try:
        assert_alike(mine[0], theirs[0], "Y")
    except AssertionError as error:
        return "forward", str(error)
    dY = random_like(mine[0], np.random.default_rng(4))
    dX = mine[1](dY)
    try:
        assert_alike(dX, theirs[1](for_thinc(dY)), "dX")
        for what, a, b in both.gradients():
            assert_alike(a, b, what)
    except Exception as error:  # noqa: BLE001  # any: it is reported
        return "backward", f"{type(error).__name__}: {error}"
    return None


@pytest.mark.parametrize(("name", "kind", "size"), RUNS)
def test_outputs_and_gradients_are_equal(name: str, kind: str, size: str) -> None:
    expected = difference(name, kind, size)
    for is_train in (True, False):
        found = compared(same_twins(name, kind), CASES[name].data[kind](size), is_train)
        if expected is None:
            assert found is None, found
        else:
            assert found is not None, f"Thinc gives the same: {expected} is to go"
            assert found[0] == expected.what, found


@pytest.mark.parametrize("entry", DIFFERENCES, ids=lambda entry: f"{entry.case} {entry.kind} {entry.size}")
def test_every_difference_is_about_something(entry: Difference) -> None:
    assert any(difference(*run) is entry for run in RUNS)


def test_there_is_a_case_for_every_constructor() -> None:
    """Wrappers of other frameworks are compared in tests of their own."""
    others = ("MXNet", "PyTorch", "TensorFlow", "TorchScript", "keras", "pytorch", "with_signpost_interval")
    constructors = [
        name
        for name in dir(oracle("layers"))
        if not name.startswith(("_", *others)) and type(getattr(oracle("layers"), name)).__name__ == "function"
    ]
    assert len(constructors) > 60
    assert [name for name in constructors if not any(f"{case} ".startswith(f"{name} ") for case in CASES)] == []


# Attributes that cannot be written are left out by Thinc in silence, here with a warning.
@pytest.mark.filterwarnings("ignore:attribute .* is not written")
@pytest.mark.parametrize("name", CASE_IDS)
def test_bytes_are_equal_and_load_in_the_other_library(name: str) -> None:
    case = CASES[name]
    kind = next(iter(case.data))
    both = same_twins(name, kind)
    data = both.ours.to_bytes()
    assert data == both.thinc.to_bytes()
    X = case.data[kind]("some")
    for model, x in zip(twins(case.build), (X, for_thinc(X)), strict=True):
        model.initialize(X=x).from_bytes(data)
        assert model.to_bytes() == data


def shared_layer(api: Any) -> Any:
    layer = api.Gelu(4, 4)
    return api.chain(layer, api.Linear(4, 4), layer)


def layer_beside_itself(api: Any) -> Any:
    layer = api.Gelu(3, 4)
    return api.concatenate(layer, layer)


def copied(api: Any) -> Any:
    return api.chain(api.Gelu(4, 4), api.clone(api.Linear(4, 4), 2)).copy()


def tagger(api: Any) -> Any:
    embed = [api.HashEmbed(4, 30, seed=i, column=i) for i in range(2)]
    block = api.residual(api.chain(api.expand_window(1), api.Maxout(4, 12, 2, normalize=True, dropout=0.0)))
    return api.chain(
        api.with_array(api.chain(api.concatenate(*embed), api.Maxout(4, 8, 2), block), pad=1),
        api.with_array(api.Softmax(5, 4)),
    )


@pytest.mark.parametrize("build", [shared_layer, layer_beside_itself, copied, tagger])
def test_trees_are_equal(build: Any) -> None:
    data = CASES["uniqued"].data["ids"] if build is tagger else CASES["Linear"].data["array"]
    for size in ("some", "one", "long"):
        X: Any = [data(size)] if build is tagger else data(size)
        both = twins(build).initialize(X).randomize()
        assert compared(both, X, True) is None
        assert both.ours.to_bytes() == both.thinc.to_bytes()


def test_signposts_need_their_package() -> None:
    for api in (ours(), oracle()):
        with pytest.raises(ValueError, match="os_signpost"):
            api.with_signpost_interval(api.Linear(), None)
