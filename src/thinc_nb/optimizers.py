"""Optimizers change parameters by their gradients, in place, and keep what they have to remember of each."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, overload

from ._arena_update import Layouts, Rates, bias_correction, known_layout, update_arena
from ._arrays import is_xp_array
from ._described import described
from ._pydantic import AcceptsInstances
from .errors import InputError
from .schedules import Schedule, _constant, as_schedule
from .types import ArrayXd, FloatsXd, Generator, get_array_module, to_cpu

if TYPE_CHECKING:
    from ._model.parameters import Arena
    from .backends import Ops

__all__ = ["ADAM_DEFAULTS", "Adam", "FloatOrSeq", "Optimizer", "RAdam", "SGD", "SGD_DEFAULTS"]

KeyT: TypeAlias = tuple[int, str]
ScheduleT: TypeAlias = float | list[float] | Generator | Schedule[float]
FloatOrSeq: TypeAlias = ScheduleT
_FloatsT = TypeVar("_FloatsT", bound=ArrayXd)

SGD_DEFAULTS: dict[str, float | bool] = {"L2": 0.0, "L2_is_weight_decay": True, "grad_clip": 1.0}
ADAM_DEFAULTS: dict[str, float | bool] = {
    "learn_rate": 0.001,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-08,
    "L2": 0.0,
    "grad_clip": 1.0,
    "L2_is_weight_decay": True,
}


def SGD(
    learn_rate: FloatOrSeq,
    *,
    L2: FloatOrSeq = 0.0,
    grad_clip: FloatOrSeq = 1.0,
    L2_is_weight_decay: bool = True,
    use_averages: bool = True,
) -> Optimizer:
    """Stochastic gradient descent; the arguments are those of `Optimizer`."""
    return Optimizer(
        learn_rate,
        L2=L2,
        grad_clip=grad_clip,
        beta1=0.0,
        beta2=0.0,
        L2_is_weight_decay=L2_is_weight_decay,
        use_averages=use_averages,
    )


def Adam(
    learn_rate: FloatOrSeq = 0.001,
    *,
    L2: FloatOrSeq = 0.0,
    beta1: FloatOrSeq = 0.9,
    beta2: FloatOrSeq = 0.999,
    eps: FloatOrSeq = 1e-08,
    grad_clip: FloatOrSeq = 1.0,
    L2_is_weight_decay: bool = True,
    use_averages: bool = True,
) -> Optimizer:
    """Adam (Kingma & Ba, 2015), with decoupled weight decay (Loshchilov & Hutter, 2019) if L2 is given.

    The arguments are those of `Optimizer`.
    """
    return Optimizer(
        learn_rate,
        L2=L2,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        grad_clip=grad_clip,
        L2_is_weight_decay=L2_is_weight_decay,
        use_averages=use_averages,
        use_radam=False,
    )


def RAdam(
    learn_rate: FloatOrSeq = 0.001,
    *,
    beta1: FloatOrSeq = 0.9,
    beta2: FloatOrSeq = 0.999,
    eps: FloatOrSeq = 1e-08,
    L2: FloatOrSeq = 0.0,
    L2_is_weight_decay: bool = True,
    grad_clip: FloatOrSeq = 1.0,
    use_averages: bool = True,
) -> Optimizer:
    """Rectified Adam (Liu et al., 2020); the arguments are those of `Optimizer`."""
    return Optimizer(
        learn_rate,
        L2=L2,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        grad_clip=grad_clip,
        L2_is_weight_decay=L2_is_weight_decay,
        use_averages=use_averages,
        use_radam=True,
    )


class _Scheduled:
    """A hyper-parameter: set to a number, list, iterator or schedule, it is read as a schedule."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name
        self._slot = f"_{name}"

    @overload
    def __get__(self, optimizer: None, owner: type) -> _Scheduled: ...
    @overload
    def __get__(self, optimizer: Optimizer, owner: type) -> Schedule[float]: ...
    def __get__(self, optimizer: Optimizer | None, owner: type) -> _Scheduled | Schedule[float]:
        if optimizer is None:
            return self
        schedule: Schedule[float] = getattr(optimizer, self._slot)
        return schedule

    def __set__(self, optimizer: Optimizer, value: FloatOrSeq) -> None:
        setattr(optimizer, self._slot, as_schedule(self._name, value))


