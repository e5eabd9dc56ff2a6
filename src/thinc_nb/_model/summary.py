"""How a model shows itself: the table of its tree, a graph for Graphviz, and HTML for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table

    from ..model import Model

__all__ = ["ShowsItself", "Summary"]

_TITLES = ("path", "layer", "dims", "parameters", "bytes")
_LONGEST_NAME = 40


class Row(NamedTuple):
    """One node where it stands in the tree. Of a node that was shown before there is only the name."""

    path: tuple[int, ...]
    name: str
    dims: str
    params: int
    nbytes: int
    is_repeated: bool

    def cells(self, indent: str = "  ") -> tuple[str, ...]:
        path = ".".join(map(str, self.path)) or "-"
        name = indent * len(self.path) + _shortened(self.name)
        if self.is_repeated:
            return path, name, "(shared, see above)", "", ""
        return path, name, self.dims, f"{self.params:,}", f"{self.nbytes:,}"


@dataclass(frozen=True, repr=False)
class Summary:
    """The table of a model: print it as text, with rich, or show it in a notebook.

    rows: the nodes in order, each with its own parameters and those of its shims. params, nbytes: those of the whole
    tree, counted once.
    """

    rows: tuple[Row, ...]
    params: int
    nbytes: int

    def __str__(self) -> str:
        cells = [_TITLES, *(row.cells() for row in self.rows), self._total()]
        widths = [max(len(line[column]) for line in cells) for column in range(len(_TITLES))]
        lines = ["  ".join([*_left(line, widths), *_right(line, widths)]).rstrip() for line in cells]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])

    def __repr__(self) -> str:
        return str(self)

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table(show_footer=True)
        for i, (title, footer) in enumerate(zip(_TITLES, self._total(), strict=True)):
            table.add_column(title, footer=footer, justify="right" if i > 2 else "left")
        for row in self.rows:
            # Text: a string would be read as markup, and a name may have brackets in it.
            table.add_row(*map(Text, row.cells()))
        return table

    def _repr_html_(self) -> str:
        import html

        def line(cells: tuple[str, ...], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(line(row.cells("\u2003"), "td") for row in self.rows)
        return f"<table><thead>{line(_TITLES, 'th')}</thead><tbody>{body}{line(self._total(), 'th')}</tbody></table>"

    def _total(self) -> tuple[str, ...]:
        return "", "total", "", f"{self.params:,}", f"{self.nbytes:,}"


class ShowsItself:
    """The part of `Model` that describes the tree."""

    __slots__ = ()

    @property
    def num_params(self) -> int:
        """The number of values in all parameters of the tree that are set; those of a shared layer count once.

        Those of other frameworks' models count too, as `Shim.param_size` says.
        """
        return self.summary().params

    def summary(self) -> Summary:
        """The table of the tree: path, name, dimensions, parameters and bytes of each node.

        ``print(model.summary())`` prints text, ``rich.print(model.summary())`` a table.
        """
        seen: set[int] = set()
        rows = tuple(_rows(_as_model(self), (), seen))
        return Summary(rows, sum(row.params for row in rows), sum(row.nbytes for row in rows))

    def to_dot(self) -> str:
        """The tree as a graph in Graphviz's language: layers as numbered edges, references as dashed ones."""
        nodes = list(_as_model(self).walk())
        lines = ["digraph model {", "  node [shape=box];"]
        for node in nodes:
            label = _quoted(_shortened(node.name), _dims(node))
            lines.append(f"  n{node.id} [label={label}];")
        for node in nodes:
            lines += [f'  n{node.id} -> n{layer.id} [label="{i}"];' for i, layer in enumerate(node.layers)]
            for name in node.ref_names:
                if (ref := node.maybe_get_ref(name)) is not None:
                    lines.append(f"  n{node.id} -> n{ref.id} [label={_quoted(name)}, style=dashed];")
        return "\n".join([*lines, "}"]) + "\n"

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def _as_model(model: ShowsItself) -> Model[Any, Any]:
    from ..model import Model

    if not isinstance(model, Model):
        raise TypeError(f"expected a Model, got a {type(model).__name__}")
    return model


def _rows(node: Model[Any, Any], path: tuple[int, ...], seen: set[int]) -> Iterator[Row]:
    if id(node) in seen:
        yield Row(path, node.name, "", 0, 0, True)
        return
    seen.add(id(node))
    arrays = [array for name in node.param_names if (array := node.maybe_get_param(name)) is not None]
    sizes = [(array.size, array.nbytes) for array in arrays]
    for shim in node.shims:
        if id(shim) not in seen:
            seen.add(id(shim))
            sizes.append(shim.param_size())
    yield Row(path, node.name, _dims(node), sum(size for size, _ in sizes), sum(nbytes for _, nbytes in sizes), False)
    for i, layer in enumerate(node.layers):
        yield from _rows(layer, (*path, i), seen)


def _dims(node: Model[Any, Any]) -> str:
    sizes = {name: node.maybe_get_dim(name) for name in node.dim_names}
    return " ".join(f"{name}={'?' if size is None else size}" for name, size in sizes.items())


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _quoted(*lines: str) -> str:
    text = "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines if line)
    return f'"{text}"'


def _left(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    return [cell.ljust(width) for cell, width in zip(cells[:3], widths[:3], strict=True)]


def _right(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    return [cell.rjust(width) for cell, width in zip(cells[3:], widths[3:], strict=True)]
