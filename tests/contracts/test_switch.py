"""Switching contracts on and off: blocks, threads, tasks, generators, the environment."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from thinc_nb import contracts as module
from thinc_nb.api import Linear, Model, chain
from thinc_nb.contracts import active, contracts, set_contracts
from thinc_nb.errors import ContractError
from thinc_nb.types import Floats2d

pytestmark = pytest.mark.without_contracts

X = np.zeros((3, 4), dtype="f")
METHODS = ("__call__", "begin_update", "predict")
PLAIN = {name: Model.__dict__[name] for name in METHODS}


def doubled(model: Model[Any, Any], X: Floats2d, is_train: bool) -> tuple[Floats2d, Callable[[Floats2d], Floats2d]]:
    """Breaks its contract: gives float64."""
    return X.astype("float64"), lambda dY: dY.astype("float32")


BROKEN: Model[Any, Any] = Model("doubled", doubled)


def is_checked() -> bool:
    """Whether layers that run here are checked, found out by running one."""
    try:
        BROKEN.predict(X)
    except ContractError:
        assert active()
        return True
    assert not active()
    return False


@pytest.fixture(autouse=True)
def methods_are_restored() -> Iterator[None]:
    yield
    set_contracts(False)
    assert module._enabled_blocks == 0
    assert {name: Model.__dict__[name] for name in METHODS} == PLAIN


def test_a_block_checks_and_the_end_of_it_restores_the_methods() -> None:
    assert not is_checked()
    with contracts():
        assert is_checked()
    assert not is_checked()
    assert {name: Model.__dict__[name] for name in METHODS} == PLAIN


def test_all_three_ways_to_run_a_layer_are_checked() -> None:
    with contracts():
        for run in (BROKEN.predict, BROKEN.begin_update, lambda X: BROKEN(X, True), lambda X: BROKEN(X, False)):
            with pytest.raises(ContractError, match="'doubled' promises Floats2d as output Y, got float64"):
                run(X)


def test_an_error_ends_the_block() -> None:
    with pytest.raises(RuntimeError), contracts():
        raise RuntimeError
    assert not is_checked()
    with pytest.raises(ContractError), contracts():
        BROKEN.predict(X)
    assert not is_checked()


def test_blocks_nest() -> None:
    with contracts():
        with contracts(enabled=False):
            assert not is_checked()
            with contracts():
                assert is_checked()
            assert not is_checked()
        assert is_checked()
    assert not is_checked()


def test_a_block_decorates_functions() -> None:
    @contracts()
    def run() -> bool:
        return is_checked()

    assert run()
    assert run()
    assert not is_checked()


def test_set_contracts_is_for_all_threads_and_a_block_overrides_it() -> None:
    set_contracts(True)
    assert is_checked()
    assert in_thread(is_checked)
    with contracts(enabled=False):
        assert not is_checked()
        assert in_thread(is_checked)
    set_contracts(False)
    assert not is_checked()


def test_set_contracts_inside_a_block_leaves_the_block_on() -> None:
    with contracts():
        set_contracts(True)
        set_contracts(False)
        assert is_checked()
    assert not is_checked()


def in_thread(function: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_another_thread_is_not_checked() -> None:
    with contracts():
        assert not in_thread(is_checked)
        assert is_checked()


def test_many_threads_with_blocks_of_their_own() -> None:
    start = threading.Barrier(8)
    seen: list[bool] = []

    def run(enabled: bool) -> None:
        start.wait()
        for _ in range(50):
            if enabled:
                with contracts():
                    seen.append(is_checked())
            else:
                seen.append(not is_checked())

    threads = [threading.Thread(target=run, args=(i % 2 == 0,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 400
    assert all(seen)


def test_a_task_does_not_see_the_block_of_another() -> None:
    async def checking(entered: asyncio.Event, leave: asyncio.Event) -> bool:
        with contracts():
            entered.set()
            await leave.wait()
            return is_checked()

    async def plain(entered: asyncio.Event, leave: asyncio.Event) -> bool:
        await entered.wait()
        answer = is_checked()
        leave.set()
        return answer

    async def both() -> list[bool]:
        entered, leave = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(checking(entered, leave), plain(entered, leave))

    assert asyncio.run(both()) == [True, False]


def test_a_task_that_outlives_the_block_it_was_started_in_is_not_checked_any_more() -> None:
    async def outlive(after: asyncio.Event) -> tuple[bool, bool]:
        inside = is_checked()
        await after.wait()
        return inside, is_checked()

    async def main() -> tuple[bool, bool]:
        after = asyncio.Event()
        with contracts(), contracts():
            task = asyncio.create_task(outlive(after))
            await asyncio.sleep(0)
        with contracts():  # of this task, not of that one
            after.set()
            return await task

    assert asyncio.run(main()) == (True, False)


def test_generators_may_end_in_any_order() -> None:
    def inside() -> Iterator[bool]:
        with contracts():
            yield active()
            yield active()

    first, second = inside(), inside()
    assert next(first)
    assert next(second)
    first.close()
    assert next(second)
    second.close()
    assert not is_checked()


def test_a_generator_may_be_closed_by_another_thread() -> None:
    def inside() -> Iterator[None]:
        with contracts():
            yield

    generator = inside()
    next(generator)
    in_thread(generator.close)
    assert not is_checked()


def test_callbacks_from_inside_a_block_check_after_it() -> None:
    model = Linear(2, 4).initialize()
    with contracts():
        _, backprop = model.begin_update(X)
    with pytest.raises(ContractError, match=r"expects float32 \(3, 2\), like Y, as gradient dY, got float32 \(3, 4\)"):
        backprop(X)
    assert not is_checked()


@pytest.mark.parametrize(
    ("value", "expected"), [("1", "True"), ("0", "False"), ("", "False"), (None, "False"), ("false", "False")]
)
def test_the_environment_switches_contracts_on(value: str | None, expected: str) -> None:
    code = (
        "import sys, thinc_nb.model; from thinc_nb.contracts import active;"
        "print(active(), ('typeguard' in sys.modules) is active())"
    )
    environment = {name: text for name, text in os.environ.items() if name != "THINC_NB_CONTRACTS"}
    if value is not None:
        environment["THINC_NB_CONTRACTS"] = value
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment)
    assert done.stdout.split() == [expected, "True"], done.stderr


def test_off_methods_are_those_of_the_class_body() -> None:
    """Zero cost: not a wrapper that asks."""
    with contracts():
        assert all(Model.__dict__[name] is not PLAIN[name] for name in METHODS)
    for name in METHODS:
        assert Model.__dict__[name].__code__.co_filename.endswith("model.py")


def test_a_subclass_that_overrides_methods_runs_and_what_it_calls_is_checked() -> None:
    class Counting(Model[Any, Any]):
        calls = 0

        def __call__(self, X: Any, is_train: bool) -> Any:
            Counting.calls += 1
            return super().__call__(X, is_train)

        def predict(self, X: Any) -> Any:
            return self._func(self, X, is_train=False)[0]

    counting = Counting("doubled", doubled)
    with contracts():
        counting.predict(X)
        with pytest.raises(ContractError, match=r"layers\[0\] 'doubled'"):
            chain(counting, Linear(2, 4)).predict(X)
    assert Counting.calls == 1
