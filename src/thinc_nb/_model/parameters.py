"""Where parameters and gradients live.

A `Parameter` is one weight array of one node, with its gradient. `lay_out` moves the parameters of a model into blocks:
one contiguous buffer per dtype and device, with a gradient buffer of the same layout beside it. The arrays that
`Model.get_param` returns are then views of the block, C-contiguous and starting at multiples of 64 bytes. This happens
at the end of the outermost `Model.initialize`, and after loading, copying and moving to another device.

Parameters are stored by reference, as in Thinc: after ``set_param(name, array)`` the model holds that very array,
outside the block, and nothing is written over an array that somebody may have got from `get_param`. So the common

    W = model.get_param("W"); model.set_param("W", W + eps); ...; model.set_param("W", W)

does what it says, and its last line brings the parameter home, because `W` is the view of the block. Had `set_param`
copied into place, the first call would have changed `W` itself. Only `lay_out` leaves the arrays behind that it was
given.

A value that is added to a gradient is copied, to memory beside the weights. Only `set_grad` keeps the array that it is
given, as in Thinc; the optimizer is then called for that parameter alone.

Parameters that share memory (tied weights) stay where they are, so that they stay tied. A block knows nothing of its
parameters and there is no registry: when the models die, so does the memory.
"""

from __future__ import annotations

import enum
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from .._arrays import get_array_module, is_xp_array

if TYPE_CHECKING:
    from ..model import Model
    from ..types import Array1d, ArrayXd, FloatsXd

__all__ = [
    "Arena",
    "GradientState",
    "Home",
    "Parameter",
    "Span",
    "arenas_in",
    "arenas_of",
    "lay_out",
    "loose_parameters",
    "new_homes",
    "without_overlaps",
]

ALIGNMENT = 64
PAGE, STAGGER = 4096, 832
"""Bytes. Among any five places one after the other there are 768 or more between two."""
_PLACES = count()
# One lock for all blocks. A block takes it only when its first gradient is written.
_GRADIENTS_LOCK = threading.Lock()


class GradientState(enum.Enum):
    """What the buffer of a gradient holds."""

    CLEAN = "clean"  # the gradient is zero, whatever the buffer holds
    BLANK = "blank"  # the gradient is zero, and so is what the buffer holds
    ZEROED = "zeroed"  # the buffer holds zeros, and a caller has it and may write into it
    WRITTEN = "written"


# Module variables: reading a member of an Enum takes Python 3.11 longer than most of what is done with it.
CLEAN, BLANK, ZEROED, WRITTEN = GradientState


class Block:
    """A buffer of weights and, once one is needed, a buffer of gradients with the same layout."""

    __slots__ = ("_gradients", "weights")

    def __init__(self, weights: Array1d) -> None:
        self.weights = weights
        self._gradients: Array1d | None = None

    @property
    def gradients(self) -> Array1d:
        if (found := self._gradients) is not None:
            return found
        with _GRADIENTS_LOCK:
            made = (
                aligned_zeros(self.weights.shape[0], like=self.weights) if self._gradients is None else self._gradients
            )
            self._gradients = made
        return made


class Home(NamedTuple):
    """A parameter's place in a block: the view of its weights, and where they start."""

    block: Block
    start: int
    weights: FloatsXd

    @property
    def stop(self) -> int:
        return self.start + self.weights.size

    def gradient(self) -> FloatsXd:
        return self.block.gradients[self.start : self.stop].reshape(self.weights.shape)


