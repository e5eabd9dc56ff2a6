"""Switches and environment variables: one reading of each kind of value, and an error for what cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["folder_of", "number", "require_switch", "switch"]

_ON = frozenset({"1", "true", "yes", "on"})
_OFF = frozenset({"0", "false", "no", "off"})


def switch(name: str, default: bool) -> bool:
    """Whether a variable says 1 or 0, true or false, yes or no, on or off, in any case. Unset or empty: the default.

    ValueError for anything else.
    """
    chosen = _chosen(name).lower()
    if not chosen:
        return default
    if chosen not in _ON | _OFF:
        raise ValueError(f"{name} must be 1 or 0 (or true or false, yes or no, on or off), got {os.environ[name]!r}")
    return chosen in _ON


def require_switch(what: str, value: object) -> None:
    """TypeError for a string where True or False is meant: "off" would count as true."""
    if isinstance(value, str):
        raise TypeError(f"{what} switched by True or False, got {value!r}")


def number(name: str) -> int | None:
    """The whole number of at least 1 that a variable says. Unset or empty: None. ValueError for anything else."""
    chosen = _chosen(name)
    if not chosen:
        return None
    if not chosen.isdecimal() or int(chosen) < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {os.environ[name]!r}")
    return int(chosen)


def folder_of(name: str, default: Callable[[], Path]) -> Path | None:
    """The folder that a variable names, ``~`` being that of the user. Unset: the default's result. Empty: None."""
    if name not in os.environ:
        return default()
    chosen = _chosen(name)
    if not chosen:
        return None
    try:
        return Path(chosen).expanduser()
    except RuntimeError:  # no such user
        return Path(chosen)


def _chosen(name: str) -> str:
    return os.environ.get(name, "").strip()