class Optimizer(AcceptsInstances):
    """Plain or Adam-like gradient descent; see `SGD`, `Adam` and `RAdam`.

    Each of learn_rate, L2, beta1, beta2 (attributes b1 and b2), eps and grad_clip may be a number, a schedule, or a
    list or iterator of values, one for each step, whose last value stays. Call `step_schedules` after each step.
    ValueError for anything else, and for NaN, also when a schedule gives it: nothing is updated then.

    L2: strength of regularisation, taken off the weights after the step (`L2_is_weight_decay`) or added to the
    gradient. grad_clip: the greatest norm of a parameter's gradient, 0 for any. use_averages: keep a moving average of
    each parameter in `averages`, else that is None. The moments of Adam are in `mom1` and `mom2`, the number of updates
    in `nr_update`, all by key.
    """

    clears_gradients = True
    """Each call leaves zeros in the gradient; `Model.finish_update` need not look."""

    __slots__ = (
        "L2_is_weight_decay",
        "_L2",
        "_b1",
        "_b2",
        "_eps",
        "_grad_clip",
        "_last_score",
        "_layouts",
        "_learn_rate",
        "_step",
        "averages",
        "last_seen",
        "mom1",
        "mom2",
        "nr_update",
        "use_radam",
    )

    learn_rate: _Scheduled = _Scheduled()
    b1: _Scheduled = _Scheduled()
    b2: _Scheduled = _Scheduled()
    eps: _Scheduled = _Scheduled()
    L2: _Scheduled = _Scheduled()
    grad_clip: _Scheduled = _Scheduled()

    # Where those are kept. To ask for them here saves a call.
    _learn_rate: Schedule[float]
    _b1: Schedule[float]
    _b2: Schedule[float]
    _eps: Schedule[float]
    _L2: Schedule[float]
    _grad_clip: Schedule[float]

    mom1: dict[KeyT, FloatsXd]
    mom2: dict[KeyT, FloatsXd]
    averages: dict[KeyT, FloatsXd] | None
    nr_update: dict[KeyT, int]
    last_seen: dict[KeyT, int]

    def __init__(
        self,
        learn_rate: FloatOrSeq,
        *,
        L2: FloatOrSeq = 0.0,
        beta1: FloatOrSeq = 0.9,
        beta2: FloatOrSeq = 0.999,
        eps: FloatOrSeq = 1e-08,
        grad_clip: FloatOrSeq = 1.0,
        use_averages: bool = True,
        use_radam: bool = False,
        L2_is_weight_decay: bool = True,
    ) -> None:
        self.learn_rate = learn_rate
        self.b1 = beta1
        self.b2 = beta2
        self.eps = eps
        self.L2 = L2
        self.grad_clip = grad_clip
        self.mom1 = {}
        self.mom2 = {}
        self.averages = {} if use_averages else None
        self.nr_update = defaultdict(int)
        self.last_seen = defaultdict(int)
        self.use_radam = use_radam
        self.L2_is_weight_decay = L2_is_weight_decay
        self._step = 0
        self._last_score: tuple[int, float] | None = None
        self._layouts = Layouts()

    @property
    def step(self) -> int:
        """The step that the schedules are asked for."""
        return self._step

    def step_schedules(self) -> None:
        """Go to the next step of the schedules."""
        self._step += 1

    @property
    def last_score(self) -> tuple[int, float] | None:
        """The step and score that were last reported by setting this attribute to a score, for schedules to read."""
        return self._last_score

    @last_score.setter
    def last_score(self, score: float) -> None:
        self._last_score = (self._step, score)

    def __call__(
        self, key: KeyT, weights: _FloatsT, gradient: _FloatsT, *, lr_scale: float = 1.0
    ) -> tuple[_FloatsT, _FloatsT]:
        """Update the weights, of any shape, by the gradient, in place. Returns both; the gradient is zeroed.

        `key` says which parameter it is: (model id, name). `lr_scale` multiplies the learning rate, except in the step
        of RAdam, as in Thinc. ValueError if the shapes differ, or differ from those seen for this key before, or the
        arrays are not of floats, InputError for what is no array; nothing is changed then.
        """
        for what, given in (("weights", weights), ("gradient", gradient)):
            if not is_xp_array(given):
                raise InputError(f"Optimizer: the {what} of parameter {key} must be an array, got {described(given)}")
        if gradient.size > 0:
            _check_arrays(key, weights, gradient, self.mom1.get(key), (self.averages or {}).get(key))
            self._update(key, weights, gradient, lr_scale)
        return weights, gradient

    def update_arena(self, arena: Arena) -> bool:
        """Update all parameters of an arena that have gradients, in one pass, as calling with each of them would do.

        False, and nothing is changed, if this optimizer has to be called with each key: it overrides `__call__`, or a
        parameter has changed its size. The gradients in the arena are zeroed.
        """
        if type(self).__call__ is not Optimizer.__call__:
            return False
        spans = arena.gradient_spans()
        if not spans:
            return True
        keys = [span.key for span in spans]
        updates = [self.nr_update[key] for key in keys]
        rates = self._rates_of(keys, updates)
        has_moments = rates[0].has_moments
        if len({rate.has_moments for rate in rates}) != 1:
            return False
        layout = known_layout(self, arena, spans, has_moments)
        if layout is None:
            sizes = [(moment.size if (moment := self.mom1.get(span.key)) is not None else None) for span in spans]
            if any(size not in (None, span.stop - span.start) for size, span in zip(sizes, spans, strict=True)):
                return False
        if not self.L2_is_weight_decay:
            for span in spans:
                if (L2 := self._now(self._L2, span.key)) != 0.0:
                    arena.gradients[span.start : span.stop] += L2 * arena.weights[span.start : span.stop]
        from .backends import get_array_ops

        counts = dict(zip(keys, [count + 1 for count in updates], strict=True))
        update_arena(self, get_array_ops(arena.weights), arena, spans, rates, layout)
        self.nr_update.update(counts)  # In one step: Ctrl-C finds all of them counted, or none.
        return True

    def _rates_of(self, keys: list[KeyT], updates: list[int]) -> list[Rates]:
        """What the next update of each parameter is done with. Those that are done with the same share one object.

        updates: how many there have been of each.
        """
        for schedule in (self._learn_rate, self._b1, self._b2, self._eps, self._L2, self._grad_clip):
            if schedule._schedule is not _constant:
                return [self._rates(key) for key in keys]
        made = {count: self._rates(keys[updates.index(count)]) for count in set(updates)}
        return [made[count] for count in updates]

    def _rates(self, key: KeyT) -> Rates:
        """What the next update of a parameter is done with."""
        b1, b2 = self._betas(key)
        L2 = self._now(self._L2, key) if self.L2_is_weight_decay else 0.0
        learn_rate, eps, root = self._now(self._learn_rate, key), self._now(self._eps, key), 1.0
        updates = self.nr_update[key] + 1
        weight_decay = learn_rate * L2
        has_moments = self.use_radam or (b1 > 0.0 and b2 > 0.0)
        if self.use_radam:
            # Thinc counts from 2.
            step_size, is_rectified = _radam_step_size(b1, b2, updates + 1)
            learn_rate *= step_size
            if not is_rectified:
                eps, root = 1.0, 0.0
        elif has_moments:
            learn_rate *= bias_correction(b1, b2, updates)
        return Rates(
            beta1=b1,
            beta2=b2,
            eps=eps,
            learn_rate=learn_rate,
            threshold=self._now(self._grad_clip, key),
            weight_decay=weight_decay,
            average_decay=_average_decay(updates),
            root=root,
            has_moments=has_moments,
        )

    def _betas(self, key: KeyT) -> tuple[float, float]:
        b1, b2 = self._now(self._b1, key), self._now(self._b2, key)
        if b2 > 0.0 and b1 <= 0.0 and not self.use_radam:
            raise NotImplementedError(f"Optimizer: beta2 = {b2} without beta1 is not supported; for SGD, set both to 0")
        return b1, b2

    def _update(self, key: KeyT, weights: FloatsXd, gradient: FloatsXd, lr_scale: float) -> None:
        from .backends import get_array_ops

        ops = get_array_ops(weights)
        learn_rate, L2 = self._now(self._learn_rate, key), self._now(self._L2, key)
        b1, b2 = self._betas(key)
        threshold, eps = self._now(self._grad_clip, key), self._now(self._eps, key)
        self.nr_update[key] += 1
        nr_update = self.nr_update[key]
        if L2 != 0.0 and not self.L2_is_weight_decay:
            gradient += L2 * weights
        grad_scale = _clip_scale(ops, gradient, threshold)
        weight_decay = lr_scale * learn_rate * L2 if self.L2_is_weight_decay else 0.0
        average = self._average(key, weights)
        if b1 > 0.0 and b2 > 0.0 and not self.use_radam:
            mom1, mom2 = self._moments(key, weights)
            ops.adam_update(
                weights,
                gradient,
                mom1,
                mom2,
                average,
                beta1=b1,
                beta2=b2,
                eps=eps,
                learn_rate=lr_scale * learn_rate * bias_correction(b1, b2, nr_update),
                grad_scale=grad_scale,
                weight_decay=weight_decay,
                average_decay=_average_decay(nr_update),
            )
            return
        if self.use_radam:
            gradient *= grad_scale
            self._radam(key, weights, gradient, learn_rate, b1, b2, eps)
        else:
            gradient *= lr_scale * learn_rate * grad_scale
            weights -= gradient
        gradient.fill(0.0)
        if weight_decay != 0.0:
            weights -= weight_decay * weights
        if average is not None:
            ops.update_averages(average, weights, nr_update)

    def _radam(
        self,
        key: KeyT,
        weights: FloatsXd,
        gradient: FloatsXd,
        learn_rate: float,
        b1: float,
        b2: float,
        eps: float,
    ) -> None:
        mom1, mom2 = self._moments(key, weights)
        mom1 *= b1
        mom1 += (1.0 - b1) * gradient
        gradient *= gradient
        mom2 *= b2
        mom2 += (1.0 - b2) * gradient
        # Thinc counts from 2.
        step_size, is_rectified = _radam_step_size(b1, b2, self.nr_update[key] + 1)
        step = (learn_rate * step_size) * mom1
        if is_rectified:
            step /= get_array_module(mom2).sqrt(mom2) + eps
        weights -= step

    def _moments(self, key: KeyT, weights: FloatsXd) -> tuple[FloatsXd, FloatsXd]:
        """Both moments, as views in the shape of the weights; they are kept flat."""
        if key not in self.mom1:
            xp = get_array_module(weights)
            self.mom1[key] = xp.zeros(weights.size, dtype=weights.dtype)
            self.mom2[key] = xp.zeros(weights.size, dtype=weights.dtype)
        return self.mom1[key].reshape(weights.shape), self.mom2[key].reshape(weights.shape)

    def _average(self, key: KeyT, weights: FloatsXd) -> FloatsXd | None:
        if self.averages is None:
            return None
        if key not in self.averages:
            self.averages[key] = get_array_module(weights).zeros(weights.shape, dtype=weights.dtype)
        return self.averages[key]

    def _now(self, schedule: Schedule[float], key: KeyT) -> float:
        # Nearly all are constant; for each parameter and each step there are six of these.
        is_constant = schedule._schedule is _constant
        rate = schedule._attrs["rate"] if is_constant else schedule(self._step, key=key, last_score=self._last_score)
        try:
            value = float(rate)
        except (TypeError, ValueError):
            value = math.nan
        if math.isnan(value):
            raise ValueError(
                f"Optimizer: {self._name_of(schedule)} must be a number, got {rate!r} at step {self._step}"
            )
        return value

    def _name_of(self, schedule: Schedule[float]) -> str:
        names = ("learn_rate", "b1", "b2", "eps", "L2", "grad_clip")
        return next((name for name in names if getattr(self, name) is schedule), schedule.name)

    def to_gpu(self) -> None:
        """Move moments and averages to the current GPU. ValueError if there is none."""
        from . import compat

        if not compat.has_cupy_gpu:
            raise ValueError("Optimizer.to_gpu: no CUDA GPU, or CuPy is not installed")
        self._move(compat.cupy.asarray)

    def to_cpu(self) -> None:
        """Move moments and averages to the CPU."""
        self._move(to_cpu)

    def _move(self, convert: Any) -> None:
        for arrays in (self.mom1, self.mom2, self.averages or {}):
            arrays.update({key: convert(array) for key, array in arrays.items()})

    def copy(self) -> Optimizer:
        """A copy of its own: arrays, counts and schedules. TypeError if a schedule is a generator."""
        return copy.deepcopy(self)


