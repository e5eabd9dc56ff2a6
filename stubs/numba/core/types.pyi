"""Only what thinc_nb uses."""

class Type:
    name: str
    # A type called is a signature with that result; a type indexed with slices is an array of it: float32[:, ::1].
    def __call__(self, *args: Type) -> Signature: ...
    def __getitem__(self, ndim: slice | tuple[slice, ...]) -> Array: ...

class Signature:
    args: tuple[Type, ...]
    return_type: Type

class Number(Type):
    bitwidth: int

class Boolean(Type): ...
class Integer(Number): ...
class Float(Number): ...

class Array(Type):
    dtype: Type
    ndim: int
    layout: str
    def __init__(self, dtype: Type, ndim: int, layout: str, readonly: bool = False, aligned: bool = True) -> None: ...

class Tuple(Type):
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
