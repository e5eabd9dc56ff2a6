"""to_sklearn: models as estimators."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from thinc_nb.api import (
    Adam,
    Linear,
    Logistic,
    Model,
    Relu,
    Softmax,
    chain,
    list2ragged,
    reduce_mean,
    to_sklearn,
    with_array,
)

sklearn = pytest.importorskip("sklearn")
clone = pytest.importorskip("sklearn.base").clone
datasets = pytest.importorskip("sklearn.datasets")
NotFittedError = pytest.importorskip("sklearn.exceptions").NotFittedError
model_selection = pytest.importorskip("sklearn.model_selection")
make_pipeline = pytest.importorskip("sklearn.pipeline").make_pipeline
StandardScaler = pytest.importorskip("sklearn.preprocessing").StandardScaler
check_estimator = pytest.importorskip("sklearn.utils.estimator_checks").check_estimator


def classifier(**options: Any) -> Any:
    return to_sklearn(chain(Relu(16), Softmax()), **{"learning_rate": 0.01, "epochs": 60, **options})


def regressor(**options: Any) -> Any:
    return to_sklearn(chain(Relu(16), Linear()), **{"learning_rate": 0.02, "epochs": 150, **options})


@pytest.mark.parametrize("build", [classifier, regressor])
def test_scikit_learns_own_checks_pass(build: Any) -> None:
    results = check_estimator(build(), on_fail="raise", on_skip=None)
    assert len(results) > 45
    # For want of packages, not of ours: pandas and array_api_compat.
    assert {result["status"] for result in results} <= {"passed", "skipped"}
    assert sum(result["status"] == "skipped" for result in results) <= 2


def test_the_kind_is_that_of_the_models_end() -> None:
    assert type(to_sklearn(with_array(chain(Relu(2), Softmax())))).__name__ == "ModelClassifier"
    assert type(to_sklearn(chain(Softmax(2), Linear()))).__name__ == "ModelRegressor"
    forced = to_sklearn(chain(Linear(), Logistic()), classifier=True)
    assert type(forced).__name__ == "ModelClassifier"
    assert not hasattr(forced, "predict_proba")
    assert hasattr(classifier(), "predict_proba")


def test_it_learns_inside_pipelines_searches_and_cross_validation() -> None:
    X, y = datasets.load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    pipeline = make_pipeline(StandardScaler(), classifier(random_state=0))
    assert model_selection.cross_val_score(pipeline, X, names, cv=3).mean() > 0.93
    search = model_selection.GridSearchCV(
        classifier(random_state=0, epochs=20), {"learning_rate": [1e-6, 0.02]}, cv=3
    ).fit(X, names)
    assert search.best_params_ == {"learning_rate": 0.02}
    probabilities = search.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (search.classes_[probabilities.argmax(axis=1)] == search.predict(X)).all()


def test_targets_of_several_columns_are_learnt() -> None:
    X, y = datasets.load_diabetes(return_X_y=True)
    X, y = X / X.std(), (y - y.mean()) / y.std()
    flat = regressor(random_state=0).fit(X, y)
    assert flat.score(X, y) > 0.45
    both = regressor(random_state=0).fit(X, np.stack([y, -y], axis=1))
    assert both.predict(X).shape == (len(X), 2)
    assert flat.predict(X).shape == (len(X),)


def test_a_seed_decides_and_numpys_state_is_left_alone() -> None:
    X, y = datasets.load_iris(return_X_y=True)
    np.random.seed(5)
    before = np.random.get_state()[1].tolist()
    one, two = (classifier(random_state=3, epochs=2).fit(X, y) for _ in range(2))
    assert np.random.get_state()[1].tolist() == before
    assert np.array_equal(one.predict_proba(X), two.predict_proba(X))
    other = classifier(random_state=4, epochs=2).fit(X, y)
    assert not np.array_equal(one.predict_proba(X), other.predict_proba(X))


def test_the_given_model_stays_as_it_is_and_its_weights_are_the_start() -> None:
    X, y = datasets.load_iris(return_X_y=True)
    estimator = classifier(epochs=2)
    estimator.fit(X, y)
    assert estimator.model.layers[0].has_param("W") is None
    assert estimator.model_.get_dim("nI") == 4
    start = estimator.model_
    before = start.to_bytes()
    further = to_sklearn(start, learning_rate=0.0, epochs=1).fit(X, y)
    assert start.to_bytes() == before == further.model_.to_bytes()
    optimizer = Adam(0.01)
    given = classifier(optimizer=optimizer, epochs=2).fit(X, y)
    assert given.get_params()["optimizer"] is optimizer
    assert not optimizer.nr_update


def test_estimators_are_cloned_and_pickled() -> None:
    X, y = datasets.load_iris(return_X_y=True)
    estimator = classifier(epochs=2).fit(X, y)
    twin = clone(estimator)
    assert twin.get_params().keys() == estimator.get_params().keys()
    with pytest.raises(NotFittedError):
        twin.predict(X)
    again = pickle.loads(pickle.dumps(estimator))
    assert np.array_equal(again.predict_proba(X), estimator.predict_proba(X))


def test_sequences_are_taken_unchecked(rng: np.random.Generator) -> None:
    pool: Any = reduce_mean()
    model: Model[Any, Any] = chain(list2ragged(), with_array(Relu(8)), pool, Softmax())
    X = [rng.normal(size=(int(n), 3)).astype("f") for n in rng.integers(1, 6, 80)]
    y = np.array([x[:, 0].mean() > 0 for x in X])
    estimator = to_sklearn(model, check_input=False, learning_rate=0.02, epochs=60, random_state=0).fit(X, y)
    assert estimator.score(X, y) > 0.9


def test_bad_arguments_are_clear_errors() -> None:
    X, y = datasets.load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="epochs and batch_size must be 1 or more, got 0 and 64"):
        classifier(epochs=0).fit(X, y)
    with pytest.raises(ValueError, match="expecting 4 features"):
        classifier(epochs=1).fit(X, y).predict(X[:, :3])
