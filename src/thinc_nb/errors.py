"""The errors that callers may want to tell apart. Each is also a builtin error: code written for Thinc catches it."""

from __future__ import annotations

__all__ = ["ModelError", "SerializationError", "UnsetError"]


class ModelError(Exception):
    """Anything that thinc_nb says about a model; the classes below say what kind."""


class UnsetError(ModelError, KeyError, ValueError):
    """A dimension, parameter, gradient or reference was asked for that is not declared, or has no value yet.

    Thinc raises KeyError for some of these and ValueError for others; this is both.
    """

    def __str__(self) -> str:
        # KeyError would show the repr of the message.
        return str(self.args[0]) if self.args else ""


class SerializationError(ModelError, ValueError):
    """Bytes, a dictionary or a file does not hold what the model can load. The model was not changed."""
