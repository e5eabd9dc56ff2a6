"""What a case of a benchmark is, and the arrays that the cases of one shape work on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Call = Callable[[], Any]
OURS, THINC, TORCH = "ours", "Thinc", "torch"


@dataclass
class Case:
    """One operation on one shape, by library. `prepare` is called before each of the calls, unmeasured."""

    op: str
    shape: str
    calls: dict[str, Call]
    bytes: int = 0
    """Read and written at the least, for the share of the copy bandwidth."""
    flops: int = 0
    """For the share of the products' peak, instead."""
    prepare: Call | None = None
    equal: bool = True

    @property
    def name(self) -> str:
        """The operation, without what is particular to the case."""
        return self.op.partition(" (")[0]


class Workload:
    """Arrays of one shape, and the cases that work on them."""

    def __init__(self, libraries: dict[str, Any], rows: int, width: int) -> None:
        self.libraries = libraries
        self.ops = {name: api.NumpyOps() for name, api in libraries.items() if name != TORCH}
        self.rows, self.width = rows, width
        self.rng = np.random.default_rng(0)
        self.lengths = sentence_lengths(rows, self.rng)

    def floats(self, *shape: int) -> Any:
        return self.rng.standard_normal(shape, dtype=np.float32)

    def case(
        self,
        op: str,
        shared: Callable[[Any], Any] | None,
        torch: Call | None = None,
        *arrays: Any,
        flops: int = 0,
        prepare: Call | None = None,
        equal: bool = True,
        shape: tuple[int, ...] | None = None,
    ) -> Case:
        """A case in which both NumpyOps are called alike. `arrays` are what is read and written: bytes are counted."""
        calls: dict[str, Call] = {}
        if shared is not None:
            calls = {name: bound(shared, ops) for name, ops in self.ops.items()}
        if torch is not None and TORCH in self.libraries:
            calls[TORCH] = torch
        text = "x".join(map(str, shape or (self.rows, self.width)))
        return Case(op, text, calls, sum(array.nbytes for array in arrays), flops, prepare, equal)

    def tensor(self, array: Any) -> Any:
        return self.libraries[TORCH].from_numpy(array) if TORCH in self.libraries else None

    def gradient(self, forward: Callable[..., Any], dY: Any, *inputs: Any) -> Call | None:
        """PyTorch's backward pass alone: the forward pass is made once, its graph is kept."""
        if TORCH not in self.libraries:
            return None
        torch, leaves = self.libraries[TORCH], [self.tensor(x).clone().requires_grad_() for x in inputs]
        result, given = forward(*leaves), self.tensor(dY)
        return lambda: torch.autograd.grad(result, leaves, given, retain_graph=True)[0]

    def both_ways(self, forward: Callable[..., Any], dY: Any, *inputs: Any) -> Call | None:
        """PyTorch's forward and backward pass."""
        if TORCH not in self.libraries:
            return None
        torch, leaves = self.libraries[TORCH], [self.tensor(x).clone().requires_grad_() for x in inputs]
        given = self.tensor(dY)
        return lambda: torch.autograd.grad(forward(*leaves), leaves, given)[0]


def bound(function: Callable[[Any], Any], ops: Any) -> Call:
    return lambda: function(ops)


def sentence_lengths(total: int, rng: np.random.Generator) -> Any:
    """Lengths of about 25 that add up to `total`."""
    lengths = np.clip(rng.normal(25, 8, total), 4, 60).astype("int32")
    count = int(np.searchsorted(np.cumsum(lengths), total)) + 1
    ends = np.minimum(np.cumsum(lengths[:count]), total)
    return np.diff(ends, prepend=0).astype("int32")
