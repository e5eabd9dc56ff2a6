"""Array types and containers. Facts "observed" were seen in Thinc 9.1.1."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
import types as builtin_types
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from thinc_nb import types
from thinc_nb.types import (
    ArgsKwargs,
    Array1d,
    Array2d,
    ArrayXd,
    Floats1d,
    Floats2d,
    FloatsXd,
    Ints1d,
    Ints2d,
    IntsXd,
    Padded,
    Pairs,
    Ragged,
    SizedGenerator,
    Unserializable,
    is_xp_array,
    validate_array,
)

# Of the public names of thinc.types, all but `cupy` and `has_cupy`, which are looked up when asked for.
NAMES = """
Any ArgsKwargs Array1d Array1dT Array2d Array3d Array4d ArrayT ArrayXd Batchable Callable Container DTypes DTypesFloat
DTypesInt Decorator DeviceTypes Dict Fal Floats1d Floats2d Floats3d Floats4d FloatsXd FloatsXdT FourAx Generator
Generic Ints1d Ints2d Ints3d Ints4d IntsXd Iterable Iterator List List1d List2d List3d List4d ListXd Literal OneAx
Optional Padded Pairs Protocol Ragged SelfT Sequence Shape Sized SizedGenerator Slicish ThreeAx Tru Tuple TwoAx
TypeVar Union Unserializable XY_XY_OutT XY_YZ_OutT Xp abstractmethod cast dataclass get_array_module numpy overload
sys validate_array
""".split()  # noqa: SIM905


def test_all_names_of_thinc_are_there() -> None:
    assert set(NAMES) <= set(types.__all__)
    assert all(hasattr(types, name) for name in [*types.__all__, "cupy", "has_cupy"])


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Floats5d"):
        _ = types.Floats5d


def test_importing_loads_no_framework_and_no_compiler() -> None:
    modules = "types util compat schedules initializers optimizers loss"
    code = f"""
import importlib, sys
for name in "{modules}".split():
    importlib.import_module("thinc_nb." + name)
heavy = "torch cupy tensorflow mxnet numba pydantic packaging".split()
print([name for name in heavy if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Array types


@pytest.mark.parametrize(
    ("array", "kinds"),
    [
        (np.zeros(3, "float32"), {Floats1d, FloatsXd, Array1d, ArrayXd}),
        (np.zeros((2, 3), "float32"), {Floats2d, FloatsXd, Array2d, ArrayXd}),
        (np.zeros((2, 3), "float64"), {Floats2d, FloatsXd, Array2d, ArrayXd}),
        (np.zeros((2, 3), "float16"), {Floats2d, FloatsXd, Array2d, ArrayXd}),
        (np.zeros((2, 3, 1, 1, 1), "float32"), {FloatsXd, ArrayXd}),
        (np.zeros(3, "int32"), {Ints1d, IntsXd, Array1d, ArrayXd}),
        (np.zeros((2, 3), "uint64"), {Ints2d, IntsXd, Array2d, ArrayXd}),
        (np.zeros(3, "int8"), {Array1d, ArrayXd}),
        (np.zeros(3, "bool"), {Array1d, ArrayXd}),
        (np.zeros(3, "complex64"), {Array1d, ArrayXd}),
        ([1.0, 2.0], set()),
        (np.float32(1.0), set()),
        (None, set()),
    ],
)
def test_isinstance_knows_rank_and_kind(array: Any, kinds: set[Any]) -> None:
    asked = (Floats1d, Floats2d, FloatsXd, Ints1d, Ints2d, IntsXd, Array1d, Array2d, ArrayXd)
    assert {kind for kind in asked if isinstance(array, kind)} == kinds


def test_unions_of_array_types_work_at_run_time() -> None:
    assert isinstance(np.zeros((1, 1), "int64"), Floats2d | Ints2d)
    assert not isinstance(np.zeros(1, "int64"), Floats2d | Ints2d)


def test_array_types_make_no_instances() -> None:
    with pytest.raises(TypeError, match="Floats2d"):
        Floats2d()


def test_array_types_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Floats2d)) is Floats2d


