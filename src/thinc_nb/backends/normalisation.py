"""Softmax and layer normalisation."""

from __future__ import annotations

import math
from typing import Any

from .._described import described
from ..kernels import normalise as norm_kernels, softmax as softmax_kernels
from ..types import Floats1d, Floats2d, FloatsXdT
from ._base import OpsBase, check_overwritable


class NormalisationOps(OpsBase):
    """`softmax`, `layer_norm` and their gradients."""

    def softmax(self, x: FloatsXdT, *, inplace: bool = False, axis: int = -1, temperature: float = 1.0) -> FloatsXdT:
        """exp(x / temperature) over its sum along an axis. A row with NaN or inf in it becomes NaN."""
        _check_temperature("softmax", temperature)
        if inplace:
            check_overwritable("softmax", x)
        rows, given = self._rows_of("softmax: x", x, axis)
        out = rows if inplace else self._empty(rows.shape, rows.dtype)
        softmax_kernels.softmax.run(out, out.ravel(), rows, 1.0 / temperature)
        result: FloatsXdT = self._back(out, given, axis)
        if inplace:
            self._given(x, result)
            return x
        return result

    def backprop_softmax(self, Y: FloatsXdT, dY: FloatsXdT, *, axis: int = -1, temperature: float = 1.0) -> FloatsXdT:
        """The gradient of softmax from its result Y."""
        _check_temperature("backprop_softmax", temperature)
        y, given = self._rows_of("backprop_softmax: Y", Y, axis)
        dy, other = self._rows_of("backprop_softmax: dY", dY, axis)
        if given != other:
            raise ValueError(f"backprop_softmax: Y and dY must have one shape, got {described(Y)} and {described(dY)}")
        y, dy = self._same_dtype(y, dy)
        dx = self._empty(y.shape, y.dtype)
        softmax_kernels.backprop_softmax.run(dx, dy, y, 1.0 / temperature)
        result: FloatsXdT = self._back(dx, given, axis)
        return result

    def layer_norm(self, X: Floats2d, G: Floats1d, b: Floats1d) -> tuple[Floats2d, Floats1d, Floats1d]:
        """Rows of X (batch, n) to mean 0 and variance 1, times the gain G (n,), plus b (n,).

        Also gives each row's mean and the inverse of its standard deviation, for the backward pass.
        Source: Ba, Kiros & Hinton, 2016; 1e-8 is added to the variance.
        """
        X = self._reals("layer_norm: X", X, 2)
        X, G, b = self._same_dtype(X, self._reals("layer_norm: G", G, 1), self._reals("layer_norm: b", b, 1))
        if G.shape != X.shape[1:] or b.shape != X.shape[1:]:
            raise ValueError(f"layer_norm: X is {described(X)}, but G is {described(G)} and b is {described(b)}")
        Y = self._empty(X.shape, X.dtype)
        mean = self._empty(X.shape[:1], X.dtype)
        rstd = self._empty(X.shape[:1], X.dtype)
        norm_kernels.layer_norm(Y, X, G, b, mean, rstd)
        return Y, mean, rstd

    def backprop_layer_norm(
        self, dY: Floats2d, X: Floats2d, G: Floats1d, mean: Floats1d, rstd: Floats1d
    ) -> tuple[Floats2d, Floats1d, Floats1d]:
        """The gradients of X, G and b, from what layer_norm was given and gave."""
        X = self._reals("backprop_layer_norm: X", X, 2)
        dY = self._reals("backprop_layer_norm: dY", dY, 2)
        G, mean, rstd = (
            self._reals(f"backprop_layer_norm: {name}", value, 1)
            for name, value in (("G", G), ("mean", mean), ("rstd", rstd))
        )
        if dY.shape != X.shape or G.shape != X.shape[1:] or mean.shape != X.shape[:1] or rstd.shape != X.shape[:1]:
            raise ValueError(
                f"backprop_layer_norm: X is {described(X)}, but dY is {described(dY)}, G is {described(G)}, "
                f"mean is {described(mean)} and rstd is {described(rstd)}"
            )
        X, dY, G, mean, rstd = self._same_dtype(X, dY, G, mean, rstd)
        kernel = norm_kernels.backprop_layer_norm
        dX = self._empty(X.shape, X.dtype)
        partial = self._empty((2, kernel.blocks(len(X), X), X.shape[1]), X.dtype)
        kernel(dX, dY, X, G, mean, rstd, partial[0], partial[1])
        dG, db = partial.sum(axis=1)
        return dX, dG, db

    def _rows_of(self, what: str, X: Any, axis: int) -> tuple[Any, tuple[int, ...]]:
        """X as a matrix with the axis last, and the shape it has with the axis last."""
        X = self._reals(what, X)
        shape = X.shape
        if axis == -1 and len(shape) == 2:
            return X, shape
        if not -X.ndim <= axis < X.ndim:
            raise ValueError(f"{what} has no axis {axis}, got {described(X)}")
        if axis not in (-1, X.ndim - 1):
            X = self._contiguous(self.xp.moveaxis(X, axis, -1))
        return X.reshape(math.prod(X.shape[:-1]), X.shape[-1]), X.shape

    def _back(self, rows: Any, shape: tuple[int, ...], axis: int) -> Any:
        if rows.shape == shape and axis == -1:
            return rows
        X = rows.reshape(shape)
        return X if axis in (-1, X.ndim - 1) else self._contiguous(self.xp.moveaxis(X, -1, axis))


def _check_temperature(what: str, temperature: float) -> None:
    if not temperature > 0:
        raise ValueError(f"{what}: temperature must be positive, got {temperature}")
