"""Losses: the gradient of a model's output for what it should have been, and a number to watch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set as AbstractSet, Sized
from typing import Any, Generic, TypeAlias

import numpy as np
from typing_extensions import TypeVar

from ._described import described
from .errors import InputKindError
from .types import Floats2d, FloatsXd, Ints1d, get_array_module, is_xp_array
from .util import to_categorical

__all__ = [
    "CategoricalCrossentropy",
    "CosineDistance",
    "L2Distance",
    "Loss",
    "SequenceCategoricalCrossentropy",
    "configure_CategoricalCrossentropy_v1",
    "configure_CategoricalCrossentropy_v2",
    "configure_CategoricalCrossentropy_v3",
    "configure_CosineDistance",
    "configure_L2Distance",
    "configure_SequenceCategoricalCrossentropy_v1",
    "configure_SequenceCategoricalCrossentropy_v2",
    "configure_SequenceCategoricalCrossentropy_v3",
]

GuessT = TypeVar("GuessT", contravariant=True)
TruthT = TypeVar("TruthT", contravariant=True)
GradT = TypeVar("GradT", covariant=True)
LossT = TypeVar("LossT", covariant=True)

IntsOrFloats: TypeAlias = Ints1d | Floats2d
IntsOrFloatsOrStrs: TypeAlias = Ints1d | Floats2d | Sequence[int] | Sequence[str]
Truths: TypeAlias = IntsOrFloatsOrStrs


class Loss(Generic[GuessT, TruthT, GradT, LossT]):
    """What compares the output of a model, the guesses, with the truths."""

    def __call__(self, guesses: GuessT, truths: TruthT) -> tuple[GradT, LossT]:
        """Return the gradient for the guesses and the loss."""
        return self.get_grad(guesses, truths), self.get_loss(guesses, truths)

    def get_grad(self, guesses: GuessT, truths: TruthT) -> GradT:
        """Return the gradient for the guesses."""
        raise NotImplementedError

    def get_loss(self, guesses: GuessT, truths: TruthT) -> LossT:
        """Return the loss."""
        raise NotImplementedError


class CategoricalCrossentropy(Loss[Floats2d, Truths, Floats2d, float]):
    """Cross-entropy between rows of probabilities and classes; the gradient is that for the input of the softmax.

    Guesses: (batch, classes) floats from 0 to 1. Truths: (batch, classes) floats from 0 to 1, (batch,) class numbers as
    an array or list, or a list of names. Negative numbers count from the last class, as in Thinc: rows are left out by
    `missing_value`. normalize: divide the gradient by the batch size. names: the classes in order.
    missing_value: a class, by number or name, whose rows have no gradient; in lists of names None is missing too.
    neg_prefix: a name that starts with it says that the row is not of this class, and nothing of the other classes.
    label_smoothing: share of the truth that goes to the other classes (Szegedy et al., 2016).

    The loss is the sum of the squares of the gradient, as in Thinc.
    """

    names: Sequence[str] | None
    missing_value: str | int | None

    def __init__(
        self,
        *,
        normalize: bool = True,
        names: Sequence[str] | None = None,
        missing_value: str | int | None = None,
        neg_prefix: str | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        self.normalize = normalize
        self.names = names
        self.missing_value = missing_value
        self.neg_prefix = neg_prefix
        self.label_smoothing = label_smoothing
        self._name_to_i = {name: i for i, name in enumerate(names or ())}

    def __call__(self, guesses: Floats2d, truths: Truths) -> tuple[Floats2d, float]:
        """Return gradient and loss; for errors see `get_grad`."""
        d_truth = self.get_grad(guesses, truths)
        return d_truth, _sum_of_squares(d_truth)

    def get_grad(self, guesses: Floats2d, truths: Truths) -> Floats2d:
        """Return the gradient, in the shape and dtype of the guesses; of integers in float64.

        InputError (a TypeError and a ValueError) for what is no array, or no list of one kind of classes. ValueError if
        shapes do not match, guesses or truths are not within 0 and 1, or names are needed and were not given; KeyError
        for a name that is not one of them, IndexError for a class number that is too high, or no integer.
        """
        target, mask = self._converted(truths, guesses)
        guesses = _as_floats(guesses)
        if guesses.shape != target.shape:
            raise ValueError(
                f"Cannot calculate CategoricalCrossentropy loss: mismatched shapes: {guesses.shape} vs {target.shape}."
            )
        if _is_outside(guesses):
            raise ValueError("Cannot calculate CategoricalCrossentropy loss with guesses outside the [0,1] interval.")
        if _is_outside(target):
            raise ValueError(
                "Cannot calculate CategoricalCrossentropy loss with truth values outside the [0,1] interval."
            )
        difference: Floats2d = guesses - target
        if mask is not None:
            difference *= mask
        if self.normalize:
            difference /= max(1, guesses.shape[0])
        return difference

    def get_loss(self, guesses: Floats2d, truths: Truths) -> float:
        """Return the loss; for errors see `get_grad`."""
        return _sum_of_squares(self.get_grad(guesses, truths))

    def convert_truths(self, truths: Truths, guesses: Floats2d) -> tuple[Floats2d, Floats2d]:
        """Return the truths as rows like the guesses, and a mask of the same shape: 1, or 0 where nothing is known."""
        target, mask = self._converted(truths, guesses)
        if mask is None:
            guesses = _as_floats(guesses)
            mask = get_array_module(guesses).ones(guesses.shape, dtype=guesses.dtype)
        return (target.copy() if target is truths else target), mask

    def _converted(self, truths: Truths, guesses: Floats2d) -> tuple[Floats2d, Floats2d | None]:
        """The same; None for a mask of ones."""
        _check_array("CategoricalCrossentropy loss", "guesses", guesses)
        guesses = _as_floats(guesses)
        xp = get_array_module(guesses)
        n_classes = guesses.shape[-1] if guesses.ndim else 1
        names: list[str | None] | None = None
        if not is_xp_array(truths):
            truths, names = self._numbers(_listed(truths))
        classes: Any = xp.asarray(truths)
        if classes.ndim != 1 or (guesses.ndim == 1 and names is None):  # the latter: one row of guesses, one of truths
            if self.label_smoothing:
                raise ValueError(
                    "Label smoothing is only applied, when truths have type List[str], List[int] or Ints1d, "
                    "but it seems like Floats2d was provided."
                )
            target = classes.astype(guesses.dtype, copy=False)
            known = classes.argmax(axis=-1) if classes.ndim != 1 and classes.size else classes.reshape(-1)
        else:
            target = to_categorical(classes, n_classes, label_smoothing=self.label_smoothing).astype(
                guesses.dtype, copy=False
            )
            known = classes
        if target.shape[:1] != guesses.shape[:1]:  # reported by get_grad
            return target, None
        if names is None and not isinstance(self.missing_value, int):
            return target, None
        mask: Floats2d = xp.ones(guesses.shape, dtype=guesses.dtype)
        if names is not None:
            self._apply_names(names, target, mask)
        else:
            mask[known == self.missing_value] = 0.0
        return target, mask

    def _numbers(self, truths: list[Any]) -> tuple[Ints1d, list[str | None] | None]:
        """The class numbers of a list, and the list itself if it is one of names."""
        if all(isinstance(truth, (int, np.integer)) for truth in truths):
            return np.asarray(truths, dtype="int64"), None
        if not all(truth is None or isinstance(truth, str) for truth in truths):
            kinds = sorted({type(truth).__name__ for truth in truths})
            raise InputKindError(
                f"CategoricalCrossentropy: truths must be all integers or all names, got {', '.join(kinds)}"
            )
        if not self._name_to_i:
            raise ValueError(
                "Cannot calculate loss from list of strings without names. You can pass the names as a keyword "
                "argument when you create the loss object, e.g. CategoricalCrossentropy(names=['dog', 'cat'])"
            )
        return np.asarray([self._number(name) for name in truths], dtype="int64"), truths

    def _number(self, name: str | None) -> int:
        if name is None or name == self.missing_value:
            return 0  # any class: the row is masked
        bare = name.removeprefix(self.neg_prefix or "")
        if bare not in self._name_to_i:
            raise KeyError(f"{bare!r} is not one of the names of the loss: {list(self._name_to_i)}")
        return self._name_to_i[bare]

    def _apply_names(self, names: list[str | None], target: Floats2d, mask: Floats2d) -> None:
        for i, name in enumerate(names):
            if name is None or name == self.missing_value:
                mask[i] = 0.0
            elif self.neg_prefix and name.startswith(self.neg_prefix):
                number = self._number(name)
                target[i] = 0.0
                mask[i] = 0.0
                mask[i, number] = 1.0


class SequenceCategoricalCrossentropy(Loss[Sequence[Floats2d], Sequence[Truths], list[Floats2d], float]):
    """`CategoricalCrossentropy` for each of a list of sequences. normalize: divide by the number of sequences."""

    def __init__(
        self,
        *,
        normalize: bool = True,
        names: Sequence[str] | None = None,
        missing_value: str | int | None = None,
        neg_prefix: str | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        self.cc = CategoricalCrossentropy(
            normalize=False,
            names=names,
            missing_value=missing_value,
            neg_prefix=neg_prefix,
            label_smoothing=label_smoothing,
        )
        self.normalize = normalize

    def __call__(self, guesses: Sequence[Floats2d], truths: Sequence[Truths]) -> tuple[list[Floats2d], float]:
        """Return the gradients and the loss; for errors see `get_grad`."""
        grads = self.get_grad(guesses, truths)
        return grads, sum((_sum_of_squares(grad) for grad in grads), 0.0)

    def get_grad(self, guesses: Sequence[Floats2d], truths: Sequence[Truths]) -> list[Floats2d]:
        """Return one gradient for each sequence.

        ValueError if there are not as many truths as guesses; otherwise as `CategoricalCrossentropy.get_grad`.
        """
        for name, given in (("guesses", guesses), ("truths", truths)):
            if not isinstance(given, Sized):
                raise TypeError(
                    f"Cannot calculate SequenceCategoricalCrossentropy loss: {name} must be a list with one item for "
                    f"each sequence, got {described(given)}"
                )
        if len(guesses) != len(truths):
            raise ValueError(
                "Cannot calculate SequenceCategoricalCrossentropy loss: guesses and truths must be same length, "
                f"got {len(guesses)} and {len(truths)}"
            )
        grads = _joint_grads(self.cc, guesses, truths)
        if grads is None:
            grads = [self.cc.get_grad(guess, truth) for guess, truth in zip(guesses, truths, strict=True)]
        if self.normalize:
            grads = [np.divide(grad, len(guesses), out=grad) for grad in grads]
        return grads

    def get_loss(self, guesses: Sequence[Floats2d], truths: Sequence[Truths]) -> float:
        """Return the loss; for errors see `get_grad`."""
        return self(guesses, truths)[1]


def _joint_grads(
    cc: CategoricalCrossentropy, guesses: Sequence[Floats2d], truths: Sequence[Truths]
) -> list[Floats2d] | None:
    """The gradients of all sequences in one go, or None if they are not alike enough to be joined.

    For short sequences the calls into numpy would cost more than the arithmetic.
    """
    if len(guesses) < 2 or not all(map(is_xp_array, guesses)):
        return None
    if len({(guess.shape[1:], guess.dtype) for guess in guesses}) > 1:
        return None
    joined = _joined_lists(truths) if all(isinstance(truth, list) for truth in truths) else _joined_arrays(truths)
    if joined is None or any(guess.shape[:1] != (len(truth),) for guess, truth in zip(guesses, truths, strict=True)):
        return None
    grad = cc.get_grad(get_array_module(guesses[0]).concatenate(guesses), joined)
    ends = np.cumsum([len(guess) for guess in guesses]).tolist()
    return [grad[end - len(guess) : end] for guess, end in zip(guesses, ends, strict=True)]


def _joined_lists(truths: Sequence[Any]) -> list[Any] | None:
    joint: list[Any] = [item for truth in truths for item in truth]
    return None if len({isinstance(item, int) for item in joint}) > 1 else joint


def _joined_arrays(truths: Sequence[Any]) -> Any:
    """None if one is no array, or their shapes or dtypes are of several kinds."""
    if not all(is_xp_array(truth) and truth.ndim for truth in truths):
        return None
    if len({(get_array_module(truth), truth.shape[1:], truth.dtype) for truth in truths}) > 1:
        return None
    return get_array_module(truths[0]).concatenate(truths)


class L2Distance(Loss[Floats2d, Floats2d, Floats2d, float]):
    """Squared Euclidean distance between rows. normalize: divide the gradient by the batch size.

    The gradient is the difference, and the loss the sum of its squares, as in Thinc.
    """

    def __init__(self, *, normalize: bool = True) -> None:
        self.normalize = normalize

    def __call__(self, guesses: Floats2d, truths: Floats2d) -> tuple[Floats2d, float]:
        """Return gradient and loss. ValueError if shapes differ."""
        grad = self.get_grad(guesses, truths)
        return grad, _sum_of_squares(grad)

    def get_grad(self, guesses: Floats2d, truths: Floats2d) -> Floats2d:
        """Return the gradient, in the shape and dtype of the guesses. ValueError if shapes differ."""
        _check_same_shape("L2 distance", guesses, truths)
        guesses = _as_floats(guesses)
        grad: Floats2d = guesses - truths.astype(guesses.dtype)
        if self.normalize:
            grad /= max(1, guesses.shape[0])
        return grad

    def get_loss(self, guesses: Floats2d, truths: Floats2d) -> float:
        """Return the loss. ValueError if shapes differ."""
        return _sum_of_squares(self.get_grad(guesses, truths))


class CosineDistance(Loss[Floats2d, Floats2d, Floats2d, float]):
    """1 - the cosine of the angle between rows. normalize: divide gradient and loss by the batch size.

    ignore_zeros: rows whose truth is all zero count nothing.
    """

    def __init__(self, *, normalize: bool = True, ignore_zeros: bool = False) -> None:
        self.normalize = normalize
        self.ignore_zeros = ignore_zeros

    def __call__(self, guesses: Floats2d, truths: Floats2d) -> tuple[Floats2d, float]:
        """Return gradient and loss. ValueError if shapes differ."""
        return self.get_grad(guesses, truths), self.get_loss(guesses, truths)

    def get_similarity(self, guesses: Floats2d, truths: Floats2d) -> Floats2d:
        """Return the cosines, (batch, 1). ValueError if shapes differ."""
        _check_same_shape("cosine similarity", guesses, truths)
        yh, y = _nudged(guesses), _nudged(truths)
        cosine: Floats2d = (yh * y).sum(axis=1, keepdims=True) / (_norms(yh) * _norms(y))
        return cosine

    def get_grad(self, guesses: Floats2d, truths: Floats2d) -> Floats2d:
        """Return the gradient, in the shape and dtype of the guesses. ValueError if shapes differ."""
        cosine = self.get_similarity(guesses, truths)
        guesses = _as_floats(guesses)
        yh, y = _nudged(guesses), _nudged(truths)
        norm_yh = _norms(yh)
        grad: Floats2d = -(y / (norm_yh * _norms(y)) - cosine * (yh / norm_yh**2)).astype(guesses.dtype, copy=False)
        if self.ignore_zeros:
            grad[abs(truths).sum(axis=1) == 0] = 0.0
        if self.normalize:
            grad /= max(1, guesses.shape[0])
        return grad

    def get_loss(self, guesses: Floats2d, truths: Floats2d) -> float:
        """Return the loss. ValueError if shapes differ."""
        losses = 1 - self.get_similarity(guesses, truths)
        if self.ignore_zeros:
            losses[abs(truths).sum(axis=1) == 0] = 0.0
        if self.normalize:
            losses /= max(1, guesses.shape[0])
        return np.float64(float(losses.sum()))


def _is_outside(probabilities: FloatsXd) -> bool:
    return bool((probabilities > 1).any()) or bool((probabilities < 0).any())


def _sum_of_squares(grad: FloatsXd) -> float:
    # A float that has what the numbers of numpy have, such as item(): programs use it.
    return np.float64(float((grad * grad).sum()))


def _check_array(what: str, name: str, given: object) -> None:
    if not is_xp_array(given):
        raise InputKindError(f"Cannot calculate {what}: {name} must be an array, got {described(given)}")


def _as_floats(guesses: Floats2d) -> Floats2d:
    """Guesses whose gradient they can hold the dtype of: integers become float64, as they do in Thinc."""
    return guesses if guesses.dtype.kind == "f" else guesses.astype("float64")


def _listed(truths: Any) -> list[Any]:
    """The truths one by one. A set has no order, a dictionary is no list of its keys."""
    if isinstance(truths, (AbstractSet, Mapping)) or not isinstance(truths, Iterable):
        raise InputKindError(
            "CategoricalCrossentropy: truths must be an array or list of classes, one for each guess, "
            f"got {described(truths)}"
        )
    return list(truths)


def _check_same_shape(what: str, guesses: FloatsXd, truths: FloatsXd) -> None:
    _check_array(what, "guesses", guesses)
    _check_array(what, "truths", truths)
    if guesses.shape != truths.shape:
        raise ValueError(f"Cannot calculate {what}: mismatched shapes: {guesses.shape} vs {truths.shape}.")


def _nudged(rows: Floats2d) -> Floats2d:
    """Away from zero, so that a row of zeros has a direction."""
    return rows + 1e-8


def _norms(rows: Floats2d) -> Floats2d:
    norms: Floats2d = get_array_module(rows).linalg.norm(rows, axis=1, keepdims=True)
    return norms


# What a registry calls with the settings of a config file; the versions know more and more settings.


def configure_CategoricalCrossentropy_v1(
    *, normalize: bool = True, names: Sequence[str] | None = None, missing_value: str | int | None = None
) -> CategoricalCrossentropy:
    """`CategoricalCrossentropy` with the settings of version 1."""
    return CategoricalCrossentropy(normalize=normalize, names=names, missing_value=missing_value)


def configure_CategoricalCrossentropy_v2(
    *,
    normalize: bool = True,
    names: Sequence[str] | None = None,
    missing_value: str | int | None = None,
    neg_prefix: str | None = None,
) -> CategoricalCrossentropy:
    """`CategoricalCrossentropy` with the settings of version 2."""
    return CategoricalCrossentropy(normalize=normalize, names=names, missing_value=missing_value, neg_prefix=neg_prefix)


def configure_CategoricalCrossentropy_v3(
    *,
    normalize: bool = True,
    names: Sequence[str] | None = None,
    missing_value: str | int | None = None,
    neg_prefix: str | None = None,
    label_smoothing: float = 0.0,
) -> CategoricalCrossentropy:
    """`CategoricalCrossentropy` with the settings of version 3."""
    return CategoricalCrossentropy(
        normalize=normalize,
        names=names,
        missing_value=missing_value,
        neg_prefix=neg_prefix,
        label_smoothing=label_smoothing,
    )


def configure_SequenceCategoricalCrossentropy_v1(
    *, normalize: bool = True, names: Sequence[str] | None = None
) -> SequenceCategoricalCrossentropy:
    """`SequenceCategoricalCrossentropy` with the settings of version 1."""
    return SequenceCategoricalCrossentropy(normalize=normalize, names=names)


def configure_SequenceCategoricalCrossentropy_v2(
    *, normalize: bool = True, names: Sequence[str] | None = None, neg_prefix: str | None = None
) -> SequenceCategoricalCrossentropy:
    """`SequenceCategoricalCrossentropy` with the settings of version 2."""
    return SequenceCategoricalCrossentropy(normalize=normalize, names=names, neg_prefix=neg_prefix)


def configure_SequenceCategoricalCrossentropy_v3(
    *,
    normalize: bool = True,
    names: Sequence[str] | None = None,
    missing_value: str | int | None = None,
    neg_prefix: str | None = None,
    label_smoothing: float = 0.0,
) -> SequenceCategoricalCrossentropy:
    """`SequenceCategoricalCrossentropy` with the settings of version 3."""
    return SequenceCategoricalCrossentropy(
        normalize=normalize,
        names=names,
        missing_value=missing_value,
        neg_prefix=neg_prefix,
        label_smoothing=label_smoothing,
    )


def configure_L2Distance(*, normalize: bool = True) -> L2Distance:
    """`L2Distance` with this setting."""
    return L2Distance(normalize=normalize)


def configure_CosineDistance(*, normalize: bool = True, ignore_zeros: bool = False) -> CosineDistance:
    """`CosineDistance` with these settings."""
    return CosineDistance(normalize=normalize, ignore_zeros=ignore_zeros)