def test_cupy_arrays_are_known_without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    class ndarray:  # noqa: N801
        ndim, dtype, shape = 2, np.dtype("float32"), (1, 1)

    cupy: Any = builtin_types.ModuleType("cupy")
    cupy.ndarray = ndarray
    array = ndarray()
    assert not is_xp_array(array)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    assert is_xp_array(array)
    assert isinstance(array, Floats2d)
    assert not isinstance(array, Ints2d)
    assert types.get_array_module(array) is cupy


@pytest.mark.parametrize(
    ("ndim", "dtype", "message"),
    [
        (1, None, "wrong array dimensions (expected 1, got 2)"),
        (None, "f", "wrong array data type (expected float32, got float64)"),
        (None, "i", "wrong array data type (expected int32/int64/uint32/uint64, got float64)"),
        (
            3,
            "f",
            "wrong array dimensions (expected 3, got 2), wrong array data type (expected float32, got float64)",
        ),
    ],
)
def test_validate_array_says_what_thinc_says(ndim: int | None, dtype: str | None, message: str) -> None:
    with pytest.raises(ValueError, match="wrong array") as caught:
        validate_array(np.zeros((2, 2)), ndim, dtype)
    assert str(caught.value) == message  # observed


def test_validate_array_returns_the_array() -> None:
    X = np.zeros((2, 2), "float32")
    assert validate_array(X, 2, "f") is X
    assert validate_array(X, dtype="float32") is X
    with pytest.raises(TypeError, match="not a valid numpy or cupy array"):
        validate_array([[1.0]])


def test_get_array_module_refuses_what_is_no_array() -> None:
    assert types.get_array_module(np.zeros(1)) is np
    with pytest.raises(ValueError, match="list"):
        types.get_array_module([1])


# Pydantic


def test_hooks_of_array_types() -> None:
    X = np.zeros((2, 2), "float32")
    schema: Any = Floats2d.__get_pydantic_core_schema__(Floats2d, None)
    check = schema["function"]["function"]
    assert schema["type"] == "function-plain"
    assert check(X) is X
    for wrong in (X.astype("float64"), X[0], [[1.0]]):
        with pytest.raises(ValueError, match=r"wrong array|not a valid"):
            check(wrong)
    (validator,) = Floats2d.__get_validators__()
    assert validator(X) is X
    with pytest.raises(TypeError):
        validator([[1.0]])


@pytest.mark.parametrize("kind", [Ragged, Padded, ArgsKwargs])
def test_hooks_of_containers(kind: Any) -> None:
    assert kind.__get_pydantic_core_schema__(kind, None) == {"type": "is-instance", "cls": kind}
    (validator,) = kind.__get_validators__()
    with pytest.raises(TypeError, match=kind.__name__):
        validator(3)


def test_pydantic_models_accept_our_types() -> None:
    pydantic = pytest.importorskip("pydantic")
    X = np.zeros((2, 2), "float32")
    made = pydantic.create_model("Made", x=(Floats2d, ...), r=(Ragged, ...))
    ragged = Ragged(X, np.asarray([2], "int32"))
    assert made(x=X, r=ragged).r is ragged
    for wrong in ({"x": X[0], "r": ragged}, {"x": X, "r": 3}):
        with pytest.raises(pydantic.ValidationError):
            made(**wrong)


# Ragged


@pytest.fixture
def ragged() -> Ragged:
    return Ragged(np.arange(12.0, dtype="float32").reshape(6, 2), np.asarray([1, 2, 3], dtype="int32"))


@st.composite
def raggeds(draw: st.DrawFn) -> Ragged:
    lengths = draw(st.lists(st.integers(0, 4), max_size=6))
    rest = draw(st.sampled_from([(), (1,), (2,), (2, 3), (0,)]))
    shape = (sum(lengths), *rest)
    return Ragged(np.arange(np.prod(shape), dtype="float32").reshape(shape), np.asarray(lengths, dtype="int32"))


def as_list(ragged: Ragged) -> list[Any]:
    """The sequences, cut out of the data by the definition of lengths."""
    ends = np.cumsum(ragged.lengths)
    return [ragged.dataXd[end - length : end] for end, length in zip(ends, ragged.lengths, strict=True)]


