"""What compiled code needs to speak with other threads: atomic words in memory by their address, and calls by address.

Every word has 8 bytes. All accesses are sequentially consistent: on x86 only stores pay for that.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ir: Any = import_module("llvmlite.ir")

WORD = ir.IntType(64)
ORDER = "seq_cst"
PAUSES = {
    "x86_64": ("llvm.x86.sse2.pause", None),
    "AMD64": ("llvm.x86.sse2.pause", None),
    "aarch64": ("llvm.aarch64.isb", 15),
    "arm64": ("llvm.aarch64.isb", 15),
}
"""The intrinsic that tells a processor that a thread waits in a loop, and its argument, by `platform.machine()`."""


def _pointer(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, WORD.as_pointer())


@intrinsic
def load(typing_context: Any, address: Any) -> Any:
    """The word at an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_pointer(builder, args[0]), ORDER, 8)

    return types.int64(types.int64), generate


@intrinsic
def store(typing_context: Any, address: Any, value: Any) -> Any:
    """Set the word at an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _pointer(builder, args[0]), ORDER, 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def add(typing_context: Any, address: Any, value: Any) -> Any:
    """Add to the word at an address; returns what it was before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _pointer(builder, args[0]), args[1], ORDER)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def exchange(typing_context: Any, address: Any, expected: Any, value: Any) -> Any:
    """Set the word at an address if it is what was expected; whether it was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = builder.cmpxchg(_pointer(builder, args[0]), args[1], args[2], ORDER, ORDER)
        return builder.extract_value(found, 1)

    return types.boolean(types.int64, types.int64, types.int64), generate


@intrinsic
def pause(typing_context: Any) -> Any:
    """Wait for a moment."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        name, number = PAUSES.get(platform.machine(), (None, None))
        if name is not None:
            numbers = [] if number is None else [ir.Constant(ir.IntType(32), number)]
            kind = ir.FunctionType(ir.VoidType(), [each.type for each in numbers])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), numbers)
        return context.get_dummy_value()

    return types.void(), generate


def call_address(builder: Any, address: Any, arguments: Sequence[Any], result: Any) -> Any:
    """Emit a call of the function at an address."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(builder.inttoptr(address, kind.as_pointer()), arguments)


@intrinsic
def call_task(typing_context: Any, address: Any, arguments: Any, start: Any, stop: Any) -> Any:
    """Call ``void task(arguments, start, stop)``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        call_address(builder, args[0], args[1:], ir.VoidType())
        return context.get_dummy_value()

    return types.void(*(types.int64,) * 4), generate


@intrinsic
def call_system(typing_context: Any, address: Any, file: Any, buffer: Any, size: Any) -> Any:
    """Call read or write. Returns the number of bytes, 0 or less if it failed."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # Of a long result this is the lower half, and of an int, which Windows has, all.
        result = call_address(builder, args[0], [builder.trunc(args[1], ir.IntType(32)), *args[2:]], WORD)
        return builder.sext(builder.trunc(result, ir.IntType(32)), WORD)

    return types.int64(*(types.int64,) * 4), generate


@intrinsic
def call_plain(typing_context: Any, address: Any) -> Any:
    """Call ``int function(void)``."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.sext(call_address(builder, args[0], [], ir.IntType(32)), WORD)

    return types.int64(types.int64), generate
