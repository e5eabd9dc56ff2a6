"""What `check_model` found."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Literal

from ..errors import ModelCheckError

if TYPE_CHECKING:
    from rich.table import Table

Status = Literal["passed", "warned", "failed", "skipped"]

_STYLES: dict[Status, str] = {"passed": "green", "warned": "yellow", "failed": "bold red", "skipped": "dim"}


@dataclass(frozen=True)
class Outcome:
    """One check: its name, its status, and what it found or why it was skipped. "warned": it may be intended."""

    name: str
    status: Status
    detail: str


@dataclass(frozen=True)
class Report:
    """The outcomes of all checks of a model. As text it is a table; rich prints it in colours."""

    model: str
    outcomes: tuple[Outcome, ...]

    @property
    def failures(self) -> tuple[Outcome, ...]:
        """The checks that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    def __getitem__(self, name: str) -> Outcome:
        """The check of this name. KeyError if there is none."""
        for outcome in self.outcomes:
            if outcome.name == name:
                return outcome
        raise KeyError(name)

    def raise_for_failures(self) -> None:
        """ModelCheckError with the table as its message, if a check failed."""
        if not self.passed:
            failed = ", ".join(outcome.name for outcome in self.failures)
            raise ModelCheckError(f"model {self.model!r} failed: {failed}\n{self}")

    def __str__(self) -> str:
        try:
            from rich.console import Console
        except ImportError:
            return self._plain()
        output = StringIO()
        Console(file=output, width=110, color_system=None, legacy_windows=False).print(self)
        return "\n".join(line.rstrip() for line in output.getvalue().rstrip().splitlines())

    __repr__ = __str__

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table("check", "result", "detail", title=f"check_model: {self.model}", title_justify="left")
        for outcome in self.outcomes:
            style = _STYLES[outcome.status]
            table.add_row(outcome.name, Text(outcome.status, style=style), Text(outcome.detail))
        return table

    def _plain(self) -> str:
        width = max((len(outcome.name) for outcome in self.outcomes), default=0)
        lines = [f"check_model: {self.model}"]
        for outcome in self.outcomes:
            head = f"{outcome.name:{width}}  {outcome.status:7}  "
            detail = textwrap.wrap(outcome.detail, 110 - len(head)) or [""]
            lines.append((head + detail[0]).rstrip())
            lines.extend(" " * len(head) + line for line in detail[1:])
        return "\n".join(lines)
