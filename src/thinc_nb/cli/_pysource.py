"""Python source as sentences: a sentence is a logical line, its words are the tokens, its labels the names' roles."""

from __future__ import annotations

import io
import itertools
import os
import re
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tokenize import TokenInfo
from typing import Final

from ._errors import CommandError
from ._features import stable_hash
from ._roles import name_roles
from ._sentences import Sentence

__all__ = [
    "labelled_lines",
    "library_sentences",
    "logical_lines",
    "model_word",
    "split_files",
    "standard_library_files",
    "tokens_of",
]

_LONGEST_LINE: Final = 100
"""A longer logical line (a table written as a literal) is cut into pieces of so many tokens."""
_LARGEST_FILE: Final = 300_000
_DEV_SHARE: Final = 10
"""One file in so many is kept for the dev set."""
# Tests, tables of character codes, bundled wheels, and what is not the standard library's own.
_SKIPPED_FOLDERS: Final = frozenset(
    ("test", "tests", "idle_test", "site-packages", "dist-packages", "encodings", "pydoc_data", "ensurepip")
)
_LAYOUT: Final = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER}
)
# From Python 3.12 on f-strings have tokens of their own, from 3.14 on t-strings.
_TEXT_IN_FSTRINGS: Final = frozenset(kind for kind, name in tokenize.tok_name.items() if name.endswith("STRING_MIDDLE"))
_QUOTE: Final = re.compile(r"[A-Za-z]*(?:\"\"\"|'''|\"|')")


def standard_library_files(root: str | os.PathLike[str] | None = None) -> list[Path]:
    """The source files of the standard library (or of another folder), in an order that is the same everywhere.

    Raises `CommandError` if there are none, as in installations that keep the library zipped or compiled.
    """
    folder = Path(sysconfig.get_path("stdlib") if root is None else root)
    found: list[tuple[int, Path]] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS and not name.startswith("config-")]
        for name in names:
            if name.endswith(".py"):
                path = Path(parent, name)
                found.append((stable_hash(path.relative_to(folder).as_posix()), path))
    if not found:
        raise CommandError(
            "no Python source files here: this installation has its standard library zipped or compiled only; "
            "give data of your own with --train and --dev",
            path=folder,
        )
    return [path for _, path in sorted(found)]


def split_files(files: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Whole files for training and for dev, so that no file is on both sides."""
    dev = list(files[::_DEV_SHARE])
    train = [path for i, path in enumerate(files) if i % _DEV_SHARE] or dev
    return train, dev


def library_sentences(
    files: Iterable[Path], limit: int | None = None, *, most_of_a_file: int | None = None
) -> Iterator[Sentence]:
    """Labelled lines of the files, read one file at a time; files that cannot be read or parsed are passed over.

    With `most_of_a_file`, that many lines of a longer file are taken, evenly spread.
    """
    sentences = (line for path in files for line in _thinned(_lines_of_file(path), most_of_a_file))
    return itertools.islice(sentences, limit)


def _thinned(lines: list[Sentence], most: int | None) -> list[Sentence]:
    if most is None or len(lines) <= most:
        return lines
    return [lines[i * len(lines) // most] for i in range(most)]


def _lines_of_file(path: Path) -> list[Sentence]:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            return []
        with tokenize.open(path) as file:
            return labelled_lines(file.read())
    except (OSError, SyntaxError, ValueError, RecursionError, tokenize.TokenError):
        return []


def labelled_lines(source: str) -> list[Sentence]:
    """The logical lines of a module that have a name in them, with the role of each name.

    Raises SyntaxError, ValueError or `tokenize.TokenError` if the source does not parse.
    """
    tokens = tokens_of(source)
    roles = name_roles(source, tokens)
    return [
        Sentence([model_word(tokens[i]) for i in line], [roles.get(i) for i in line])
        for line in logical_lines(tokens)
        if any(i in roles for i in line)
    ]


def tokens_of(source: str) -> list[TokenInfo]:
    """All tokens of a module. Raises SyntaxError or `tokenize.TokenError`."""
    return list(tokenize.generate_tokens(io.StringIO(source).readline))


def logical_lines(tokens: Sequence[TokenInfo]) -> Iterator[list[int]]:
    """Indices of the tokens of each logical line, without comments and layout."""
    line: list[int] = []
    for i, token in enumerate(tokens):
        if token.type == tokenize.NEWLINE or len(line) == _LONGEST_LINE:
            if line:
                yield line
            line = []
        if token.type != tokenize.NEWLINE and token.type not in _LAYOUT:
            line.append(i)
    if line:
        yield line


def model_word(token: TokenInfo) -> str:
    """What the model sees of a token: of a string only how it opens, since what it says does not make it a word."""
    if token.type == tokenize.STRING:
        opening = _QUOTE.match(token.string)
        return opening.group() if opening else '"'
    if token.type in _TEXT_IN_FSTRINGS:
        return '"'
    return token.string
