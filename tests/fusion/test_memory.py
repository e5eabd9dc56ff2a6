"""Memory of a training run: recycled from step to step, but never what somebody still holds."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from thinc_nb.api import Adam, HashEmbed, Maxout, Model, Softmax, chain, expand_window, fix_random_seed, residual
from thinc_nb.backends import free_memory
from thinc_nb.backends._memory import POOL

pytestmark = pytest.mark.without_contracts
ROWS, CLASSES = 600, 40
IDS = np.arange(ROWS, dtype="uint64")


def tagger() -> Model[Any, Any]:
    fix_random_seed(0)
    convolution = residual(chain(expand_window(1), Maxout(96, normalize=True, dropout=0.1)))
    return chain(HashEmbed(96, 500), convolution, Softmax(CLASSES)).initialize(X=IDS)


def step(model: Model[Any, Any], optimizer: Any) -> Any:
    """An update; what the model gave."""
    Y, backprop = model.begin_update(IDS)
    backprop((Y - 1 / CLASSES) / ROWS)
    model.finish_update(optimizer)
    return Y


def test_what_is_held_of_100_steps_is_never_overwritten() -> None:
    model, optimizer = tagger(), Adam(0.01)
    held = []
    for _ in range(100):
        Y = step(model, optimizer)
        held.append((Y, Y.copy()))
    for kept, copy in held:
        np.testing.assert_array_equal(kept, copy)
    assert len({id(Y.base) for Y, _ in held}) == 100


def test_memory_is_given_back_on_request() -> None:
    step(tagger(), Adam(0.01))
    assert POOL.held > 0
    free_memory()
    assert POOL.held == 0


def test_training_makes_no_page_faults_once_it_runs() -> None:
    resource = pytest.importorskip("resource")
    if sys.platform != "linux":
        pytest.skip("other systems count page faults in other ways")
    # In a process of its own: others share this one's heap.
    done = subprocess.run([sys.executable, "-c", FAULTS], check=True, capture_output=True, text=True)
    faults = [int(count) for count in done.stdout.split()]
    assert len(faults) == 20
    assert statistics.median(faults) == 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt > 0  # it does count them


def test_two_models_that_train_in_two_threads_make_no_page_faults_either_and_give_what_each_gives_alone() -> None:
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "RUSAGE_THREAD"):
        pytest.skip("this system does not count the page faults of a thread")
    done = subprocess.run([sys.executable, "-c", TWO_THREADS], check=True, capture_output=True, text=True)
    faults, same = done.stdout.splitlines()
    counts = [int(count) for count in faults.split()]
    assert len(counts) == 40
    # A size of which both hold more than ever before is mapped anew: hardly ever, and never in most steps.
    assert sorted(counts)[30] == 0
    assert same == "True True"


TWO_THREADS = """
import resource, threading
import numpy as np
from thinc_nb.api import Adam, Maxout, Softmax, chain, expand_window, fix_random_seed, residual
X = np.random.default_rng(0).standard_normal((2000, 96), dtype="float32")

def made(width):
    fix_random_seed(width)
    block = residual(chain(expand_window(1), Maxout(width, normalize=True)))
    return chain(Maxout(width, normalize=True), block, Softmax(40)).initialize(X=X)

def train(model, counts):
    optimizer = Adam(0.001)
    for i in range(40):
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        Y, backprop = model.begin_update(X)
        backprop(Y)
        model.finish_update(optimizer)
        if i >= 20:
            counts.append(resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before)

alone = [made(width) for width in (96, 64)]
for model in alone:
    train(model, [])
together, counts = [made(width) for width in (96, 64)], []
threads = [threading.Thread(target=train, args=(model, counts)) for model in together]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*counts)
print(*(np.array_equal(a.predict(X), b.predict(X)) for a, b in zip(alone, together)))
"""

FAULTS = """
import resource
import numpy as np
from thinc_nb.api import Adam, Maxout, Softmax, chain, expand_window, residual
model = chain(Maxout(96, normalize=True), residual(chain(expand_window(1), Maxout(96, normalize=True))), Softmax(40))
X = np.random.default_rng(0).standard_normal((2000, 96), dtype="float32")
model.initialize(X=X)
optimizer = Adam(0.001)
for i in range(35):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    Y, backprop = model.begin_update(X)
    backprop(Y)
    model.finish_update(optimizer)
    if i >= 15:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
