"""Data that does not fit the annotations of a forward function is reported with its place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Optional, TypeVar

import numpy as np
import pytest

from thinc_nb import util
from thinc_nb.types import ArgsKwargs, ArrayXd, Floats2d, Ints1d, Ints2d, Padded, Ragged
from thinc_nb.util import DataValidationError, validate_fwd_input_output

if TYPE_CHECKING:
    from nowhere import Unknown  # type: ignore[import-not-found]


def test_data_validation_is_on_inside_the_block_only() -> None:
    with util.data_validation(True):
        assert util.DATA_VALIDATION.get() is True
        with util.data_validation(False):
            assert util.DATA_VALIDATION.get() is False
        with pytest.raises(RuntimeError), util.data_validation(False):
            raise RuntimeError
        assert util.DATA_VALIDATION.get() is True
    assert util.DATA_VALIDATION.get() is False


def dense(model: Any, X: Floats2d, is_train: bool) -> tuple[Floats2d, Callable[..., Any]]:
    raise NotImplementedError


def lists(model: Any, X: list[Floats2d], is_train: bool) -> tuple[Ints2d, Callable[..., Any]]:
    raise NotImplementedError


def either(model: Any, Xs: Floats2d | list[Ints1d], is_train: bool) -> tuple[Any, Callable[..., Any]]:
    raise NotImplementedError


def ragged(model: Any, X: Ragged, is_train: bool) -> tuple[Padded, Callable[..., Any]]:
    raise NotImplementedError


def strings(model: Any, X: Sequence[str], is_train: bool) -> tuple[list[Any], Callable[..., Any]]:
    raise NotImplementedError


def mapping(model: Any, X: dict[str, int], is_train: bool) -> tuple[tuple[int, ...], Callable[..., Any]]:
    raise NotImplementedError


def pair(model: Any, X: Optional[float], is_train: bool) -> tuple[tuple[ArrayXd, ArrayXd], Callable[..., Any]]:  # noqa: UP045
    raise NotImplementedError


def literal(model: Any, X: Literal["a", "b"], is_train: bool) -> tuple[ArgsKwargs, Callable[..., Any]]:
    raise NotImplementedError


BoundT = TypeVar("BoundT", bound=Floats2d)
OneOfT = TypeVar("OneOfT", Floats2d, Ragged)
AnyT = TypeVar("AnyT")


def bound(model: Any, X: BoundT, is_train: bool) -> tuple[BoundT, Callable[..., Any]]:
    raise NotImplementedError


def one_of(model: Any, X: OneOfT, is_train: bool) -> tuple[OneOfT, Callable[..., Any]]:
    raise NotImplementedError


def anything(model: Any, X: AnyT, is_train: bool) -> tuple[AnyT, Callable[..., Any]]:
    raise NotImplementedError


def plain(model, X, is_train):  # type: ignore[no-untyped-def]
    raise NotImplementedError


def unknown(model: Any, X: Unknown, is_train: bool) -> tuple[Unknown, Callable[..., Any]]:
    raise NotImplementedError


def array_only(model: Any, X: Floats2d, is_train: bool) -> Floats2d:
    raise NotImplementedError


F = np.zeros((2, 2), dtype="float32")
LENGTHS = np.asarray([2], dtype="int32")
PADDED = Padded(np.zeros((1, 1, 1), dtype="float32"), LENGTHS, LENGTHS, LENGTHS)


@pytest.mark.parametrize(
    ("forward", "X", "Y"),
    [
        (dense, F, F),
        (dense, None, F),
        (dense, F, None),
        (functools.partial(dense), F, F),
        (lists, [F, F], np.zeros((1, 1), dtype="int64")),
        (lists, (F,), None),
        (lists, [], None),
        (either, F, 3),
        (either, [LENGTHS], "anything"),
        (ragged, Ragged(F, LENGTHS), PADDED),
        (strings, ["a"], [1, "b"]),
        (strings, [], ()),
        (mapping, {"a": 1}, (1, 2, 3)),
        (pair, None, (F, LENGTHS)),
        (pair, 3, None),
        (literal, "a", ArgsKwargs((), {})),
        (plain, 3, 4),
        (unknown, 3, 4),
        (bound, F, F),
        (one_of, F, Ragged(F, LENGTHS)),
        (anything, 3, "text"),
    ],
)
def test_valid_data_passes(forward: Any, X: Any, Y: Any) -> None:
    validate_fwd_input_output("mine", forward, X, Y)


@pytest.mark.parametrize(
    ("forward", "X", "Y", "problems"),
    [
        (dense, 3, F, [(("X",), "not a valid numpy or cupy array")]),
        (dense, F[0], F, [(("X",), "wrong array dimensions (expected 2, got 1)")]),
        (dense, F, F.astype("float64"), [(("Y", 0), "wrong array data type (expected float32, got float64)")]),
        (dense, F, (F, len), [(("Y", 0), "not a valid numpy or cupy array")]),
        (lists, F, None, [(("X",), "value is not a valid list")]),
        (lists, [F, 3], None, [(("X", 1), "not a valid numpy or cupy array")]),
        (
            either,
            3,
            None,
            [(("X",), "not a valid numpy or cupy array"), (("X",), "value is not a valid list")],
        ),
        (ragged, F, None, [(("X",), "instance of Ragged expected, got ndarray")]),
        (
            ragged,
            Ragged(F, LENGTHS.astype("float32")),
            None,
            [(("X", "lengths"), "wrong array data type (expected int32/int64/uint32/uint64, got float32)")],
        ),
        (strings, "abc", None, [(("X",), "value is not a valid sequence")]),
        (strings, ["a", 3], None, [(("X", 1), "instance of str expected, got int")]),
        (
            mapping,
            {"a": "x"},
            3,
            [(("X", "a"), "value is not a valid integer"), (("Y", 0), "value is not a valid tuple")],
        ),
        (pair, None, (F,), [(("Y", 0), "wrong tuple length 1, expected 2")]),
        (literal, "c", None, [(("X",), "unexpected value; permitted: 'a', 'b'")]),
        (array_only, F, F, [(("Y",), "not a valid numpy or cupy array")]),
        (bound, F[0], F, [(("X",), "wrong array dimensions (expected 2, got 1)")]),
        (
            one_of,
            F,
            F[0],
            [
                (("Y", 0), "wrong array dimensions (expected 2, got 1)"),
                (("Y", 0), "instance of Ragged expected, got ndarray"),
            ],
        ),
        (
            lambda X: X,
            F,
            None,
            [((), "Invalid forward function. Expected 3 arguments (model, X, is_train), got 1 (X)")],
        ),
    ],
)
def test_invalid_data_is_reported_with_its_place(forward: Any, X: Any, Y: Any, problems: list[Any]) -> None:
    with pytest.raises(DataValidationError) as caught:
        validate_fwd_input_output("mine", forward, X, Y)
    assert [(error["loc"], error["msg"]) for error in caught.value.errors] == problems
    assert all(message in str(caught.value) for _, message in problems)


def test_error_is_readable() -> None:
    error = DataValidationError("mine", F, [1], [{"loc": ("X", 0), "msg": "bad"}, {"loc": ("Y",), "msg": "worse"}])
    assert isinstance(error, ValueError)
    assert str(error) == (
        "\n\nData validation error in 'mine'\n"
        "X: <class 'numpy.ndarray'> float32 (2, 2) Y: <class 'list'>\n\n"
        "X -> 0   bad\n"
        "Y        worse\n"
    )
