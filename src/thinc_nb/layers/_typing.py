"""Names for types that several layers take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from typing_extensions import TypeVar

from ..types import ArrayXd, Padded, Ragged

AnySeq: TypeAlias = Ragged | Padded | Sequence[ArrayXd] | ArrayXd

ArrT = TypeVar("ArrT", bound=ArrayXd, default=Any)
ArrU = TypeVar("ArrU", bound=ArrayXd, default=Any)
