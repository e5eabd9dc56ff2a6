"""The checks that are not about gradients. Each returns what it found, or raises FailedError or SkippedError."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .._arrays import is_xp_array
from .._described import described
from ..contracts import contracts
from ._subject import FailedError, SkippedError, Subject, WarnedError, begin_update, forget_gradients, random_gradient
from ._values import copied, first_rows, floats, map_floats, row_count, same, with_an_empty_sequence


def check_contracts(subject: Subject) -> str:
    """X, Y, dY and dX of all layers, for training and for prediction, under contracts; and Y against the example."""
    with contracts():
        model = subject.copy()
        model.predict(subject.X)
        Y, backprop = begin_update(model, subject.X)
        dX = backprop(random_gradient(Y))
    example = subject.expected
    if example is not None:
        differ = is_xp_array(example) and is_xp_array(Y) and example.dtype.kind == "f" and example.shape != Y.shape
        if differ or isinstance(example, list) != isinstance(Y, list):
            raise FailedError(f"the model gives {described(Y)}, the example Y is {described(example)}")
    return f"X {described(subject.given)}, Y {described(Y)}, dX {described(dX)}"


def check_inputs_are_kept(subject: Subject) -> str:
    """That X holds what it held, after prediction, training and backprop, and dY what it held, after backprop."""
    model, X = subject.copy(), subject.X
    before = copied(X)
    model.predict(X)
    if not same(X, before):
        raise FailedError("predict changes X")
    Y, backprop = begin_update(model, X)
    if not same(X, before):
        raise FailedError("begin_update changes X")
    dY = random_gradient(Y)
    given = copied(dY)
    backprop(dY)
    if not same(X, before):
        raise FailedError("the callback changes X")
    if not same(dY, given):
        raise FailedError("the callback changes dY, which other layers may be given as well")
    return ""


def check_empty_batch(subject: Subject) -> str:
    """A batch without items, forwards and backwards."""
    return _run_part(subject, _rows(subject, 0), 0)


def check_single_row(subject: Subject) -> str:
    """A batch of the first item alone."""
    if row_count(subject.given) == 0:
        raise SkippedError("the batch is empty")
    return _run_part(subject, _rows(subject, 1), 1)


def check_empty_sequence(subject: Subject) -> str:
    """A batch in which one sequence has no items."""
    try:
        part = with_an_empty_sequence(subject.X)
    except ValueError as error:
        raise SkippedError(str(error)) from None
    return _run_part(subject, part, row_count(part) or 0)


def _rows(subject: Subject, n: int) -> Any:
    try:
        return first_rows(subject.X, n)
    except ValueError as error:
        raise SkippedError(str(error)) from None


def _run_part(subject: Subject, part: Any, n: int) -> str:
    """Run a smaller batch. If the whole batch has an output for each item, this one has too."""
    model = subject.copy()
    whole = row_count(model.predict(subject.X))
    with contracts():
        Y = model.predict(part)
        Y, backprop = begin_update(model, part)
        backprop(random_gradient(Y))
    if whole is not None and whole == row_count(subject.given) and row_count(Y) != n:
        raise FailedError(f"{n} items go in, {described(Y)} comes out")
    if not all(bool(np.isfinite(array).all()) for array in floats(Y)):
        raise FailedError(f"the output is not finite: {described(Y)}")
    return f"Y {described(Y)}"


def check_dtypes(subject: Subject) -> str:
    """That floats leave the model, forwards and backwards, in the dtype in which they came in."""
    model, X = subject.copy(), subject.X
    parameters = [node.get_param(name) for node in model.walk() for name in node.param_names if node.has_param(name)]
    expected = {array.dtype for array in (*floats(X), *floats(parameters))}
    if len(expected) != 1:
        several = ", ".join(sorted(map(str, expected)))
        raise SkippedError(f"X and parameters are {several}" if several else "there are no floats in X and parameters")
    dtype = expected.pop()
    Y, backprop = begin_update(model, X)
    dX = backprop(random_gradient(Y))
    gradients = [node.get_grad(name) for node in model.walk() for name in node.grad_names]
    for what, value in (("Y", Y), ("dX", dX), ("a gradient of a parameter", gradients)):
        wrong = [str(array.dtype) for array in floats(value) if array.dtype != dtype]
        if wrong:
            raise FailedError(f"X and parameters are {dtype}, but {what} is {wrong[0]}")
    return str(dtype)


def check_determinism(subject: Subject) -> str:
    """That the same batch gives the same, before and after training, and training under one seed the same gradients."""
    model, X = subject.copy(), subject.X
    first = model.predict(X)
    if not same(first, model.predict(X)):
        raise FailedError("predict gives another output the second time")
    results = []
    for _ in range(2):
        forget_gradients(model)
        Y, backprop = begin_update(model, X)
        dX = backprop(random_gradient(Y))
        results.append((copied(Y), copied(floats(dX)), copied(_gradients(model))))
    for what, one, other in zip(("outputs", "dX", "gradients of the parameters"), *results, strict=True):
        if not same(one, other):
            raise FailedError(f"two updates under one seed give different {what}")
    if not same(first, model.predict(X)):
        raise FailedError("predict gives another output after begin_update and its callback")
    Y, backprop = begin_update(model, X)
    begin_update(model, _other_batch(X))
    forget_gradients(model)
    dX = backprop(random_gradient(Y))
    if not same(results[0][1], floats(dX)) or not same(results[0][2], _gradients(model)):
        raise FailedError(
            "the callback gives other gradients after another batch has run: it uses what the model holds, not what "
            "its own batch left"
        )
    return ""


def _other_batch(X: Any) -> Any:
    """Another batch of the same form: other floats, or where there are none the first item alone, if it can be had."""
    if any(array.size for array in floats(X)):
        return map_floats(lambda array: array * 0.5 + 1, X)
    try:
        return first_rows(X, 1)
    except ValueError:
        return X


def _gradients(model: Any) -> list[Any]:
    return [node.get_grad(name) for node in model.walk() for name in node.grad_names]


def check_copy(subject: Subject) -> str:
    """That a copy gives the same, and that changing its parameters leaves the original alone."""
    model, X = subject.copy(), subject.X
    expected = model.predict(X)
    twin = model.copy()
    if not same(expected, twin.predict(X)):
        raise FailedError("the copy gives another output")
    if not _disturb(twin):
        return "no parameters"
    if not same(expected, model.predict(X)):
        raise FailedError("changing the parameters of the copy changes the output of the original")
    return ""


def _disturb(model: Any) -> bool:
    """Add to all parameters. Whether there are any."""
    found = False
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                node.set_param(name, node.get_param(name) + 1)
                found = True
    return found


def check_serialisation(subject: Subject) -> str:
    """That bytes bring the output back in a copy with other parameters, and are the same when written again."""
    model, X = subject.copy(), subject.X
    expected = model.predict(X)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = model.to_bytes()
        other = model.copy()
        _disturb(other)
        loaded = other.from_bytes(data).predict(X)
        again = other.to_bytes()
    if not same(expected, loaded):
        raise FailedError("the model that was loaded gives another output")
    if again != data:
        raise FailedError("the model that was loaded is written as other bytes")
    left_out = dict.fromkeys(str(warning.message).partition("\n")[0] for warning in caught)
    if left_out:
        raise WarnedError("; ".join([f"{len(data)} bytes", *left_out]))
    return f"{len(data)} bytes"
