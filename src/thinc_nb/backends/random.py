"""Dropout."""

from __future__ import annotations

import numpy as np

from ..kernels import dropout as kernels
from ..types import FloatsXd, FloatsXdT
from ._base import OpsBase, check_integer, check_shape


class RandomOps(OpsBase):
    """`get_dropout_mask`, and dropout without a mask."""

    def get_dropout_mask(self, shape: tuple[int, ...] | int, drop: float | None) -> FloatsXd:
        """An array that is 0 with the chance `drop` and 1 / (1 - drop) otherwise; ones if there is nothing to drop.

        The draw is a function of a key from numpy's global generator, so seeding that (`fix_random_seed`) repeats it.
        """
        sides = check_shape("get_dropout_mask: shape", shape)
        if drop is None or drop <= 0:
            kept: FloatsXd = self.xp.ones(sides, dtype="float32")
            return kept
        mask: FloatsXd = self._empty(sides, np.float32)
        if drop >= 1.0:
            mask.fill(0)
            return mask
        kernels.dropout_mask(mask.reshape(-1), self.dropout_key(), *_threshold_and_scale(drop), np.uint32(0))
        return mask

    def dropout_key(self) -> np.uint32:
        """A key for `dropout`, from numpy's global generator."""
        return np.uint32(np.random.randint(0, 1 << 32, dtype=np.uint32))

    def dropout(self, X: FloatsXdT, key: np.uint32, drop: float) -> FloatsXdT:
        """X times the mask that `key` stands for, which is never stored: with dY for X, the gradient.

        `drop` is a chance, 0 < drop < 1. Source: Srivastava et al., 2014.
        """
        bits = np.uint32(check_integer("dropout: key", key, 0, 0xFFFFFFFF))
        x = self._reals("dropout: X", X)
        out: FloatsXdT = self._empty(x.shape, x.dtype)
        kernels.dropout(out.reshape(-1), x.reshape(-1), bits, *_threshold_and_scale(drop), np.uint32(0))
        return out


def _threshold_and_scale(drop: float) -> tuple[np.uint32, float]:
    if not 0.0 < drop < 1.0:
        raise ValueError(f"dropout: the chance to drop must lie between 0 and 1, got {drop}")
    return np.uint32(min(round(drop * 2.0**32), 2**32 - 1)), 1.0 / (1.0 - drop)
