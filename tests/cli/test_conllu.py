"""Reading CoNLL-U: what is a word, and which line an error names."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from thinc_nb.cli._conllu import column_index, looks_like_conllu, parse_conllu, read_conllu
from thinc_nb.cli._errors import CommandError
from thinc_nb.cli._sentences import Sentence

GOOD = (
    "# sent_id = 1\n"
    "# text = I'm there\n"
    "1-2\tI'm\t_\t_\t_\t_\t_\t_\t_\t_\n"
    "1\tI\tI\tPRON\tPRP\t_\t3\tnsubj\t_\t_\n"
    "2\t'm\tbe\tAUX\tVBP\t_\t3\tcop\t_\t_\n"
    "2.1\tnot\tnot\tPART\tRB\t_\t_\t_\t_\t_\n"
    "3\tthere\tthere\tADV\tRB\t_\t0\troot\t_\t_\n"
    "\n"
    "1\tNo\tno\tINTJ\tUH\t_\t0\troot\t_\t_\n"
    "\n"
)
SENTENCES = [Sentence(["I", "'m", "there"], ["PRON", "AUX", "ADV"]), Sentence(["No"], ["INTJ"])]


def fail(text: str) -> str:
    with pytest.raises(CommandError) as caught:
        parse_conllu(text, "upos", "data.conllu")
    return str(caught.value)


def test_words_are_read_and_multiword_tokens_and_empty_nodes_are_not() -> None:
    assert parse_conllu(GOOD, "upos", "f") == SENTENCES


@pytest.mark.parametrize(("column", "labels"), [("xpos", ["PRP", "VBP", "RB"]), ("deprel", ["nsubj", "cop", "root"])])
def test_another_column_can_be_the_label(column: str, labels: list[str]) -> None:
    assert parse_conllu(GOOD, column, "f")[0].labels == labels


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        GOOD.rstrip("\n"),
        "\n\n" + GOOD + "\n\n",
        GOOD.replace("\n\n", "\n \n"),
        GOOD + "# end",
    ],
    ids=["CRLF", "no newline at the end", "extra blank lines", "a blank in the blank line", "comment at the end"],
)
def test_layout_of_lines_does_not_matter(text: str) -> None:
    assert parse_conllu(text, "upos", "f") == SENTENCES


def test_line_separators_of_unicode_are_part_of_a_word() -> None:
    text = GOOD.replace("\tthere\tthere", "\tthe\u2028re\tthere")
    assert parse_conllu(text, "upos", "f")[0].words == ["I", "'m", "the\u2028re"]


def test_plain_gzipped_and_byte_order_marked_files_read_alike(tmp_path: Path) -> None:
    plain, zipped, marked = tmp_path / "a.conllu", tmp_path / "a.conllu.gz", tmp_path / "b.conllu"
    plain.write_bytes(GOOD.encode())
    # Told by its content: the name does not end in .gz.
    zipped.write_bytes(gzip.compress(GOOD.encode()))
    marked.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert read_conllu(plain) == read_conllu(zipped) == read_conllu(marked) == SENTENCES


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2 'm be AUX VBP _ 3 cop _ _", "expected 10 fields separated by tabs, found 1"),
        ("2\t'm\tbe\tAUX\tVBP\t_\t3\tcop\t_", "expected 10 fields separated by tabs, found 9"),
        ("2\t'm\tbe\tAUX\tVBP\t_\t3\tcop\t_\t_\t_", "expected 10 fields separated by tabs, found 11"),
        ("3\t'm\tbe\tAUX\tVBP\t_\t3\tcop\t_\t_", "expected word 2 of the sentence, found '3'"),
        ("x\t'm\tbe\tAUX\tVBP\t_\t3\tcop\t_\t_", "expected word 2 of the sentence, found 'x'"),
        ("2\t\tbe\tAUX\tVBP\t_\t3\tcop\t_\t_", "the form field is empty"),
        ("2\t'm\tbe\t\tVBP\t_\t3\tcop\t_\t_", "the upos field is empty"),
    ],
)
def test_malformed_line_is_named(line: str, expected: str) -> None:
    lines = GOOD.split("\n")
    lines[4] = line
    assert fail("\n".join(lines)) == f"data.conllu:5: {expected}"
    # Line ends of Windows do not change the count.
    assert fail("\r\n".join(lines)) == f"data.conllu:5: {expected}"


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n"])
def test_file_without_sentences_is_an_error(text: str) -> None:
    assert fail(text).endswith("the file has no sentences")


def test_bytes_that_are_not_utf8_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin1.conllu"
    path.write_bytes(GOOD.encode().replace(b"No\tno", b"N\xe9\tno"))
    with pytest.raises(CommandError, match=r"latin1\.conllu:9: byte 0xe9 is not UTF-8"):
        read_conllu(path)


def test_truncated_gzip_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cut.conllu.gz"
    path.write_bytes(gzip.compress(GOOD.encode() * 100)[:-20])
    with pytest.raises(CommandError, match=r"cut\.conllu\.gz: the gzip data is cut short or damaged"):
        read_conllu(path)


def test_missing_file_and_folder_are_errors_that_name_them(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"missing\.conllu: No such file"):
        read_conllu(tmp_path / "missing.conllu")
    with pytest.raises(CommandError, match="directory"):
        read_conllu(tmp_path)


@pytest.mark.parametrize("name", ["pos", "", "id", "form", "10"])
def test_unknown_column_lists_the_ones_there_are(name: str) -> None:
    with pytest.raises(ValueError, match="there are lemma, upos, xpos, feats, head, deprel, deps, misc"):
        column_index(name)


def test_column_names_are_found_in_any_case() -> None:
    assert column_index("UPOS") == column_index("upos") == 3


def test_conllu_is_told_from_plain_text() -> None:
    assert looks_like_conllu(GOOD)
    assert looks_like_conllu("\n# text\n" + GOOD)
    assert not looks_like_conllu("A sentence.\n")
    assert not looks_like_conllu("")
