"""Reading CoNLL-U, plain or gzipped, with errors that name the line.

Format: https://universaldependencies.org/format.html
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from pathlib import Path
from typing import Final

from ._errors import CommandError, reading
from ._sentences import Sentence

__all__ = ["COLUMNS", "column_index", "decode_text", "looks_like_conllu", "parse_conllu", "read_conllu", "read_text"]

COLUMNS: Final = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_FORM: Final = COLUMNS.index("form")
_GZIP_MAGIC: Final = b"\x1f\x8b"
# 3-4 spans words written as one token, 5.1 is an empty node of the enhanced graph: neither is a word of the sentence.
_NOT_A_WORD: Final = re.compile(r"[0-9]+(?:-[0-9]+|\.[0-9]+)")


def column_index(name: str) -> int:
    """Position of a column that can be predicted, by its name in any case (`ValueError`: there is no such column)."""
    index = COLUMNS.index(name.lower()) if name.lower() in COLUMNS else 0
    if index <= _FORM:
        raise ValueError(f"no column {name!r} to predict in CoNLL-U; there are {', '.join(COLUMNS[_FORM + 1 :])}")
    return index


def read_conllu(path: str | os.PathLike[str], column: str = "upos") -> list[Sentence]:
    """All sentences of a CoNLL-U file, labelled with one of its columns.

    Raises `CommandError` that names file and line if the file cannot be read, is malformed or has no sentence.
    """
    return parse_conllu(read_text(path), column, path)


def parse_conllu(text: str, column: str, path: str | os.PathLike[str]) -> list[Sentence]:
    """All sentences of CoNLL-U text; `path` is only for the messages."""
    label = column_index(column)
    sentences: list[Sentence] = []
    words: list[str] = []
    labels: list[str | None] = []
    number = 0
    # Not splitlines(): it also splits at U+2028 and the like, which occur inside words.
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        fields = line.split("\t")
        if len(fields) == len(COLUMNS) and fields[0] == str(len(words) + 1) and fields[_FORM] and fields[label]:
            words.append(fields[_FORM])
            labels.append(fields[label])
        elif not line or line.isspace():
            if words:
                sentences.append(Sentence(words, labels))
                words, labels = [], []
        elif line[0] != "#":
            problem = _problem(fields, len(words) + 1, label)
            if problem is not None:
                raise CommandError(problem, path=path, line=number)
    if words:
        sentences.append(Sentence(words, labels))
    if not sentences:
        raise CommandError("the file has no sentences", path=path, line=number)
    return sentences


def _problem(fields: list[str], expected: int, label: int) -> str | None:
    """What is wrong with a line that is neither empty nor a comment; None if it just is no word of the sentence."""
    if len(fields) != len(COLUMNS):
        return f"expected {len(COLUMNS)} fields separated by tabs, found {len(fields)}"
    if _NOT_A_WORD.fullmatch(fields[0]):
        return None
    if fields[0] != str(expected):
        return f"expected word {expected} of the sentence, found {fields[0]!r}"
    return f"the {COLUMNS[label if fields[_FORM] else _FORM]} field is empty"


def looks_like_conllu(text: str) -> bool:
    """Whether the first line that is neither empty nor a comment has the fields of CoNLL-U."""
    lines = (line for line in text.split("\n") if line.strip() and not line.startswith("# "))
    return next(lines, "").count("\t") == len(COLUMNS) - 1


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file, gunzipped if it is gzipped (told by its first bytes, not by its name)."""
    with reading(path):
        raw = Path(path).read_bytes()
    if raw.startswith(_GZIP_MAGIC):
        try:
            raw = gzip.decompress(raw)
        except (EOFError, zlib.error, gzip.BadGzipFile) as err:
            raise CommandError(f"the gzip data is cut short or damaged ({err})", path=path) from err
    return decode_text(raw, path)


def decode_text(raw: bytes, path: str | os.PathLike[str]) -> str:
    """UTF-8 bytes as text, without a byte order mark; `path` is only for the message."""
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as err:
        line = raw.count(b"\n", 0, err.start) + 1
        raise CommandError(f"byte 0x{raw[err.start]:02x} is not UTF-8", path=path, line=line) from err
