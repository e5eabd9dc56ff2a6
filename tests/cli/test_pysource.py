"""Roles of names, and the standard library as a corpus."""

from __future__ import annotations

import keyword
import sys
import tokenize
from pathlib import Path

import pytest

from thinc_nb.cli._errors import CommandError
from thinc_nb.cli._features import stable_hash
from thinc_nb.cli._pysource import (
    labelled_lines,
    library_sentences,
    logical_lines,
    model_word,
    split_files,
    standard_library_files,
    tokens_of,
)
from thinc_nb.cli._roles import ROLES, is_name, name_roles

NEW_FSTRINGS = sys.version_info >= (3, 12)


def roles(source: str) -> str:
    """`name/role` of every name, keywords left out."""
    tokens = tokens_of(source)
    found = name_roles(source, tokens)
    assert sorted(found) == [i for i in range(len(tokens)) if is_name(tokens, i)]
    assert set(found.values()) <= set(ROLES)
    return " ".join(f"{tokens[i].string}/{found[i]}" for i in sorted(found) if found[i] != "keyword")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = y", "x/store y/name"),
        ("x += 1", "x/store"),
        ("(a, [b, *c]), d.e, f[g] = h", "a/store b/store c/store d/name e/attribute f/name g/name h/name"),
        ("del a, b.c, d[e]", "a/delete b/name c/attribute d/name e/name"),
        ("f(x)", "f/call x/name"),
        ("a.b.c(x.y)", "a/name b/attribute c/call x/name y/attribute"),
        ("f(x)(y)", "f/call x/name y/name"),
        ("a[0](x)", "a/name x/name"),
        ("(f)(x)", "f/call x/name"),
        ("(a\n .\n b) ()", "a/name b/call"),
        ("f(x, y=z, *a, **k)", "f/call x/name y/argument z/name a/name k/name"),
        ("def f(a, /, b=c, *d, **e): g", "f/function a/parameter b/parameter c/name d/parameter e/parameter g/name"),
        ("def f(*, a): pass", "f/function a/parameter"),
        ("async def f(): await g()", "f/function g/call"),
        ("lambda x, y=z: x", "x/parameter y/parameter z/name x/name"),
        ("class A(B, metaclass=M): pass", "A/class B/name metaclass/argument M/name"),
        ("@a.b(c)\n@d\n@e.g\ndef f(): pass", "a/name b/decorator c/name d/decorator e/name g/decorator f/function"),
        ("@d\nclass A: pass", "d/decorator A/class"),
        ("def f(a: b.c[D]): pass", "f/function a/parameter b/annotation c/annotation D/annotation"),
        ("def f(*a: B) -> C: pass", "f/function a/parameter B/annotation C/annotation"),
        ("x: Optional[y] = z", "x/store Optional/annotation y/annotation z/name"),
        ("a.b: C", "a/name b/attribute C/annotation"),
        ("import a.b as c, d", "a/import b/import c/import d/import"),
        ("from .a.b import (c as d, e)", "a/import b/import c/import d/import e/import"),
        ("from . import *", ""),
        ("try: pass\nexcept (A, b.C) as e: f(e)", "A/name b/name C/attribute e/exception f/call e/name"),
        ("try: pass\nexcept (A) as e: pass\nexcept: pass", "A/name e/exception"),
        ("def f():\n global a, b\n nonlocal c", "f/function a/global b/global c/global"),
        ("for i, j in k: pass", "i/store j/store k/name"),
        ("with a() as b, c as (d, e): pass", "a/call b/store c/name d/store e/store"),
        ("[i for i in j if (k := i)]", "i/name i/store j/name k/store i/name"),
        ("assert not x is None or True", "x/name"),
        ("match = case = 1\nmatch(case, type)", "match/store case/store match/call case/name type/name"),
        ("é = 'ü'; ñ.x(é=ñ)", "é/store ñ/name x/call é/argument ñ/name"),
        ("ﬁ = 1", "ﬁ/store"),
        ('"""a\n\nb""".join(x)', "join/call x/name"),
        ("print('%s' % x, file=sys.stderr)", "print/call x/name file/argument sys/name stderr/attribute"),
    ],
)  # fmt: skip
def test_role_of_each_name(source: str, expected: str) -> None:
    assert roles(source + "\n") == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", "a/store"),
        ("_", ""),
        ("a.B", "a/name B/attribute"),
        ("[a, *b]", "a/store b/store"),
        ("{'k': a, **b}", "a/store b/store"),
        ("{**b}", "b/store"),
        ("P(a, k=(b), z=1)", "P/call a/store k/argument b/store z/argument"),
        ("m.P() as a", "m/name P/call a/store"),
        ("(1 | 2) as a", "a/store"),
        ("a if b", "a/store b/name"),
    ],
)
def test_role_of_each_name_in_a_pattern(pattern: str, expected: str) -> None:
    source = f"match x:\n case {pattern}: pass\n"
    assert roles(source) == f"x/name {expected}".strip()


