"""What a training run shows: a progress bar on a terminal, a line per epoch, and the scores at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ._scores import Confusion

if TYPE_CHECKING:
    from ._training import EpochRecord

__all__ = ["Report"]

_ROW = "{:>5}  {:>8}  {:>8}  {:>8}  {:>10}"


class Report:
    """Observer of a training run that writes to a console. Quiet: writes nothing; no terminal: no progress bar."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        epochs: int,
        quiet: bool = False,
        stop_requested: Callable[[], bool] = lambda: False,
        console: Console | None = None,
    ) -> None:
        self.console = Console(quiet=quiet, highlight=False) if console is None else console
        self.first_batch_seconds: float | None = None
        self._clock = clock
        self._epochs = epochs
        self._stop_requested = stop_requested
        self._progress: Progress | None = None
        self._task = TaskID(0)

    def say(self, text: str) -> None:
        """Print a line as it is: nothing in it is markup."""
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    # -- the observer ---------------------------------------------------------------------------------------------

    def begin_epoch(self, epoch: int, sentences: int) -> None:
        if self.console.is_terminal and not self.console.quiet:
            self._progress = Progress(
                TextColumn(f"epoch {epoch}/{self._epochs}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TextColumn("{task.fields[figures]}"),
                TimeRemainingColumn(compact=True),
                console=self.console,
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task("", total=sentences, figures="")

    def after_batch(self, sentences: int, loss: float, words_per_second: float) -> None:
        if self.first_batch_seconds is None:
            self.first_batch_seconds = self._clock()
            self.say(f"first batch trained {self.first_batch_seconds:.2f} s after the start")
            self.say(_ROW.format("epoch", "loss", "accuracy", "seconds", "words/s"))
        if self._progress is not None:
            figures = f"loss {loss:.4f}  {words_per_second:,.0f} words/s"
            self._progress.update(self._task, advance=sentences, figures=figures)

    def end_epoch(self, record: EpochRecord) -> None:
        self.close()
        figures = (f"{record.loss:.4f}", f"{record.accuracy:.4f}", f"{record.seconds:.2f}")
        self.say(_ROW.format(record.epoch, *figures, f"{record.words_per_second:,.0f}"))

    def stop_requested(self) -> bool:
        return self._stop_requested()

    def close(self) -> None:
        """Take the progress bar away, if there is one."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    # -- the end --------------------------------------------------------------------------------------------------

    def scores(self, confusion: Confusion) -> None:
        """The table of precision, recall and F1, most frequent label first, and the accuracy."""
        table = Table("label")
        for title in ("precision", "recall", "F1", "words"):
            table.add_column(title, justify="right")
        for row in sorted(confusion.classes(), key=lambda row: -row.support):
            figures = (f"{row.precision:.4f}", f"{row.recall:.4f}", f"{row.f1:.4f}", f"{row.support:,}")
            # Text: a string would be read as markup, and a label may have brackets in it.
            table.add_row(Text(row.label), *figures)
        self.console.print(table)
        unseen = f"; {confusion.unseen:,} have a label that training never saw" if confusion.unseen else ""
        self.say(f"accuracy {confusion.accuracy:.4f} of {confusion.words:,} dev words{unseen}")