class Parameter:
    """One weight array and its gradient; either may be missing. The gradient has the shape and dtype of the weights."""

    __slots__ = ("grad", "grad_is_given", "home", "span", "state", "value")

    def __init__(self, value: FloatsXd | None = None) -> None:
        self.value = value
        self.grad: FloatsXd | None = None
        self.state = CLEAN
        self.home: Home | None = None
        self.span: tuple[Home, Span] | None = None
        """The last result of `_span`, and the home that it was for."""
        self.grad_is_given = False

    @property
    def is_home(self) -> bool:
        return self.home is not None and self.value is self.home.weights

    def set(self, value: FloatsXd | None) -> None:
        """Hold `value` itself. A gradient of another shape, dtype or device is dropped, with the place in the block."""
        if value is self.value:
            return
        self.value = value
        if self.home is not None and not _alike(self.home.weights, value):
            self.home = self.span = None
            self.grad = None
        if self.grad is not None and not _alike(self.grad, value):
            self.grad = None

    def move(self, home: Home) -> None:
        """Hold the weights that are at this place in a block; the gradient, if it fits them, moves beside them."""
        self.set(home.weights)
        self.home, self.span = home, None  # which would keep the former block
        old = self.grad
        if old is not None:
            self.grad, self.grad_is_given = home.gradient(), False
            if self.state is WRITTEN:
                self.grad[...] = old
            else:
                self.state = CLEAN

    @property
    def has_no_gradient(self) -> bool:
        """Whether the gradient is zero and nobody has its buffer, so that the next gradient can be written over it."""
        return self.state is CLEAN or self.state is BLANK

    def read_grad(self) -> FloatsXd | None:
        """The gradient's buffer, holding the gradient. The caller may add to it in place."""
        grad, state = self.grad, self.state
        if grad is not None and (state is BLANK or state is CLEAN):
            if state is CLEAN:
                grad.fill(0)
            self.state = ZEROED
        return grad

    def need_grad(self, like: ArrayXd) -> FloatsXd:
        """The gradient's buffer, made if there is none. `like` gives shape and dtype if the parameter is not set."""
        if (grad := self.grad) is not None:
            return grad
        if self.home is not None:
            grad = self.home.gradient()
        else:
            like = like if self.value is None else self.value
            grad = aligned_zeros(like.size, like=like).reshape(like.shape)
        self.grad, self.state, self.grad_is_given = grad, CLEAN, False
        return grad

    def add_grad(self, value: FloatsXd) -> None:
        """Add to the gradient. A clean one becomes a copy of the value: filling it with zeros first takes longer."""
        grad = self.grad
        if grad is None:
            grad = self.need_grad(value)
        if self.state is CLEAN or self.state is BLANK:
            grad[...] = value
        else:
            grad += value
        self.state = WRITTEN

    def set_grad(self, value: FloatsXd) -> None:
        """Hold `value` itself as the gradient, or a copy if the weights are of another dtype or device."""
        if (self.value is None or _alike(self.value, value)) and value.flags.c_contiguous and _is_writeable(value):
            self.grad, self.grad_is_given = value, True
        else:
            self.need_grad(value)[...] = value
        self.state = WRITTEN

    def drop_grad(self) -> None:
        """Have no gradient."""
        self.grad, self.state, self.grad_is_given = None, CLEAN, False

    def restorer(self) -> Callable[[], None]:
        """A function that gives the parameter back the arrays that it holds now."""
        value, grad, state, home, given = self.value, self.grad, self.state, self.home, self.grad_is_given

        def restore() -> None:
            self.value, self.grad, self.state, self.home, self.grad_is_given = value, grad, state, home, given

        return restore

    def copy(self) -> Parameter:
        """A parameter with arrays of its own."""
        twin = Parameter(self.value.copy() if is_xp_array(self.value) else self.value)
        if self.grad is not None:
            twin.grad = self.grad.copy()
            twin.state = self.state
        return twin

    def converted(self, convert: Callable[[ArrayXd], ArrayXd]) -> Parameter:
        """A parameter with both arrays converted, for instance to another device; itself if that changes nothing."""
        value = convert(self.value) if is_xp_array(self.value) else self.value
        grad = None if self.grad is None else convert(self.grad)
        if value is self.value and grad is self.grad:
            return self
        twin = Parameter(value)
        twin.grad, twin.state = grad, self.state
        return twin

    def __getstate__(self) -> tuple[FloatsXd | None, FloatsXd | None, GradientState]:
        return self.value, self.grad, self.state

    def __setstate__(self, state: tuple[FloatsXd | None, FloatsXd | None, GradientState]) -> None:
        self.value, self.grad, self.state = state
        self.home = self.span = None
        self.grad_is_given = False


