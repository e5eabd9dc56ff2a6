"""How the work of a compiled loop is divided: code that is generated for each kernel, as a part of its loop.

The loop stores its arguments in the memory of the thread that called it. A small function beside the loop, the task,
reads them there, in whatever thread, and calls the loop for some of the items. `_board` decides who does which.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from . import _board
from ._atomics import ORDER, WORD, call_address

if TYPE_CHECKING:
    from ._compile import Kernel

ir: Any = import_module("llvmlite.ir")
BYTES_OF_LINE = 64
WORTH_A_LINE = 1 << 12
"""Items. Fewer are done before it would matter where lines of the cache begin."""
MULTIPLICATIONS = 8
"""How many multiplications of a product take as long as one element of other work."""


@intrinsic
def keep(typing_context: Any, board: Any, stop: Any, args: Any) -> Any:
    """The place of what `make_share` makes, in kernels whose items must be done one after another."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return ir.Constant(WORD, 0)

    return types.int64(types.int64, types.int64, args), generate


def make_share(kernel: Kernel[...], step: int) -> Any:
    """``share(board, stop, args)`` for a loop: let other threads do pieces of the items.

    Returns -1 if all items are done. Otherwise the loop has to do them; 1 says that other threads would have been
    welcome.

    step: pieces are a multiple of so many items.
    """

    @intrinsic
    def share(typing_context: Any, board: Any, stop: Any, args: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            sizes = [_size(context, builder, args, values[2], place) for place in kernel.weighty]
            size = _work_of_product(builder, sizes[:2], values[1]) if kernel.is_product else _largest(builder, sizes)
            return _shared(context, builder, kernel, args, values, size, step)

        return types.int64(types.int64, types.int64, args), generate

    return share


@intrinsic
def share_items(typing_context: Any, board: Any, stop: Any, size: Any, args: Any) -> Any:
    """What `make_share` makes, for a loop that belongs to no kernel and is called with board, stop, *args.

    size: how many elements of work there are.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        board, stop, size, arguments = values
        return _shared(context, builder, None, args, (board, stop, arguments), size, 1)

    return types.int64(types.int64, types.int64, types.int64, args), generate


def _shared(
    context: Any, builder: Any, kernel: Kernel[...] | None, args: Any, values: Any, size: Any, step: int
) -> Any:
    board, stop, arguments = values
    large = builder.icmp_signed(">=", size, _word(builder, board, _board.SHARED_FROM))
    result = cgutils.alloca_once_value(builder, builder.zext(large, WORD))
    function = _word(builder, board, _board.SHARE)
    with builder.if_then(builder.and_(large, cgutils.is_not_null(builder, function)), likely=False):
        passed = cgutils.alloca_once(builder, ir.LiteralStructType([WORD, arguments.type]))
        builder.store(stop, cgutils.gep_inbounds(builder, passed, 0, 0))
        builder.store(arguments, cgutils.gep_inbounds(builder, passed, 0, 1))
        task = _task(context, builder, kernel, passed.type, args)
        given = [board, builder.ptrtoint(task, WORD), builder.ptrtoint(passed, WORD), stop, size]
        # numba's functions return a result and an error, by reference: the first two arguments.
        unused = [cgutils.alloca_once(builder, WORD), cgutils.alloca_once(builder, WORD)]
        call_address(builder, function, [*unused, *given, ir.Constant(WORD, step)], ir.IntType(32))
        builder.store(ir.Constant(WORD, -1), result)
    return builder.load(result)


def _task(context: Any, builder: Any, kernel: Kernel[...] | None, kind: Any, args: Any) -> Any:
    """``void task(passed, start, stop)``: the loop that is being made, over a range."""
    # Otherwise LLVM would inline the loop into the task, and compile it twice.
    builder.function.attributes.add("noinline")
    function = ir.Function(
        builder.module, ir.FunctionType(ir.VoidType(), [WORD] * 3), builder.module.get_unique_name("task")
    )
    function.linkage = "internal"
    address, start, stop = function.args
    inside = ir.IRBuilder(function.append_basic_block("entry"))
    passed = inside.load(inside.inttoptr(address, kind))
    items, arguments = inside.extract_value(passed, 0), inside.extract_value(passed, 1)
    if kernel is not None and kernel.by_item:
        arguments = _parts(kernel, context, inside, args, arguments, items, start, stop)
        start, stop = ir.Constant(WORD, 0), inside.sub(stop, start)
    # A kernel's arguments come as one, in a tuple.
    kinds = tuple(args) if kernel is None else (args,)
    given = cgutils.unpack_tuple(inside, arguments) if kernel is None else [arguments]
    context.call_conv.call_function(
        inside, builder.function, types.int64, (types.int64, types.int64, *kinds), (inside.neg(start), stop, *given)
    )
    inside.ret_void()
    return function


def make_part_from(kernel: Kernel[...]) -> Any:
    """``part_from(first, stop, args)``: the arguments for the items from the first to before `stop`, where they end."""

    @intrinsic
    def part_from(typing_context: Any, first: Any, stop: Any, args: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            first, stop, arguments = values
            return _parts(kernel, context, builder, args, arguments, stop, first, stop)

        return args(types.int64, types.int64, args), generate

    return part_from


@intrinsic
def until_line_of_first(typing_context: Any, stop: Any, args: Any) -> Any:
    """``until_line(stop, args)``: at which item the first array reaches a line of the cache.

    `stop`, the number of items, if it begins with a line or if there are few items.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        stop, arguments = values
        array = context.make_array(args[0])(context, builder, builder.extract_value(arguments, 0))
        beyond = builder.neg(builder.ptrtoint(array.data, WORD))
        missing = builder.and_(beyond, ir.Constant(WORD, BYTES_OF_LINE - 1))
        # `items` is 0 if an item is longer than what is missing. An array without bytes must not divide by 0.
        size = builder.mul(array.nitems, array.itemsize)
        size = builder.select(cgutils.is_null(builder, size), ir.Constant(WORD, 1), size)
        items = builder.sdiv(builder.mul(missing, stop), size)
        splits = builder.and_(
            builder.icmp_signed(">=", stop, ir.Constant(WORD, WORTH_A_LINE)),
            builder.icmp_signed(">", items, ir.Constant(WORD, 0)),
        )
        return builder.select(splits, items, stop)

    return types.int64(types.int64, args), generate


def _parts(
    kernel: Kernel[...], context: Any, builder: Any, args: Any, arguments: Any, items: Any, start: Any, stop: Any
) -> Any:
    """The arguments for some of the items."""
    for place, argtype in enumerate(args):
        value = builder.extract_value(arguments, place)
        if isinstance(argtype, types.Array) and place not in kernel.tables:
            value = _part(context, builder, argtype, value, items, start, stop)
        elif place == kernel.counter:
            value = builder.add(value, builder.trunc(start, value.type))
        arguments = builder.insert_value(arguments, value, place)
    return arguments


def _word(builder: Any, board: Any, place: int) -> Any:
    pointer = builder.inttoptr(builder.add(board, ir.Constant(WORD, place)), WORD.as_pointer())
    return builder.load_atomic(pointer, ORDER, 8)


def _size(context: Any, builder: Any, args: Any, arguments: Any, place: int) -> Any:
    return context.make_array(args[place])(context, builder, builder.extract_value(arguments, place)).nitems


def _largest(builder: Any, sizes: Sequence[Any]) -> Any:
    largest = ir.Constant(WORD, 0)
    for size in sizes:
        largest = builder.select(builder.icmp_signed(">", size, largest), size, largest)
    return largest


def _work_of_product(builder: Any, sizes: Sequence[Any], rows: Any) -> Any:
    """The number of multiplications, as the number of elements of other work that takes as long."""
    some = builder.select(builder.icmp_signed(">", rows, ir.Constant(WORD, 0)), rows, ir.Constant(WORD, 1))
    out, left = sizes
    return builder.sdiv(builder.mul(out, builder.sdiv(left, some)), ir.Constant(WORD, MULTIPLICATIONS))


def _part(context: Any, builder: Any, kind: Any, value: Any, items: Any, start: Any, stop: Any) -> Any:
    """The part of a flat array that belongs to some of the items, of which each may have several elements.

    The whole array if its size is no multiple of the number of items: then it belongs to all of them.
    """
    array = context.make_array(kind)(context, builder, value)
    each = builder.sdiv(array.nitems, items)
    is_divided = builder.icmp_signed("==", builder.mul(each, items), array.nitems)
    first = builder.select(is_divided, builder.mul(start, each), ir.Constant(WORD, 0))
    size = builder.select(is_divided, builder.mul(builder.sub(stop, start), each), array.nitems)
    array.data = builder.gep(array.data, [first])
    array.nitems = size
    array.shape = cgutils.pack_array(builder, [size])
    return array._getvalue()
