"""Whatever people write as annotations of forward: contracts neither crash nor complain without a reason."""

from __future__ import annotations

import collections
import enum
import functools
import typing
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NamedTuple, NewType, Optional, Protocol, Union
from unittest.mock import Mock

import numpy as np
import numpy.typing as npt
import pytest
from typing_extensions import TypedDict, TypeVar

from thinc_nb.api import Model, Padded, Ragged
from thinc_nb.contracts import contracts
from thinc_nb.contracts._annotations import Promises, promises_of
from thinc_nb.errors import ContractError
from thinc_nb.types import ArrayXd, Floats1d, Floats2d, FloatsXd, Ints1d, Ints2d, List2d, SizedGenerator

if TYPE_CHECKING:
    from somewhere import Doc  # type: ignore[import-not-found]

F1, F2, F3 = (np.zeros((2, 3, 4)[:rank], dtype="f") for rank in (1, 2, 3))
I1, I2 = np.zeros(2, dtype="i"), np.zeros((2, 3), dtype="i")
RAGGED = Ragged(F2, np.array([1, 1], dtype="i"))

T = TypeVar("T")
ArrayT = TypeVar("ArrayT", bound=ArrayXd)
FloatsOrInts = TypeVar("FloatsOrInts", Floats2d, Ints1d)
Pair = tuple[T, Callable[[T], T]]
UserId = NewType("UserId", int)


class Point(NamedTuple):
    x: float
    y: float


class Reading(NamedTuple):
    rows: Floats2d
    marks: Ints1d
    note: Any = None


class Options(TypedDict):
    rate: float


class Colour(enum.Enum):
    RED = 1


class HasLength(Protocol):
    def __len__(self) -> int: ...


class HasName(Protocol):
    name: str


@dataclass
class Box(Generic[T]):
    item: T


