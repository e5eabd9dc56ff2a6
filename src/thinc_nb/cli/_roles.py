"""What each name in Python source is, as the grammar knows it: gold labels for the default demo.

Most names have their position in the tree (`ast`). For the others the tree says which construct they belong to, and
the name is the next one after a known token (`def` NAME, `as` NAME): these are found by walking the tokens from there.
"""

from __future__ import annotations

import ast
import keyword
import sys
import tokenize
from collections.abc import Iterable, Sequence
from tokenize import TokenInfo
from typing import Final

__all__ = ["ROLES", "is_name", "name_roles"]

ROLES: Final = (
    "keyword",
    "name",
    "store",
    "delete",
    "attribute",
    "call",
    "argument",
    "parameter",
    "function",
    "class",
    "decorator",
    "annotation",
    "import",
    "exception",
    "global",
)
"""keyword: reserved and soft ones; name: a plain use; store, delete: the target of a binding or of `del`; attribute:
`x.HERE`; call: the function's own name in `f()` and `x.f()`; argument: `f(HERE=1)`; parameter, function, class: the
name in a definition (lambda and type parameters included); decorator: its own name; annotation: a name inside a type
annotation; import: modules, imported names and what they are called; exception: `except X as HERE`; global: a name
declared global or nonlocal."""

# Before 3.12 an f-string is a single token, and positions inside it point elsewhere.
_FSTRINGS_HAVE_TOKENS: Final = sys.version_info >= (3, 12)


def name_roles(source: str, tokens: Sequence[TokenInfo]) -> dict[int, str]:
    """The role of every name and keyword of a module: token index → one of `ROLES`.

    Raises SyntaxError or ValueError if the source does not parse, RecursionError if it is nested too deeply.
    """
    return _Roles(source, tokens).of(ast.parse(source))


def is_name(tokens: Sequence[TokenInfo], index: int) -> bool:
    """Whether a token is a name or keyword; the r of `f"{x!r}"` is a NAME to the tokenizer, but it names nothing."""
    return tokens[index].type == tokenize.NAME and not (index > 0 and tokens[index - 1].string == "!")


class _Roles(ast.NodeVisitor):
    """Visits a tree and notes the role of each name token. The first role noted for a token is the one that stays."""

    def __init__(self, source: str, tokens: Sequence[TokenInfo]) -> None:
        self._tokens = tokens
        self._starts = {token.start: i for i, token in enumerate(tokens)}
        self._ends = {token.end: i for i, token in enumerate(tokens)}
        self._not_ascii = {n: line for n, line in enumerate(source.split("\n"), 1) if not line.isascii()}
        self._roles: dict[int, str] = {}

    def of(self, tree: ast.Module) -> dict[int, str]:
        self.visit(tree)
        for i, token in enumerate(self._tokens):
            if is_name(self._tokens, i) and (i not in self._roles or keyword.iskeyword(token.string)):
                # What the tree gave no role is a keyword, reserved or soft (match, case, type).
                self._roles[i] = "keyword"
        return self._roles

    # -- positions ------------------------------------------------------------------------------------------------

    def _column(self, line: int, offset: int) -> int:
        """The tree counts UTF-8 bytes, the tokenizer characters."""
        text = self._not_ascii.get(line)
        return offset if text is None else len(text.encode()[:offset].decode(errors="ignore"))

    def _first(self, node: ast.AST) -> int | None:
        line, offset = getattr(node, "lineno", None), getattr(node, "col_offset", None)
        return None if line is None or offset is None else self._starts.get((line, self._column(line, offset)))

    def _last(self, node: ast.AST) -> int | None:
        line, offset = getattr(node, "end_lineno", None), getattr(node, "end_col_offset", None)
        return None if line is None or offset is None else self._ends.get((line, self._column(line, offset)))

    def _note(self, index: int | None, role: str) -> None:
        """Give the token at `index` a role, if it is a name."""
        if index is not None and self._tokens[index].type == tokenize.NAME:
            self._roles.setdefault(index, role)

    def _note_after(self, index: int | None, word: str, role: str) -> None:
        """Give the name that follows the next `word` at or after `index` a role."""
        if index is None:
            return
        for i in range(index, len(self._tokens) - 1):
            if self._tokens[i].string == word:
                self._note(i + 1, role)
                return

    def _note_all(self, node: ast.AST, role: str) -> None:
        """Give every name token within a node that has no role yet a role."""
        first, last = self._first(node), self._last(node)
        if first is not None and last is not None:
            for i in range(first, last + 1):
                self._note(i, role)

    # -- definitions ----------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._note_after(self._first(node), "def", "function")
        self._decorators(node.decorator_list)
        if node.returns is not None:
            self._annotation(node.returns)
        self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._note_after(self._first(node), "class", "class")
        self._decorators(node.decorator_list)
        self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> None:
        self._note(self._first(node), "parameter")
        if node.annotation is not None:
            self._annotation(node.annotation)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        self.generic_visit(node)

    def _decorators(self, decorators: Iterable[ast.expr]) -> None:
        for node in decorators:
            self._note(self._name_token(node.func if isinstance(node, ast.Call) else node), "decorator")

    def _annotation(self, node: ast.expr) -> None:
        self._note_all(node, "annotation")

    # -- expressions ----------------------------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        role = {ast.Store: "store", ast.Del: "delete"}.get(type(node.ctx), "name")
        self._note(self._first(node), role)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self._note(self._last(node), "attribute")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        self._note(self._name_token(node.func), "call")
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg is not None:
            self._note(self._first(node), "argument")
        self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        if _FSTRINGS_HAVE_TOKENS:
            self.generic_visit(node)

    def _name_token(self, node: ast.expr) -> int | None:
        """The token that names what is called: `f` of f, `b` of a.b; None for calls of calls and the like."""
        if isinstance(node, ast.Name):
            return self._first(node)
        return self._last(node) if isinstance(node, ast.Attribute) else None

    # -- statements that bind names without Name nodes --------------------------------------------------------------

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        first, last = self._first(node), self._last(node)
        if first is not None and last is not None:
            for i in range(first, last + 1):
                if not keyword.iskeyword(self._tokens[i].string):
                    self._note(i, "import")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.visit_Import(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name is not None and node.type is not None:
            self._note_after(self._last(node.type), "as", "exception")
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        first, last = self._first(node), self._last(node)
        if first is not None and last is not None:
            for i in range(first + 1, last + 1):
                self._note(i, "global")

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.visit_Global(node)

    # -- patterns and type parameters -------------------------------------------------------------------------------

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name is not None:
            self._note(self._last(node), "store")
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self._note(self._last(node), "store")

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest is not None:
            self._note_after(self._rest_of_mapping(node), "**", "store")

    def _rest_of_mapping(self, node: ast.MatchMapping) -> int | None:
        return self._last(node.patterns[-1]) if node.patterns else self._first(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> None:
        self._note(self._name_token(node.cls), "call")
        for pattern in node.kwd_patterns:
            first = self._first(pattern)
            # Back over the brackets around the pattern, to the `=` and the name in front of it.
            while first is not None and first > 0 and self._tokens[first].string != "=":
                first -= 1
            self._note(None if first is None else first - 1, "argument")
        self.generic_visit(node)

    def visit_TypeVar(self, node: ast.AST) -> None:
        self._note(self._first(node), "parameter")
        self.generic_visit(node)

    def visit_TypeVarTuple(self, node: ast.AST) -> None:
        first = self._first(node)
        self._note(None if first is None else first + 1, "parameter")
        self.generic_visit(node)

    def visit_ParamSpec(self, node: ast.AST) -> None:
        self.visit_TypeVarTuple(node)
