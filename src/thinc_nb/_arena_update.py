"""A step of all parameters of an arena in one pass: what `Optimizer.__call__` does key by key, with the same numbers.

The moments (none for SGD) and averages of an arena's parameters lie in flat arrays of their own, laid out as the arena
is; what `Optimizer.mom1`, `mom2` and `averages` hold are views of them.
"""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ._model.parameters import aligned_zeros
from .backends.updates import Chunks

if TYPE_CHECKING:
    from ._model.parameters import Arena, Span
    from .backends import Ops
    from .optimizers import Optimizer


class Rates(NamedTuple):
    """What one parameter is updated with; learn_rate holds the bias correction, threshold is of the gradient's norm.

    The step is divided by root * sqrt(second moment) + eps. has_moments: false for SGD.
    """

    beta1: float
    beta2: float
    eps: float
    learn_rate: float
    threshold: float
    weight_decay: float
    average_decay: float
    root: float = 1.0
    has_moments: bool = True


class Layouts(list["Layout"]):
    """The layouts that an optimizer has made. A copy of the optimizer makes its own."""

    def __reduce__(self) -> tuple[type[Layouts], tuple[()]]:
        return type(self), ()


class Layout:
    """Flat moments and averages for the parameters of one arena that have gradients."""

    def __init__(
        self, optimizer: Optimizer, ops: Ops, arena: Arena, spans: tuple[Span, ...], has_moments: bool
    ) -> None:
        weights = arena.weights
        self.weights = weakref.ref(weights)
        self.spans = spans
        self.chunks = Chunks(ops, [(span.start, span.stop) for span in spans])
        self.mom1: Any = None
        self.mom2: Any = None
        if has_moments:
            self.mom1, self.mom2 = (aligned_zeros(weights.size, like=weights) for _ in range(2))
        self.average = None if optimizer.averages is None else aligned_zeros(weights.size, like=weights)
        self.views: list[tuple[Any, Any, Any]] = [self._take_over(optimizer, span) for span in spans]

    def fits(self, optimizer: Optimizer, arena: Arena, spans: tuple[Span, ...], has_moments: bool) -> bool:
        """Whether these are the parameters, and nobody has put other moments or averages in their place."""
        if self.weights() is not arena.weights or self.spans != spans or (self.mom1 is not None) != has_moments:
            return False
        mom1, mom2, averages = optimizer.mom1, optimizer.mom2, optimizer.averages
        if (averages is None) != (self.average is None):
            return False
        for span, (view1, view2, average) in zip(spans, self.views, strict=True):
            if has_moments and (mom1.get(span.key) is not view1 or mom2.get(span.key) is not view2):
                return False
            if averages is not None and averages.get(span.key) is not average:
                return False
        return True

    def _take_over(self, optimizer: Optimizer, span: Span) -> tuple[Any, Any, Any]:
        view1 = view2 = None
        if self.mom1 is not None and self.mom2 is not None:
            view1, view2 = self.mom1[span.start : span.stop], self.mom2[span.start : span.stop]
            if span.key in optimizer.mom1:
                view1[...] = optimizer.mom1[span.key]
                view2[...] = optimizer.mom2[span.key]
            optimizer.mom1[span.key], optimizer.mom2[span.key] = view1, view2
        if optimizer.averages is None or self.average is None:
            return view1, view2, None
        average = self.average[span.start : span.stop].reshape(span.shape)
        if span.key in optimizer.averages:
            average[...] = optimizer.averages[span.key]
        optimizer.averages[span.key] = average
        return view1, view2, average


def known_layout(optimizer: Optimizer, arena: Arena, spans: tuple[Span, ...], has_moments: bool) -> Layout | None:
    """The layout that was made for these parameters; None if there is none, or it is theirs no more."""
    for layout in optimizer._layouts:
        if layout.fits(optimizer, arena, spans, has_moments):
            return layout
    return None


def update_arena(
    optimizer: Optimizer, ops: Ops, arena: Arena, spans: tuple[Span, ...], rates: list[Rates], layout: Layout | None
) -> None:
    """One step of `arena.gradient_spans()`, of which there are some. Of the rates all have moments or none has.

    layout: the known one.
    """
    if layout is None:
        # Layouts of models that are gone, and the former one of this arena, are of no use any more.
        optimizer._layouts[:] = [
            one for one in optimizer._layouts if (weights := one.weights()) is not None and weights is not arena.weights
        ]
        layout = Layout(optimizer, ops, arena, spans, rates[0].has_moments)
        optimizer._layouts.append(layout)
    norms = ops._gradient_norms(arena.gradients, layout.chunks)
    real = arena.weights.dtype.type
    made = {id(rate): rate for rate in rates}
    rows = {place: _row(rate, real) for place, rate in made.items()}
    table = ops.xp.empty((len(rates), len(next(iter(rows.values())))), dtype=real)
    # Nearly always one for all of them.
    table[...] = ops.xp.asarray([rows[id(rate)] for rate in rates] if len(rows) > 1 else [*rows.values()], dtype=real)
    if max([rate.threshold for rate in made.values()]) > 0.0:
        for place, (rate, norm) in enumerate(zip(rates, norms.tolist(), strict=True)):
            if 0.0 < rate.threshold <= norm:
                table[place, 6] = rate.threshold / norm
    ops._adam_arena(
        arena.weights,
        arena.gradients,
        layout.mom1,
        layout.mom2,
        layout.average,
        layout.chunks,
        table,
    )


def _row(rate: Rates, real: type[np.floating[Any]]) -> tuple[float, ...]:
    """What the kernel updates a parameter with (see `Ops._adam_arena`), if its gradient is not clipped."""
    return (
        rate.beta1,
        float(real(1.0) - real(rate.beta1)),
        rate.beta2,
        float(real(1.0) - real(rate.beta2)),
        rate.eps,
        rate.learn_rate,
        1.0,
        rate.weight_decay,
        1.0 - rate.average_decay,
        rate.root,
    )


def bias_correction(beta1: float, beta2: float, updates: int) -> float:
    """What makes up for moments that start as zeros (Kingma & Ba, 2015)."""
    return math.sqrt(1.0 - beta2**updates) / (1.0 - beta1**updates)