class Span(NamedTuple):
    """Where a parameter lies in an arena: ``weights[start:stop]``, and its gradient at the same place."""

    key: tuple[int, str]
    start: int
    stop: int
    shape: tuple[int, ...]


class Arena:
    """A block as one model sees it: flat weights, flat gradients, and which parameter lies where.

    weights, gradients: 1d arrays of one length. Between the spans there are gaps (to align the starts) that hold zeros,
    and there may be places of parameters that have left the model: change only what the spans name. An arena is a
    snapshot: get a new one (`arenas_of`) after a parameter was set, unset, added or moved.
    """

    __slots__ = ("_block", "_members", "spans")

    def __init__(self, block: Block, members: list[tuple[tuple[int, str], Parameter]]) -> None:
        self._block = block
        self._members = members
        self.spans = tuple([_span(key, parameter) for key, parameter in members])

    @property
    def weights(self) -> Array1d:
        return self._block.weights

    @property
    def gradients(self) -> Array1d:
        return self._block.gradients

    def gradient_spans(self) -> tuple[Span, ...]:
        """The spans of parameters with an allocated gradient: those that `finish_update` passes to an optimizer.

        Gradients that are zero are filled with zeros first, so that every span can be read.
        """
        spans = []
        for span, (_, parameter) in zip(self.spans, self._members, strict=True):
            if parameter.read_grad() is not None:
                spans.append(span)
        return tuple(spans)

    def clear_gradients(self) -> None:
        """Make all gradients zero, without touching memory: the next one that is added is copied."""
        for _, parameter in self._members:
            parameter.state = CLEAN

    def gradients_are_zeroed(self) -> None:
        """Say that all gradients are zero, and their memory too, as `Optimizer.update_arena` leaves it."""
        for _, parameter in self._members:
            parameter.state = BLANK


def arenas_of(model: Model[Any, Any]) -> list[Arena]:
    """The arenas that hold parameters of `model`. After `lay_out` there is one per dtype and device.

    Parameters that are not in one (see `loose_parameters`) have to be treated one by one.
    """
    return arenas_in(_parameters_of(model))


def arenas_in(parameters: Iterable[tuple[tuple[int, str], Parameter]]) -> list[Arena]:
    """The arenas that hold some parameters; their keys are those of their nodes."""
    found: dict[int, tuple[Block, list[tuple[tuple[int, str], Parameter]]]] = {}
    for member in parameters:
        parameter = member[1]
        home = parameter.home
        if home is None or parameter.value is not home.weights:
            continue
        if not parameter.grad_is_given or parameter.grad is None:
            block = home.block
            known = found.get(id(block))
            if known is None:
                found[id(block)] = block, [member]
            else:
                known[1].append(member)
    return [Arena(block, members) for block, members in found.values()]


def loose_parameters(model: Model[Any, Any]) -> list[tuple[int, str]]:
    """The keys of parameters that are set but in no arena: set by `set_param` since the last `lay_out`, or tied."""
    return [key for key, parameter in _parameters_of(model) if parameter.value is not None and not parameter.is_home]


def lay_out(model: Model[Any, Any]) -> None:
    """Move all parameters of a model, and their gradients, to one block per dtype and device.

    Does nothing for those which are there already. Views of the old places stay valid, but are no longer the model's.
    """
    parameters = [parameter for _, parameter in _parameters_of(model) if _is_movable(parameter.value)]
    groups: dict[tuple[object, ...], list[Parameter]] = {}
    for parameter in without_overlaps(parameters):
        value = parameter.value
        if value is not None:
            groups.setdefault((value.dtype.str, *_device(value)), []).append(parameter)
    for group in groups.values():
        blocks = {id(parameter.home.block) for parameter in group if parameter.home is not None and parameter.is_home}
        if len(blocks) == 1 and all(parameter.is_home for parameter in group):
            continue
        _move_in(group)


def _move_in(group: list[Parameter]) -> None:
    """Move parameters of one dtype and device to a new block."""
    values = [parameter.value for parameter in group if parameter.value is not None]
    homes = new_homes([value.shape for value in values], like=values[0])
    for parameter, value, home in zip(group, values, homes, strict=True):
        home.weights[...] = value
        parameter.move(home)


