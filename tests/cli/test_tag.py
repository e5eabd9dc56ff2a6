"""`thinc-nb tag` with models of both kinds."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import pytest

from thinc_nb.cli import main
from thinc_nb.cli._render import as_text, as_tsv
from thinc_nb.cli._tagger import Tagger, TaggerSettings
from thinc_nb.cli._text import split_words

TAGGED = "the\tDET\ncat\tNOUN\nsees\tVERB\n.\tPUNCT\n\n"


@pytest.fixture(scope="module")
def python_tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model for Python source: what it predicts does not matter."""
    folder = tmp_path_factory.mktemp("python")
    Tagger.new(TaggerSettings("pysource", "role", ("keyword", "name"), width=8, depth=1)).save(folder)
    return folder


def error_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["tag", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1, captured.err
    return captured.err.removeprefix("thinc-nb tag: error: ").rstrip("\n")


def test_plain_text_is_tagged_line_by_line(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new.txt"
    path.write_text("the cat sees.\n\nthe cat sees .\n")
    assert main(["tag", str(trained), str(path)]) == 0
    assert capsys.readouterr().out == TAGGED * 2


def test_conllu_is_told_from_text(trained: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", str(trained), str(data / "dev.conllu")]) == 0
    out = capsys.readouterr().out
    assert out.count("\n\n") == 50
    gold = [line.split("\t") for line in (data / "dev.conllu").read_text().split("\n")]
    expected = ["\t".join((fields[1], fields[3])) if len(fields) > 1 else "" for fields in gold]
    assert out.split("\n") == expected


def test_settings_file_and_standard_input_will_do(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"the cat sees .")))
    assert main(["tag", str(trained / "tagger.json"), "-"]) == 0
    assert capsys.readouterr().out == TAGGED


def test_readable_text_on_request(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new.txt"
    path.write_text("the cat sees .\n")
    assert main(["tag", str(trained), str(path), "--format=text"]) == 0
    assert capsys.readouterr().out == "the/DET cat/NOUN sees/VERB ./PUNCT\n"


def test_python_source_need_not_parse(python_tagger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new.py"
    path.write_text("def f(x) return 'a\\tb'\nif x:\n    y = '''1\n2'''\n")
    assert main(["tag", str(python_tagger), str(path)]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.split("\n") if line]
    assert [word for word, _ in lines] == [
        *("def", "f", "(", "x", ")", "return", "'a\\tb'"),
        *("if", "x", ":", "y", "=", "'''1\\n2'''"),
    ]
    assert [word for word, tag in lines if tag != "_"] == ["def", "f", "x", "return", "if", "x", "y"]


def test_python_source_that_does_not_tokenise_is_an_error_with_its_line(
    python_tagger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new.py"
    path.write_text("x = 1\ny = '''\n")
    assert error_of(capsys, python_tagger, path).startswith(f"{path}:2: ")
    path.write_text("if x:\n        y\n    z\n")
    assert error_of(capsys, python_tagger, path).startswith(f"{path}:3: ")


def test_nothing_to_tag_is_an_error(
    trained: Path, python_tagger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "empty.txt"
    path.write_text("\n\n")
    for model in (trained, python_tagger):
        assert error_of(capsys, model, path) == f"{path}: there is nothing to tag"


def test_malformed_conllu_is_an_error_with_its_line(
    trained: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.conllu"
    path.write_text((data / "dev.conllu").read_text() + "1\tword\n")
    number = (data / "dev.conllu").read_text().count("\n") + 1
    assert error_of(capsys, trained, path) == f"{path}:{number}: expected 10 fields separated by tabs, found 2"


def test_missing_file_and_model_are_named(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing"
    assert error_of(capsys, trained, missing) == f"{missing}: No such file or directory"
    assert error_of(capsys, missing, trained / "tagger.json") == f"{missing}: No such file or directory"
    expected = f"{tmp_path / 'tagger.json'}: No such file or directory"
    assert error_of(capsys, tmp_path, trained / "tagger.json") == expected


@pytest.mark.parametrize(
    ("file", "change", "expected"),
    [
        ("model.bin", b"", "these are not the weights that tagger.json describes"),
        ("tagger.json", b"{", "not the settings of a tagger"),
        ("tagger.json", b"[]", "not the settings of a tagger"),
        ("tagger.json", b'{"format": 1}', "not the settings of a tagger (KeyError: 'kind')"),
        ("tagger.json", b'{"format": 2}', "format 2 is of another version of thinc_nb"),
        ("tagger.json", b"\xff", "not the settings of a tagger"),
    ],
)
def test_damaged_model_is_an_error_of_one_line(
    file: str, change: bytes, expected: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained, folder)
    (folder / file).write_bytes(change)
    message = error_of(capsys, folder, trained / "tagger.json")
    assert message.startswith(f"{folder / file}: {expected}")


@pytest.mark.parametrize("change", [{"width": 32}, {"labels": ["A"]}, {"depth": 2}, {"rows": [9, 9, 9, 9]}])
def test_settings_that_do_not_fit_the_weights_are_an_error(
    change: dict[str, object], trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(trained, folder)
    settings = json.loads((folder / "tagger.json").read_text())
    (folder / "tagger.json").write_text(json.dumps(settings | change))
    message = error_of(capsys, folder, trained / "tagger.json")
    assert message.startswith(f"{folder / 'model.bin'}: the weights do not fit the model")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("It's a test.", ["It", "'s", "a", "test", "."]),
        ("They don't, they can't", ["They", "do", "n't", ",", "they", "ca", "n't"]),
        ("(U.S. costs: $1,024.50!)", ["(", "U.S.", "costs", ":", "$", "1,024.50", "!", ")"]),
        (
            "see https://example.org/a?b=c or a.b@example.org",
            ["see", "https://example.org/a?b=c", "or", "a.b@example.org"],
        ),
        ("well -- no... ", ["well", "--", "no", "..."]),
        ("", []),
    ],
)
def test_plain_text_is_split_into_words(line: str, words: list[str]) -> None:
    assert split_words(line) == words


def test_tsv_keeps_one_word_a_line() -> None:
    assert as_tsv(["a\tb\nc\r", "d"], ["X", None]) == "a\\tb\\nc\\r\tX\nd\t_\n\n"


def test_wrong_tags_show_the_gold_one() -> None:
    line = as_text(["a", "(", "b"], ["X", None, "Y"], ["X", "Y"], ["X", None, "X"])
    assert line.plain == "a/X ( b/Y (not X)"
