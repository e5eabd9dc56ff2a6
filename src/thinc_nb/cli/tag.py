"""`thinc-nb tag MODEL FILE`: tag new text with a saved model."""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tokenize
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ._errors import OK, CommandError
from ._parser import OneLineParser

__all__ = ["add_arguments", "run"]

_STDIN: Final = "-"


class _Line(NamedTuple):
    """A line to tag: what is shown, what the model reads, and which words it has an opinion on."""

    shown: list[str]
    words: list[str]
    predicted: list[bool]


def add_arguments(parser: OneLineParser) -> None:
    """Declare the options of the command."""
    add = parser.add_argument
    add("model", metavar="MODEL", type=Path, help="the folder that thinc-nb demo wrote")
    add("file", metavar="FILE", help="Python source, CoNLL-U or plain text, one sentence a line; - is stdin")
    add(
        "--format",
        choices=("auto", "text", "tsv"),
        default="auto",
        help="coloured text or word-tab-tag lines (default: text on a terminal, else tsv)",
    )
    add(
        "--input",
        choices=("auto", "text", "conllu"),
        default="auto",
        help="how a model trained on CoNLL-U reads FILE (default: told by its first line)",
    )


def run(options: argparse.Namespace, clock: Callable[[], float]) -> int:
    """Run the command; raises `CommandError` on bad input."""
    from ._conllu import decode_text, read_text

    if options.format == "text" and not _have_rich():
        raise CommandError("--format text needs rich: pip install 'thinc_nb[demo]'")
    if options.file == _STDIN:
        name, text = "<stdin>", decode_text(sys.stdin.buffer.read(), "<stdin>")
    else:
        name, text = options.file, read_text(options.file)

    from ._corpus import PYSOURCE
    from ._tagger import Tagger

    tagger = Tagger.load(options.model)
    lines = _python_lines(text, name) if tagger.settings.kind == PYSOURCE else _text_lines(text, name, options.input)
    tagged = zip(lines, tagger.tag(line.words for line in lines), strict=True)
    with_tags = ((line.shown, _where(line.predicted, tags)) for line, tags in tagged)
    as_text = options.format == "text" or (options.format == "auto" and sys.stdout.isatty() and _have_rich())
    if as_text:
        _print_text(with_tags, tagger.settings.labels)
    else:
        _print_tsv(with_tags)
    return OK


def _print_text(tagged: Iterable[tuple[list[str], list[str | None]]], labels: tuple[str, ...]) -> None:
    from rich.console import Console

    from ._render import as_text

    console = Console(highlight=False)
    for words, tags in tagged:
        console.print(as_text(words, tags, labels), soft_wrap=True)


def _print_tsv(tagged: Iterable[tuple[list[str], list[str | None]]]) -> None:
    from ._render import as_tsv

    for words, tags in tagged:
        sys.stdout.write(as_tsv(words, tags))


def _python_lines(text: str, name: str) -> list[_Line]:
    """The logical lines of Python source, which has to tokenise but need not parse."""
    from ._pysource import logical_lines, model_word, tokens_of
    from ._roles import is_name

    try:
        tokens = tokens_of(text)
    except SyntaxError as err:
        raise CommandError(err.msg, path=name, line=err.lineno) from err
    except tokenize.TokenError as err:
        message, (line, _) = err.args
        raise CommandError(str(message), path=name, line=line) from err
    return [
        _Line(
            [tokens[i].string for i in line],
            [model_word(tokens[i]) for i in line],
            [is_name(tokens, i) for i in line],
        )
        for line in logical_lines(tokens)
    ] or _nothing(name)


def _text_lines(text: str, name: str, kind: str) -> list[_Line]:
    """The sentences of CoNLL-U, whose labels are not looked at, or of plain text."""
    from ._conllu import looks_like_conllu, parse_conllu
    from ._text import split_words

    sentences: Iterator[list[str]]
    if kind == "conllu" or (kind == "auto" and looks_like_conllu(text)):
        sentences = (sentence.words for sentence in parse_conllu(text, "misc", name))
    else:
        sentences = (words for line in text.splitlines() if (words := split_words(line)))
    return [_Line(words, words, [True] * len(words)) for words in sentences] or _nothing(name)


def _nothing(name: str) -> list[_Line]:
    raise CommandError("there is nothing to tag", path=name)


def _where(predicted: list[bool], tags: list[str]) -> list[str | None]:
    return [tag if wanted else None for wanted, tag in zip(predicted, tags, strict=True)]


def _have_rich() -> bool:
    return importlib.util.find_spec("rich") is not None
