"""Two models of one description, one of each library: data in both libraries' types, results compared."""

from __future__ import annotations

import copy
import importlib
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import thinc_nb
import thinc_nb.api

Build = Callable[[Any], Any]


def oracle(module: str = "api") -> Any:
    """Thinc's module of this name. Its import warns of what it does itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"thinc.{module}")


def ours(module: str = "api") -> Any:
    """The module of thinc_nb of this name."""
    return importlib.import_module(f"thinc_nb.{module}")


def for_thinc(value: Any) -> Any:
    """A copy of the data, with Thinc's containers for ours."""
    types = oracle("types")
    if isinstance(value, thinc_nb.api.Ragged):
        return types.Ragged(value.dataXd.copy(), value.lengths.copy())
    if isinstance(value, thinc_nb.api.Padded):
        return types.Padded(value.data.copy(), value.size_at_t.copy(), value.lengths.copy(), value.indices.copy())
    if isinstance(value, thinc_nb.types.Pairs):
        return types.Pairs(for_thinc(value.one), for_thinc(value.two))
    if isinstance(value, (list, tuple)):
        return type(value)(for_thinc(item) for item in value)
    return copy.deepcopy(value)


def plain(value: Any) -> Any:
    """Data of either library as nested tuples of arrays, each container named."""
    name = type(value).__name__
    if name == "Ragged":
        return (name, value.dataXd, value.lengths)
    if name == "Padded":
        return (name, value.data, value.size_at_t, value.lengths, value.indices)
    if name == "Pairs":
        return (name, plain(value.one), plain(value.two))
    if isinstance(value, (list, tuple)):
        return (name, *map(plain, value))
    return value


def assert_alike(ours_: Any, theirs: Any, what: str, *, rtol: float = 2e-5, atol: float = 3e-6) -> None:
    """Both hold the same containers, shapes and dtypes, and the same numbers within rounding."""
    _alike(plain(ours_), plain(theirs), what, rtol, atol)


def _alike(a: Any, b: Any, what: str, rtol: float, atol: float) -> None:
    if isinstance(b, tuple):
        assert isinstance(a, tuple), f"{what}: {type(a).__name__}, Thinc gives {b[0]}"
        assert len(a) == len(b), f"{what}: {len(a)} parts, Thinc gives {len(b)}"
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            _alike(x, y, f"{what}[{i}]", rtol, atol)
    elif isinstance(b, np.ndarray):
        assert isinstance(a, np.ndarray), f"{what}: {type(a).__name__}, Thinc gives an array"
        assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{what}: {a.dtype} {a.shape}, Thinc: {b.dtype} {b.shape}"
        scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0.0))) if b.dtype.kind == "f" else 1.0
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol * scale, err_msg=what)
    else:
        assert a == b, f"{what}: {a!r}, Thinc gives {b!r}"


class Twins(NamedTuple):
    """One model of each library."""

    ours: Any
    thinc: Any

    def initialize(self, X: Any = None, Y: Any = None, seed: int = 3) -> Twins:
        """Initialize both from one seed; the parameters drawn are compared."""
        for model, x, y in ((self.ours, X, Y), (self.thinc, for_thinc(X), for_thinc(Y))):
            np.random.seed(seed)
            model.initialize(X=x, Y=y)
        self.assert_same_parameters()
        return self

    def nodes(self) -> list[tuple[Any, Any]]:
        """The nodes of both, pairwise."""
        return list(zip(self.ours.walk(), self.thinc.walk(), strict=True))

    def assert_same_parameters(self) -> None:
        """Names, shapes and every bit of the values."""
        for mine, theirs in self.nodes():
            assert mine.param_names == theirs.param_names
            for name in mine.param_names:
                assert mine.has_param(name) == theirs.has_param(name), f"{name} of {mine.name}"
                if mine.has_param(name):
                    a, b = mine.get_param(name), theirs.get_param(name)
                    assert a.dtype == b.dtype
                    np.testing.assert_array_equal(a, b, err_msg=f"{name} of {mine.name}")

    def randomize(self, seed: int = 8) -> Twins:
        """Give both the same random parameters, so that none is zero."""
        rng = np.random.default_rng(seed)
        for mine, theirs in self.nodes():
            for name in mine.param_names:
                if mine.has_param(name):
                    value = rng.normal(size=mine.get_param(name).shape).astype("f") / 2
                    mine.set_param(name, value.copy())
                    theirs.set_param(name, value.copy())
        return self

    def gradients(self) -> list[tuple[str, Any, Any]]:
        """The gradients of all parameters; what was never written counts as zeros."""
        pairs = []
        for mine, theirs in self.nodes():
            for name in mine.param_names:
                if mine.has_param(name):
                    zeros = np.zeros_like(mine.get_param(name))
                    a, b = (zeros if (g := node.maybe_get_grad(name)) is None else g for node in (mine, theirs))
                    pairs.append((f"gradient of {name} of {mine.name}", a, b))
        return pairs


def twins(build: Build) -> Twins:
    """The model that `build` makes of each library's `api`."""
    return Twins(build(ours()), build(oracle()))


def random_like(Y: Any, rng: np.random.Generator) -> Any:
    """Random floats in the place of those of Y: a gradient for it. Padding gets zeros."""
    api = thinc_nb.api
    if isinstance(Y, api.Ragged):
        return api.Ragged(random_like(Y.dataXd, rng), Y.lengths)
    if isinstance(Y, api.Padded):
        inside = np.arange(Y.data.shape[1]) < Y.size_at_t[:, None]
        return api.Padded(random_like(Y.data, rng) * inside[:, :, None], Y.size_at_t, Y.lengths, Y.indices)
    if isinstance(Y, (list, tuple)):
        return type(Y)(random_like(item, rng) for item in Y)
    return rng.normal(size=Y.shape).astype(Y.dtype) if Y.dtype.kind == "f" else Y.copy()