def new_homes(shapes: Sequence[tuple[int, ...]], *, like: Any) -> list[Home]:
    """Places for arrays of these shapes, one after the other in a new block with the dtype and device of `like`."""
    step = ALIGNMENT // like.dtype.itemsize
    sizes = [math.prod(shape) for shape in shapes]
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + -(-size // step) * step)
    block = Block(aligned_zeros(starts[-1], like=like))
    return [
        Home(block, start, block.weights[start : start + size].reshape(shape))
        for shape, size, start in zip(shapes, sizes, starts[:-1], strict=True)
    ]


def _parameters_of(model: Model[Any, Any]) -> Iterator[tuple[tuple[int, str], Parameter]]:
    for node in model.walk():
        for name, parameter in node._params.items():
            yield (node.id, name), parameter


def _span(key: tuple[int, str], parameter: Parameter) -> Span:
    home = parameter.home
    if home is None:
        raise ValueError(f"parameter {key} is not in an arena")
    known = parameter.span
    if known is None or known[0] is not home or known[1].key != key:
        span = Span(key, home.start, home.stop, home.weights.shape)
        parameter.span = known = home, span
    return known[1]


def _is_movable(value: object) -> bool:
    return (
        is_xp_array(value)
        and value.dtype.kind in "fiubc"
        and value.dtype.isnative
        and ALIGNMENT % value.dtype.itemsize == 0
    )


def without_overlaps(parameters: Iterable[Parameter]) -> list[Parameter]:
    """The parameters that share no memory with another one of these, in the order given."""
    extents = []
    for place, parameter in enumerate(parameters):
        if parameter.value is not None:
            extents.append((*_extent(parameter.value), place, parameter))
    extents.sort(key=lambda extent: extent[:3])
    overlapping: set[int] = set()
    end, owner = None, -1
    for low, high, place, _ in extents:
        if low == high:  # empty
            continue
        if end is not None and low < end:
            overlapping.update((place, owner))
        if end is None or high > end:
            end, owner = high, place
    return [parameter for _, _, place, parameter in sorted(extents, key=lambda e: e[2]) if place not in overlapping]


def _extent(array: Any) -> tuple[int, int]:
    """The first address of an array's memory and the one after its last."""
    low = array.__array_interface__["data"][0] if hasattr(array, "__array_interface__") else array.data.ptr
    if array.size == 0:
        return low, low
    high = low + array.dtype.itemsize
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            low += (length - 1) * stride
        else:
            high += (length - 1) * stride
    return low, high


def _is_writeable(array: Any) -> bool:
    return bool(getattr(array.flags, "writeable", True))  # arrays of CuPy have no such flag


def _device(array: Any) -> tuple[str, int]:
    name = get_array_module(array).__name__
    return name, -1 if name == "numpy" else int(array.device.id)


def _alike(a: FloatsXd, b: object) -> bool:
    return is_xp_array(b) and a.shape == b.shape and a.dtype == b.dtype and _device(a) == _device(b)


def aligned_zeros(size: int, *, like: Any) -> Any:
    """A 1d array of zeros with the dtype and device of `like`, starting at a multiple of `ALIGNMENT` bytes.

    Large ones begin in different places of a page. Otherwise an update of all would read and write, in five arrays at
    once, where nearly all of the address is the same, and find less of it in the nearest cache: a step of Adam with
    averages took a sixth longer.
    """
    xp = get_array_module(like)
    if xp.__name__ != "numpy":  # CuPy's pool aligns to 512
        with like.device:
            return xp.zeros(size, dtype=like.dtype)
    nbytes = size * like.dtype.itemsize
    step, place = (PAGE, next(_PLACES) * STAGGER % PAGE) if nbytes > 16 * PAGE else (ALIGNMENT, 0)
    raw = xp.zeros(nbytes + step + place, dtype="uint8")
    offset = -raw.ctypes.data % step + place
    return raw[offset : offset + nbytes].view(like.dtype)