def _check_arrays(
    key: KeyT, weights: FloatsXd, gradient: FloatsXd, moment: FloatsXd | None, average: FloatsXd | None
) -> None:
    if weights.dtype.kind != "f" or gradient.dtype.kind != "f":
        raise ValueError(f"Optimizer: parameter {key} must be floats, got {weights.dtype}, gradient {gradient.dtype}")
    if weights.shape != gradient.shape:
        raise ValueError(f"Optimizer: parameter {key} has shape {weights.shape}, but its gradient {gradient.shape}")
    resized = moment is not None and moment.size != weights.size
    if resized or (average is not None and average.shape != weights.shape):
        raise ValueError(
            f"Optimizer: parameter {key} has shape {weights.shape}, which differs from that of earlier updates; "
            "after resizing a model, use a new optimizer"
        )


def _average_decay(updates: int) -> float:
    return min((1.0 + updates) / (10.0 + updates), 0.9999)


def _clip_scale(ops: Ops, gradient: FloatsXd, threshold: float) -> float:
    """What to multiply the gradient with, so that its norm is at most `threshold`."""
    if threshold <= 0.0:
        return 1.0
    norm = math.sqrt(ops.sum_of_squares(gradient))
    return threshold / norm if norm >= threshold else 1.0


def _radam_step_size(b1: float, b2: float, t: int) -> tuple[float, bool]:
    """Factor of the learning rate at update `t`, and whether the variance is known well enough to divide by it."""
    b2_t = b2**t
    longest = 2.0 / (1.0 - b2) - 1.0
    length = longest - 2.0 * t * b2_t / (1.0 - b2_t)
    correction = 1.0 - b1**t
    if length < 5.0:
        return 1.0 / correction, False
    rectification = (length - 4) / (longest - 4) * (length - 2) / length * longest / (longest - 2)
    return math.sqrt((1.0 - b2_t) * rectification) / correction, True