@pytest.mark.skipif(not NEW_FSTRINGS, reason="syntax of Python 3.12")
@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "type X[T: int, *Ts, **P] = list[T]",
            "X/store T/parameter int/name Ts/parameter P/parameter list/name T/name",
        ),
        ("def f[T](x: T): pass", "f/function T/parameter x/parameter T/annotation"),
        ("f'{a.b(c)!r:>{w}} {d=}'", "a/name b/call c/name w/name d/name"),
    ],
)
def test_role_of_each_name_in_newer_syntax(source: str, expected: str) -> None:
    assert roles(source + "\n") == expected


@pytest.mark.skipif(NEW_FSTRINGS, reason="f-strings are tokenised from Python 3.12 on")
def test_names_inside_an_fstring_do_not_mislabel_others() -> None:
    # The tree's positions inside the string point at the start of the line, where `x` and `if` are.
    assert roles("x = f'{a} {b()}' if y else z\n") == "x/store y/name z/name"


def test_every_name_of_real_source_gets_a_role_and_only_keywords_are_keywords() -> None:
    reserved = set(keyword.kwlist) | set(keyword.softkwlist)
    for path in standard_library_files()[:25]:
        with tokenize.open(path) as file:
            source = file.read()
        tokens = tokens_of(source)
        found = name_roles(source, tokens)
        assert {tokens[i].string for i, role in found.items() if role == "keyword"} <= reserved, path


def test_sentences_are_logical_lines_without_comments_and_docstrings() -> None:
    source = (
        '"""Doc."""\n\n# comment\nx = [\n  1,  # one\n  y]\n\nif x:\n    """Only a string."""\n    f("a b", rb\'c\')\n'
    )
    lines = labelled_lines(source)
    assert [line.words for line in lines] == [
        ["x", "=", "[", "1", ",", "y", "]"],
        ["if", "x", ":"],
        ["f", "(", '"', ",", "rb'", ")"],
    ]
    assert lines[0].labels == ["store", None, None, None, None, "name", None]
    assert lines[1].labels == ["keyword", "name", None]


def test_a_very_long_line_is_cut_and_loses_nothing() -> None:
    source = "x = [" + "y, " * 500 + "]\n"
    lines = labelled_lines(source)
    assert max(len(line.words) for line in lines) == 100
    assert [word for line in lines for word in line.words] == ["x", "=", "[", *["y", ","] * 500, "]"]


def test_text_in_strings_is_not_a_word() -> None:
    tokens = tokens_of('a = f\'text {b}\' \'more\' """x\ny"""\n')
    seen = [model_word(tokens[i]) for line in logical_lines(tokens) for i in line]
    assert not any("text" in word or "more" in word or "x" in word for word in seen)


def test_split_keeps_files_on_one_side_and_is_the_same_every_time() -> None:
    files = standard_library_files()
    train, dev = split_files(files)
    assert not set(train) & set(dev)
    assert sorted(train + dev) == sorted(files)
    assert 0.05 < len(dev) / len(files) < 0.2
    assert files == standard_library_files()
    assert not any({"test", "tests", "site-packages"} & set(path.parts) for path in files)


def test_order_of_files_depends_on_their_names_alone(tmp_path: Path) -> None:
    names = [f"m{i}.py" for i in range(20)] + ["pkg/a.py"]
    for folder in (tmp_path / "one", tmp_path / "two"):
        (folder / "pkg").mkdir(parents=True)
        for name in reversed(names):
            (folder / name).write_text("x = 1\n")
    one, two = (standard_library_files(tmp_path / name) for name in ("one", "two"))
    assert [path.name for path in one] == [path.name for path in two]
    assert [path.relative_to(tmp_path / "one").as_posix() for path in one] == sorted(names, key=stable_hash)


def test_files_that_do_not_decode_or_parse_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "unfinished.py").write_text("x = (\n")
    (tmp_path / "null.py").write_bytes(b"x = 1\n\0\n")
    (tmp_path / "deep.py").write_text("x = " + "(" * 5000 + ")" * 5000 + "\n")
    (tmp_path / "coding.py").write_bytes(b"# -*- coding: latin-1 -*-\nx = '\xe9'\n")
    (tmp_path / "good.py").write_text("y = 1\n")
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere.py")
    sentences = list(library_sentences(standard_library_files(tmp_path)))
    assert sorted(sentence.words for sentence in sentences) == [["x", "=", "'"], ["y", "=", "1"]]


def test_limits_on_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("".join(f"x{i} = {i}\n" for i in range(100)))
    assert len(list(library_sentences([path], 7))) == 7
    spread = list(library_sentences([path], most_of_a_file=4))
    assert [sentence.words[0] for sentence in spread] == ["x0", "x25", "x50", "x75"]


def test_library_without_source_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no Python source files here"):
        standard_library_files(tmp_path)
    with pytest.raises(CommandError, match="no Python source files here"):
        standard_library_files(tmp_path / "python311.zip")