def assert_same(part: Ragged, sequences: list[Any], whole: Ragged) -> None:
    assert part.lengths.tolist() == [len(sequence) for sequence in sequences]
    assert part.lengths.dtype == whole.lengths.dtype
    assert part.data_shape == whole.data_shape
    expected = np.concatenate([whole.dataXd[:0], *sequences])
    np.testing.assert_array_equal(part.dataXd, expected)
    assert part.dataXd.shape == expected.shape
    assert part.data.ndim == 2


@given(raggeds(), st.data())
def test_ragged_integer_index_gives_that_sequence(ragged: Ragged, data: st.DataObject) -> None:
    sequences = as_list(ragged)
    if not sequences:
        return
    i = data.draw(st.integers(-len(sequences), len(sequences) - 1))
    assert_same(ragged[i], [sequences[i]], ragged)


@given(raggeds(), st.slices(6))
def test_ragged_slices_like_a_list(ragged: Ragged, index: slice) -> None:
    assert_same(ragged[index], as_list(ragged)[index], ragged)


@given(raggeds(), st.data())
def test_ragged_is_indexed_by_integers_and_masks(ragged: Ragged, data: st.DataObject) -> None:
    sequences = as_list(ragged)
    picks = data.draw(st.lists(st.integers(0, len(sequences) - 1), max_size=8)) if sequences else []
    for index in (picks, np.asarray(picks, dtype="int32")):
        assert_same(ragged[index], [sequences[i] for i in picks], ragged)
    mask = np.asarray(data.draw(st.lists(st.booleans(), min_size=len(sequences), max_size=len(sequences))), dtype=bool)
    assert_same(ragged[mask], [sequences[i] for i in np.flatnonzero(mask)], ragged)


def test_ragged_neighbours_share_memory(ragged: Ragged) -> None:
    assert np.shares_memory(ragged[1:3].data, ragged.data)
    assert np.shares_memory(ragged[1].data, ragged.data)
    assert not np.shares_memory(ragged[[0, 2]].data, ragged.data)


def test_ragged_data_is_rows_whatever_its_rank() -> None:
    lengths = np.asarray([1, 2], dtype="int32")
    for shape, rows in [((3,), (3, 1)), ((3, 2), (3, 2)), ((3, 2, 2), (3, 4)), ((0, 2, 2), (0, 4)), ((0,), (0, 1))]:
        ragged = Ragged(np.zeros(shape), lengths)
        assert ragged.data.shape == rows
        assert ragged.dataXd.shape == shape
        assert ragged.data_shape == (-1, *shape[1:])


@pytest.mark.parametrize("index", [3, -4, np.asarray([3]), (0, 1), np.asarray([0.0]), np.asarray([[0]]), None])
def test_ragged_bad_index_is_an_index_error(ragged: Ragged, index: Any) -> None:
    with pytest.raises(IndexError):
        ragged[index]


def test_ragged_iterates_over_sequences(ragged: Ragged) -> None:
    assert [part.data.tolist() for part in ragged] == [sequence.tolist() for sequence in as_list(ragged)]


def test_ragged_notices_new_lengths(ragged: Ragged) -> None:
    assert ragged[0].data.shape == (1, 2)
    assert ragged.starts_ends is not None
    assert ragged.starts_ends.tolist() == [0, 1, 3, 6]
    ragged.lengths = np.asarray([4, 2], dtype="int32")
    assert ragged[0].data.shape == (4, 2)


def test_ragged_equality_compares_values(ragged: Ragged) -> None:
    assert ragged == Ragged(ragged.data.copy(), ragged.lengths.copy())
    assert ragged != Ragged(ragged.data + 1, ragged.lengths)
    assert ragged != Ragged(ragged.data, ragged.lengths[::-1].copy())
    assert ragged != 3
    with pytest.raises(TypeError):
        hash(ragged)


def test_ragged_is_not_checked_when_made() -> None:
    assert len(Ragged(np.zeros((3, 2)), np.asarray([1, 1]))) == 2  # observed


def test_ragged_survives_copy_and_pickle(ragged: Ragged) -> None:
    assert copy.deepcopy(ragged) == ragged
    assert pickle.loads(pickle.dumps(ragged)) == ragged


# Padded


@pytest.fixture
def padded() -> Padded:
    return Padded(
        np.arange(24.0, dtype="float32").reshape(4, 3, 2),
        np.asarray([3, 3, 2, 1], dtype="int32"),
        np.asarray([4, 3, 2], dtype="int32"),
        np.asarray([1, 0, 2], dtype="int32"),
    )


