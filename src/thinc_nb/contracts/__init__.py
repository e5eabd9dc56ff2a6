"""Run-time contracts: what goes into and out of a layer has to fit the annotations of its forward function.

Inside ``with contracts():``, after ``set_contracts(True)``, or with the environment variable ``THINC_NB_CONTRACTS=1``,
the four values of each layer are checked: X, Y, the gradient dY that the callback is given, and the dX that it returns.
A ContractError says where. What is checked, and what is not, is in docs/contracts.md.

When they are off, nothing is checked and nothing is paid: switching exchanges the methods of `Model`, so that no call
tests for it. typeguard, which does the checking, is imported when contracts are first switched on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from .._environment import require_switch, switch

__all__ = ["active", "contracts", "keeps_rows", "set_contracts"]

VARIABLE: Final = "THINC_NB_CONTRACTS"
ROWS: Final = "_thinc_nb_rows"  # the attribute of a forward function that declares it

Forward = TypeVar("Forward", bound=Callable[..., Any])


class _Block:
    """A ``with contracts()`` block. Tasks copy their context, so a context may hold a block that has ended."""

    __slots__ = ("enabled", "is_open", "outer")

    def __init__(self, enabled: bool, outer: _Block | None) -> None:
        self.enabled = enabled
        self.is_open = True
        self.outer = outer


_innermost: ContextVar[_Block | None] = ContextVar("thinc_nb_contracts", default=None)
_lock = threading.Lock()
_default = False  # for threads and tasks that are in no block
_enabled_blocks = 0  # in all threads together
_installed = False


def active() -> bool:
    """Whether layers that run here, in this thread or asyncio task, are checked."""
    if not _installed:
        return False
    block = _innermost.get()
    if block is not None and not block.is_open:
        block = _open(block)
    return _default if block is None else block.enabled


@contextmanager
def contracts(enabled: bool = True) -> Iterator[None]:
    """Check the boundaries of all layers that run inside the block, or with ``enabled=False`` check none.

    The block is that of one thread or asyncio task (tasks that it starts inherit it). Callbacks of layers that ran
    inside it check their gradients after it, too. ContractError for what breaks a contract.
    """
    require_switch("contracts are", enabled)
    outer = _open(_innermost.get())
    block = _Block(enabled, outer)
    if enabled:
        _update(blocks=1)
    _innermost.set(block)
    try:
        yield
    finally:
        block.is_open = False
        if enabled:
            _update(blocks=-1)
        # Only if this block is still the current one: a generator may be closed in another context, or inside a later
        # block.
        if _innermost.get() is block:
            _innermost.set(outer)


def set_contracts(enabled: bool) -> None:
    """Switch contracts on or off for all threads and tasks that are in no ``with contracts()`` block."""
    require_switch("contracts are", enabled)
    _update(default=enabled)


def keeps_rows(forward: Forward) -> Forward:
    """Declare that Y of a forward function has the rows of X, or its lengths: contracts then check it.

    X and Y may be arrays, lists of arrays, `Ragged` or `Padded`, also one of each. The function itself is returned.
    """
    setattr(forward, ROWS, "kept")
    return forward


def follow_environment() -> None:
    """Switch contracts on if the environment asks for it. ValueError for a value that is neither on nor off."""
    if switch(VARIABLE, default=False):
        set_contracts(True)


def _open(block: _Block | None) -> _Block | None:
    while block is not None and not block.is_open:
        block = block.outer
    return block


def _update(blocks: int = 0, default: bool | None = None) -> None:
    """Count blocks or change the default, then exchange the methods of `Model` if that makes a difference."""
    global _default, _enabled_blocks, _installed
    if blocks > 0 or default:
        # Imported before the lock is taken: another thread may hold the lock of the import, and wait for ours.
        from . import _boundary as _boundary
    with _lock:
        _enabled_blocks += blocks
        if default is not None:
            _default = default
        wanted = _default or _enabled_blocks > 0
        if wanted != _installed:
            from ._boundary import exchange_methods

            exchange_methods(wanted)
            _installed = wanted
