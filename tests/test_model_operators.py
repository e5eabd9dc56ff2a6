"""Operators between models: bound in a block, for one thread or task."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bare_nodes import forward
from thinc_nb.model import Model


def node(name: str = "node") -> Any:
    # Any: the functions bound here give what a checker would not expect of an operator.
    return Model(name, forward)


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "@": operator.matmul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "^": operator.xor,
    "|": operator.or_,
}


@pytest.mark.parametrize("symbol", OPERATORS)
def test_an_operator_calls_what_it_is_bound_to(symbol: str) -> None:
    a, b = node(), node()
    with Model.define_operators({symbol: lambda left, right: (left, right)}):
        assert OPERATORS[symbol](a, b) == (a, b)
        assert OPERATORS[symbol](a, 3) == (a, 3)


@pytest.mark.parametrize("symbol", OPERATORS)
def test_an_operator_that_is_not_bound_is_a_type_error(symbol: str) -> None:
    with pytest.raises(TypeError, match="Undefined operator"):
        OPERATORS[symbol](node(), node())
    others = {other: lambda left, right: None for other in OPERATORS if other != symbol}
    with Model.define_operators(others), pytest.raises(TypeError, match="Undefined operator"):
        OPERATORS[symbol](node(), node())


def test_the_right_side_alone_does_not_make_an_operator() -> None:
    with Model.define_operators({">>": lambda left, right: None}), pytest.raises(TypeError):
        3 >> node()


def test_an_inner_block_replaces_all_bindings_until_it_ends() -> None:
    # Observed in Thinc 9.1.1.
    a, b = node(), node()
    with Model.define_operators({">>": lambda left, right: "outer", "+": lambda left, right: "plus"}):
        with Model.define_operators({">>": lambda left, right: "inner"}):
            assert a >> b == "inner"
            with pytest.raises(TypeError):
                a + b
        assert a >> b == "outer"
        assert a + b == "plus"
    with pytest.raises(TypeError):
        a >> b


def test_bindings_end_with_an_error() -> None:
    with pytest.raises(RuntimeError), Model.define_operators({">>": lambda left, right: None}):
        raise RuntimeError
    with pytest.raises(TypeError):
        node() >> node()


def test_changing_the_dictionary_afterwards_changes_nothing() -> None:
    operators: dict[str, Callable[..., Any]] = {">>": lambda left, right: "bound"}
    with Model.define_operators(operators):
        operators.clear()
        assert node() >> node() == "bound"


def test_threads_do_not_see_each_others_bindings() -> None:
    barrier = threading.Barrier(4, timeout=20)
    wrong: list[object] = []

    def work(number: int) -> None:
        for _ in range(50):
            with Model.define_operators({">>": lambda left, right: number}):
                barrier.wait()
                if node() >> node() != number:
                    wrong.append(number)
                barrier.wait()
        try:
            node() >> node()
            wrong.append("still bound")
        except TypeError:
            pass

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    with Model.define_operators({">>": lambda left, right: "main"}):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert node() >> node() == "main"
    assert wrong == []


def test_tasks_do_not_see_each_others_bindings() -> None:
    async def work(number: int) -> list[object]:
        found: list[object] = []
        with Model.define_operators({">>": lambda left, right: number}):
            for _ in range(5):
                await asyncio.sleep(0)
                found.append(node() >> node())
        return found

    async def main() -> list[list[object]]:
        return await asyncio.gather(*(work(number) for number in range(5)))

    assert asyncio.run(main()) == [[number] * 5 for number in range(5)]


def test_what_cannot_be_called_is_not_bound() -> None:
    wrong: Any = {">>": 3}
    with pytest.raises(TypeError, match="operator >> must be bound"), Model.define_operators(wrong):
        pass
