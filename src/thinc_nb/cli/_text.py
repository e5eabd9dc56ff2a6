"""Splitting plain English text into words, roughly as the treebank does."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["split_words"]

_WORD: Final = re.compile(
    r"""
    https?://\S+ | \S+@\S+\.\w+                    # addresses
    | \w+?(?=n['’]t\b) | n['’]t\b                  # do|n't
    | ['’](?:s|re|ve|ll|d|m)\b                     # it|'s
    | \d+(?:[.,:]\d+)* | (?:[A-Za-z]\.){2,}        # 1,024.5  U.S.
    | \w+ | \.{2,} | --+ | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)


def split_words(line: str) -> list[str]:
    """The words and punctuation marks of a line; no character but blanks is lost."""
    return _WORD.findall(line)
