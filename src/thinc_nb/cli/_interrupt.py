"""Ctrl-C as a request that is honoured between two batches."""

from __future__ import annotations

import signal
import types
from collections.abc import Callable
from typing import Any

from typing_extensions import Self

__all__ = ["StopRequest"]


class StopRequest:
    """Inside the block the first Ctrl-C only sets `requested`; the second one interrupts at once, as usual.

    An exception at any place could hit a half-written parameter. While `can_wait` is false, there is nothing to spare,
    and the first Ctrl-C interrupts at once. Outside the main thread signals cannot be caught: Ctrl-C stays what it was.
    """

    def __init__(
        self, can_wait: Callable[[], bool] = lambda: True, announce: Callable[[], None] = lambda: None
    ) -> None:
        self.requested = False
        self._can_wait = can_wait
        self._announce = announce
        self._previous: Any = None
        self._installed = False

    def __enter__(self) -> Self:
        try:
            self._previous = signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        except ValueError:
            self._installed = False
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, self._previous)
            self._installed = False

    def _handle(self, number: int, frame: types.FrameType | None) -> None:
        if self.requested or not self._can_wait():
            raise KeyboardInterrupt
        self.requested = True
        self._announce()
