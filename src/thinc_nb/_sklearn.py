"""The estimators that `to_sklearn` makes. This file imports scikit-learn."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from typing_extensions import Self

from .layers._ending import is_softmax, last_node
from .loss import CategoricalCrossentropy, L2Distance
from .model import Model
from .optimizers import Adam


class ModelEstimator(BaseEstimator):
    """What classifiers and regressors share. For the arguments see `to_sklearn`. model_: the model that was fitted."""

    model_: Model[Any, Any]
    loss_: float
    n_iter_: int

    def __init__(
        self,
        model: Model[Any, Any],
        *,
        optimizer: Any = None,
        loss: Any = None,
        learning_rate: float = 0.001,
        epochs: int = 100,
        batch_size: int = 64,
        random_state: Any = None,
        check_input: bool = True,
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.loss = loss
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.random_state = random_state
        self.check_input = check_input

    def _checked(self, X: Any) -> Any:
        """X, for predictions."""
        check_is_fitted(self)
        return validate_data(self, X, dtype="float32", reset=False) if self.check_input else X

    def _fit(self, X: Any, Y: Any, loss: Any) -> None:
        """Fit a copy of the model to truths in an array (samples, nO)."""
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError(f"epochs and batch_size must be 1 or more, got {self.epochs} and {self.batch_size}")
        with _seeded(self.random_state):
            model = self.model.copy()
            if not all(node.has_param(name) for node in model.walk() for name in node.param_names):
                model.initialize(X=X[: self.batch_size], Y=Y[: self.batch_size])
            optimizer = Adam(self.learning_rate) if self.optimizer is None else copy.deepcopy(self.optimizer)
            total = 0.0
            for _ in range(self.epochs):
                total = 0.0
                for inputs, truths in model.ops.multibatch(self.batch_size, X, Y, shuffle=True):
                    guesses, backprop = model.begin_update(inputs)
                    gradient, error = loss(guesses, truths)
                    backprop(gradient)
                    model.finish_update(optimizer)
                    total += float(error)
        self.model_, self.loss_, self.n_iter_ = model, total, self.epochs

    def _outputs(self, X: Any) -> Any:
        """The model's outputs, batch by batch."""
        X = self._checked(X)
        batches = [X[i : i + self.batch_size] for i in range(0, len(X), self.batch_size)]
        return np.concatenate([self.model_.predict(batch) for batch in batches])


def _ends_in_softmax(estimator: ModelEstimator) -> bool:
    return is_softmax(last_node(estimator.model))


class ModelClassifier(ClassifierMixin, ModelEstimator):
    """A model whose outputs are scores of classes. classes_: their labels, in the order of the model's outputs."""

    classes_: Any

    def fit(self, X: Any, y: Any) -> Self:
        """Fit a copy of the model. X (samples, features), y (samples,) labels. ValueError for other shapes, or NaN."""
        if self.check_input:
            X, y = validate_data(self, X, y, dtype="float32")
        check_classification_targets(y)
        self.classes_, places = np.unique(y, return_inverse=True)
        truths = np.zeros((len(places), len(self.classes_)), dtype="float32")
        truths[np.arange(len(places)), places] = 1
        self._fit(X, truths, CategoricalCrossentropy() if self.loss is None else self.loss)
        return self

    def predict(self, X: Any) -> Any:
        """The label with the highest score for each sample."""
        best = self._outputs(X).argmax(axis=1)
        return self.classes_[best]

    @available_if(_ends_in_softmax)
    def predict_proba(self, X: Any) -> Any:
        """The probabilities (samples, classes), if the model ends in Softmax."""
        return self._outputs(X)


class ModelRegressor(RegressorMixin, ModelEstimator):
    """A model whose outputs are targets."""

    _is_flat: bool

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> Self:
        """Fit a copy of the model. X (samples, features), y (samples,) or (samples, targets)."""
        if self.check_input:
            X, y = validate_data(self, X, y, dtype="float32", multi_output=True, y_numeric=True)
        truths = np.asarray(y, dtype="float32")
        self._is_flat = truths.ndim == 1
        self._fit(X, truths.reshape(len(truths), -1), L2Distance() if self.loss is None else self.loss)
        return self

    def predict(self, X: Any) -> Any:
        """The targets, in the shape that `fit` got, in float64 as scikit-learn's regressors give them."""
        outputs = self._outputs(X).astype("float64")
        return outputs[:, 0] if self._is_flat else outputs


@contextmanager
def _seeded(random_state: Any) -> Iterator[None]:
    """Draw from this state inside the block: initializers, batches and dropout use numpy's own."""
    if random_state is None:
        yield
        return
    before = np.random.get_state()
    np.random.set_state(check_random_state(random_state).get_state())
    try:
        yield
    finally:
        np.random.set_state(before)
