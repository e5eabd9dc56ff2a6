"""Updating parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._arrays import to_cpu
from .._described import described
from ..kernels import optimise as kernels
from ..types import Floats1d, Floats2d, FloatsXd, FloatsXdT
from ._base import DOUBLE, OpsBase, check_overwritable

CHUNK = 8192


class Chunks:
    """Where parameters lie in a flat array, cut into parts of at most 8192 elements: the work of one item each.

    spans: where each parameter starts and stops.
    """

    def __init__(self, ops: OpsBase, spans: Sequence[tuple[int, int]]) -> None:
        bounds = [
            (at, min(at + CHUNK, stop), place)
            for place, (start, stop) in enumerate(spans)
            for at in range(start, stop, CHUNK)
        ]
        table = np.array(bounds, dtype="int64").reshape(len(bounds), 3)
        self.parameters = len(spans)
        self.bounds: Any = ops.xp.asarray(np.ascontiguousarray(table[:, :2]))
        self.parameter: Any = ops.xp.asarray(table[:, 2].astype("int32"))


class UpdateOps(OpsBase):
    """`adam`, `clip_gradient`, `update_averages` and the fused step that optimizers take."""

    def adam(
        self,
        weights: Floats1d,
        gradient: Floats1d,
        mom1: Floats1d,
        mom2: Floats1d,
        beta1: float,
        beta2: float,
        eps: float,
        learn_rate: float,
        mod_rate: float = 1.0,
    ) -> tuple[Floats1d, Floats1d, Floats1d, Floats1d]:
        """A step of Adam (Kingma & Ba, 2015) in place; the bias correction is the caller's, in learn_rate.

        The gradient is zeroed. Gives the four arrays back. `mod_rate` has no effect, as in Thinc. ValueError if their
        shapes differ.
        """
        arrays = self._written("adam", weights, gradient, mom1, mom2)
        w, g, m, v = (array.reshape(-1) for array in arrays)
        kernels.adam(w, g, m, v, beta1, beta2, eps, learn_rate)
        for given, updated in zip((weights, gradient, mom1, mom2), arrays, strict=True):
            self._given(given, updated)
        return weights, gradient, mom1, mom2

    def adam_update(
        self,
        weights: FloatsXd,
        gradient: FloatsXd,
        mom1: FloatsXd,
        mom2: FloatsXd,
        averages: FloatsXd | None,
        *,
        beta1: float,
        beta2: float,
        eps: float,
        learn_rate: float,
        grad_scale: float,
        weight_decay: float,
        average_decay: float,
    ) -> None:
        """Clipping, Adam, weight decay, the average of the weights and zeroing the gradient, in one pass, in place.

        g = gradient * grad_scale; the moments and weights of `adam`; weights *= 1 - weight_decay; averages move by
        1 - average_decay of the way to the weights.
        """
        given = (weights, gradient, mom1, mom2) if averages is None else (weights, gradient, mom1, mom2, averages)
        arrays = self._written("adam_update", *given)
        w, g, m, v, *average = (array.reshape(-1) for array in arrays)
        one, real = w.dtype.type(1.0), w.dtype.type
        rates = (beta1, one - real(beta1), beta2, one - real(beta2), eps, learn_rate, grad_scale, weight_decay)
        table = self.xp.asarray([(*rates, 1.0 - average_decay, 1.0)], dtype=w.dtype)
        self._adam_arena(w, g, m, v, average[0] if average else None, Chunks(self, [(0, w.size)]), table)
        for original, updated in zip(given, arrays, strict=True):
            self._given(original, updated)

    def _adam_arena(
        self,
        weights: Floats1d,
        gradients: Floats1d,
        mom1: Floats1d | None,
        mom2: Floats1d | None,
        averages: Floats1d | None,
        chunks: Chunks,
        rates: Floats2d,
    ) -> None:
        """`adam_update` of many parameters that lie in flat arrays, in one pass, in place; without moments, SGD.

        rates (parameters, 10) of the arrays' dtype: beta1, 1 - beta1, beta2, 1 - beta2, eps, learn_rate, grad_scale,
        weight_decay, 1 - average_decay and root (see the kernel) of each parameter. ValueError if the arrays do not
        belong together.
        """
        given = [array for array in (weights, gradients, mom1, mom2, averages) if array is not None]
        if any(array.shape != weights.shape or array.dtype != weights.dtype for array in given):
            raise ValueError(f"Optimizer: all arrays must have one shape, got {', '.join(map(described, given))}")
        if rates.shape != (chunks.parameters, 10) or rates.dtype != weights.dtype:
            raise ValueError(
                f"Optimizer: rates must be {weights.dtype} {(chunks.parameters, 10)}, got {described(rates)}"
            )
        if mom1 is None or mom2 is None:
            if averages is None:
                kernels.chunk_sgd(chunks.bounds, chunks.parameter, rates, weights, gradients)
            else:
                kernels.chunk_sgd_with_average(chunks.bounds, chunks.parameter, rates, weights, gradients, averages)
        elif averages is None:
            kernels.chunk_adam(chunks.bounds, chunks.parameter, rates, weights, gradients, mom1, mom2)
        else:
            kernels.chunk_adam_with_average(
                chunks.bounds, chunks.parameter, rates, weights, gradients, mom1, mom2, averages
            )

    def _gradient_norms(self, gradients: Floats1d, chunks: Chunks) -> Any:
        """The L2 norm of each parameter's gradient in a flat array: (parameters,) float64, on the CPU."""
        partial = self._empty((len(chunks.bounds),), gradients.dtype)
        kernels.chunk_squares(partial, chunks.bounds, gradients)
        sums = np.bincount(to_cpu(chunks.parameter), to_cpu(partial), minlength=chunks.parameters)
        return np.sqrt(sums)

    def update_averages(self, ema: FloatsXdT, weights: FloatsXdT, t: int, max_decay: float = 0.9999) -> None:
        """Move the average towards the weights, in place, by 1 - min((1 + t) / (10 + t), max_decay) of the way."""
        if t < 0:
            raise ValueError(f"update_averages: t must not be negative, got {t}")
        decay = min((1.0 + t) / (10.0 + t), max_decay)
        check_overwritable("update_averages", ema)
        average, w = self._alike("update_averages", ema, weights)
        if w is not average and self.xp.may_share_memory(w, average):
            w = w.copy()  # Loops over items take arrays to be one and the same or to have nothing in common.
        kernels.move_average(average.reshape(-1), w.reshape(-1), 1.0 - decay)
        self._given(ema, average)

    def clip_gradient(self, gradient: FloatsXdT, threshold: float) -> FloatsXdT:
        """The gradient, scaled in place so that its L2 norm is at most the threshold."""
        check_overwritable("clip_gradient", gradient)
        norm = math.sqrt(self.sum_of_squares(gradient))
        if norm >= threshold and norm > 0:
            g = self._reals("clip_gradient: gradient", gradient)
            kernels.scale.run(g.ravel(), threshold / norm)
            self._given(gradient, g)
        return gradient

    def sum_of_squares(self, X: FloatsXd) -> float:
        """The sum of the squares of all elements; partial sums of 4096 are added in float64."""
        x = self._reals("sum_of_squares: X", X).reshape(-1)
        partial = self._empty((kernels.sum_of_squares.blocks(len(x), x),), x.dtype)
        kernels.sum_of_squares.run(x, partial)
        return float(partial.sum(dtype=DOUBLE))

    def _written(self, what: str, *given: Any) -> tuple[Any, ...]:
        for array in given:
            check_overwritable(what, array)
        return self._alike(what, *given)

    def _alike(self, what: str, *given: Any) -> tuple[Any, ...]:
        arrays = [self._reals(what, array) for array in given]
        if any(array.shape != arrays[0].shape for array in arrays):
            raise ValueError(f"{what}: all arrays must have one shape, got {', '.join(map(described, given))}")
        return self._same_dtype(*arrays)
