"""Bodies that are not ours, as those of a notebook: another body or constant under the same name is compiled anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from thinc_nb.kernels import KERNELS, Kernel, cache_info
from thinc_nb.kernels._contents import contents_of
from thinc_nb.kernels._launch import ptx_path
from thinc_nb.kernels.activations import relu

CELL = """
from __future__ import annotations
import math
import numpy
from numba import njit
from types import SimpleNamespace
from thinc_nb.kernels import Kernel, Reals1d, exp, inline
FACTOR = {factor}
TABLE = numpy.array([{factor}])
THING = object()
settings = type(math)("settings")
settings.FACTOR = {factor}
settings.inner = type(math)("settings.inner")
settings.inner.inner, settings.inner.SIZE = settings.inner, {factor}

def times_by(factor):
    @njit
    def times(x):
        return x * factor
    return times

held = times_by({factor})

@njit
def shifted(x, by={factor}):
    return x + by

@inline
def moved(x, by={factor}):
    return x + by

@njit(fastmath={factor} > 2, error_model="numpy")
def halved(x):
    return x / 2

@inline
def doubled(x):
    return x * FACTOR

@inline
def times(x):
    return doubled(x)

def plain(x):
    return x

def body(i: int, out: Reals1d, x: Reals1d) -> None:
    out[i] = {term}
"""


def body_of(term: str, factor: float = 2.0, name: str = "notebook") -> Callable[..., None]:
    names: dict[str, Any] = {"__name__": name}
    exec(compile(CELL.format(term=term, factor=factor), "<cell>", "exec"), names)
    body: Callable[..., None] = names["body"]
    return body


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("THINC_NB_CACHE_DIR", str(tmp_path))
    before = dict(KERNELS)
    yield
    KERNELS.clear()
    KERNELS.update(before)


def results(term: str, factor: float = 2.0) -> list[float]:
    x = np.arange(3, dtype="f")
    out = np.zeros_like(x)
    Kernel(body_of(term, factor), "items")(out, x)
    found: list[float] = out.tolist()
    return found


def test_a_cell_that_is_run_again_with_another_body_or_constant_is_compiled_again():
    assert results("times(x[i])") == [0, 2, 4]
    assert results("x[i] + FACTOR") == [2, 3, 4]
    assert results("x[i] + FACTOR", factor=5.0) == [5, 6, 7]
    assert results("times(x[i])", factor=5.0) == [0, 5, 10]
    assert cache_info().entries == 4
    assert results("times(x[i])") == [0, 2, 4]
    assert cache_info().entries == 4


@pytest.mark.parametrize(
    "term",
    [
        "FACTOR",
        "times(x[i])",
        "TABLE[0]",
        "settings.FACTOR",
        "settings.inner.SIZE",
        "settings.inner.inner.SIZE",
        "held(x[i])",
        "shifted(x[i])",
        "moved(x[i])",
        "halved(x[i])",
        "sum([FACTOR for _ in range(2)])",
    ],
)
def test_the_contents_of_a_body_are_its_code_and_all_that_it_uses(term):
    contents = contents_of(Kernel(body_of(term), "items"))
    assert contents == contents_of(Kernel(body_of(term), "items"))
    assert contents != contents_of(Kernel(body_of(term, factor=3.0), "items"))
    assert contents != contents_of(Kernel(body_of(f"-({term})"), "items"))


@pytest.mark.parametrize("term", ["held(x[i])", "shifted(x[i])"])
def test_what_a_function_of_numba_holds_is_compiled_with_it(term):
    results(term)
    assert results(term, factor=5.0) == ([0, 5, 10] if term == "held(x[i])" else [5, 6, 7])


@pytest.mark.parametrize(
    "term", ["1.0", "exp(x[i])", "math.sin(x[i])", "numpy.sin(x[i])", "numpy.sum(x)", "max(x[i], 1)"]
)
def test_contents_of_libraries_are_told_by_their_names(term):
    assert contents_of(Kernel(body_of(term), "items"))


def test_a_body_that_uses_what_cannot_be_told_apart_is_not_kept():
    kernel = Kernel(body_of("hash(THING)"), "items")
    assert contents_of(kernel) is None
    assert ptx_path(kernel, "f32", (9, 0)) is None


def test_a_body_in_a_file_named_like_one_of_ours_is_another_kernel():
    assert contents_of(relu) == ""
    kernel = Kernel(body_of("x[i]", name="mine.activations"), "items")
    assert kernel.name == "mine.activations.body"
    assert contents_of(kernel)
    assert ptx_path(kernel, "f32", (9, 0)) != ptx_path(Kernel(body_of("-x[i]"), "items"), "f32", (9, 0))


def test_a_body_that_uses_a_variable_of_the_function_around_it_is_refused():
    factor = 2.0

    def body(i: int, out: Any) -> None:
        out[i] = factor

    with pytest.raises(TypeError, match=r"a body cannot use variables of the function around it, factor: make"):
        Kernel(body, "items")


def test_a_body_without_an_annotation_of_what_it_returns_has_all_its_arguments():
    def body(i: int, out: Any, factor: float):
        out[i] = factor

    assert Kernel(body, "items").annotations == [("out", "Any"), ("factor", "float")]


def test_a_function_that_is_not_inline_is_named():
    kernel = Kernel(body_of("plain(x[i])"), "items")
    with pytest.raises(TypeError, match="body uses the function plain, which a body can if it is @inline"):
        kernel(np.zeros(2, "f"), np.zeros(2, "f"))
