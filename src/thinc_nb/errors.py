"""The errors that callers may want to tell apart. Each is also a builtin error: code written for Thinc catches it."""

from __future__ import annotations

__all__ = [
    "ContractError",
    "ForwardError",
    "InputError",
    "InputIndexError",
    "InputKindError",
    "InputRankError",
    "LengthsError",
    "ModelCheckError",
    "ModelError",
    "SerializationError",
    "SerializationTypeError",
    "StructureError",
    "UnsetError",
]


class ModelError(Exception):
    """Anything that thinc_nb says about a model; the classes below say what kind.

    layer_path: if it came out of a layer inside the model that was called, the way to that layer. It leads the message.
    """

    layer_path: str | None = None

    def __str__(self) -> str:
        # Not that of KeyError, which would show the repr of the message.
        message = str(self.args[0]) if self.args else ""
        return message if self.layer_path is None else f"{self.layer_path}: {message}"


class UnsetError(ModelError, KeyError, ValueError):
    """A dimension, parameter, gradient or reference was asked for that is not declared, or has no value yet.

    Thinc raises KeyError for some of these and ValueError for others; this is both.
    """


class ForwardError(ModelError, TypeError, ValueError):
    """A forward function did not give the pair of its output and a callback.

    Of three values Python, and so Thinc, says that with a ValueError, of others with a TypeError; this is both.
    """


class InputError(ModelError, TypeError, ValueError):
    """What a layer was given, as input or as gradient, is not what it takes: the type, shape, dtype or device."""


class InputIndexError(InputError, IndexError):
    """What a layer was given has no such row, column or item, or names one that the layer does not have."""


class InputKindError(InputError, AttributeError, IndexError, AssertionError):
    """What a layer was given is nothing that it works on: a list where it takes a Ragged, text where it takes an array.

    Thinc raises AttributeError for most of these, for some IndexError or AssertionError; this is all of them.
    """


class InputRankError(InputError, NotImplementedError):
    """An array has more or fewer dimensions than an operation is there for, where Thinc says NotImplementedError."""


class ContractError(InputError):
    """With contracts on: a value at the boundary of a layer is not what the layer promises to take or give."""


class LengthsError(ModelError, ValueError, IndexError, AssertionError):
    """Lengths of sequences are negative, or do not add up to the number of rows.

    Thinc raises each of the three builtin errors for it, in different operations; this is all of them.
    """


class ModelCheckError(ModelError, ValueError):
    """`check_model` found that a model does not do what it should; the message holds its report."""


class SerializationError(ModelError, ValueError):
    """Bytes, a dictionary or a file does not hold what the model can load. The model was not changed."""


class SerializationTypeError(SerializationError, TypeError):
    """What a model was to be read from is no bytes at all. Thinc raises TypeError for it; this is both."""


class StructureError(SerializationError, KeyError, IndexError):
    """What is to be loaded has dimensions, or shims, that the model does not have, or lacks a part.

    Thinc raises KeyError for dimensions and parts and IndexError for shims; this is both.
    """
