"""What thinc_nb uses."""

from abc import ABCMeta
from functools import cached_property
from typing import Any

from typing_extensions import Self

from .typing.templates import Signature

class Type(metaclass=ABCMeta):
    name: str
    def __init__(self, name: str) -> None: ...
    # A type called is a signature with that result; a type indexed with slices is an array of it: float32[:, ::1].
    def __call__(self, *args: Type) -> Signature: ...
    def __getitem__(self, args: slice | tuple[slice, ...], /) -> Array: ...

class Number(Type): ...
class Boolean(Type): ...

class Integer(Number):
    bitwidth: int
    signed: bool
    def __init__(self, name: str, bitwidth: int | None = None, signed: bool | None = None) -> None: ...

class Float(Number):
    bitwidth: int
    # Any: whatever they are, they are handed on to Type.
    def __init__(self, *args: Any, **kws: Any) -> None: ...

class Array(Type):
    @cached_property
    def dtype(self) -> Type: ...
    @cached_property
    def ndim(self) -> int: ...
    @cached_property
    def layout(self) -> str: ...
    def __init__(
        self,
        dtype: Type,
        ndim: int,
        layout: str,
        readonly: bool = False,
        name: str | None = None,
        aligned: bool = True,
    ) -> None: ...

class Tuple(Type):
    def __new__(cls, types: tuple[Type, ...]) -> Self: ...
    def __init__(self, types: tuple[Type, ...]) -> None: ...

class UniTuple(Type):
    def __init__(self, dtype: Type, count: int) -> None: ...

boolean: Boolean
int8: Integer
int16: Integer
int32: Integer
int64: Integer
intp: Integer
uint8: Integer
uint16: Integer
uint32: Integer
uint64: Integer
float32: Float
float64: Float
void: Type
none: Type

# The rest of the module, which is not described.
def __getattr__(name: str) -> Any: ...
