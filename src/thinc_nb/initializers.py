"""Initial values of parameters: functions from ops and shape to a new array, all drawn from `numpy.random`.

Drawing on the CPU gives the same values for one seed whatever the device is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np

from .backends import Ops
from .types import FloatsXd, Shape

__all__ = [
    "configure_glorot_normal_init",
    "configure_glorot_uniform_init",
    "configure_he_normal_init",
    "configure_he_uniform_init",
    "configure_lecun_normal_init",
    "configure_lecun_uniform_init",
    "configure_normal_init",
    "configure_uniform_init",
    "configure_zero_init",
    "glorot_normal_init",
    "glorot_uniform_init",
    "he_normal_init",
    "he_uniform_init",
    "lecun_normal_init",
    "lecun_uniform_init",
    "normal_init",
    "uniform_init",
    "zero_init",
]

Initializer: TypeAlias = Callable[[Ops, Shape], FloatsXd]
"""Not a string: configs are checked against it."""


def _uniform(ops: Ops, shape: Shape, lo: float, hi: float) -> FloatsXd:
    values = np.random.uniform(lo, hi, shape)  # the generator that `fix_random_seed` seeds
    made: FloatsXd = ops.asarray_f(np.asarray(values, dtype="float32"))
    return made


def _normal(ops: Ops, shape: Shape, scale: float) -> FloatsXd:
    values = np.random.normal(scale=scale, size=shape)
    made: FloatsXd = ops.asarray_f(np.asarray(values, dtype="float32"))
    return made


def _fans(name: str, shape: Shape) -> tuple[int, int]:
    """Width of output and input of weights (nO, nI, …); at least 1, for parameters that have no elements."""
    if len(shape) < 2:
        raise IndexError(f"{name}: expected a shape of two or more dimensions (nO, nI, …), got {tuple(shape)}")
    return max(1, shape[0]), max(1, shape[1])


def lecun_normal_init(ops: Ops, shape: Shape) -> FloatsXd:
    """Normal with variance 1 / nI (LeCun et al., 1998). `shape` is (nO, nI, …)."""
    _, nI = _fans("lecun_normal_init", shape)
    return _normal(ops, shape, np.sqrt(1.0 / nI))


def he_normal_init(ops: Ops, shape: Shape) -> FloatsXd:
    """Normal with variance 2 / nI (He et al., 2015). `shape` is (nO, nI, …)."""
    _, nI = _fans("he_normal_init", shape)
    return _normal(ops, shape, np.sqrt(2.0 / nI))


def glorot_normal_init(ops: Ops, shape: Shape) -> FloatsXd:
    """Normal with variance 2 / (nI + nO) (Glorot & Bengio, 2010). `shape` is (nO, nI, …)."""
    nO, nI = _fans("glorot_normal_init", shape)
    return _normal(ops, shape, np.sqrt(2.0 / (nI + nO)))


def he_uniform_init(ops: Ops, shape: Shape) -> FloatsXd:
    """Uniform within ±√(6 / nI) (He et al., 2015). `shape` is (nO, nI, …)."""
    _, nI = _fans("he_uniform_init", shape)
    limit = np.sqrt(6.0 / nI)
    return _uniform(ops, shape, -limit, limit)


def lecun_uniform_init(ops: Ops, shape: Shape) -> FloatsXd:
    """Uniform within ±√(3 / nI) (LeCun et al., 1998). `shape` is (nO, nI, …)."""
    _, nI = _fans("lecun_uniform_init", shape)
    limit = np.sqrt(3.0 / nI)
    return _uniform(ops, shape, -limit, limit)


def glorot_uniform_init(ops: Ops, shape: Shape) -> FloatsXd:
    """Uniform within ±√(6 / (nI + nO)) (Glorot & Bengio, 2010). `shape` is (nO, nI, …)."""
    nO, nI = _fans("glorot_uniform_init", shape)
    limit = np.sqrt(6.0 / (nI + nO))
    return _uniform(ops, shape, -limit, limit)


def zero_init(ops: Ops, shape: Shape) -> FloatsXd:
    """Zeros."""
    zeros: FloatsXd = ops.alloc_f(shape)
    return zeros


def uniform_init(ops: Ops, shape: Shape, *, lo: float = -0.1, hi: float = 0.1) -> FloatsXd:
    """Uniform between `lo` and `hi`."""
    return _uniform(ops, shape, lo, hi)


def normal_init(ops: Ops, shape: Shape, *, mean: float = 0) -> FloatsXd:
    """Normal around 0, with `mean` as the standard deviation.

    Name and default are Thinc's, whose function does the same: by default all values are zero.
    """
    return _normal(ops, shape, mean)


# What a registry calls with the settings of a config file.


def configure_lecun_normal_init() -> Initializer:
    """`lecun_normal_init` as an initializer."""
    return partial(lecun_normal_init)


def configure_he_normal_init() -> Initializer:
    """`he_normal_init` as an initializer."""
    return partial(he_normal_init)


def configure_glorot_normal_init() -> Initializer:
    """`glorot_normal_init` as an initializer."""
    return partial(glorot_normal_init)


def configure_he_uniform_init() -> Initializer:
    """`he_uniform_init` as an initializer."""
    return partial(he_uniform_init)


def configure_lecun_uniform_init() -> Initializer:
    """`lecun_uniform_init` as an initializer."""
    return partial(lecun_uniform_init)


def configure_glorot_uniform_init() -> Initializer:
    """`glorot_uniform_init` as an initializer."""
    return partial(glorot_uniform_init)


def configure_zero_init() -> Initializer:
    """`zero_init` as an initializer."""
    return partial(zero_init)


def configure_uniform_init(*, lo: float = -0.1, hi: float = 0.1) -> Initializer:
    """`uniform_init` with these limits as an initializer."""
    return partial(uniform_init, lo=lo, hi=hi)


def configure_normal_init(*, mean: float = 0) -> Initializer:
    """`normal_init` with this setting as an initializer."""
    return partial(normal_init, mean=mean)
