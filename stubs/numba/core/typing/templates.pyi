"""What thinc_nb uses: what calling a type gives."""

from typing import Any

from ..types import Type

class Signature:
    # Any: the last two are for methods and functions of Python.
    def __init__(self, return_type: Type, args: tuple[Type, ...], recvr: Any, pysig: Any = None) -> None: ...
    @property
    def args(self) -> tuple[Type, ...]: ...
    @property
    def return_type(self) -> Type: ...

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
