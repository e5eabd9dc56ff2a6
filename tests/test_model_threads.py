"""One model in ten threads: predictions are those of one thread, and copies train as they would alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from thinc_nb.api import Adam, LayerNorm, Maxout, Model, Relu, Softmax, chain, residual, with_array

THREADS = 10
BATCHES = [[np.random.default_rng(i).standard_normal((n, 8)).astype("f") for n in (3, 7, 1, 500)] for i in range(3)]


def build() -> Model[Any, Any]:
    layers = chain(Maxout(32, 8, normalize=True), residual(Relu(32, 32)), LayerNorm(32), Softmax(5, 32))
    model: Model[Any, Any] = with_array(layers)
    return model.initialize()


def together(work: Callable[[int], Any]) -> list[Any]:
    """What ten threads that begin at once give."""
    results: list[Any] = [None] * THREADS
    barrier = threading.Barrier(THREADS)

    def run(place: int) -> None:
        barrier.wait(60)
        results[place] = work(place)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    return results


def test_a_model_predicts_in_ten_threads_as_in_one():
    model = build()
    expected = [model.predict(batch) for batch in BATCHES]

    def work(place: int) -> bool:
        for turn in range(20):
            batch = (place + turn) % len(BATCHES)
            found = model.predict(BATCHES[batch])
            if not all(map(np.array_equal, found, expected[batch])):
                return False
        return True

    assert together(work) == [True] * THREADS


def test_copies_of_a_model_train_in_ten_threads_as_in_one():
    model = build()

    def work(place: int) -> bytes:
        twin, optimizer = model.copy(), Adam(0.01)
        for batch in BATCHES:
            Y, backprop = twin.begin_update(batch)
            backprop([y - 0.2 for y in Y])
            twin.finish_update(optimizer)
        return twin.to_bytes()

    assert set(together(work)) == {work(0)}
