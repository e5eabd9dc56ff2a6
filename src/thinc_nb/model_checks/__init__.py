"""`check_model`: tries everything that a layer has to get right, on one batch. For people who write layers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from typing_extensions import TypeVar

from .._model.tree import require_model
from ..contracts import contracts
from ..errors import ModelError
from ..model import Model
from ._checks import (
    check_contracts,
    check_copy,
    check_determinism,
    check_dtypes,
    check_empty_batch,
    check_empty_sequence,
    check_inputs_are_kept,
    check_serialisation,
    check_single_row,
)
from ._gradients import check_input, check_parameters
from ._report import Outcome, Report, Status
from ._subject import FailedError, Node, SkippedError, Snapshot, Subject, WarnedError, random_state_kept

__all__ = ["Outcome", "Report", "check_model"]

InT = TypeVar("InT")
OutT = TypeVar("OutT")

_CHECKS: dict[str, Callable[[Subject], str]] = {
    "contracts": check_contracts,
    "X and dY are kept": check_inputs_are_kept,
    "gradients of parameters": check_parameters,
    "gradient of X": check_input,
    "empty batch": check_empty_batch,
    "single row": check_single_row,
    "empty sequence": check_empty_sequence,
    "dtypes": check_dtypes,
    "determinism": check_determinism,
    "copy": check_copy,
    "serialisation": check_serialisation,
}


def check_model(
    model: Model[InT, OutT], X: InT, Y: OutT | None = None, *, untrained: Collection[str] = (), raises: bool = False
) -> Report:
    """Run all checks of a model on one batch, and report on each.

    contracts: types, widths and devices of X, Y, dY and dX at each layer; Y, if given, has the form of the output. X
    and dY are kept: nothing writes into them. gradients: those of each parameter and of X are the slopes along random
    directions, in float64 where the model can, with dropout drawing one mask, and a second update adds to the first;
    `untrained` names parameters that are to have none. empty batch, single row, empty sequence: they run, forwards and
    backwards. dtypes: float32 stays float32. determinism, copy, serialisation: the same output comes again, and a
    callback gives the same after another batch has run. The model may be initialised; if it is not, its copy is, with
    X and Y.

    Everything runs on copies: model, X, Y and the state of random generators are afterwards what they were. With
    ``raises``, a ModelCheckError (a ValueError) that holds the report if a check fails.
    """
    require_model("check_model", model)
    snapshot = Snapshot(model)
    outcomes: list[Outcome] = []
    with random_state_kept(), contracts(enabled=False), _Recorded("copy and initialize", outcomes):
        subject = _prepared(model, X, Y, untrained)
        for name, check in _CHECKS.items():
            with _Recorded(name, outcomes):
                outcomes.append(Outcome(name, "passed", check(subject)))
    changes = snapshot.changes()
    if changes:
        snapshot.restore()
        why = "its functions reach the model itself, not the one that they are given"
        outcomes.append(Outcome("independence", "failed", f"running a copy changed {', '.join(changes)}: {why}"))
    report = Report(model.name, tuple(outcomes))
    if raises:
        report.raise_for_failures()
    return report


def _prepared(model: Node, X: Any, Y: Any, untrained: Collection[str]) -> Subject:
    twin = model.copy()
    states = [node.has_param(name) for node in twin.walk() for name in node.param_names]
    subject = Subject(twin, X, Y, untrained)
    if None in states or not states:
        twin.initialize(X=subject.X, Y=Y)
    return subject


class _Recorded:
    """A context that turns an error in its block into an outcome. Interruptions pass through."""

    def __init__(self, name: str, outcomes: list[Outcome]) -> None:
        self.name = name
        self.outcomes = outcomes

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        if isinstance(error, Exception):
            status: Status = "failed"
            if isinstance(error, (SkippedError, WarnedError)):
                status = "skipped" if isinstance(error, SkippedError) else "warned"
            self.outcomes.append(Outcome(self.name, status, _said(error)))
            return True
        return False


def _said(error: Exception) -> str:
    """The text of an error for the report."""
    if isinstance(error, (FailedError, SkippedError, WarnedError)):
        return str(error)
    said = str(error).replace("\n  hint: ", "; hint: ").replace("\n", " ")
    notes = "".join(f" ({note[:1].lower()}{note[1:]})" for note in getattr(error, "__notes__", ()))
    return said if isinstance(error, ModelError) else f"{type(error).__name__}: {said}{notes}"
