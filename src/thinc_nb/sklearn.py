"""to_sklearn: a model as an estimator of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .layers._checks import check_layers
from .layers._ending import is_softmax, last_node
from .loss import Loss
from .model import Model

if TYPE_CHECKING:
    from ._sklearn import ModelClassifier, ModelRegressor

__all__ = ["to_sklearn"]


def to_sklearn(
    model: Model[Any, Any],
    *,
    classifier: bool | None = None,
    optimizer: Any = None,
    loss: Loss[Any, Any, Any, Any] | None = None,
    learning_rate: float = 0.001,
    epochs: int = 100,
    batch_size: int = 64,
    random_state: Any = None,
    check_input: bool = True,
) -> ModelClassifier | ModelRegressor:
    """An estimator with `fit`, `predict`, `score` and `get_params` that trains copies of a model.

    model: from an array (samples, features) to an array (samples, classes) or (samples, targets). Widths that it has
    not set are found by `fit`; weights that it has are where `fit` starts. It stays as it is: what was fitted is
    ``estimator.model_``. classifier: whether the targets are classes, by default if the model ends in Softmax, which
    also gives `predict_proba`. optimizer: copied for each fit (Adam of `learning_rate`). loss: for guesses and one-hot
    or real truths (`CategoricalCrossentropy`, `L2Distance`). random_state: seeds initialization, order and dropout.
    check_input: if false, X is what the model takes, lists of arrays for instance, and nothing is checked by
    scikit-learn. TypeError for what is no model, ImportError without scikit-learn.
    """
    check_layers("to_sklearn", model)
    try:
        from ._sklearn import ModelClassifier, ModelRegressor
    except ImportError as error:
        raise ImportError("to_sklearn requires scikit-learn: pip install 'thinc_nb[sklearn]'") from error
    if classifier is None:
        classifier = is_softmax(last_node(model))
    return (ModelClassifier if classifier else ModelRegressor)(
        model,
        optimizer=optimizer,
        loss=loss,
        learning_rate=learning_rate,
        epochs=epochs,
        batch_size=batch_size,
        random_state=random_state,
        check_input=check_input,
    )
