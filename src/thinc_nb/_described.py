"""How errors describe a value, and other errors."""

from __future__ import annotations

from ._arrays import is_cupy_array, is_xp_array
from .types import Padded, Ragged


def described(X: object) -> str:
    """The dtype and shape of an array; of other values the type, with what is in it."""
    if is_xp_array(X):
        return f"{X.dtype} {tuple(X.shape)}"
    if isinstance(X, (Ragged, Padded)):
        shape: tuple[int, ...] = getattr(X.lengths, "shape", ())
        count = f" of {shape[0]} sequences" if len(shape) == 1 else ""  # It may be wrong itself.
        return f"a {type(X).__name__}{count} with data {described(X.data)}"
    if isinstance(X, (list, tuple)) and X:
        other = next((place for place, item in enumerate(X) if type(item) is not type(X[0])), None)
        also = "" if other is None else f", at position {other} {described(X[other])}"
        return f"{kind_of(X)} of {len(X)}, the first {described(X[0])}{also}"
    return kind_of(X)


def kind_of(X: object) -> str:
    """The type of a value, with an article."""
    if X is None:
        return "None"
    name = type(X).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"


def place_of(X: object) -> str:
    """Where an array is."""
    return "a GPU" if is_cupy_array(X) else "the CPU"


def explain(error: BaseException) -> str:
    """The message of an error, or the name of its type if it has none."""
    return str(error) or type(error).__name__
