"""A plugin for pytest: kernels run as machine code of 64-bit ARM, in an emulator (Unicorn), whatever machine this is.

    PYTHONPATH=tests python -m pytest -p emulated_arm tests/kernels/test_pairs.py

numba is told that it compiles for ARM, and each kernel's loop is compiled as it would be there. Its code cannot run
here, so the emulator runs it on copies of the arrays. All else, Python and NumPy, is this machine's own: what is tested
is that every kernel compiles for ARM and computes there what the tests expect. Threads share nothing, and nothing is
said about speed.
"""

# ruff: noqa: E402  # numba asks when it is imported what it compiles for, so that is settled before.

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

TRIPLE: Final = "aarch64-unknown-linux-gnu"
CACHE: Final = tempfile.TemporaryDirectory(prefix="emulated-arm-")

os.environ["NUMBA_CPU_NAME"] = os.environ.get("EMULATED_ARM_CPU", "neoverse-n1")
os.environ["NUMBA_CPU_FEATURES"] = ""
os.environ["THINC_NB_CACHE_DIR"] = CACHE.name
os.environ["THINC_NB_NUM_THREADS"] = "1"
platform.machine = lambda: "aarch64"

import llvmlite.binding as llvm

llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
llvm.get_process_triple = lambda: TRIPLE
llvm.Target.from_default_triple = classmethod(lambda target: target.from_triple(TRIPLE))

import numba
import numpy as np
import pytest
import unicorn
from numba import _helperlib, types
from unicorn import arm64_const as arm

from thinc_nb.kernels import _compile, _matrices, _threads
from thinc_nb.kernels._cpu import compile_loop

PAGE, STACK, AREA = 4096, 1 << 20, 1 << 28
END: Final = 0x10000
"""Where a kernel returns to: nothing is there, and the emulator stops."""
OF_THIS_MACHINE: Final = ("concurrency", "fork", "fuzz", "page_fault", "process", "thread")
"""In the names of tests that start processes, which would take themselves for ARM's without an emulator, or threads."""
GAP = 256
"""Bytes between copies of arrays, which keep their places within a line of the cache."""


class EmulatorError(Exception):
    """The code did what the emulator does not know, or touched memory that is not there."""


class Memory:
    """Some memory that the process and the emulator have in common, at one address."""

    def __init__(self, cpu: Any, size: int) -> None:
        self._map = mmap.mmap(-1, size)
        self.size = size
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        cpu.mem_map_ptr(self.start, size, unicorn.UC_PROT_ALL, self.start)


class Emulator:
    """A processor that calls functions at addresses of this process."""

    def __init__(self) -> None:
        self.cpu = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        self.stack, self.area = Memory(self.cpu, STACK), Memory(self.cpu, AREA)
        self.cpu.mem_map(END, PAGE)
        self.cpu.reg_write(arm.UC_ARM64_REG_CPACR_EL1, 0x300000)  # It may use the registers of floats.
        self.cpu.hook_add(unicorn.UC_HOOK_MEM_UNMAPPED, self._on_unmapped)
        self._pages: set[int] = set()
        self._fault = 0
        self._functions = _functions_of_c()

    def _on_unmapped(self, cpu: Any, access: int, address: int, size: int, value: int, data: Any) -> bool:
        """Lend the emulator the pages of compiled code, and of its constants, that it comes upon."""
        self._fault = address
        if address in self._functions or not _is_anonymous(address):
            return False
        for page in {address & -PAGE, (address + max(size, 1) - 1) & -PAGE} - self._pages:
            cpu.mem_map_ptr(page, PAGE, unicorn.UC_PROT_ALL, page)
            self._pages.add(page)
        return True

    def call(self, address: int, *args: float) -> int:
        """What the function returns. The first eight integers and floats are in registers, the others on the stack."""
        integers = [_bits(arg) for arg in args if not isinstance(arg, float)]
        floats = [_bits(arg) for arg in args if isinstance(arg, float)]
        if len(floats) > 8:
            raise EmulatorError("more than eight floats: their order among the integers on the stack is not kept")
        top = self.stack.start + STACK // 2
        for place, value in enumerate(integers[8:]):
            ctypes.c_uint64.from_address(top + 8 * place).value = value
        for place, value in enumerate(integers[:8]):
            self.cpu.reg_write(arm.UC_ARM64_REG_X0 + place, value)
        for place, value in enumerate(floats):
            self.cpu.reg_write(arm.UC_ARM64_REG_D0 + place, value)
        self.cpu.reg_write(arm.UC_ARM64_REG_SP, top)
        self.cpu.reg_write(arm.UC_ARM64_REG_LR, END)
        while address != END:
            self._fault = 0
            try:
                self.cpu.emu_start(address, END)
            except unicorn.UcError as error:
                if self._fault not in self._functions:
                    raise EmulatorError(f"{error}, at {self._fault:#x}") from error
                self._call_c(*self._functions[self._fault])
            address = self.cpu.reg_read(arm.UC_ARM64_REG_PC)
        return int(self.cpu.reg_read(arm.UC_ARM64_REG_W0))

    def _call_c(self, function: Any, of_floats: bool) -> None:
        """A function of C, which is this machine's own, and back to who called it."""
        if of_floats:
            value = ctypes.c_double.from_buffer(ctypes.c_uint64(self.cpu.reg_read(arm.UC_ARM64_REG_D0))).value
            self.cpu.reg_write(arm.UC_ARM64_REG_D0, _bits(function(value)))
        else:
            function(*[self.cpu.reg_read(arm.UC_ARM64_REG_X0 + place) for place in range(3)])
        self.cpu.reg_write(arm.UC_ARM64_REG_PC, self.cpu.reg_read(arm.UC_ARM64_REG_LR))


