"""What pydantic (2 and 1) asks of a type that is to be a field, answered without importing pydantic.

Pydantic 2 calls ``__get_pydantic_core_schema__`` and takes a core schema, which is a plain dictionary; pydantic 1 calls
``__get_validators__``, which yields functions from the value to the accepted value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def function_schema(validate: Callable[[Any], Any]) -> dict[str, Any]:
    """A core schema that calls `validate`; its TypeError counts as a validation error, as it does in pydantic 1."""

    def check(value: Any) -> Any:
        try:
            return validate(value)
        except TypeError as error:
            raise ValueError(str(error)) from error

    return {"type": "function-plain", "function": {"type": "no-info", "function": check}}


class AcceptsInstances:
    """Mixin: as a pydantic field type, the class accepts its instances unchanged and nothing else."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> dict[str, Any]:
        return {"type": "is-instance", "cls": cls}

    @classmethod
    def __get_validators__(cls) -> Iterator[Callable[[Any], Any]]:
        def check(value: Any) -> Any:
            if not isinstance(value, cls):
                raise TypeError(f"instance of {cls.__name__} expected, got {type(value).__name__}")
            return value

        yield check
