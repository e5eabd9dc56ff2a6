"""fix_random_seed makes a run repeat bit for bit: what is drawn, dropout, shuffling, with any number of threads."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from thinc_nb.api import (
    LSTM,
    Adam,
    HashEmbed,
    Maxout,
    Model,
    RAdam,
    SequenceCategoricalCrossentropy,
    Softmax,
    chain,
    clone,
    expand_window,
    fix_random_seed,
    residual,
    with_array,
    with_padded,
)
from thinc_nb.backends import get_num_threads, set_num_threads


def network(kind: str) -> Model[Any, Any]:
    embed = HashEmbed(16, 100, seed=1, dropout=0.2)
    if kind == "lstm":
        return chain(with_array(embed), with_padded(LSTM(16, 16)), with_array(Softmax(3, 16)))
    block = residual(chain(expand_window(1), Maxout(16, 48, dropout=0.3, normalize=True)))
    return with_array(chain(embed, clone(block, 2), Softmax(3, 16)), pad=2)


def trained(kind: str, optimizer: Any, seed: int = 4) -> bytes:
    """The bytes of a model after two epochs, and what the generators gave next."""
    rng = np.random.default_rng(0)
    X = [rng.integers(0, 1000, n).astype("uint64") for n in (3, 1, 7, 5, 40, 2)]
    Y = [rng.integers(0, 3, len(x)).astype("int32") for x in X]
    fix_random_seed(seed)
    model = network(kind).initialize(X=X[:2])
    step, loss = optimizer(0.01), SequenceCategoricalCrossentropy(normalize=False)
    for _ in range(2):
        for inputs, truths in model.ops.multibatch(2, X, Y, shuffle=True):
            guesses, backprop = model.begin_update(inputs)
            backprop(loss.get_grad(guesses, truths))
            model.finish_update(step)
    drawn = np.array([random.random(), np.random.random()]).tobytes()
    return model.to_bytes() + drawn


@pytest.mark.parametrize("kind", ["cnn", "lstm"])
@pytest.mark.parametrize("optimizer", [Adam, RAdam])
def test_the_same_seed_gives_the_same_bits(kind: str, optimizer: Any) -> None:
    first = trained(kind, optimizer)
    assert trained(kind, optimizer) == first
    assert trained(kind, optimizer, seed=5) != first


def test_the_number_of_threads_makes_no_difference() -> None:
    before = get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            set_num_threads(threads)
            results.append(trained("cnn", Adam))
    finally:
        set_num_threads(before)
    assert results[0] == results[1]


def test_torch_is_seeded_too() -> None:
    torch = pytest.importorskip("torch")
    drawn = []
    for _ in range(2):
        fix_random_seed(7)
        drawn.append(torch.rand(4).tolist())
    assert drawn[0] == drawn[1]