class Doc2:
    """A sequence to Python, but not to isinstance."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, i: int) -> str:
        return "ab"[i]


def layer_with(annotation: Any, *, is_text: bool = False) -> Model[Any, Any]:
    """A layer whose X has this annotation, and that gives what it takes."""

    def forward(model, X, is_train):  # type: ignore[no-untyped-def]
        return X, lambda dY: dY

    forward.__annotations__ = {"X": annotation, "return": "tuple[Any, Callable[[Any], Any]]" if is_text else Any}
    return Model("mine", forward)


ACCEPTED: list[tuple[Any, Any]] = [
    (Floats2d, F2),
    (Floats2d, F2.astype("float64")),
    (Floats2d, F2[:0]),
    (FloatsXd, F3),
    (ArrayXd, I2),
    (Ints1d, I1.astype("uint64")),
    (Ints1d, I1[:0]),
    (Union[Floats2d, Ints1d], I1),  # noqa: UP007
    (Floats2d | Ragged, RAGGED),
    (Optional[Floats2d], None),  # noqa: UP045
    (list[Floats2d], [F2, F2]),
    (list[Floats2d], []),
    (list[Floats2d], (F2, F2)),
    (typing.List[Floats2d], [F2]),  # noqa: UP006
    (list[list[Floats1d]], [[F1], [], [F1, F1]]),
    (List2d, [F2, I2]),
    (Sequence[Floats2d], [F2]),
    (Sequence[str], "abc"),
    (Sequence[str], Doc2()),
    (Sequence[Any], SizedGenerator(lambda: iter([F2]), 1)),
    (tuple[Floats2d, Ints1d], (F2, I1)),
    (tuple[Floats2d, Ints1d], [F2, I1]),
    (tuple[Floats2d, ...], (F2, F2, F2)),
    (tuple[Any, ...], ()),
    (tuple, (1, 2)),
    (typing.Tuple, (1, 2)),  # noqa: UP006
    (tuple[()], ()),
    (dict[str, Floats2d], {"a": F2}),
    (Mapping[str, Any], collections.OrderedDict(a=1)),
    (dict[str, float], {"a": np.float32(1)}),
    (collections.defaultdict[str, int], collections.defaultdict(int)),
    (Iterator[Floats2d], iter([F2])),
    (Iterable[Floats2d], (x for x in [F2])),
    (typing.Generator[Floats2d, None, None], (x for x in [F2])),
    (Callable[[int], int], len),
    (Callable[..., Any], Mock()),
    (typing.Callable, print),
    (float, 1),
    (float, np.float32(1)),
    (float, np.zeros((), dtype="f")),
    (int, np.int64(3)),
    (UserId, 3),
    (bool, np.bool_(True)),
    (str, np.str_("a")),
    (Literal["a", "b"], "b"),
    (Point, Point(1, np.float32(2))),
    (Reading, Reading(F2, I1)),
    (Options, {"rate": np.float32(1)}),
    (Colour, Colour.RED),
    (Box[Floats2d], Box(3)),
    (HasLength, RAGGED),
    (HasName, SimpleNamespace(name="x")),
    (Hashable, 3),
    (npt.NDArray[np.float32], F2),
    (np.ndarray, I1),
    (npt.ArrayLike, [1, 2]),
    (Annotated[Floats2d, "the width is 3"], F2),
    (Annotated[list[Annotated[Floats2d, 3]], object()], [F2]),
    (T, object()),
    (ArrayT, F2),
    (FloatsOrInts, I1),
    (type[int], int),
    (typing.Type[Any], str),  # noqa: UP006
    (object, 3),
    (Any, 3),
    (None, None),
    (typing.ForwardRef("Nowhere"), 3),
    (list["Nowhere"], [3]),  # type: ignore[name-defined]  # noqa: F821
    (Ragged, Mock()),
    # What is no type at all.
    (3, F2),
    ([Floats2d], F2),
    ("a text of no language", F2),
    (np.zeros(3), F2),
    (lambda: 3, F2),
    (..., F2),
]


@pytest.mark.parametrize(("annotation", "value"), ACCEPTED, ids=lambda value: type(value).__name__)
def test_accepted(annotation: Any, value: Any) -> None:
    with contracts():
        Y, backprop = layer_with(annotation).begin_update(value)
        backprop(Y)


REFUSED: list[tuple[Any, Any, str]] = [
    (Floats2d, F1, r"expects Floats2d as input X, got float32 \(2,\): it has 1 dimension, not 2"),
    (Floats2d, I2, r"expects Floats2d as input X, got int32 \(2, 3\): it is int32, not floats"),
    (Ints1d, F1, "it is float32, not integers"),
    (Ints1d, I1.astype("int8"), "it is int8, not integers of 32 or 64 bits"),
    (Floats2d, None, "got None: it is not an array"),
    (Floats2d, RAGGED, r"got a Ragged of 2 sequences with data float32 \(2, 3\)"),
    (Ragged, [F2], "expects Ragged as input X, got a list of 1"),
    (Ragged, Ragged(F2, np.array([1, 2], dtype="i")), "it has lengths that add up to 3, but 2 rows of data"),
    (Ragged, Ragged(F2, np.array([3, -1], dtype="i")), "it has a negative length, -1"),
    (Ragged, Ragged(F2, F1), r"it has lengths that are float32 \(2,\), not integers of 1 dimension"),
    (Padded, Padded(F3, I1, I1, np.arange(3)), "it has lengths|it has data of 2 steps and 3 sequences"),
    (list[Floats2d], [F2, F1], r"item 1 has 1 dimension, not 2"),
    (list[list[Floats1d]], [[F1], [F2]], "item 0 of item 1 has 2 dimensions, not 1"),
    (tuple[Floats2d, Ints1d], (F2,), "it has 1 items, not 2"),
    (tuple[Floats2d, ...], (F2, 3), "item 1 is not an array"),
    (Floats2d | Ints1d, [F2], r"expects Floats2d \| Ints1d as input X, got a list of 1"),
    (Floats2d | Ragged, F1, r"expects Floats2d as input X, got float32 \(2,\): it has 1 dimension, not 2"),
    (Floats2d | None, F1, "as input X"),
    (Sequence[str], 3, r"expects Sequence\[str\] as input X, got an int: it is not a sequence"),
    (Sequence[Floats1d], F2, "it is not a sequence"),
    (dict[str, Floats2d], [], r"expects dict\[str, Floats2d\] as input X, got a list"),
    (float, "1", "it is not of type float"),
    (Literal["a"], "b", "expects Literal"),
    (Point, (1, 2), "it is not of type Point"),
    (Point, Point(1, "2"), ": field 'y' is not of type float"),
    (Reading, Reading(F2, F1), ": field 'marks' is float32, not integers"),
    (list[Reading], [Reading(F1, I1)], ": field 'rows' of item 0 has 1 dimension, not 2"),
    (HasName, 3, "it has no name, which protocol HasName asks for"),
    (Callable[[int], int], 3, "it cannot be called"),
    (Iterator[int], 3, "it cannot be iterated"),
    (ArrayT, [F2], "expects ArrayXd as input X, got a list"),
    (FloatsOrInts, F1, "as input X"),
    (npt.NDArray[np.float32], [1.0], "it is not an array"),
    (Annotated[Floats2d, "the width"], F1, "expects Floats2d as input X, got"),
    ("Floats2d", F1, "expects Floats2d as input X, got"),
    ("Union[Ragged, 'Floats2d']", [F1], r"expects Ragged \| Floats2d as input X"),
]


@pytest.mark.parametrize(("annotation", "value", "said"), REFUSED, ids=lambda value: type(value).__name__)
def test_refused(annotation: Any, value: Any, said: str) -> None:
    with contracts(), pytest.raises(ContractError, match=said) as caught:
        layer_with(annotation).predict(value)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)


def test_names_that_exist_for_checkers_only_say_nothing() -> None:
    def forward(model: Any, X: list[Doc], is_train: bool) -> tuple[dict[Doc, Floats2d], Callable[[Doc], list[Doc]]]:
        return {}, lambda dY: [3]

    layer: Model[Any, Any] = Model("docs", forward)
    with contracts():
        Y, backprop = layer.begin_update(["a doc"])
        backprop(Y)
        with pytest.raises(ContractError, match="it is not a list"):
            layer.predict(3)


def test_thinc_types_that_are_imported_for_checkers_only_are_known() -> None:
    namespace: dict[str, Any] = {}
    exec("def forward(model, X: 'Floats2d', is_train) -> 'tuple[Ints1d, Nobody]': return X[0], None", namespace)
    with contracts(), pytest.raises(ContractError, match="promises Ints1d as output Y, got float32"):
        Model("bare", namespace["forward"]).predict(F2)


def test_a_name_of_the_enclosing_function_is_not_the_global_one() -> None:
    def build() -> Model[Any, Any]:
        class Ragged:
            """Not the one that this module imports."""

        def forward(model: Any, X: Ragged, is_train: bool) -> tuple[Ragged, Callable[[Any], Any]]:
            return X, lambda dY: dY

        return Model("local", forward), Ragged

    globals()["build"] = build
    build.__qualname__ = "build"
    layer, local = build()
    layer._func.__qualname__ = "build.<locals>.forward"
    with contracts():
        layer.predict(local())


def test_closures_are_looked_into() -> None:
    def build(kind: Any) -> Model[Any, Any]:
        def forward(model: Any, X: kind, is_train: bool) -> Any:
            assert kind
            return X, lambda dY: dY

        return Model("closed", forward)

    with contracts():
        build(Ints1d).predict(I1)
        with pytest.raises(ContractError):
            build(Ints1d).predict(F1)
        build(Floats1d).predict(F1)


def plain(model: Any, X: Floats2d, is_train: bool, extra: int = 0) -> Pair[Floats2d]:
    return X, lambda dY: dY


class Forward:
    def __call__(self, model: Any, X: Floats2d, is_train: bool) -> Pair[Floats2d]:
        return X, lambda dY: dY

    def method(self, model: Any, X: Floats2d, is_train: bool) -> Pair[Floats2d]:
        return X, lambda dY: dY


class Slotted(Forward):
    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    "forward",
    [
        plain,
        functools.partial(plain, extra=3),
        Forward(),
        Forward().method,
        Slotted(),
        decorated(plain),
        functools.partial(decorated(plain), extra=1),
    ],
)
def test_forward_may_be_anything_that_can_be_called(forward: Any) -> None:
    layer: Model[Any, Any] = Model("mine", forward)
    with contracts():
        Y, backprop = layer.begin_update(F2)
        backprop(Y)
        for _ in range(2):
            with pytest.raises(ContractError, match="expects Floats2d as input X"):
                layer.predict(F1)
    assert promises_of(forward) == Promises(Floats2d, Floats2d, Floats2d, Floats2d)


@pytest.mark.parametrize("forward", [print, dict, len, 3, lambda *args: args, lambda model: model, type("C", (), {})])
def test_forward_without_a_readable_signature_promises_nothing(forward: Any) -> None:
    assert promises_of(forward) == Promises()


def test_partial_arguments_shift_the_parameters() -> None:
    def forward(first: str, model: Any, X: Ints2d, is_train: bool) -> Any:
        return X, lambda dY: dY

    layer: Model[Any, Any] = Model("partial", functools.partial(forward, "first"))
    with contracts():
        layer.predict(I2)
        with pytest.raises(ContractError, match="Ints2d"):
            layer.predict(F2)


def test_a_generator_is_not_consumed() -> None:
    layer = layer_with(Iterable[Floats2d])
    with contracts():
        assert len(list(layer.predict(x for x in [F2, F2]))) == 2


def test_functions_that_are_gone_leave_nothing_behind() -> None:
    from thinc_nb.contracts import _boundary

    before = len(_boundary._contracts)
    with contracts():
        for _ in range(20):
            layer_with(Floats2d).predict(F2)
    assert len(_boundary._contracts) <= before + 1
