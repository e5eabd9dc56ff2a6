"""Tagged sentences as coloured text for a terminal and as tab-separated text for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["as_text", "as_tsv"]

_COLOURS: Final = (
    "cyan",
    "green",
    "yellow",
    "magenta",
    "blue",
    "red",
    "bright_cyan",
    "bright_green",
    "bright_yellow",
    "bright_magenta",
    "bright_blue",
    "bright_red",
)
_UNPREDICTED: Final = "_"
_ESCAPES: Final = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})


def as_text(
    words: Sequence[str],
    tags: Sequence[str | None],
    labels: Sequence[str],
    gold: Sequence[str | None] | None = None,
) -> Text:
    """A line of `word/tag`, coloured by tag; words without a tag stay plain, behind a wrong tag stands the gold one."""
    from rich.text import Text

    line = Text()
    colours = {label: _COLOURS[i % len(_COLOURS)] for i, label in enumerate(labels)}
    for i, (word, tag) in enumerate(zip(words, tags, strict=True)):
        if i:
            line.append(" ")
        if tag is None:
            line.append(word)
            continue
        line.append(word, style=colours.get(tag, ""))
        line.append(f"/{tag}", style="dim")
        expected = tag if gold is None else gold[i]
        if expected != tag:
            line.append(f" (not {expected})", style="bold red")
    return line


def as_tsv(words: Sequence[str], tags: Sequence[str | None]) -> str:
    """Lines of word, tab, tag and an empty line; `_` where nothing is predicted, tabs and line ends escaped."""
    rows = [f"{word.translate(_ESCAPES)}\t{tag or _UNPREDICTED}\n" for word, tag in zip(words, tags, strict=True)]
    return "".join(rows) + "\n"
