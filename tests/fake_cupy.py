"""A `cupy` whose arrays are numpy's, as strict as the real one where code for both is easily wrong.

An array is not a numpy array, does not become one by itself, and does no arithmetic with one; what is indexed or
reduced to one number is an array of no dimensions. Only methods and functions that CuPy has are there.

Memory is the host's, so the addresses that a launch passes can be followed. A kernel that is launched looks at what it
was given as the device would: by the parameters that its PTX declares. Then the loop of the CPU is run on the memory at
those addresses, with the ranges that were passed. Each launch is noted in `launches`.
"""

from __future__ import annotations

import ctypes
import operator
import re
from copy import copy
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from typing_extensions import Self

from thinc_nb.kernels import KERNELS, Kernel
from thinc_nb.kernels._cpu import compile_loop
from thinc_nb.kernels._launch import entry_of
from thinc_nb.kernels._words import Precision

METHODS = frozenset(
    """
    all any argmax argmin argsort astype clip copy cumsum dot fill flatten item max mean min nonzero prod ravel
    repeat reshape sort squeeze std sum swapaxes take tolist transpose var view
    """.split()  # noqa: SIM905
)
FUNCTIONS = frozenset(
    """
    abs all any arange argmax argmin array_equal ascontiguousarray bincount broadcast_to clip concatenate divide
    cos cumsum diff dot einsum empty empty_like exp expand_dims eye flatnonzero full full_like hstack
    isfinite isnan log matmul maximum may_share_memory mean minimum moveaxis nonzero ones ones_like outer
    prod repeat reshape searchsorted sign sin split sqrt square squeeze stack sum swapaxes tanh tensordot
    tile transpose triu unique vstack where zeros zeros_like
    """.split()  # noqa: SIM905
)