def _bits(value: float) -> int:
    if isinstance(value, float):
        return ctypes.c_uint64.from_buffer(ctypes.c_double(value)).value
    return value & 0xFFFFFFFFFFFFFFFF


def _functions_of_c() -> dict[int, tuple[Any, bool]]:
    """What kernels call, by address: the function, and whether it takes and gives a float."""
    c = ctypes.CDLL(None)
    found: dict[int, tuple[Any, bool]] = {}
    for name, function in (("memset", ctypes.memset), ("memcpy", ctypes.memmove), ("memmove", ctypes.memmove)):
        found[_address(getattr(c, name))] = (function, False)
    for name in ("exp", "log", "tanh", "erf", "sin", "cos"):
        function = getattr(ctypes.CDLL("libm.so.6"), name)
        function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double]
        found[_address(function)] = found[_helperlib.c_helpers.get(name, 0)] = (function, True)
    return found


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _is_anonymous(address: int) -> bool:
    """Whether it is readable memory that is no file's: compiled code is, libraries are not."""
    with Path("/proc/self/maps").open() as file:
        for line in file:
            span, permissions, _, _, inode, *_ = line.split()
            start, end = (int(bound, 16) for bound in span.split("-"))
            if start <= address < end:
                return permissions.startswith("r") and inode == "0"
    return False


# --- kernels --------------------------------------------------------------------------------------------------------

EMULATOR: Final = Emulator()
RAN: Counter[str] = Counter()
"""How often each kernel ran."""
_loops: dict[Any, Any] = {}
_compiled: dict[Any, tuple[int, Any, Any]] = {}


def run(kernel: Any, *values: Any) -> None:
    """In place of `Kernel.run`."""
    if len(values) != len(kernel.annotations):
        kernel._check_count(values)
    values = tuple(float(value) if place in kernel.scalars else value for place, value in enumerate(values))
    address, kinds = compiled(kernel, values)
    spans = list(placed([value for value in values if isinstance(value, np.ndarray)]))
    for first, last, _, copy in spans:
        ctypes.memmove(copy, first, last - first)
    args: list[float] = [EMULATOR.stack.start, EMULATOR.stack.start + GAP, 0, len(values[0])]
    for value, kind in zip(values, kinds, strict=True):
        if isinstance(kind, types.Array):
            start = value.ctypes.data
            data = next(copy + start - first for first, last, _, copy in spans if first <= start < last)
            args += [0, 0, value.size, value.itemsize, data, *value.shape, *value.strides]
        else:
            args.append(value if isinstance(kind, types.Float) else int(value))
    RAN[kernel.name] += 1
    if EMULATOR.call(address, *args):
        raise EmulatorError(f"{kernel.name} raised an error")
    for first, last, writeable, copy in spans:
        if writeable:
            ctypes.memmove(first, copy, last - first)


def compiled(kernel: Any, values: tuple[Any, ...]) -> tuple[int, Any]:
    """The address of its loop for such arguments, and their types."""
    precision = "f64" if values[kernel._decides].dtype.char == "d" else "f32"
    kinds = types.Tuple(tuple(map(numba.typeof, values)))
    key = kernel, precision, kinds
    if key not in _compiled:
        if key[:2] not in _loops:
            _loops[key[:2]] = compile_loop(kernel, precision, f"{kernel.name}-{precision}")
        _loops[key[:2]].compile((types.int64, types.int64, kinds))
        *_, result = _loops[key[:2]].overloads.values()
        address = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
        _compiled[key] = address, result.signature.args[2].types, result
    return _compiled[key][:2]


def placed(arrays: list[Any]) -> Iterator[tuple[int, int, bool, int]]:
    """Where each stretch of memory that arrays lie in begins and ends, may be written to, and is to be copied."""
    stretches: list[tuple[int, int, bool]] = []
    for first, last, writeable in sorted(
        (array.ctypes.data, array.ctypes.data + max(array.nbytes, 1), array.flags.writeable) for array in arrays
    ):
        if stretches and first < stretches[-1][1]:
            start, end, before = stretches.pop()
            stretches.append((start, max(end, last), before or writeable))
        else:
            stretches.append((first, last, writeable))
    copy = EMULATOR.area.start
    for first, last, writeable in stretches:
        copy = (copy + GAP) // 64 * 64 + first % 64
        if copy + last - first > EMULATOR.area.start + AREA:
            raise EmulatorError(f"arrays of more than {AREA} bytes")
        yield first, last, writeable, copy
        copy += last - first


_compile.Kernel.run = run
_compile.Kernel.__call__ = run
# What is compiled for other purposes would run by itself: NumPy copies instead, and no threads are asked for.
_matrices.are_known = lambda: False
_threads.run = _threads._run_alone


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept = [item for item in items if not any(word in item.nodeid for word in OF_THIS_MACHINE)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"emulated ARM: {len(RAN)} kernels in {sum(RAN.values()):,} calls")