@pytest.mark.parametrize(
    ("index", "columns", "ranks"),
    [
        (0, [0], [0]),
        (-1, [2], [0]),
        (np.int64(1), [1], [0]),
        (slice(1, None), [1, 2], [0, 1]),
        (slice(None, 2), [0, 1], [1, 0]),
        (slice(None, None, 2), [0, 2], [0, 1]),
        ([2, 0], [0, 2], [0, 1]),
        (np.asarray([True, True, False]), [0, 1], [1, 0]),
        (slice(3, None), [], []),
        ([], [], []),
    ],
)
def test_padded_part_is_a_valid_batch(padded: Padded, index: Any, columns: list[int], ranks: list[int]) -> None:
    part = padded[index]
    np.testing.assert_array_equal(part.data, padded.data[:, columns])
    assert part.lengths.tolist() == padded.lengths[columns].tolist()
    assert part.size_at_t.tolist() == [sum(length > t for length in part.lengths) for t in range(4)]
    assert part.indices.tolist() == ranks
    assert {array.dtype for array in (part.size_at_t, part.lengths, part.indices)} == {np.dtype("int32")}
    assert len(part) == len(columns)


def test_padded_parts_keep_the_places_of_sequences_that_went_round(padded: Padded) -> None:
    places = np.asarray([1, 2, 0], dtype="int32")
    whole = Padded(padded.data, padded.size_at_t, padded.lengths, places)
    assert whole[:].indices.tolist() == places.tolist()


@pytest.mark.parametrize("index", [3, -4, (0, 1), [[0]], [0.5]])
def test_padded_bad_index_is_an_index_error(padded: Padded, index: Any) -> None:
    with pytest.raises(IndexError):
        padded[index]


def test_padded_copy_shares_nothing(padded: Padded) -> None:
    made = padded.copy()
    assert made == padded
    made.data[:] = 0
    assert made != padded
    for name in ("data", "size_at_t", "lengths", "indices"):
        assert not np.shares_memory(getattr(made, name), getattr(padded, name))


# Others


def test_args_kwargs_items_and_back() -> None:
    made = ArgsKwargs((1, 2), {"a": 3})
    assert list(made.keys()) == [0, 1, "a"]
    assert list(made.values()) == [1, 2, 3]
    assert list(made.items()) == [(0, 1), (1, 2), ("a", 3)]
    assert ArgsKwargs.from_items(list(made.items())) == made
    assert ArgsKwargs.from_items([(5, "a"), ("x", 1), (1, "b")]) == ArgsKwargs(("a", "b"), {"x": 1})  # observed


def test_pairs_are_indexed_together() -> None:
    pairs = Pairs([1, 2, 3], [4, 5, 6])
    assert len(pairs) == 3
    assert pairs[0] == Pairs(1, 4)
    assert pairs[1:] == Pairs([2, 3], [5, 6])


def test_sized_generator_can_be_iterated_again() -> None:
    made = SizedGenerator(lambda: iter([1, 2]), 2)
    assert (len(made), list(made), list(made)) == (2, [1, 2], [1, 2])


def test_unserializable_holds_its_object() -> None:
    assert Unserializable(3).obj == 3
    assert Unserializable(3) == Unserializable(3)


@pytest.mark.parametrize("kind", [Ragged, Padded, ArgsKwargs, Pairs, SizedGenerator, Unserializable])
def test_containers_live_in_types(kind: Any) -> None:
    assert kind.__module__ == "thinc_nb.types"


@pytest.mark.parametrize("data", [[1.0], None, "text"])
def test_a_ragged_of_what_is_no_array(data: Any) -> None:
    with pytest.raises(TypeError, match=f"Ragged: data must be an array, got {type(data).__name__}"):
        Ragged(data, np.ones(1, "i"))


def test_fields_of_containers_are_thinc_s() -> None:
    """What `dataclasses.asdict` and the like see."""
    names = [field.name for field in dataclasses.fields(Ragged(np.ones((2, 1)), np.array([1, 1])))]
    assert names == ["data", "lengths", "data_shape", "starts_ends"]