class ndarray:  # noqa: N801  (CuPy's name)
    """An array on the device."""

    __array_ufunc__ = None  # numpy's operators leave the work to those below.

    def __init__(self, host: Any, device_id: int = 0) -> None:
        if type(host) is not np.ndarray:
            raise TypeError(f"an array of the device was made of {type(host)}")
        if host.dtype.kind not in "biufc":
            raise ValueError(f"Unsupported dtype {host.dtype}")
        self._host = host
        self._device_id = device_id

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    strides = property(lambda self: self._host.strides)
    T = property(lambda self: wrapped(self._host.T))
    device = property(lambda self: Device(self._device_id))
    # No `writeable`: CuPy has no such flag.
    flags = property(
        lambda self: SimpleNamespace(
            c_contiguous=self._host.flags.c_contiguous, f_contiguous=self._host.flags.f_contiguous
        )
    )
    data = property(lambda self: SimpleNamespace(ptr=self._host.ctypes.data, device_id=self._device_id))

    def __getattr__(self, name: str) -> Any:
        if name not in METHODS:
            raise AttributeError(f"'ndarray' object has no attribute {name!r}")
        method = getattr(self._host, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            if name == "argsort":
                kwargs["kind"] = "stable"
            result = method(*unwrapped(args), **unwrapped(kwargs))
            return result if name in {"item", "tolist"} else wrapped(result)

        return call

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`.")

    def get(self) -> np.ndarray:
        return self._host.copy()

    def __getitem__(self, index: Any) -> Any:
        return wrapped(self._host[place(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        self._host[place(index)] = unwrapped(value)

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Any:
        return map(wrapped, self._host)

    def __bool__(self) -> bool:
        return bool(self._host)

    def __int__(self) -> int:
        return int(self._host)

    def __float__(self) -> float:
        return float(self._host)

    def __index__(self) -> int:
        return operator.index(self._host)

    __hash__ = None  # type: ignore[assignment]


def _operator(name: str, function: Any) -> None:
    def apply(self: ndarray, other: Any) -> Any:
        return wrapped(function(self._host, unwrapped(other)))

    def reflected(self: ndarray, other: Any) -> Any:
        return wrapped(function(unwrapped(other), self._host))

    def in_place(self: ndarray, other: Any) -> ndarray:
        function(self._host, unwrapped(other), out=self._host)
        return self

    setattr(ndarray, f"__{name}__", apply)
    if function not in COMPARISONS.values():
        setattr(ndarray, f"__r{name}__", reflected)
        setattr(ndarray, f"__i{name}__", in_place)


COMPARISONS = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip
ARITHMETIC = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "pow": np.power,
    "matmul": np.matmul, "floordiv": np.floor_divide, "mod": np.remainder, "and": np.bitwise_and, "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}  # fmt: skip
for name, function in (COMPARISONS | ARITHMETIC).items():
    _operator(name, function)
ndarray.__neg__ = lambda self: wrapped(-self._host)  # type: ignore[attr-defined]
ndarray.__invert__ = lambda self: wrapped(~self._host)  # type: ignore[attr-defined]
ndarray.__abs__ = lambda self: wrapped(abs(self._host))  # type: ignore[attr-defined]


def wrapped(value: Any) -> Any:
    """What numpy gave, as the device gives it."""
    if isinstance(value, (np.ndarray, np.generic)):
        return ndarray(np.asarray(value))
    if isinstance(value, (list, tuple)):
        return type(value)(map(wrapped, value))
    return value


def unwrapped(value: Any) -> Any:
    """Arguments for numpy. TypeError for one of its arrays, which the device cannot see."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, (list, tuple)):
        return type(value)(map(unwrapped, value))
    if isinstance(value, dict):
        return {key: unwrapped(item) for key, item in value.items()}
    return value


def place(index: Any) -> Any:
    if isinstance(index, tuple):
        return tuple(map(place, index))
    return unwrapped(index)


def asarray(a: Any, dtype: Any = None) -> ndarray:
    """The one way from the host to the device, besides `array`."""
    if isinstance(a, ndarray):
        return a if dtype is None or a.dtype == dtype else a.astype(dtype)
    if isinstance(a, (list, tuple)) and any(isinstance(item, ndarray) for item in a):
        return ndarray(np.stack([unwrapped(item) for item in a]).astype(dtype))
    return ndarray(np.array(a, dtype=dtype))


def asnumpy(a: Any) -> np.ndarray:
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


# --- devices, and launches ------------------------------------------------------------------------------------------


class CUDADriverError(RuntimeError):
    """What the driver says."""


class CUDARuntimeError(RuntimeError):
    """What the runtime says."""


class Device:
    """A GPU; `with` makes it the current one."""

    current = 0
    capability = "90"

    def __init__(self, device: int | None = None) -> None:
        self.id = Device.current if device is None else device

    @property
    def compute_capability(self) -> str:
        return self.capability

    def __enter__(self) -> Self:
        self.before, Device.current = Device.current, self.id
        return self

    def __exit__(self, *error: object) -> None:
        Device.current = self.before

    use = __enter__

    def synchronize(self) -> None:
        """Nothing is left to wait for."""


class Launch(SimpleNamespace):
    """One launch: kernel, precision, grid, block, head (the ranges) and arguments."""


launches: list[Launch] = []
loaded: list[str] = []
"""Paths of the PTX that was loaded."""


class RawModule:
    """PTX that the driver loads."""

    fails_with: Exception | None = None

    def __init__(self, *, path: str) -> None:
        self.path = Path(path)

    def get_function(self, name: str) -> RawKernel:
        if self.fails_with is not None:
            raise self.fails_with
        ptx = self.path.read_text()  # Now: the real one loads here too, and the file may be gone later.
        if f".entry {name}(" not in ptx:
            raise CUDADriverError("CUDA_ERROR_NOT_FOUND: named symbol not found")
        loaded.append(str(self.path))
        return RawKernel(self.path.name, ptx)


INDICES = {"items": 1, "rows": 2, "blocks": 4}


class RawKernel:
    """A kernel that can be launched."""

    def __init__(self, file_name: str, ptx: str) -> None:
        kernel_name = ".".join(file_name.split(".")[:2])
        self.precision = "f32"
        if "-" in kernel_name:
            kernel_name, self.precision = kernel_name.split("-")[:2]
        elif ".f64" in ptx:
            self.precision = "f64"
        self.kernel = KERNELS[kernel_name]
        self.parameters = re.findall(r"\.param \.(\w+) " + entry_of(ptx), ptx)

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: Any) -> None:
        kernel = self.kernel
        assert all(type(side) is int and side > 0 for side in (*grid, *block)), (grid, block)
        assert np.prod(block) <= 1024
        assert isinstance(args, tuple)
        assert all(isinstance(arg, np.generic) for arg in args), [type(arg) for arg in args]
        passed = [("f" if arg.dtype.kind == "f" else "i", 8 * arg.itemsize) for arg in args]
        wanted = [("f" if kind[0] == "f" else "i", int(kind[1:])) for kind in self.parameters]
        assert passed == wanted, f"{kernel.name} wants {wanted}, got {passed}"
        values = iter(args)
        head = [int(next(values)) for _ in range(INDICES[kernel.shape])]
        arguments = [self.argument(kind, values) for _, kind in kernel.annotations]
        assert next(values, None) is None
        items = head[0] if kernel.shape == "items" else head[1]
        at_once = block[0] * block[1] if kernel.shape == "items" else block[1]
        assert grid[0] * at_once >= items or grid[0] == 65_535
        assert (grid[0] - 1) * at_once < items, "blocks with nothing to do"
        launches.append(
            Launch(kernel=kernel.name, precision=self.precision, grid=grid, block=block, head=head, args=arguments)
        )
        self.run(head, arguments)

    def argument(self, kind: str, values: Any) -> Any:
        if not kind.endswith("d"):
            return next(values)
        owner, parent, size, itemsize, address = (int(next(values)) for _ in range(5))
        rank = int(kind[-2])
        shape = tuple(int(next(values)) for _ in range(rank))
        strides = tuple(int(next(values)) for _ in range(rank))
        assert (owner, parent) == (0, 0)
        assert size == np.prod(shape)
        dtype = self.dtype_of(kind, itemsize)
        if size == 0:
            return np.empty(shape, dtype)
        memory = (ctypes.c_char * (size * itemsize)).from_address(address)
        array = np.ndarray(shape, dtype, memory, strides=strides)
        assert array.flags.c_contiguous
        return array

    def dtype_of(self, kind: str, itemsize: int) -> np.dtype:
        if kind.startswith("Reals"):
            assert itemsize == (8 if self.precision == "f64" else 4), f"{self.kernel.name}: {kind} of {itemsize} bytes"
            return np.dtype("f8" if self.precision == "f64" else "f4")
        return np.dtype(f"{'u' if kind.startswith('U') else 'i'}{itemsize}")

    def run(self, head: list[int], arguments: list[Any]) -> None:
        loop = self.kernel.cpu(self.precision)
        if self.kernel.shape == "blocks" and head[2] != self.kernel.cpu_rows:
            loop = loop_of_blocks(self.kernel, self.precision, head[2])
        loop(0, head[-1], *arguments)


@cache
def loop_of_blocks(kernel: Kernel[...], precision: Precision, rows: int) -> Any:
    """A kernel's loop on the CPU, in blocks of another size."""
    other = copy(kernel)
    other.cpu_rows = rows
    return compile_loop(other, precision, f"{kernel.name}-{precision}-by-{rows}")


class Stream:
    """A stream. Launches name none, so that CuPy takes the current one."""

    def __init__(self, *, non_blocking: bool = False) -> None:
        self.non_blocking = non_blocking

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Back to the one before."""

    def synchronize(self) -> None:
        """Nothing is left to wait for."""


class Event:
    """A point in time, for measurements."""

    def record(self, stream: Any = None) -> None:
        import time

        self.at = time.perf_counter()

    def synchronize(self) -> None:
        """Nothing is left to wait for."""


class MemoryPool:
    """Memory that is kept."""

    def free_all_blocks(self) -> None:
        """Nothing is held."""


def module() -> ModuleType:
    """The module that `import cupy` shall give."""
    cupy = ModuleType("cupy")
    functions: dict[str, Any] = {}

    def make(name: str) -> Any:
        function = getattr(np, name)
        return lambda *args, **kwargs: wrapped(function(*unwrapped(args), **unwrapped(kwargs)))

    for name in FUNCTIONS:
        functions[name] = make(name)

    def add_at(a: Any, indices: Any, b: Any) -> None:
        np.add.at(unwrapped(a), place(indices), unwrapped(b))

    functions["add"] = make("add")
    functions["add"].at = add_at
    generator = np.random.RandomState(0)
    # Nothing that would tell the state: it cannot be read.
    functions["random"] = SimpleNamespace(
        seed=generator.seed,
        randint=lambda low, high: wrapped(np.asarray(generator.randint(low, high))),
        uniform=lambda low, high, size: wrapped(generator.uniform(low, high, size)),
    )
    driver = SimpleNamespace(CUDADriverError=CUDADriverError)
    runtime = SimpleNamespace(
        getDevice=lambda: Device.current,
        getDeviceCount=lambda: 1,
        CUDARuntimeError=CUDARuntimeError,
        getDeviceProperties=lambda index: {"name": b"no real GPU"},
    )
    functions |= {
        "ndarray": ndarray,
        "asarray": asarray,
        "array": lambda a, dtype=None: ndarray(np.array(unwrapped(a) if isinstance(a, ndarray) else a, dtype=dtype)),
        "asnumpy": asnumpy,
        "RawModule": RawModule,
        "__version__": "0.0",
        "cuda": SimpleNamespace(
            Device=Device,
            Stream=Stream,
            Event=Event,
            MemoryPool=MemoryPool,
            driver=driver,
            runtime=runtime,
            get_current_stream=Stream,
            get_elapsed_time=lambda start, end: (end.at - start.at) * 1000,
        ),
    }
    for dtype in ["float32", "float64", "int32", "int64", "uint32", "uint64", "bool_"]:
        functions[dtype] = getattr(np, dtype)
    vars(cupy).update(functions)
    return cupy
